package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"zecpower/internal/power"
	"zecpower/internal/power/powertest"
	"zecpower/internal/store"
)

// step is one write of the story.
type step struct {
	name string
	do   func(ctx context.Context, s store.Store) error
}

// story has every kind of write, as a daemon makes them over a morning.
func story() []step {
	wake, next, queued, gone := runOf("wake", morning), runOf("wake", morning.Add(time.Hour)), runOf("night", morning), runOf("gone", morning)
	queued.Waits = "turn"
	next.Fingerprint, next.Actor = "45 7 * * *", store.ActorSchedule
	begun := queued
	begun.Waits, begun.Planned, begun.Deadline = "", morning.Add(time.Minute), morning.Add(time.Hour)
	missed := noteOf(store.KindMissed, "away", morning)
	missed.Reason = "down"
	later := noteOf(store.KindPaused, "rests", morning.Add(time.Minute))
	byHand := store.Run{
		ID: "manual/2026-11-17T07:50:00Z-0a1b2c", Schedule: store.ManualSchedule, Action: power.ActionStop, Groups: []string{"web"},
		Nominal: morning.Add(5 * time.Minute), Planned: morning.Add(5 * time.Minute), Actor: "alice (uid 1004)",
	}
	evening := runOf("wake", morning.Add(12*time.Hour))
	steps := []step{
		claiming("the first claims", store.Round{
			At: morning, Claims: []store.Run{wake, queued, gone}, Notes: []store.Note{missed, noteOf(store.KindPaused, "rests", morning)},
			Watermarks: []store.Watermark{{Schedule: "wake", Through: morning, Spec: "45 7"}, {Schedule: "old", Through: morning, Spec: "x"}},
		}),
		{"a beginning", func(ctx context.Context, s store.Store) error {
			return begin(ctx, s, store.Beginning{Run: wake, At: morning, Groups: []store.Targets{
				{Group: "web", IDs: []string{"i-1", "i-2", "i-3", "i-1"}}, {Group: "db", Err: "no such file"},
			}})
		}},
		accepting(wake, "request-1", "i-1", "i-2"),
		accepting(wake, "request-2", "i-2"),
		finishing(wake, powertest.Started("i-1"), failed("i-2")),
		claiming("a queued run begins, another never does", store.Round{
			At: morning.Add(time.Minute), Updates: []store.Run{begun}, Notes: []store.Note{later},
			Abandons: []store.Abandonment{{Run: gone, Kind: store.KindMissed, Reason: "removed", At: morning.Add(time.Minute)}},
			Forget:   []string{"old"},
		}),
		ending(wake, endOf(wake, powertest.Started("i-1"), failed("i-2"), powertest.Started("i-3"))),
		claiming("a claim that begins at once", store.Round{
			At: next.Nominal, Claims: []store.Run{next},
			Begins:     []store.Beginning{{Run: next, At: next.Nominal, Groups: []store.Targets{{Group: "web", IDs: []string{"i-1", "i-5"}}}}},
			Watermarks: []store.Watermark{{Schedule: "wake", Through: next.Nominal, Spec: "45 7"}},
		}),
		accepting(next, "request-1", "i-1"),
		ending(next, store.End{At: next.Nominal.Add(time.Minute), Result: power.ResultFailed, Err: "the run panicked: boom"}),
		ending(byHand, endOf(byHand, powertest.Started("i-9"))),
		accepting(begun, "request-1", "i-4"),
		finishing(begun, powertest.Started("i-4")),
		calendars("the dates of calendars", map[string]store.CalendarDates{
			"holidays": {ReadAt: morning, Dates: []string{"2026-12-25"}}, "removed": {ReadAt: morning, Dates: []string{"2026-12-26"}},
		}),
		calendars("a calendar that cannot be read, and one that was removed", map[string]store.CalendarDates{
			"office": {ReadAt: morning, Zones: map[string][]string{"Asia/Singapore": {"2026-12-24..2026-12-31"}}, Endless: true},
		}, "holidays"),
		{"members that a person accepts", func(ctx context.Context, s store.Store) error {
			return s.AcceptMembers(ctx, []store.Acceptance{{Group: "web", IDs: []string{"i-1", "i-4", "i-7"}, At: morning, By: "alice (uid 1004)"}})
		}},
		ending(evening, store.End{
			At: evening.Nominal, Result: power.ResultOK, Accepted: []store.Acceptance{{Group: "web", IDs: []string{"i-5", "i-1", "i-1"}, At: evening.Nominal}},
		}),
		acting("a refused stop", store.Act{ID: "act-1", At: morning.Add(time.Hour), Refused: "no such group"}),
		acting("the same again", store.Act{ID: "act-2", At: morning.Add(2 * time.Hour), Refused: "no such group"}),
		{"a skip", func(ctx context.Context, s store.Store) error {
			return s.PutSkip(ctx, skipOf("away", morning.Add(24*time.Hour)))
		}},
		{"an accepted key", func(ctx context.Context, s store.Store) error { return s.AcceptKey(ctx, "key", morning) }},
	}
	return steps
}

func claiming(name string, r store.Round) step {
	return step{name, func(ctx context.Context, s store.Store) error {
		_, err := s.Claim(ctx, r)
		return err
	}}
}

