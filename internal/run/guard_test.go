package run

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"zecpower/batcher"
	"zecpower/internal/event"
	"zecpower/internal/power"
	"zecpower/internal/power/powertest"
	"zecpower/internal/store"
)

// ids are i-001 and so on.
func ids(from, to int) (all []string) {
	for n := from; n <= to; n++ {
		all = append(all, fmt.Sprintf("i-%03d", n))
	}
	return all
}

func accepted(ids []string) store.Membership {
	return store.Membership{At: powertest.Morning, IDs: ids}
}

// Members on the list, and those that the configuration names, always pass. Of newcomers all pass or
// none.
func TestAGuardKeepsOutNewcomersAlone(t *testing.T) {
	now := powertest.Morning.Add(time.Hour)
	left := accepted(ids(1, 20))
	left.Left = map[string]time.Time{"i-021": now.AddDate(0, 0, -29), "i-022": now.AddDate(0, 0, -30)}
	for name, c := range map[string]struct {
		guard    Guard
		members  []string
		named    []string
		list     store.Membership
		action   power.Action
		accepted []string
		refused  bool
	}{
		"no list, no bound":                     {Guard{}, ids(1, 900), nil, store.Membership{}, power.ActionStart, ids(1, 900), false},
		"no list, as many as may be":            {Guard{MaxInstances: 20}, ids(1, 20), nil, store.Membership{}, power.ActionStart, ids(1, 20), false},
		"no list, one too many":                 {Guard{MaxInstances: 20}, ids(1, 21), nil, store.Membership{}, power.ActionStart, nil, true},
		"nothing new":                           {Guard{MaxInstances: 20, StartChange: 50}, ids(1, 20), nil, accepted(ids(1, 20)), power.ActionStart, ids(1, 20), false},
		"half is new":                           {Guard{StartChange: 50}, ids(1, 30), nil, accepted(ids(1, 20)), power.ActionStart, ids(1, 30), false},
		"one more than half":                    {Guard{StartChange: 50}, ids(1, 31), nil, accepted(ids(1, 20)), power.ActionStart, ids(1, 20), false},
		"a share is rounded down":               {Guard{StartChange: 50}, ids(1, 32), nil, accepted(ids(1, 21)), power.ActionStart, ids(1, 21), false},
		"a stop lets fewer in":                  {Guard{StartChange: 50, StopChange: 30}, ids(1, 27), nil, accepted(ids(1, 20)), power.ActionStop, ids(1, 20), false},
		"five always pass":                      {Guard{StartChange: 0}, ids(1, 7), nil, accepted(ids(1, 2)), power.ActionStart, ids(1, 7), false},
		"six do not":                            {Guard{StartChange: 0}, ids(1, 8), nil, accepted(ids(1, 2)), power.ActionStart, ids(1, 2), false},
		"newcomers beyond all that may be":      {Guard{MaxInstances: 21, StartChange: 50}, ids(1, 22), nil, accepted(ids(1, 20)), power.ActionStart, ids(1, 20), false},
		"a bound that was lowered":              {Guard{MaxInstances: 10, StartChange: 50}, ids(1, 20), nil, accepted(ids(1, 20)), power.ActionStart, ids(1, 20), false},
		"what is named is never new":            {Guard{StartChange: 0}, ids(1, 40), ids(3, 40), accepted(ids(1, 2)), power.ActionStart, ids(1, 40), false},
		"fewer members":                         {Guard{StartChange: 50}, ids(1, 2), nil, accepted(ids(1, 20)), power.ActionStart, ids(1, 2), false},
		"who left 29 days ago comes back":       {Guard{StartChange: 0}, append(ids(1, 21), ids(23, 27)...), nil, left, power.ActionStart, append(ids(1, 21), ids(23, 27)...), false},
		"who left 30 days ago is a newcomer":    {Guard{StartChange: 0}, ids(22, 27), nil, left, power.ActionStart, nil, false},
		"an instance that stands there twice":   {Guard{MaxInstances: 20}, append(ids(1, 20), "i-001"), nil, store.Membership{}, power.ActionStart, ids(1, 20), false},
		"all are new":                           {Guard{StartChange: 50}, ids(101, 120), nil, accepted(ids(1, 20)), power.ActionStart, nil, false},
		"more than all may be new where so set": {Guard{StartChange: 200}, ids(1, 60), nil, accepted(ids(1, 20)), power.ActionStart, ids(1, 60), false},
	} {
		t.Run(name, func(t *testing.T) {
			got := c.guard.Check(c.members, c.named, c.list, c.action, now)
			if !slices.Equal(got.Accepted, c.accepted) || got.Refused != c.refused || (len(got.Guarded) > 0) != (got.Why != "") {
				t.Errorf("%+v", got)
			}
			members := slices.Compact(slices.Sorted(slices.Values(c.members)))
			if all := slices.Sorted(slices.Values(slices.Concat(got.Accepted, got.Guarded))); !slices.Equal(all, members) {
				t.Errorf("%d accepted and %d guarded of %d members", len(got.Accepted), len(got.Guarded), len(members))
			}
		})
	}
}

// guardedFleet is a configuration whose groups have a guard that lets no more than five newcomers in.
type guardedFleet map[string][]string

