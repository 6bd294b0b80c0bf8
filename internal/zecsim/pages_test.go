package zecsim

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"zecpower/apiclient"
)

// readPages asks for every page of a describe, size instances a page, and returns the ids in the
// order in which they came. totalCount must be the same on each.
func (c *caller) readPages(action string, size, total int) (ids []string) {
	c.t.Helper()
	for page := 1; (page-1)*size < total; page++ {
		a := c.call(action, fmt.Sprintf(`{"pageSize":%d,"pageNum":%d}`, size, page))
		a.want(c.t, 200, "")
		if a.Response.TotalCount != total {
			c.t.Errorf("page %d counts %d instances, want %d", page, a.Response.TotalCount, total)
		}
		for _, item := range a.Response.DataSet {
			ids = append(ids, item.InstanceID)
		}
	}
	return ids
}

func distinct(ids []string) []string { return slices.Compact(slices.Sorted(slices.Values(ids))) }

func TestShuffledPagesHoldEachInstanceOnceInAnOrderOfTheSeed(t *testing.T) {
	read := func(seed uint64, action string) (ids []string) {
		o := Options{Instances: 250, Seed: seed, Pages: Pages{Order: OrderShuffled}}
		inBubble(t, o, func(t *testing.T, s *Simulator, c *caller) {
			ids = c.readPages(action, 30, 250)
			if again := c.readPages(action, 30, 250); !slices.Equal(ids, again) {
				t.Error("a second reading has another order")
			}
			if named := c.call(action, idsBody([]string{"i-000001", "i-000002", "i-000003"}, "")); len(named.Response.DataSet) != 3 {
				t.Errorf("reply is %s", named.raw)
			}
		})
		return ids
	}
	for _, action := range []string{"DescribeInstances", "DescribeInstancesStatus"} {
		one, two := read(1, action), read(2, action)
		if len(one) != 250 || len(distinct(one)) != 250 || slices.IsSorted(one) {
			t.Errorf("%s: %d instances, %d distinct, sorted %v", action, len(one), len(distinct(one)), slices.IsSorted(one))
		}
		if slices.Equal(one, two) {
			t.Errorf("%s: two seeds give one order", action)
		}
	}
}

func TestMovingInstancesComeTwiceOrNotAtAll(t *testing.T) {
	read := func(p Pages) (ids []string) {
		inBubble(t, Options{Instances: 1000, Seed: 3, Pages: p}, func(t *testing.T, _ *Simulator, c *caller) {
			ids = c.readPages("DescribeInstances", 100, 1000)
		})
		return ids
	}
	for _, order := range []PageOrder{OrderPosition, OrderShuffled} {
		few, all := read(Pages{Order: order, Moving: 0.05}), read(Pages{Order: order, Moving: 1})
		if n := len(distinct(few)); len(few) != 1000 || n < 900 || n > 995 {
			t.Errorf("%s: %d rows with %d distinct of 1000, where 5 %% move", order, len(few), n)
		}
		// Each page drawn anew misses an instance with 0.9 to the tenth power, 35 %.
		if n := len(distinct(all)); len(all) != 1000 || n < 600 || n > 700 {
			t.Errorf("%s: %d rows with %d distinct of 1000, where all move", order, len(all), n)
		}
		if again := read(Pages{Order: order, Moving: 0.05}); !slices.Equal(few, again) {
			t.Errorf("%s: the same seed and requests give other pages", order)
		}
	}
}

func TestInstancesThatMoveLeaveTheOthersInTheirOrder(t *testing.T) {
	inBubble(t, Options{Instances: 200, Pages: Pages{Moving: 0.1}}, func(t *testing.T, _ *Simulator, c *caller) {
		ids, behind := c.readPages("DescribeInstances", 200, 200), 0
		for i := 1; i < len(ids); i++ {
			if ids[i] < ids[i-1] {
				behind++
			}
		}
		if len(distinct(ids)) != 200 || behind == 0 || behind > 40 {
			t.Errorf("%d distinct of 200, %d of them stand behind a later one", len(distinct(ids)), behind)
		}
	})
}

func TestPagesOfFiltersAreShuffledToo(t *testing.T) {
	o := Options{Instances: 100, Pages: Pages{Order: OrderShuffled}, Overrides: map[int]InstanceSpec{}}
	for i := range 40 {
		o.Overrides[i] = InstanceSpec{ZoneID: "z1"}
	}
	inBubble(t, o, func(t *testing.T, _ *Simulator, c *caller) {
		a := c.call("DescribeInstances", `{"zoneId":"z1","pageSize":100}`)
		got := []string{}
		for _, item := range a.Response.DataSet {
			got = append(got, item.InstanceID)
		}
		if len(got) != 40 || slices.IsSorted(got) || slices.Max(got) != "i-000039" {
			t.Errorf("instances of the zone are %v", got)
		}
	})
}

func TestDescribedIsWhatAnUnfilteredDescribeShows(t *testing.T) {
	o := Options{Instances: 30, Overrides: map[int]InstanceSpec{
		3: {Name: "web", ZoneID: "z9", InstanceType: "z2a.cpu.4", ResourceGroupID: "rg9", Tags: map[string]string{"b": "2", "a": "1"}, State: "RUNNING"},
		4: {State: StateMissing}, 5: {JoinsAfter: time.Hour},
	}}
	withClient(t, o, func(t *testing.T, s *Simulator, c *apiclient.Client) {
		want := map[string]string{}
		for in := range s.Described() {
			want[in.InstanceID] = fmt.Sprint(in.Name, in.ZoneID, in.State, in.InstanceType, in.ResourceGroupID, in.Tags)
		}
		if s.Truth().Requests != 0 {
			t.Errorf("it cost %d requests", s.Truth().Requests)
		}
		got := map[string]string{}
		page, err := c.DescribeInstances(t.Context(), apiclient.InstanceQuery{})
		if err != nil {
			t.Fatal(err)
		}
		for _, in := range page.Instances {
			got[in.InstanceID] = fmt.Sprint(in.Name, in.ZoneID, in.State, in.InstanceType, in.ResourceGroupID, in.Tags)
		}
		if !maps.Equal(got, want) || len(got) != 28 || !strings.Contains(got["i-000003"], "[{a 1} {b 2}]") {
			t.Errorf("described\n%v\nwant\n%v", got, want)
		}
	})
}
