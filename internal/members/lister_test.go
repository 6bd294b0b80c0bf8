package members

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"zecpower/apiclient"
)

// account is an API that answers from a list, in its order, and counts what it is asked.
type account struct {
	rows []apiclient.Instance
	took time.Duration // of one request
	err  func(apiclient.InstanceQuery) error

	mu             sync.Mutex
	asked          []apiclient.InstanceQuery
	underWay, peak int
}

func (a *account) describe(ctx context.Context, q apiclient.InstanceQuery) (apiclient.InstancePage, error) {
	a.mu.Lock()
	a.asked = append(a.asked, q)
	a.underWay++
	a.peak = max(a.peak, a.underWay)
	a.mu.Unlock()
	defer func() { a.mu.Lock(); a.underWay--; a.mu.Unlock() }()
	time.Sleep(a.took)
	if a.err != nil && a.err(q) != nil {
		return apiclient.InstancePage{}, a.err(q)
	}
	var matching []apiclient.Instance
	for _, in := range a.rows {
		if passes(q, in) {
			matching = append(matching, in)
		}
	}
	from := min((q.PageNum-1)*q.PageSize, len(matching))
	to := min(from+q.PageSize, len(matching))
	return apiclient.InstancePage{TotalCount: len(matching), Instances: slices.Clone(matching[from:to])}, nil
}

func passes(q apiclient.InstanceQuery, in apiclient.Instance) bool {
	return (q.ZoneID == "" || q.ZoneID == in.ZoneID) && (q.ResourceGroupID == "" || q.ResourceGroupID == in.ResourceGroupID) &&
		strings.Contains(in.Name, q.Name) && (q.InstanceIDs == nil || slices.Contains(q.InstanceIDs, in.InstanceID)) &&
		!slices.ContainsFunc(q.Tags, func(t apiclient.Tag) bool { return !slices.Contains(in.Tags, t) })
}

// team makes n instances of a team, whose ids begin with its name.
func team(name string, n int) (rows []apiclient.Instance) {
	for i := range n {
		rows = append(rows, instance(fmt.Sprintf("i-%s-%06d", name, i), fmt.Sprintf("%s-%d", name, i), "z1", "rg", "team="+name))
	}
	return rows
}

func ofTeam(t *testing.T, name string) *Group {
	return group(t, Rules{Selector: Selector{Tags: map[string][]string{"team": {name}}}})
}

func listAll(t *testing.T, a *account, inFlight int, groups ...*Group) []Listing {
	t.Helper()
	l, err := NewLister(a.describe, inFlight)
	if err != nil {
		t.Fatal(err)
	}
	return l.List(t.Context(), groups)
}

func (l Listing) members(t *testing.T, g *Group) []string {
	t.Helper()
	if l.Err != nil {
		t.Fatal(l.Err)
	}
	return g.Members(l)
}

func TestOneGroupReadsItsOwnPagesAlone(t *testing.T) {
	a := &account{rows: slices.Concat(team("a", 2500), team("b", 30_000))}
	g := ofTeam(t, "a")
	if got := listAll(t, a, 3, g)[0].members(t, g); len(got) != 2500 || len(a.asked) != 3 {
		t.Errorf("%d members with %d requests, want 2500 with 3", len(got), len(a.asked))
	}
}

func TestAThousandGroupsTogetherCostNoMoreThanTheAccountsPages(t *testing.T) {
	a := &account{}
	var groups []*Group
	for i := range 1000 {
		name := fmt.Sprintf("t%04d", i)
		a.rows = append(a.rows, team(name, 20)...)
		groups = append(groups, ofTeam(t, name))
	}
	for i, l := range listAll(t, a, 4, groups...) {
		if got := l.members(t, groups[i]); len(got) != 20 || !strings.HasPrefix(got[0], fmt.Sprintf("i-t%04d-", i)) {
			t.Fatalf("group %d has %v", i, got)
		}
	}
	if len(a.asked) > 20 {
		t.Errorf("%d requests, and the account has 20 pages", len(a.asked))
	}
}

func TestGroupsShareTheListOfTheWidestOfThem(t *testing.T) {
	a := &account{rows: slices.Concat(team("a", 100), team("b", 30_000))}
	groups := []*Group{
		group(t, Rules{Selector: Selector{Tags: map[string][]string{"team": {"a"}}, Name: "a-1*"}}), ofTeam(t, "a"), ofTeam(t, "a"),
		group(t, Rules{Selector: Selector{Tags: map[string][]string{"team": {"a"}}, Zones: []string{"z9"}}}),
	}
	var sizes []int
	for i, l := range listAll(t, a, 4, groups...) {
		sizes = append(sizes, len(l.members(t, groups[i])))
	}
	if fmt.Sprint(sizes) != "[11 100 100 0]" || len(a.asked) != 1 {
		t.Errorf("the groups have %v with %d requests, want [11 100 100 0] with 1", sizes, len(a.asked))
	}
}

