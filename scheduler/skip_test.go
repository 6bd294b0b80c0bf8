package scheduler

import (
	"slices"
	"testing"
	"time"

	"zecpower/internal/store"
)

// putSkip records that times of a schedule are skipped, and does not pass that to the loop: so far a
// daemon comes that is killed at a bad moment.
func (w *world) putSkip(schedule string, nominals ...string) {
	for _, nominal := range nominals {
		n := at(nominal)
		w.store.skips = append(w.store.skips, store.Skip{ID: RunID(schedule, n), Schedule: schedule, Nominal: n, Actor: "alice", Reason: "INC-7"})
	}
	store.SortSkips(w.store.skips)
}

// setSkips makes the loop go by what is recorded.
func (w *world) setSkips() {
	w.t.Helper()
	if err := w.loop.SetSkips(w.t.Context(), SkipsOf(w.store.skips)); err != nil {
		w.t.Fatal(err)
	}
}

func TestASkippedTimeDoesNotRun(t *testing.T) {
	for name, between := range map[string]func(w *world, s Schedule){
		"at once":      func(*world, Schedule) {},
		"a restart":    func(w *world, s Schedule) { w.stop(); w.start(s) },
		"a kill":       func(w *world, s Schedule) { w.kill(); w.start(s) },
		"down over it": func(w *world, s Schedule) { w.kill(); w.until("05 07:50"); w.start(s) },
		"a reload": func(w *world, s Schedule) {
			s.Groups = []string{"db"}
			if err := w.loop.Reload([]Schedule{s}); err != nil {
				w.t.Fatal(err)
			}
		},
		"a clock set back, and forward over it": func(w *world, _ Schedule) {
			w.clock.step(-time.Hour)
			w.pass(time.Minute)
			w.clock.step(2 * time.Hour)
			w.pass(time.Minute)
			w.clock.step(-time.Hour)
		},
	} {
		t.Run(name, func(t *testing.T) {
			story(t, "05 07:00", func(t *testing.T, w *world) {
				s := mustSchedule(t, "wake", "45 7 * * *")
				w.start(s)
				w.pass(time.Minute)
				w.putSkip("wake", "05 07:45")
				w.setSkips()
				if next := w.next["wake"]; !next.Equal(at("06 07:45")) {
					t.Errorf("the next run is said to be at %s", next)
				}
				between(w, s)
				w.until("05 09:00")
				if len(w.calls) != 0 {
					t.Errorf("it ran: %v", w.log)
				}
				if !slices.ContainsFunc(w.log, func(l string) bool { return l[12:] == "skipped wake 05 07:45:00 skipped" }) {
					t.Errorf("it is not reported: %q", w.log)
				}
				for _, n := range w.store.other {
					if n.Kind == store.KindSkipped && (n.Actor != "alice" || n.Reason != "INC-7" || n.Count != 1) || n.Kind == store.KindMissed {
						t.Errorf("recorded %+v", n)
					}
				}
				w.until("06 08:00")
				if len(w.calls) != 1 {
					t.Errorf("the next day it ran %d times", len(w.calls))
				}
			})
		})
	}
}

func TestASkipThatIsTakenBackInTime(t *testing.T) {
	story(t, "05 07:00", func(t *testing.T, w *world) {
		w.putSkip("wake", "05 07:45", "06 07:45")
		w.start(mustSchedule(t, "wake", "45 7 * * *"))
		w.pass(time.Minute)
		w.store.skips = w.store.skips[1:]
		w.setSkips()
		w.until("06 08:00")
		w.store.skips = nil
		w.setSkips() // too late: the time is over
		w.until("06 09:00")
		w.expect("05 07:45:00 run wake/2026-01-05T07:45:00Z", "05 07:46:00 finished wake/2026-01-05T07:45:00Z ok after 1m0s", "06 07:45:00 skipped wake 06 07:45:00 skipped")
	})
}

// A run that was claimed and waits, for jitter or its predecessor, does not begin once it is skipped,
// also where the daemon is killed before it could record that. One that has begun goes on.
func TestASkipReachesRunsThatWait(t *testing.T) {
	shifted, queues := jitter(40*time.Minute), overlap(OverlapQueue)
	for _, restart := range []bool{false, true} {
		story(t, "05 06:59", func(t *testing.T, w *world) {
			w.runFor = func(Firing) time.Duration { return 10 * time.Minute }
			all := []Schedule{mustSchedule(t, "shifted", "0 7 * * *", shifted), mustSchedule(t, "queues", "0,5 7 * * *", queues)}
			w.start(all...)
			w.until("05 07:05:01")
			w.putSkip("shifted", "05 07:00")
			w.putSkip("queues", "05 07:00", "05 07:05")
			if restart {
				w.kill()
				w.start(all...)
				w.pass(time.Second)
			} else {
				w.setSkips()
			}
			if waits := w.loop.Snapshot().Waiting; len(waits) != 0 {
				t.Errorf("still waiting: %+v", waits)
			}
			for _, c := range []struct {
				schedule, nominal string
				made              bool
			}{{"shifted", "05 07:00", false}, {"queues", "05 07:00", true}, {"queues", "05 07:05", false}} {
				if made := w.loop.Made(c.schedule, at(c.nominal)); made != c.made {
					t.Errorf("%s %s was made: %v, want %v", c.schedule, c.nominal, made, c.made)
				}
			}
			w.pass(time.Hour)
			for _, c := range w.calls {
				if c.RunID != RunID("queues", at("05 07:00")) {
					t.Errorf("%s ran", c.RunID)
				}
			}
			w.expectKinds(map[string]store.Kind{RunID("shifted", at("05 07:00")): store.KindSkipped, RunID("queues", at("05 07:05")): store.KindSkipped})
		})
	}
}

