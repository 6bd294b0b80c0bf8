package run

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"zecpower/batcher"
	"zecpower/internal/event"
	"zecpower/internal/power"
	"zecpower/internal/store"
)

// A run over several accounts is divided among them, and its report is one: groups in its order, from
// the first beginning to the last end. A group whose account cannot be used fails alone, and its ids
// go to no other account; also where an earlier process recorded them.
func TestARunOverSeveralAccountsHasOneReport(t *testing.T) {
	at := time.Date(2026, 11, 25, 7, 45, 0, 0, time.UTC)
	var mu sync.Mutex // the accounts work at the same time
	sent := map[string][]string{}
	account := func(name string, start, end time.Duration) Account {
		return fakeAccount(func(r batcher.Run) power.Report {
			report := power.Report{StartedAt: at.Add(start), FirstRequestAt: at.Add(start), FinishedAt: at.Add(end)}
			mu.Lock()
			defer mu.Unlock()
			for _, g := range r.Groups {
				sent[name] = append(sent[name], g.IDs...)
				report.Groups = append(report.Groups, power.GroupReport{Group: g.Name, Total: len(g.IDs), Done: len(g.IDs)})
			}
			return report
		})
	}
	accounts := map[string]Account{"default": account("default", time.Second, time.Minute), "hk": account("hk", 0, time.Second)}
	var started event.RunStarted
	m := New(Config{
		Account: func(name string) (Account, error) {
			if a := accounts[name]; a != nil {
				return a, nil
			}
			return nil, errors.New("its account " + name + " has no credential")
		},
		Emit: func(e event.Event) {
			if e, ok := e.(event.RunStarted); ok {
				started = e
			}
		},
	})
	of := map[string]string{"far": "hk", "lost": "us"}
	end := m.Prepare(context.Background(), Run{
		ID: "wake/1", Action: power.ActionStart, Names: []string{"far", "lost", "web"},
		Define:    fleet{"far": {"i-1"}, "lost": {"i-1", "i-2"}, "web": {"i-1", "i-3"}}.define,
		AccountOf: func(group string) string { return cmp.Or(of[group], power.DefaultAccount) },
	}).Make(context.Background())
	r := end.Report
	if !slices.Equal(sent["hk"], []string{"i-1"}) || !slices.Equal(sent["default"], []string{"i-1", "i-3"}) {
		t.Errorf("sent %v", sent)
	}
	if len(r.Groups) != 3 || r.Groups[0].Group != "far" || r.Groups[1].Err != "its account us has no credential" || r.Groups[2].Done != 2 || r.Result() != power.ResultPartial {
		t.Errorf("%+v", r.Groups)
	}
	if !r.StartedAt.Equal(at) || !r.FinishedAt.Equal(at.Add(time.Minute)) || !r.FirstRequestAt.Equal(at) {
		t.Errorf("from %s to %s, the first request at %s", r.StartedAt, r.FinishedAt, r.FirstRequestAt)
	}
	if started.Accounts["hk"] != 1 || started.Accounts["default"] != 2 || len(started.Groups) != 3 || started.Groups[1].Name != "lost" {
		t.Errorf("started: %+v", started)
	}
}

// A resumed run reports the instances of a group that its schedule no longer names, also where no group
// uses that group's account any more. Those that another group of the run names are powered there.
func TestAGroupWithoutAnAccountThatIsNotWantedIsReportedAllTheSame(t *testing.T) {
	progress := store.NewProgress()
	progress.Groups = []store.Targets{{Group: "web", IDs: []string{"i-1", "i-2"}}, {Group: "old", IDs: []string{"i-2", "i-3"}}}
	for name, gone := range map[string]bool{"its account is not in use": true, "its account is in use": false} {
		t.Run(name, func(t *testing.T) {
			sent := map[string]string{}
			m := New(Config{
				Account: func(name string) (Account, error) {
					if name == power.DefaultAccount && gone {
						return nil, errors.New("not in use")
					}
					return fakeAccount(func(r batcher.Run) power.Report { sent[name] = words(r); return power.Report{} }), nil
				},
				Progress: func(context.Context, string) (store.Progress, error) { return progress, nil },
			})
			accountOf := func(group string) string { return map[string]string{"web": "hk", "old": power.DefaultAccount}[group] }
			m.Prepare(t.Context(), Run{Resumed: true, Names: []string{"web"}, LeftOut: []string{"old"}, AccountOf: accountOf, Define: fleet{}.define}).Make(t.Context())
			if want := "web:i-1,i-2; old:i-2,i-3 i-3=failedcancelled"; len(sent) != 1 || sent["hk"] != want {
				t.Errorf("%q, want %q", sent, want)
			}
		})
	}
}

// A listener that panics at the beginning of a run costs that event, not the run.
func TestAPanicAtTheBeginningOfARunCostsThatEventAlone(t *testing.T) {
	reported := 0
	m := New(Config{
		Account: asked(func(r batcher.Run) power.Report { return power.Report{RunID: r.RunID} }),
		Emit: func(e event.Event) {
			switch e.(type) {
			case event.RunStarted:
				panic("injected")
			case event.InternalError:
				reported++
			}
		},
	})
	end := m.Prepare(t.Context(), Run{ID: "wake/1", Names: []string{"web"}, Define: fleet{"web": {"i-1"}}.define}).Make(t.Context())
	if end.Report.RunID != "wake/1" || reported != 1 {
		t.Errorf("%+v, reported %d times", end.Report, reported)
	}
}