func (f guardedFleet) define(group string) (Definition, error) {
	d, err := fleet(f).define(group)
	d.Guard = &Guard{MaxInstances: 100}
	return d, err
}

type guardStory struct {
	run      Run
	lists    map[string]store.Membership
	listErr  error
	progress store.Progress
	want     string // what is sent
	accepts  string // and recorded as accepted
	events   string
}

func TestWhatAGuardMakesOfARun(t *testing.T) {
	now := guardedFleet{"web": ids(1, 10), "db": ids(9, 10), "huge": ids(1, 101)}
	known := map[string]store.Membership{"web": accepted(ids(1, 3)), "db": accepted(ids(9, 10))}
	resumed := store.NewProgress()
	resumed.Groups = []store.Targets{{Group: "web", IDs: ids(1, 10)}}
	resumed.Final["web"] = []power.InstanceResult{powertest.Failed("i-004", power.ReasonGuarded)}
	for name, c := range map[string]guardStory{
		"newcomers beside members": {
			run: Run{ID: "am/1", Names: []string{"web"}}, lists: known,
			want:    "web: 10, of them 7 guarded",
			accepts: "web: i-001 to i-003", events: "web: 10 members, 3 accepted, joined 0, left 0, guarded 7",
		},
		"an instance that another group accepts is powered": {
			run: Run{ID: "am/1", Names: []string{"web", "db"}}, lists: known,
			want:    "web: 10, of them 5 guarded; db: 2",
			accepts: "web: i-001 to i-003; db: i-009 to i-010",
			events:  "web: 10 members, 3 accepted, joined 0, left 0, guarded 7; db: 2 members, 2 accepted, joined 0, left 0, guarded 0",
		},
		"a group without a list that is too large fails alone": {
			run:     Run{ID: "am/1", Names: []string{"huge", "db"}},
			want:    "huge: 0, 101 instances match, max_instances is 100, and no members were accepted before: zecpower groups huge shows them, and with --accept-membership accepts them; db: 2",
			accepts: "db: i-009 to i-010",
			events:  "huge: 101 members, 0 accepted, joined 0, left 0, guarded 101, refused; db: 2 members, 0 accepted, joined 0, left 0, guarded 0",
		},
		"a person accepts": {
			run: Run{ID: "manual/1", Names: []string{"web"}, AcceptedBy: "alice"}, lists: known,
			want: "web: 10", accepts: "web: i-001 to i-010 by alice", events: "web: 10 members, 3 accepted, joined 7, left 0, guarded 0",
		},
		"the store cannot be read": {
			run: Run{ID: "am/1", Names: []string{"web"}}, listErr: errors.New("damaged"),
			want: "web: 10", events: "store; web: 10 members, 0 accepted, joined 0, left 0, guarded 0",
		},
		"a resumed run keeps out whom it kept out, though not all of that was recorded": {
			run: Run{ID: "am/1", Names: []string{"web"}, Resumed: true}, lists: known, progress: resumed,
			want:    "web: 10, of them 6 guarded",
			accepts: "web: i-001 to i-003", events: "web: 10 members, 3 accepted, joined 0, left 0, guarded 7, resumed",
		},
	} {
		t.Run(name, func(t *testing.T) { c.check(t, now) })
	}
}

func (c guardStory) check(t *testing.T, now guardedFleet) {
	var sent batcher.Run
	var events []string
	m := New(Config{
		Account:  asked(func(r batcher.Run) power.Report { sent = r; return power.Report{} }),
		Progress: func(context.Context, string) (store.Progress, error) { return c.progress, nil },
		Accepted: func(_ context.Context, group string) (store.Membership, error) { return c.lists[group], c.listErr },
		Emit: func(e event.Event) {
			switch e := e.(type) {
			case event.Membership:
				events = append(events, memberWords(e))
			case event.StoreFailed:
				events = append(events, "store")
			}
		},
	})
	c.run.Define, c.run.Action = now.define, power.ActionStart
	end := m.Prepare(t.Context(), c.run).Make(t.Context())
	var out, accepts []string
	for _, g := range sent.Groups {
		text := fmt.Sprintf("%s: %d", g.Name, len(g.IDs))
		if len(g.Decided) > 0 {
			text += fmt.Sprintf(", of them %d %s", len(g.Decided), g.Decided[0].Reason)
		}
		if g.Err != nil {
			text += ", " + g.Err.Error()
		}
		out = append(out, text)
	}
	for _, a := range end.Accepted {
		text := fmt.Sprintf("%s: %s to %s", a.Group, a.IDs[0], a.IDs[len(a.IDs)-1])
		if a.By != "" {
			text += " by " + a.By
		}
		accepts = append(accepts, text)
	}
	for what, pair := range map[string][2]string{
		"sent": {strings.Join(out, "; "), c.want}, "accepted": {strings.Join(accepts, "; "), c.accepts}, "events": {strings.Join(events, "; "), c.events},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s\n%s\nwant\n%s", what, pair[0], pair[1])
		}
	}
}

func memberWords(e event.Membership) string {
	text := fmt.Sprintf("%s: %d members, %d accepted, joined %d, left %d, guarded %d", e.Group, e.Members, e.Accepted, len(e.Joined), len(e.Left), len(e.Guarded))
	if e.Refused {
		text += ", refused"
	}
	if e.Resumed {
		text += ", resumed"
	}
	return text
}
