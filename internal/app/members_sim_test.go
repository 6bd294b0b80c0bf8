package app

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"zecpower/apiclient"
	"zecpower/batcher"
	"zecpower/internal/config"
	"zecpower/internal/event"
	"zecpower/internal/members"
	"zecpower/internal/power"
	"zecpower/internal/run"
	"zecpower/internal/store"
)

var (
	memberSeeds = flag.Int("members.seeds", 300, "how many fleets TestMembersOfRandomFleets plays")
	memberSeed  = flag.Uint64("members.seed", 0, "the one fleet to play; 0: as many as -members.seeds says")
	memberFrom  = flag.Uint64("members.from", 1, "the first seed")
)

// TestMembersOfRandomFleets plays fleets whose instances join, leave and change their tags, names,
// zones and states all the time, also while they are listed, under groups with random selectors,
// exclusions and guards, by runs some of which are killed and resumed. A model of its own says who is
// in, what the guard does, and what the accepted list is:
//   - a run powers the members of its groups, those of them that the guard lets pass, and no other;
//   - what the guard keeps out is all newcomers or none;
//   - a run that is resumed keeps its members, and adds none;
//   - a member of two groups that one of them accepts is powered.
func TestMembersOfRandomFleets(t *testing.T) {
	first, last := *memberFrom, *memberFrom+uint64(*memberSeeds)-1
	if *memberSeed != 0 {
		first, last = *memberSeed, *memberSeed
	}
	seen := map[string]int{}
	for seed := first; seed <= last; seed++ {
		newFleetWorld(t, seed).play(t, seen)
		if t.Failed() {
			t.Fatalf("again: go test ./internal/app -run MembersOfRandomFleets -members.seed=%d", seed)
		}
	}
	for _, what := range []string{"guarded", "refused", "resumed", "moved", "powered", "guarded in one group, powered for another"} {
		if seen[what] == 0 && last > first {
			t.Errorf("no run was %s in %d fleets: %v", what, last-first+1, seen)
		}
	}
	t.Logf("%v", seen)
}

// rules are a group as the model knows it.
type rules struct {
	tags              map[string][]string
	name, zone, rg    string
	selects           bool
	named             []string
	exclTags          map[string][]string
	exclName          string
	exclIDs           []string
	most, start, stop int             // of the guard
	accepted          map[string]bool // who left meanwhile, too: no fleet is played for 30 days
	hasList           bool
	yaml              string
}

type fleetWorld struct {
	rng     *rand.Rand
	cloud   map[string]*apiclient.Instance
	born    int
	joinOr  bool // the API joins several tags of a filter by "or"
	restive int  // in 8: how often a page changes the fleet
	touched map[string]bool
	groups  map[string]*rules
	cfg     *config.Config
	lists   map[string]store.Membership
	sent    batcher.Run
}

func (w *fleetWorld) pick(all ...string) string { return all[w.rng.IntN(len(all))] }

func newFleetWorld(t *testing.T, seed uint64) *fleetWorld {
	w := &fleetWorld{
		rng: rand.New(rand.NewPCG(seed, 12)), cloud: map[string]*apiclient.Instance{}, touched: map[string]bool{},
		groups: map[string]*rules{}, lists: map[string]store.Membership{},
	}
	w.joinOr, w.restive = w.rng.IntN(2) == 0, w.rng.IntN(3)
	for range w.rng.IntN(60) {
		w.join()
	}
	if w.rng.IntN(6) == 0 { // more than a page
		for range 2200 {
			w.join()
		}
	}
	text := "groups:\n"
	for k := range 1 + w.rng.IntN(3) {
		name := fmt.Sprint("g", k)
		w.groups[name] = w.newRules()
		text += "  " + name + ": {" + w.groups[name].yaml + "}\n"
	}
	text += "schedules: {s: {cron: '@daily', action: start, groups: [" + strings.Join(slices.Sorted(maps.Keys(w.groups)), ", ") + "]}}\n"
	file := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var err error
	if w.cfg, err = config.Load(file); err != nil {
		t.Fatalf("%s\n%v", text, err)
	}
	return w
}