func TestTheCheaperOfListsAndAccountIsRead(t *testing.T) {
	whole := slices.Concat(team("a", 1500), team("b", 1500), team("c", 27_000))
	for name, tc := range map[string]struct {
		rows  []apiclient.Instance
		teams string
		want  int
	}{
		"few small lists: theirs, and one that compares": {whole, "a b", 2 + 2 + 1},
		"lists that are nearly all: theirs, and one":     {whole, "b c", 2 + 27 + 1},
		"an account of one page: that":                   {whole[:900], "a b c d e", 1},
		"more lists than can save much: the account":     {slices.Concat(team("a", 10), team("b", 10), team("c", 14_500)), "a b", 15},
		"lists that are the account: theirs, and one":    {slices.Concat(team("a", 10_000), team("b", 10_000)), "a b", 20 + 1},
		"lists that overlap: the account, and two":       {team("a", 20_000), "a a-*", 20 + 2},
	} {
		t.Run(name, func(t *testing.T) {
			a := &account{rows: tc.rows}
			var groups []*Group
			for name := range strings.FieldsSeq(tc.teams) {
				g := ofTeam(t, name)
				if isGlob(name) {
					g = group(t, Rules{Selector: Selector{Name: name}})
				}
				groups = append(groups, g)
			}
			for i, l := range listAll(t, a, 4, groups...) {
				for id := range slices.Values(l.members(t, groups[i])) {
					if !strings.HasPrefix(id, "i-") {
						t.Error(id)
					}
				}
			}
			if len(a.asked) != tc.want {
				t.Errorf("%d requests, want %d", len(a.asked), tc.want)
			}
		})
	}
}

func TestNamedInstancesAreReadWhereTheirRowsDecide(t *testing.T) {
	rows := slices.Concat(team("a", 10), team("manual", 150), team("c", 40_000))
	var named []string
	for _, in := range rows[10:160] {
		named = append(named, in.InstanceID)
	}
	exclude := Exclude{Tags: map[string][]string{"team": {"manual"}}}
	t.Run("by id", func(t *testing.T) {
		a := &account{rows: rows}
		g := group(t, Rules{Selector: Selector{Tags: map[string][]string{"team": {"a"}}}, Instances: append(named, "i-a-000003", "i-unknown"), Exclude: exclude})
		l := listAll(t, a, 4, g)[0]
		if got := l.members(t, g); len(got) != 11 || got[10] != "i-unknown" {
			t.Errorf("members are %v", got)
		}
		read := map[string]int{}
		for in := range l.Instances() {
			read[in.InstanceID]++
		}
		// one page of the account to compare, one list, and 152 ids in two
		if len(a.asked) != 4 || len(read) != 160 || read["i-a-000003"] != 1 {
			t.Errorf("%d requests for %d instances", len(a.asked), len(read))
		}
	})
	t.Run("from the account's list", func(t *testing.T) {
		a := &account{rows: rows[:160]}
		g := group(t, Rules{Instances: named, Exclude: exclude})
		other := group(t, Rules{Selector: Selector{Name: "?-*"}})
		l := listAll(t, a, 4, g, other)
		if got := l[0].members(t, g); len(got) != 0 || len(a.asked) != 1 {
			t.Errorf("members are %v, with %d requests", got, len(a.asked))
		}
	})
	t.Run("not where an id alone decides", func(t *testing.T) {
		a := &account{rows: rows}
		g := group(t, Rules{Instances: named, Exclude: Exclude{Instances: named[1:]}})
		if got := listAll(t, a, 4, g)[0].members(t, g); len(got) != 1 || len(a.asked) != 0 {
			t.Errorf("members are %v, with %d requests", got, len(a.asked))
		}
	})
}

func TestNamedInstancesAreReadWhereTheyAreToBeShown(t *testing.T) {
	a := &account{rows: slices.Concat(team("a", 10), team("b", 40_000))}
	groups := []*Group{
		group(t, Rules{Instances: []string{"i-b-000001", "i-gone", "i-a-000001", "i-away"}}),
		group(t, Rules{Selector: Selector{Tags: map[string][]string{"team": {"a"}}}, Instances: []string{"i-b-000001", "i-a-000001"}}),
	}
	l, err := NewLister(a.describe, 2)
	if err != nil {
		t.Fatal(err)
	}
	got := l.ListWithNamed(t.Context(), groups)
	var read [2][]string
	for i := range groups {
		for in := range got[i].Instances() {
			read[i] = append(read[i], in.InstanceID)
		}
	}
	if fmt.Sprint(read[0]) != "[i-a-000001 i-b-000001]" || len(read[1]) != 11 || read[1][10] != "i-b-000001" || len(a.asked) != 3 {
		t.Errorf("read %v with %d requests", read, len(a.asked))
	}
	if got := fmt.Sprint(groups[0].Unknown(got[0]), groups[1].Unknown(got[1])); got != "[i-away i-gone] []" {
		t.Errorf("unknown are %s", got)
	}
	if n := len(got[0].members(t, groups[0])); n != 4 {
		t.Errorf("%d members, and the named ones that the API does not know are the run's to report", n)
	}
}