// A stop that is skipped keeps no older start from being made up for.
func TestASkippedTimeIsNoIntention(t *testing.T) {
	story(t, "05 06:30", func(t *testing.T, w *world) {
		all := []Schedule{mustSchedule(t, "morning", "0 7 * * *"), mustSchedule(t, "night", "10 7 * * *", stops)}
		w.start(all...)
		w.pass(time.Minute)
		w.putSkip("night", "05 07:10")
		w.setSkips()
		w.kill()
		w.until("05 07:20")
		w.start(all...)
		w.pass(time.Minute)
		if len(w.calls) != 1 || w.calls[0].Schedule != "morning" {
			t.Errorf("%q", w.log)
		}
	})
}

// While the store fails at the start, skips are not known; they count as soon as it answers.
func TestSkipsAreFoundOnceTheStoreAnswers(t *testing.T) {
	story(t, "05 07:00", func(t *testing.T, w *world) {
		w.putSkip("wake", "05 07:45")
		w.store.fault = func(string) fault { return lost }
		w.start(mustSchedule(t, "wake", "45 7 * * *"))
		w.pass(time.Minute)
		w.store.fault = func(string) fault { return noFault }
		w.until("05 08:00")
		if len(w.calls) != 0 {
			t.Errorf("%q", w.log)
		}
	})
}

// A stretch of times that are not decided one by one is missed, not skipped, where a skipped one begins
// it.
func TestAStretchThatBeginsWithASkippedTimeIsMissed(t *testing.T) {
	s := mustSchedule(t, "often", "@every 1s", catchUp(0))
	through := at("05 07:00")
	first := through.Add((maxListed + 1) * time.Second)
	for name, skips := range map[string][]Skip{"nothing is skipped": nil, "the first is": {{Nominal: first, Actor: "alice"}}} {
		s.Skips = skips
		found := false
		for _, d := range (situation{schedule: &s, through: through, now: through.Add(4 * time.Hour), grace: time.Second, cause: MissedDown}).decide() {
			if d.AtLeast && d.Nominal.Equal(first) {
				found = true
				if d.Kind != DecisionMissed {
					t.Errorf("%s: %s", name, d.Kind)
				}
			}
		}
		if !found {
			t.Errorf("%s: there is no stretch that begins at %s", name, first)
		}
	}
}

// In the repeated hour one instant is skipped; a date that is excluded, or a pause, goes before.
func TestASkipIsOfOneInstant(t *testing.T) {
	s := scheduleOf(t, "night", "*/30 1 * * *", "America/New_York")
	first := time.Date(2026, 11, 1, 5, 30, 0, 0, time.UTC) // 01:30 summer time
	s = s.With(Skips{"night": {{Nominal: first, Actor: "alice", Reason: "x"}}, "other": {{Nominal: first.Add(time.Hour)}}})
	const want = "Sun 11-01 01:00 due\nSun 11-01 01:30 skipped\nSun 11-01 01:00 due\nSun 11-01 01:30 due"
	if got := upcoming(t, s, "2026-11-01T04:00:00Z", "2026-11-01T08:00:00Z"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if o, ok := s.At(first); !ok || o.Skip == nil || o.Skip.Actor != "alice" {
		t.Errorf("%+v, %v", o, ok)
	}
	if _, ok := s.At(first.Add(time.Minute)); ok {
		t.Error("a time that is none")
	}
	before, next := s.Around(first.Add(time.Minute), first.Add(-2*time.Hour))
	if !before.Nominal.Equal(first.Add(-30*time.Minute)) || !next.Nominal.Equal(first.Add(30*time.Minute)) {
		t.Errorf("around it: %s and %s", before.Nominal, next.Nominal)
	}
	if before, _ := s.Around(first, first.Add(-time.Minute)); !before.Nominal.IsZero() {
		t.Errorf("before it: %s", before.Nominal)
	}
	s.Paused = true
	if o, _ := s.At(first); o.Status != StatusPaused || o.Skip != nil {
		t.Errorf("paused: %+v", o)
	}
}