func (w *fleetWorld) newRules() *rules {
	r := &rules{most: 1 + w.rng.IntN(80), start: 50, stop: 30, accepted: map[string]bool{}}
	if w.rng.IntN(4) == 0 {
		r.most = 5000
	}
	var lines []string
	for {
		if w.rng.IntN(2) == 0 {
			r.tags = map[string][]string{"env": {w.pick("prod", "test", "pr*", "*")}}
			if w.rng.IntN(2) == 0 {
				r.tags["role"] = []string{w.pick("web", "db"), w.pick("db", "w?b")}
			}
			lines = append(lines, "tags: "+flow(r.tags))
		}
		if w.rng.IntN(3) == 0 {
			r.name = w.pick("web-*", "*-1*", "db-?", "WEB-1")
			lines = append(lines, fmt.Sprintf("name: %q", r.name))
		}
		if w.rng.IntN(4) == 0 {
			r.zone = w.pick("z1", "z2")
			lines = append(lines, "zone: "+r.zone)
		}
		if w.rng.IntN(5) == 0 {
			r.rg = w.pick("rg-a", "rg-b")
			lines = append(lines, "resource_group: "+r.rg)
		}
		if len(lines) > 0 {
			break
		}
	}
	r.selects = true
	r.yaml = fmt.Sprintf("selector: {%s}, max_instances: %d", strings.Join(lines, ", "), r.most)
	if w.rng.IntN(3) == 0 {
		r.named = []string{w.id(), w.id()}
		r.yaml += ", instances: [" + strings.Join(r.named, ", ") + "]"
	}
	var out []string
	if w.rng.IntN(4) == 0 {
		r.exclTags = map[string][]string{"power": {"manual"}}
		out = append(out, "tags: {power: manual}")
	}
	if w.rng.IntN(5) == 0 {
		r.exclName = "*-2*"
		out = append(out, `name: "*-2*"`)
	}
	if w.rng.IntN(4) == 0 {
		r.exclIDs = []string{w.id()}
		out = append(out, "instances: ["+r.exclIDs[0]+"]")
	}
	if len(out) > 0 {
		r.yaml += ", exclude: {" + strings.Join(out, ", ") + "}"
	}
	if w.rng.IntN(2) == 0 {
		r.start = w.rng.IntN(120)
		r.stop = r.start
		r.yaml += fmt.Sprintf(", max_change: %d%%", r.start)
	}
	return r
}

func flow(tags map[string][]string) string {
	var all []string
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		all = append(all, fmt.Sprintf("%s: [%q]", key, strings.Join(tags[key], `", "`)))
	}
	return strings.ReplaceAll("{"+strings.Join(all, ", ")+"}", `\"`, `"`)
}

// id is an instance's, be it there or not.
func (w *fleetWorld) id() string { return fmt.Sprintf("i-%05d", w.rng.IntN(w.born+5)) }

func (w *fleetWorld) join() {
	id := fmt.Sprintf("i-%05d", w.born)
	w.born++
	w.cloud[id] = &apiclient.Instance{InstanceID: id}
	w.change(id)
}

// change draws an instance anew.
func (w *fleetWorld) change(id string) {
	in := &apiclient.Instance{
		InstanceID: id, Name: fmt.Sprintf("%s-%d", w.pick("web", "db"), w.rng.IntN(30)), ZoneID: w.pick("z1", "z2"), ResourceGroupID: w.pick("rg-a", "rg-b"),
		State: apiclient.State(w.pick("STOPPED", "STOPPED", "RUNNING", "BOOTING", "RECYCLE", "RELEASING")),
	}
	for _, tag := range [][]string{{"env", "prod", "test", ""}, {"role", "web", "db"}, {"power", "auto", "manual"}} {
		if w.rng.IntN(4) > 0 {
			in.Tags = append(in.Tags, apiclient.Tag{Key: tag[0], Value: w.pick(tag[1:]...)})
		}
	}
	w.cloud[id], w.touched[id] = in, true
}

// stir changes the fleet a little.
func (w *fleetWorld) stir() {
	switch id := w.id(); {
	case w.rng.IntN(3) == 0:
		w.join()
	case w.cloud[id] != nil && w.rng.IntN(2) == 0:
		delete(w.cloud, id)
		w.touched[id] = true
	case w.cloud[id] != nil:
		w.change(id)
	}
}

// isIn says whether an instance is a member: the ten lines that the code is held against.
func (r *rules) isIn(in *apiclient.Instance) bool {
	tag := func(key string, values []string) bool {
		return slices.ContainsFunc(in.Tags, func(t apiclient.Tag) bool { return t.Key == key && anyGlob(values, t.Value) })
	}
	for key, values := range r.exclTags {
		if tag(key, values) {
			return false
		}
	}
	if slices.Contains(r.exclIDs, in.InstanceID) || r.exclName != "" && glob(r.exclName, in.Name) {
		return false
	}
	if slices.Contains(r.named, in.InstanceID) {
		return true
	}
	for key, values := range r.tags {
		if !tag(key, values) {
			return false
		}
	}
	return (r.name == "" || glob(r.name, in.Name)) && (r.zone == "" || r.zone == in.ZoneID) && (r.rg == "" || r.rg == in.ResourceGroupID) &&
		!slices.Contains([]apiclient.State{"RECYCLE", "RELEASING"}, in.State)
}

