package members

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"zecpower/apiclient"
	"zecpower/internal/zecsim"
)

var seeds = flag.Uint64("members.seeds", 50, "how many random fleets and selectors are tried")

// wanted is the matcher that the package is held against: it shares no code with it.
func wanted(r Rules, in apiclient.Instance) bool {
	like := func(pattern, text string) bool {
		pattern = strings.NewReplacer(`\*`, `.*`, `\?`, `.`).Replace(regexp.QuoteMeta(pattern))
		return regexp.MustCompile(`(?s)\A` + pattern + `\z`).MatchString(text)
	}
	has := func(key string, values []string) bool {
		return slices.ContainsFunc(values, func(v string) bool {
			return slices.ContainsFunc(in.Tags, func(t apiclient.Tag) bool { return t.Key == key && like(v, t.Value) })
		})
	}
	s, e := r.Selector, r.Exclude
	chosen := len(s.Tags)+len(s.Zones)+len(s.ResourceGroup)+len(s.Name) > 0 && (s.Name == "" || like(s.Name, in.Name)) &&
		(len(s.Zones) == 0 || slices.Contains(s.Zones, in.ZoneID)) && (s.ResourceGroup == "" || s.ResourceGroup == in.ResourceGroupID) &&
		!strings.Contains(" RELEASING RECYCLE RECYCLING RECYCLED CREATE_FAILED REINSTALL_FAILED ", " "+string(in.State)+" ")
	for key, values := range s.Tags {
		chosen = chosen && has(key, values)
	}
	out := slices.Contains(e.Instances, in.InstanceID) || e.Name != "" && like(e.Name, in.Name)
	for key, values := range e.Tags {
		out = out || has(key, values)
	}
	return (chosen || slices.Contains(r.Instances, in.InstanceID)) && !out
}

func pick[T any](rng *rand.Rand, all ...T) T { return all[rng.IntN(len(all))] }

// randomFleet draws an account whose instances are of a few kinds, so that selectors meet some.
func randomFleet(rng *rand.Rand, n int) []zecsim.InstanceSpec {
	fleet := make([]zecsim.InstanceSpec, n)
	for i := range fleet {
		fleet[i] = zecsim.InstanceSpec{
			Name:   pick(rng, "web", "Web", "db", "生产", "w_b%") + pick(rng, "-", "", ".") + fmt.Sprint(rng.IntN(30)) + pick(rng, "", "", "-canary"),
			ZoneID: pick(rng, "z1", "z2", "z3"), ResourceGroupID: pick(rng, "rg-prod", "rg-dev"),
			State: pick[apiclient.State](rng, "STOPPED", "STOPPED", "RUNNING", "RECYCLE", "CREATE_FAILED", "RESIZING", zecsim.StateMissing),
			Tags:  map[string]string{},
		}
		for _, key := range []string{"env", "role", "power"} {
			if rng.IntN(3) > 0 {
				fleet[i].Tags[key] = pick(rng, "prod", "test", "web", "api-1", "manual", "Prod", "")
			}
		}
	}
	return fleet
}

// randomRules draw a group; not every one is sound.
func randomRules(rng *rand.Rand, n int) (r Rules) {
	tags := func() map[string][]string {
		tags := map[string][]string{}
		for range rng.IntN(3) {
			values := []string{pick(rng, "prod", "test", "web", "api-*", "*", "?rod", "manual", "")}
			if rng.IntN(3) == 0 {
				values = append(values, pick(rng, "web", "Prod"))
			}
			tags[pick(rng, "env", "role", "power")] = values
		}
		return tags
	}
	name := func() string {
		return pick(rng, "", "", "", "web*", "*-canary", "w?b-1*", "Web-*", "生产*", "*b-2?", "w_b*", "*.1", "db")
	}
	ids := func() (ids []string) {
		for range rng.IntN(4) {
			ids = append(ids, zecsim.InstanceID(rng.IntN(n+2)))
		}
		return ids
	}
	r.Selector = Selector{Tags: tags(), Name: name(), ResourceGroup: pick(rng, "", "", "rg-prod")}
	for range rng.IntN(3) {
		r.Selector.Zones = append(r.Selector.Zones, pick(rng, "z1", "z2"))
	}
	if rng.IntN(2) == 0 {
		r.Instances = ids()
	}
	if rng.IntN(2) == 0 {
		r.Exclude = Exclude{Instances: ids(), Tags: tags(), Name: name()}
	}
	return r
}

