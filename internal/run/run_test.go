package run

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"zecpower/batcher"
	"zecpower/internal/event"
	"zecpower/internal/members"
	"zecpower/internal/power"
	"zecpower/internal/power/powertest"
	"zecpower/internal/store"
)

// fleet is a configuration: group → ids.
type fleet map[string][]string

func (f fleet) define(group string) (Definition, error) {
	if ids, ok := f[group]; ok {
		return Definition{IDs: func() ([]string, error) { return ids, nil }}, nil
	}
	return Definition{}, fmt.Errorf("there is no group %q", group)
}

// asked is an account that answers each run with a report.
func asked(report func(batcher.Run) power.Report) func(string) (Account, error) {
	return func(string) (Account, error) { return fakeAccount(report), nil }
}

type fakeAccount func(batcher.Run) power.Report

func (a fakeAccount) ListMembers(context.Context, []*members.Group) []members.Listing {
	panic("no group needs a list")
}

func (a fakeAccount) Submit(_ context.Context, r batcher.Run) Submitted { return submitted{a, r} }

type submitted struct {
	account fakeAccount
	run     batcher.Run
}

func (s submitted) Groups() (sizes []event.Group) {
	for _, g := range s.run.Groups {
		sizes = append(sizes, event.Group{Name: g.Name, Total: len(g.IDs)})
	}
	return sizes
}

func (s submitted) Instances() (n int) {
	for _, g := range s.Groups() {
		n += g.Total
	}
	return n
}

func (s submitted) Wait(context.Context) power.Report { return s.account(s.run) }

// words gives each group with its ids, its final ones with their reasons, and its error.
func words(r batcher.Run) string {
	var out []string
	for _, g := range r.Groups {
		text := g.Name + ":" + strings.Join(g.IDs, ",")
		for _, f := range slices.Concat(g.Final, g.Decided) {
			text += " " + f.InstanceID + "=" + string(f.Outcome) + string(f.Reason) + f.By
		}
		if g.Err != nil {
			text += " " + g.Err.Error()
		}
		out = append(out, text)
	}
	return strings.Join(out, "; ")
}

func TestARunIsResolvedOnceAndKeepsItsIDs(t *testing.T) {
	now := fleet{"web": {"i-8", "i-9"}, "db": {"i-3"}, "shared": {"i-7", "i-8"}}
	began := []store.Targets{
		{Group: "web", IDs: []string{"i-1", "i-2"}}, {Group: "late", Err: "no such file"}, {Group: "old", IDs: []string{"i-2", "i-5", "i-6"}},
	}
	progress := store.NewProgress()
	progress.Final["web"], progress.Final["old"] = []power.InstanceResult{powertest.Started("i-1")}, []power.InstanceResult{powertest.Started("i-5")}
	withBeginning := progress
	withBeginning.Groups = began
	for name, tc := range map[string]struct {
		run      Run
		progress store.Progress
		want     string
	}{
		"it begins": {Run{Names: []string{"web", "none", "db"}}, store.Progress{}, `web:i-8,i-9; none: there is no group "none"; db:i-3`},
		"resumed: it keeps its ids": {
			Run{Resumed: true, Names: []string{"web"}}, withBeginning, "web:i-1,i-2 i-1=started",
		},
		"resumed without a recorded beginning": {
			Run{Resumed: true, Names: []string{"web"}}, progress, "web:i-8,i-9 i-1=started",
		},
		"resumed: a group that could not be read is read again": {
			Run{Resumed: true, Names: []string{"late"}}, withBeginning, `late: there is no group "late"`,
		},
		"resumed: its schedule no longer names a group": {
			Run{Resumed: true, Names: []string{"web"}, LeftOut: []string{"old"}},
			withBeginning,
			"web:i-1,i-2 i-1=started; old:i-2,i-5,i-6 i-5=started i-6=failedcancelled",
		},
		"a newer intention wants a group otherwise": {
			Run{Names: []string{"web"}, Superseded: map[string]string{"shared": "night/1"}},
			store.Progress{},
			"web:i-8,i-9; shared:i-7,i-8 i-7=skippedsupersedednight/1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var sent batcher.Run
			m := New(Config{
				Account:  asked(func(r batcher.Run) power.Report { sent = r; return power.Report{} }),
				Progress: func(context.Context, string) (store.Progress, error) { return tc.progress, nil },
			})
			tc.run.Define = now.define
			m.Prepare(t.Context(), tc.run).Make(t.Context())
			if got := words(sent); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
			if plan := m.Plan(t.Context(), tc.run, 100, 10, 10); len(plan.Groups) != len(sent.Groups) {
				t.Errorf("the plan has %d groups, the run %d", len(plan.Groups), len(sent.Groups))
			}
		})
	}
}

func TestUnreadableProgressIsReportedAndTheRunGoesOn(t *testing.T) {
	var reported []string
	m := New(Config{
		Account:  asked(func(r batcher.Run) power.Report { return power.Report{RunID: words(r)} }),
		Progress: func(context.Context, string) (store.Progress, error) { return store.Progress{}, errors.New("damaged") },
		Emit: func(e event.Event) {
			if e, ok := e.(event.ProgressUnread); ok {
				reported = append(reported, e.Run.ID)
			}
		},
	})
	end := m.Prepare(t.Context(), Run{ID: "wake/1", Resumed: true, Names: []string{"web"}, Define: fleet{"web": {"i-1"}}.define}).Make(t.Context())
	if end.Report.RunID != "web:i-1" || !slices.Equal(reported, []string{"wake/1"}) {
		t.Errorf("%q, reported %q", end.Report.RunID, reported)
	}
}

// A run is cut off by a stop alone, and only where that kept an instance from its outcome.
func TestWhatAStopCutOff(t *testing.T) {
	cancelled := powertest.Failed("i-1", power.ReasonCancelled)
	for name, tc := range map[string]struct {
		stopped bool
		result  power.InstanceResult
		leftOut []string
		want    bool
	}{
		"an open instance":                  {true, cancelled, nil, true},
		"all have their outcome":            {true, powertest.Failed("i-1", power.ReasonNotFound), nil, false},
		"of a group that is not wanted":     {true, cancelled, []string{"web"}, false},
		"no stop":                           {false, cancelled, nil, false},
		"an instance that is there already": {true, powertest.Started("i-1"), nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			m := New(Config{Account: asked(func(batcher.Run) power.Report {
				return power.Report{Groups: []power.GroupReport{{Group: "web", Total: 1, Results: []power.InstanceResult{tc.result}}}}
			})})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			wanted := slices.DeleteFunc([]string{"web"}, func(g string) bool { return slices.Contains(tc.leftOut, g) })
			p := m.Prepare(ctx, Run{Names: wanted, LeftOut: tc.leftOut, Define: fleet{"web": {"i-1"}}.define})
			if tc.stopped {
				cancel()
			}
			if got := p.Make(ctx).CutOff; got != tc.want {
				t.Errorf("cut off: %v", got)
			}
		})
	}
}
