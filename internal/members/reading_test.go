package members

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"zecpower/apiclient"
)

// page is a page with the ids that text lists, "a b c".
func page(total int, ids string) apiclient.InstancePage {
	p := apiclient.InstancePage{TotalCount: total}
	for _, id := range strings.Fields(ids) {
		p.Instances = append(p.Instances, apiclient.Instance{InstanceID: id})
	}
	return p
}

func idsOf(rows []apiclient.Instance) string {
	ids := make([]string, len(rows))
	for i, in := range rows {
		ids[i] = in.InstanceID
	}
	return strings.Join(ids, " ")
}

func TestAListIsBelievedWhereItsNumberIsRight(t *testing.T) {
	type pages = []apiclient.InstancePage
	moving := func(first, second string) pages { return pages{page(3, first), page(4, second)} }
	for name, tc := range map[string]struct {
		passes []pages
		want   []string // after each pass: the list, or "again"
	}{
		"an empty account":        {[]pages{{page(0, "")}}, []string{""}},
		"one page":                {[]pages{{page(2, "b a")}}, []string{"a b"}},
		"several pages":           {[]pages{{page(4, "d b"), page(4, "a c")}}, []string{"a b c d"}},
		"a repeat hides one":      {[]pages{{page(4, "a b"), page(4, "b d")}, {page(4, "c a"), page(4, "b d")}}, []string{"again", "a b c d"}},
		"two passes together":     {[]pages{{page(4, "a b"), page(4, "b a")}, {page(4, "c d"), page(4, "d c")}}, []string{"again", "a b c d"}},
		"one left between passes": {[]pages{{page(4, "a b"), page(4, "b d")}, {page(3, "b c"), page(3, "d")}}, []string{"again", "b c d"}},
		"one of an old pass left": {[]pages{{page(4, "a b"), page(4, "b")}, {page(3, "b c"), page(3, "c")}, {page(3, "d c"), page(3, "c")}}, []string{"again", "again", "b c d"}},
		"joined between passes": {
			[]pages{{page(3, "a b")}, {page(4, "a b")}, {page(5, "a c")}, {page(6, "c b")}, {page(7, "d e a f b")}},
			[]string{"again", "again", "again", "again", "again"},
		},
		"joined between, but whole": {
			[]pages{{page(3, "a b")}, {page(4, "a b")}, {page(5, "a c")}, {page(6, "c b")}, {page(7, "d e a f b g")}},
			[]string{"again", "again", "again", "again", "a b c d e f g"},
		},
		"more than are counted": {[]pages{{page(1, "a stray")}, {page(1, "a")}}, []string{"again", "a"}},
		"one joined under way":  {[]pages{{page(3, "a b"), page(4, "c d")}, {page(4, "a b"), page(4, "c d")}}, []string{"again", "a b c d"}},
		"one left under way":    {[]pages{{page(4, "a b"), page(3, "c")}, {page(3, "b c"), page(3, "d")}}, []string{"again", "b c d"}},
		"never still, but whole": {
			[]pages{moving("a b", "b"), moving("a b", "b c"), moving("a b", "c"), moving("b c", "d"), moving("a b", "e")},
			[]string{"again", "again", "again", "again", "a b c d e"},
		},
		"never still, and short": {
			[]pages{moving("a b", "c"), moving("a b", "c"), moving("a b", "c"), moving("a", "b"), moving("b", "a")},
			[]string{"again", "again", "again", "again", "again"},
		},
		"still, and short": {
			[]pages{{page(3, "a b")}, {page(3, "a b")}, {page(3, "a b")}, {page(3, "a b")}, {page(3, "a b")}},
			[]string{"again", "again", "again", "again", "again"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newReading(apiclient.InstanceQuery{})
			for i, pass := range tc.passes {
				if i > 0 && !r.again() {
					t.Fatalf("there is no pass %d", i+1)
				}
				for k, p := range pass {
					if err := r.add(k+1, p); err != nil {
						t.Fatal(err)
					}
				}
				got := "again"
				if rows, whole := r.result(); whole {
					got = idsOf(rows)
				}
				if got != tc.want[i] {
					t.Errorf("after pass %d it is %q, want %q", i+1, got, tc.want[i])
				}
				if got != "again" {
					break
				}
			}
		})
	}
}