func glob(pattern, text string) bool {
	ok, err := path.Match(pattern, text)
	if err != nil {
		panic(err)
	}
	return ok
}

func anyGlob(patterns []string, text string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return glob(p, text) })
}

// DescribeInstances reads a filter in the widest way that its documentation allows.
func (w *fleetWorld) describe(_ context.Context, q apiclient.InstanceQuery) (apiclient.InstancePage, error) {
	if w.rng.IntN(8) < w.restive && w.rng.IntN(3) == 0 {
		w.stir()
	}
	var rows []apiclient.Instance
	for _, in := range w.cloud {
		if w.passes(&q, in) {
			rows = append(rows, *in)
		}
	}
	slices.SortFunc(rows, func(a, b apiclient.Instance) int { return strings.Compare(b.InstanceID, a.InstanceID) })
	from := min((q.PageNum-1)*q.PageSize, len(rows))
	return apiclient.InstancePage{TotalCount: len(rows), Instances: rows[from:min(from+q.PageSize, len(rows))]}, nil
}

func (w *fleetWorld) passes(q *apiclient.InstanceQuery, in *apiclient.Instance) bool {
	has := func(t apiclient.Tag) bool { return slices.Contains(in.Tags, t) }
	tags := len(q.Tags) == 0 || slices.ContainsFunc(q.Tags, has)
	if !w.joinOr {
		tags = !slices.ContainsFunc(q.Tags, func(t apiclient.Tag) bool { return !has(t) })
	}
	return tags && strings.Contains(strings.ToLower(in.Name), strings.ToLower(q.Name)) &&
		(q.ZoneID == "" || q.ZoneID == in.ZoneID) && (q.ResourceGroupID == "" || q.ResourceGroupID == in.ResourceGroupID) &&
		(q.InstanceIDs == nil || slices.Contains(q.InstanceIDs, in.InstanceID))
}

// ListMembers implements run.Account.
func (w *fleetWorld) ListMembers(ctx context.Context, groups []*members.Group) []members.Listing {
	l, err := members.NewLister(w.describe, 1)
	if err != nil {
		panic(err)
	}
	return l.List(ctx, groups)
}

// Submit implements run.Account.
func (w *fleetWorld) Submit(_ context.Context, r batcher.Run) run.Submitted {
	w.sent = r
	return w
}

// Groups implements run.Submitted.
func (w *fleetWorld) Groups() []event.Group { return nil }

// Instances implements run.Submitted.
func (w *fleetWorld) Instances() int { return 0 }

// Wait implements run.Submitted.
func (w *fleetWorld) Wait(context.Context) power.Report { return power.Report{} }

func (w *fleetWorld) maker(progress store.Progress) *run.Maker {
	return run.New(run.Config{
		Account:  func(string) (run.Account, error) { return w, nil },
		Accepted: func(_ context.Context, group string) (store.Membership, error) { return w.lists[group], nil },
		Progress: func(context.Context, string) (store.Progress, error) { return progress, nil },
	})
}

// play makes runs of the groups, one after the other.
func (w *fleetWorld) play(t *testing.T, seen map[string]int) {
	for k := range 1 + w.rng.IntN(8) {
		for range w.rng.IntN(12) {
			w.stir()
		}
		if w.rng.IntN(5) == 0 {
			for range 40 {
				w.stir()
			}
		}
		r := run.Run{
			ID: fmt.Sprint("s/", k), Schedule: "s", Action: power.ActionStart, Names: slices.Sorted(maps.Keys(w.groups)),
			Define: define(w.cfg), AccountOf: w.cfg.AccountOf,
		}
		if w.rng.IntN(3) == 0 {
			r.Action = power.ActionStop
		}
		w.makeRun(t, r, seen)
		if t.Failed() {
			return
		}
	}
}

// makeRun makes one run, which may be killed and resumed.
func (w *fleetWorld) makeRun(t *testing.T, r run.Run, seen map[string]int) {
	clear(w.touched)
	p := w.maker(store.Progress{}).Prepare(t.Context(), r)
	targets := p.Targets()
	end := p.Make(t.Context())
	w.checkMembers(t, seen)
	for w.rng.IntN(4) == 0 && !t.Failed() {
		seen["resumed"]++
		w.stir()
		progress := store.NewProgress()
		progress.Groups = targets
		for _, g := range w.sent.Groups {
			for _, d := range g.Decided {
				if w.rng.IntN(2) == 0 {
					progress.Final[g.Name] = append(progress.Final[g.Name], d)
				}
			}
		}
		before := w.sent
		r.Resumed = true
		clear(w.touched)
		end = w.maker(progress).Prepare(t.Context(), r).Make(t.Context())
		w.checkResumed(t, before)
		w.checkMembers(t, seen)
	}
	for _, a := range end.Accepted {
		a.At = time.Now()
		w.lists[a.Group] = w.lists[a.Group].After(a)
		w.groups[a.Group].accept(a.IDs)
	}
}