func accepting(r store.Run, request string, ids ...string) step {
	return step{request + " of " + r.ID, func(ctx context.Context, s store.Store) error {
		return accept(ctx, s, r.ID, request, ids...)
	}}
}

func calendars(name string, read map[string]store.CalendarDates, keep ...string) step {
	return step{name, func(ctx context.Context, s store.Store) error { return s.RecordCalendars(ctx, read, keep) }}
}

func acting(name string, a store.Act) step {
	a.Actor, a.Kind, a.Groups = "alice (uid 1004)", store.ActStop, []string{"web"}
	return step{name, func(ctx context.Context, s store.Store) error { return s.RecordAct(ctx, a) }}
}

func finishing(r store.Run, results ...power.InstanceResult) step {
	return step{"outcomes of " + r.ID, func(ctx context.Context, s store.Store) error { return end(ctx, s, r.ID, results...) }}
}

func ending(r store.Run, e store.End) step {
	return step{"the end of " + r.ID, func(ctx context.Context, s store.Store) error { return s.Finish(ctx, r, e) }}
}

// contents is all that can be read of a store, as text. It leaves out which process is alive.
func contents(t testing.TB, s store.Store) string {
	t.Helper()
	state, err := s.Load(bg, morning.Add(-time.Hour))
	must(t, err)
	at, err := s.KeyAccepted(bg, "key")
	must(t, err)
	dates, err := s.Calendars(bg)
	must(t, err)
	members, err := s.Membership(bg, "web")
	must(t, err)
	all := []any{state, at, dates, members}
	for _, r := range state.Unfinished {
		p, err := s.Progress(bg, r.ID)
		must(t, err)
		all = append(all, p)
	}
	for _, q := range []store.Query{{}, {Instance: "i-1"}, {Instance: "i-2"}, {Instance: "i-4"}, {Schedule: store.ManualSchedule}} {
		entries := history(t, s, q)
		for i := range entries {
			entries[i].Going = false
		}
		all = append(all, entries)
	}
	data, err := json.MarshalIndent(all, "", " ")
	must(t, err)
	return string(data)
}

// unharmed is what the whole story leaves.
func unharmed(t *testing.T, newPlace func(*testing.T, Options) Place) string {
	t.Helper()
	s, _ := open(t, newPlace)
	for _, step := range story() {
		must(t, step.do(bg, s))
	}
	return contents(t, s)
}

// faults are the ways in which a write can fail, for its caller.
func faults() map[string]func(step, store.Store) {
	return map[string]func(step, store.Store){
		"lost":       func(step, store.Store) {},
		"unreported": func(w step, s store.Store) { _ = w.do(bg, s) },
		"slow": func(w step, s store.Store) { // it is repeated while it is under way
			first := make(chan error)
			go func() { first <- w.do(bg, s) }()
			_ = w.do(bg, s)
			<-first
		},
		"cut short": func(w step, s store.Store) {
			ctx, cancel := context.WithCancel(bg)
			cancel()
			_ = w.do(ctx, s)
		},
	}
}

// testFaults lets each write fail in each way, then repeats it, in the same process or the next. The
// store must hold what it holds where nothing failed.
func testFaults(t *testing.T, newPlace func(*testing.T, Options) Place) {
	want := unharmed(t, newPlace)
	for at := range story() {
		for fault, apply := range faults() {
			for _, killed := range []bool{false, true} {
				s, p := open(t, newPlace)
				name := ""
				for i, step := range story() {
					if i == at {
						name = step.name
						apply(step, s)
						if killed {
							s = restart(t, s, p)
						}
					}
					must(t, step.do(bg, s))
				}
				if got := contents(t, s); got != want {
					t.Errorf("%s: %s, killed %v: the store holds\n%s\nwant\n%s", name, fault, killed, got, want)
				}
				must(t, s.Close())
			}
		}
	}
}

// testRestarts restarts after each write: it must be there.
func testRestarts(t *testing.T, newPlace func(*testing.T, Options) Place) {
	s, p := open(t, newPlace)
	for _, step := range story() {
		must(t, step.do(bg, s))
		before := contents(t, s)
		s = restart(t, s, p)
		if after := contents(t, s); after != before {
			t.Errorf("%s: after a restart the store holds\n%s\nbefore it\n%s", step.name, after, before)
		}
	}
}

// testConcurrentClaims claims the same runs from many goroutines: each run goes to one of them.
func testConcurrentClaims(t *testing.T, newPlace func(*testing.T, Options) Place) {
	const claimants, runs = 8, 40
	s, _ := open(t, newPlace)
	won := make(chan string, claimants*runs)
	errs := make(chan error, claimants)
	for range claimants {
		go func() {
			var failed error
			for i := range runs {
				r := runOf("wake", morning.Add(time.Duration(i)*time.Hour))
				held, err := s.Claim(bg, store.Round{Claims: []store.Run{r}})
				if failed = errors.Join(failed, err); err == nil && len(held) == 0 {
					won <- r.ID
				}
			}
			errs <- failed
		}()
	}
	for range claimants {
		must(t, <-errs)
	}
	close(won)
	times := map[string]int{}
	for id := range won {
		times[id]++
	}
	for id, n := range times {
		if n != 1 {
			t.Errorf("%s was claimed by %d", id, n)
		}
	}
	if len(times) != runs {
		t.Errorf("%d of %d runs were claimed", len(times), runs)
	}
}