func TestTheNewestRowOfAnInstanceCounts(t *testing.T) {
	r := newReading(apiclient.InstanceQuery{})
	for i, state := range []apiclient.State{"STOPPED", "RUNNING"} {
		p := apiclient.InstancePage{TotalCount: 2 - i, Instances: []apiclient.Instance{{InstanceID: "a", State: state}}}
		if err := r.add(1, p); err != nil {
			t.Fatal(err)
		}
		if i == 0 && !r.again() {
			t.Fatal("no second pass")
		}
	}
	if rows, _ := r.result(); len(rows) != 1 || rows[0].State != "RUNNING" {
		t.Errorf("rows are %+v", rows)
	}
}

func TestPagesAreAskedForAsTheCountSays(t *testing.T) {
	full := func(total, n int) apiclient.InstancePage {
		ids := make([]string, n)
		for i := range ids {
			ids[i] = fmt.Sprint(total, "-", i)
		}
		return page(total, strings.Join(ids, " "))
	}
	ask := func(r *reading, answers ...apiclient.InstancePage) (asked []int) {
		for _, a := range append(answers, apiclient.InstancePage{}) {
			q, ok := r.take()
			if !ok {
				return asked
			}
			asked = append(asked, q.PageNum)
			if err := r.add(q.PageNum, a); err != nil {
				t.Fatal(err)
			}
		}
		return append(asked, -1)
	}
	for name, tc := range map[string]struct {
		answers []apiclient.InstancePage
		want    []int
	}{
		"none":                        {[]apiclient.InstancePage{full(0, 0)}, []int{1}},
		"one that is full":            {[]apiclient.InstancePage{full(1000, 1000)}, []int{1}},
		"two":                         {[]apiclient.InstancePage{full(1001, 1000), full(1001, 1)}, []int{1, 2}},
		"more, since some joined":     {[]apiclient.InstancePage{full(1500, 1000), full(2001, 1000), full(2001, 1)}, []int{1, 2, 3}},
		"no fewer, though some left":  {[]apiclient.InstancePage{full(2500, 1000), full(1900, 900), full(1900, 0)}, []int{1, 2, 3}},
		"none behind one that is not": {[]apiclient.InstancePage{full(1_000_000, 1000), full(1_000_000, 0)}, []int{1, 2}},
	} {
		if got := ask(newReading(apiclient.InstanceQuery{}), tc.answers...); !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s: asked for the pages %v, want %v", name, got, tc.want)
		}
	}
	r := newReading(apiclient.InstanceQuery{ZoneID: "z"})
	if q, _ := r.take(); q.ZoneID != "z" || q.PageSize != 1000 || q.PageNum != 1 {
		t.Errorf("the query is %+v", q)
	}
	if err := r.add(1, page(10_000_001, "a")); err == nil || !strings.Contains(err.Error(), "totalCount is 10000001") {
		t.Errorf("a count beyond all bounds: %v", err)
	}
}

func TestTextsOfManyRowsAreKeptOnce(t *testing.T) {
	shared := texts{}
	rows := make([]apiclient.Instance, 2)
	for i := range rows {
		rows[i] = apiclient.Instance{ZoneID: strings.Clone("z1"), State: apiclient.State(strings.Clone("STOPPED")), Tags: apiclient.Tags{{Key: strings.Clone("env"), Value: strings.Clone("prod")}}}
		shared.share(&rows[i])
	}
	if !reflect.DeepEqual(rows[0], rows[1]) || len(shared) != 5 { // and the empty one
		t.Errorf("%d texts are kept for %+v", len(shared), rows)
	}
}