// inBubble runs f against a simulator over in-memory connections and bubble time. The function that
// it passes tries again what may go again.
func inBubble(t *testing.T, o zecsim.Options, f func(t *testing.T, s *zecsim.Simulator, describe Describe)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s, err := zecsim.New(o)
		if err != nil {
			t.Fatal(err)
		}
		dial, shut := s.Pipe()
		defer shut()
		c := client(t, func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) }, "http://127.0.0.1:1")
		defer c.Close()
		f(t, s, func(ctx context.Context, q apiclient.InstanceQuery) (page apiclient.InstancePage, err error) {
			for range 20 {
				if page, err = c.DescribeInstances(ctx, q); err == nil {
					break
				}
			}
			return page, err
		})
	})
}

func client(t *testing.T, dial func(context.Context, string, string) (net.Conn, error), endpoint string) *apiclient.Client {
	t.Helper()
	c, err := apiclient.New(apiclient.Config{
		Endpoint: endpoint, DialContext: dial, Credentials: apiclient.Credentials{AccessKeyID: "demo", AccessKeySecret: apiclient.NewSecret("demo")},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// randomGroups draw some sound groups with their rules.
func randomGroups(rng *rand.Rand, n int) (rules []Rules, groups []*Group) {
	for want := 1 + rng.IntN(6); len(groups) < want; {
		r := randomRules(rng, n)
		if g, err := New(r); err == nil {
			rules, groups = append(rules, r), append(groups, g)
		}
	}
	return rules, groups
}

// Whatever fleet, whatever selectors, whatever the order of pages: what is read by filter, by id or
// from the whole list and then matched, is what there is to match. A list may fail where replies
// leave instances out, or where each page is drawn anew.
func TestFilteredAndSharedListsGiveTheMembersOfTheWholeList(t *testing.T) {
	failed, members := 0, 0
	for seed := range *seeds {
		rng := rand.New(rand.NewPCG(seed, 0))
		o := zecsim.Options{Seed: seed, NullPages: rng.IntN(2) == 0, Pages: zecsim.Pages{Order: pick(rng, zecsim.OrderPosition, zecsim.OrderShuffled)}}
		o.Pages.Moving = pick(rng, 0, 0, 0.01, 1)
		if rng.IntN(4) == 0 {
			o.Faults = []zecsim.Fault{{Kind: zecsim.FaultOmit, Probability: 0.2}, {Kind: zecsim.FaultError5xx, Probability: 0.2}}
		}
		o.Fleet = randomFleet(rng, pick(rng, 1, 20, 300, 300, 2200))
		rules, groups := randomGroups(rng, len(o.Fleet))
		inBubble(t, o, func(t *testing.T, s *zecsim.Simulator, describe Describe) {
			l, err := NewLister(describe, 1+rng.IntN(4))
			if err != nil {
				t.Fatal(err)
			}
			for i, listing := range l.List(t.Context(), groups) {
				if listing.Err != nil {
					failed++
					if len(o.Faults) == 0 && o.Pages.Moving < 1 {
						t.Errorf("seed %d: %v", seed, listing.Err)
					}
					continue
				}
				got, want := groups[i].Members(listing), membersOf(s, rules[i])
				members += len(want)
				if !slices.Equal(got, want) {
					t.Errorf("seed %d: %+v\nhas %v\nwant %v", seed, rules[i], got, want)
				}
				checkDecisions(t, groups[i], listing, got)
			}
		})
	}
	if t.Logf("%d groups could not be listed, the others had %d members", failed, members); members == 0 {
		t.Error("no group had a member")
	}
}

// membersOf are the ids that a group should have: those of the account that are wanted, and those
// named that it does not have, unless they are excluded by id.
func membersOf(s *zecsim.Simulator, r Rules) (ids []string) {
	exists := map[string]bool{}
	for in := range s.Described() {
		exists[in.InstanceID] = true
		if wanted(r, in) {
			ids = append(ids, in.InstanceID)
		}
	}
	for _, id := range r.Instances {
		if !exists[id] && !slices.Contains(r.Exclude.Instances, id) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// checkDecisions holds what is said of each instance against the members.
func checkDecisions(t *testing.T, g *Group, l Listing, members []string) {
	t.Helper()
	for in := range l.Instances() {
		_, member := slices.BinarySearch(members, in.InstanceID)
		if d := g.Decide(in); d.In != member || d.Why == "" || strings.ContainsAny(d.Why, "\n\r") {
			t.Errorf("%+v is a member: %v, but %+v", in, member, d)
		}
	}
}

// Instances join, or leave, while the pages are read: one that was there all the time is never
// missed by a list that is believed.
func TestAFleetThatGrowsOrShrinksUnderWayMissesNoneThatStays(t *testing.T) {
	again := 0
	for seed := range *seeds / 5 {
		rng := rand.New(rand.NewPCG(seed, 1))
		o := zecsim.Options{Seed: seed, Fleet: make([]zecsim.InstanceSpec, 2200), Latency: zecsim.Latency{Fixed: time.Second}}
		o.Pages.Order = pick(rng, zecsim.OrderPosition, zecsim.OrderShuffled)
		grows, busy := rng.IntN(2) == 0, pick(rng, 1, 5, 100)
		for range busy {
			in, at := &o.Fleet[rng.IntN(len(o.Fleet))], time.Duration(1+rng.IntN(10_000))*time.Millisecond
			if in.LeavesAfter = at; grows {
				in.JoinsAfter, in.LeavesAfter = at, 0
			}
		}
		inBubble(t, o, func(t *testing.T, s *zecsim.Simulator, describe Describe) {
			l, err := NewLister(describe, 1+rng.IntN(3))
			if err != nil {
				t.Fatal(err)
			}
			g := group(t, Rules{Selector: Selector{Name: "sim-*"}})
			listing := l.List(t.Context(), []*Group{g})[0]
			if listing.Err != nil {
				t.Errorf("seed %d: %v", seed, listing.Err)
			}
			got := g.Members(listing)
			for in := range s.Instances() {
				stayed := in.Leaves.IsZero() && in.Joins.Equal(s.Started())
				if _, found := slices.BinarySearch(got, in.ID); stayed && !found {
					t.Errorf("seed %d: %s was there all the time, and is missed", seed, in.ID)
				}
			}
			if s.Truth().Requests > 3 {
				again++
			}
		})
	}
	if again == 0 {
		t.Error("no list was read again")
	}
}

// That of 100,000 is listed where memory is measured.
func TestALargeAccountIsListedWithItsPages(t *testing.T) {
	o := zecsim.Options{Instances: 20_000, Latency: zecsim.Latency{Fixed: 50 * time.Millisecond}}
	inBubble(t, o, func(t *testing.T, s *zecsim.Simulator, describe Describe) {
		l, err := NewLister(describe, 8)
		if err != nil {
			t.Fatal(err)
		}
		g := group(t, Rules{Selector: Selector{Name: "sim-*"}})
		if n := len(g.Members(l.List(t.Context(), []*Group{g})[0])); n != 20_000 {
			t.Errorf("%d members", n)
		}
		if n := s.Truth().Requests; n != 20 {
			t.Errorf("%d requests, want 20", n)
		}
	})
}