func (r *rules) accept(ids []string) {
	for _, id := range ids {
		r.accepted[id] = true
	}
	r.hasList = true
}

// checkResumed holds a resumed run to the members with which it began.
func (w *fleetWorld) checkResumed(t *testing.T, before batcher.Run) {
	for i, g := range w.sent.Groups {
		if was := before.Groups[i]; was.Err == nil && !slices.Equal(g.IDs, was.IDs) {
			t.Errorf("group %s began with %v and goes on with %v", g.Name, was.IDs, g.IDs)
		}
	}
}

// checkMembers holds what was sent against the model.
func (w *fleetWorld) checkMembers(t *testing.T, seen map[string]int) {
	powered := map[string]bool{}
	for _, g := range w.sent.Groups {
		for _, id := range w.accepts(g) {
			powered[id] = true
		}
	}
	for _, g := range w.sent.Groups {
		r := w.groups[g.Name]
		if g.Err != nil {
			w.checkError(t, g, seen)
			continue
		}
		if !w.sent.Resumed {
			w.checkSelection(t, g, seen)
		}
		out := map[string]bool{}
		for _, d := range slices.Concat(g.Decided, g.Final) {
			out[d.InstanceID] = true
			if d.Reason != power.ReasonGuarded {
				t.Errorf("%+v", d)
			}
		}
		guarded := r.guarded(g.IDs, w.sent.Action)
		for _, id := range g.IDs {
			if want := guarded[id] && !powered[id]; want != out[id] {
				t.Errorf("group %s {%s}: %s is kept out: %v, want %v; %d members, list %v", g.Name, r.yaml, id, out[id], want, len(g.IDs), r.accepted)
				return
			}
			if guarded[id] && powered[id] {
				seen["guarded in one group, powered for another"]++
			}
		}
		seen["powered"]++
		if len(guarded) > 0 {
			seen["guarded"]++
		}
	}
}

// accepts are the members of a group that its guard lets pass, as the model has it.
func (w *fleetWorld) accepts(g batcher.Group) (ids []string) {
	if g.Err != nil {
		return nil
	}
	guarded := w.groups[g.Name].guarded(g.IDs, w.sent.Action)
	for _, id := range g.IDs {
		if !guarded[id] {
			ids = append(ids, id)
		}
	}
	return ids
}

// guarded are the members that the guard keeps out.
func (r *rules) guarded(ids []string, action power.Action) map[string]bool {
	change := r.start
	if action == power.ActionStop {
		change = r.stop
	}
	fresh := map[string]bool{}
	for _, id := range ids {
		if !r.accepted[id] && !slices.Contains(r.named, id) {
			fresh[id] = true
		}
	}
	switch {
	case !r.hasList, len(fresh) <= 5 && len(ids) <= r.most, len(fresh)*100 <= change*len(r.accepted) && len(ids) <= r.most:
		return nil
	}
	return fresh
}

// checkError holds a group that failed to having no members, or too many of them without a list.
func (w *fleetWorld) checkError(t *testing.T, g batcher.Group, seen map[string]int) {
	in, r := 0, w.groups[g.Name]
	for _, inst := range w.cloud {
		if r.isIn(inst) {
			in++
		}
	}
	text := g.Err.Error()
	switch {
	case len(w.touched) > 0:
		seen["moved"]++
	case strings.Contains(text, "no instance of account") && in == 0:
	case strings.Contains(text, "max_instances is") && !r.hasList:
		seen["refused"]++
	default:
		t.Errorf("group %s {%s}, %d in: %v", g.Name, r.yaml, in, g.Err)
	}
}

// checkSelection holds the members against the fleet; what changed while it was listed may be in or
// out.
func (w *fleetWorld) checkSelection(t *testing.T, g batcher.Group, seen map[string]int) {
	r := w.groups[g.Name]
	has := map[string]bool{}
	for _, id := range g.IDs {
		has[id] = true
		if _, there := w.cloud[id]; !there && !w.touched[id] && !slices.Contains(r.named, id) {
			t.Errorf("group %s {%s}: %s does not exist", g.Name, r.yaml, id)
		}
	}
	if len(w.touched) > 0 {
		seen["moved"]++
	}
	for id, in := range w.cloud {
		if !w.touched[id] && has[id] != r.isIn(in) {
			t.Errorf("group %s {%s}: %+v is in: %v", g.Name, r.yaml, *in, has[id])
			return
		}
	}
}