func TestAGroupWhoseListFailsFailsAlone(t *testing.T) {
	refused := &apiclient.Error{Action: "DescribeInstances", Class: apiclient.ClassThrottled}
	a := &account{rows: slices.Concat(team("a", 1500), team("b", 1500), team("c", 60_000))}
	a.err = func(q apiclient.InstanceQuery) error {
		if len(q.Tags) > 0 && q.Tags[0].Value == "a" && q.PageNum == 2 {
			return refused
		}
		return nil
	}
	groups := []*Group{ofTeam(t, "a"), ofTeam(t, "b")}
	got := listAll(t, a, 2, groups...)
	if err := got[0].Err; !errors.Is(err, refused) || apiclient.ClassOf(err) != apiclient.ClassThrottled || !strings.Contains(err.Error(), "listing instances: page 2: ") {
		t.Errorf("the error is %v", err)
	}
	for in := range got[0].Instances() {
		t.Fatalf("a list that failed has %s", in.InstanceID)
	}
	if n := len(got[1].members(t, groups[1])); n != 1500 {
		t.Errorf("the other group has %d members", n)
	}
	a.err = func(apiclient.InstanceQuery) error { return refused }
	a.asked = nil
	for _, l := range listAll(t, a, 2, groups...) {
		if !errors.Is(l.Err, refused) {
			t.Errorf("the error is %v", l.Err)
		}
	}
	if len(a.asked) != 1 {
		t.Errorf("%d requests to an API that refuses all", len(a.asked))
	}
}

func TestAListThatNeverComesWholeIsAnError(t *testing.T) {
	a := &account{rows: append(team("a", 1500), team("a", 1)...)} // one is there twice, so the count is never right
	g := ofTeam(t, "a")
	l := listAll(t, a, 2, g)[0]
	want := "listing instances: 5 passes met 1500 instances where the API counts 1501: its pages repeat some and skip others, so the list is not used; " +
		"try again, or narrow the selector to one zone, resource group or tag, so that it has fewer pages"
	if l.Err == nil || l.Err.Error() != want || len(a.asked) != 10 {
		t.Errorf("%d requests, and the error is %v", len(a.asked), l.Err)
	}
}

func TestPagesAreAskedForAtOnceAsManyAsMayBe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &account{rows: team("a", 33_000), took: time.Second}
		g := ofTeam(t, "a")
		began := time.Now()
		if n := len(listAll(t, a, 4, g)[0].members(t, g)); n != 33_000 {
			t.Errorf("%d members", n)
		}
		if took := time.Since(began); took != 9*time.Second || a.peak != 4 || len(a.asked) != 33 {
			t.Errorf("%d pages took %s with at most %d at once, want 33 in 1 s and 8 s with 4", len(a.asked), took, a.peak)
		}
		few := &account{rows: slices.Concat(team("a", 10), team("b", 10), team("c", 40_000)), took: time.Second}
		listAll(t, few, 4, ofTeam(t, "a"), ofTeam(t, "b"))
		if few.peak != 2 || len(few.asked) != 3 {
			t.Errorf("two small lists were asked for with %d requests, %d at once", len(few.asked), few.peak)
		}
	})
}

func TestTheCallersContextReachesEachRequest(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	l, err := NewLister(func(ctx context.Context, _ apiclient.InstanceQuery) (apiclient.InstancePage, error) {
		return apiclient.InstancePage{}, ctx.Err()
	}, 1)
	if err != nil {
		t.Fatal(err)
	}
	if got := l.List(ctx, []*Group{ofTeam(t, "a")})[0].Err; !errors.Is(got, context.Canceled) {
		t.Errorf("the error is %v", got)
	}
}

func TestAListerNeedsAFunctionAndRoomForARequest(t *testing.T) {
	if _, err := NewLister(nil, 1); err == nil {
		t.Error("a lister without a function was made")
	}
	if _, err := NewLister(new(account).describe, 0); err == nil {
		t.Error("a lister that may ask for nothing was made")
	}
}
