package scheduler

import (
	"sync/atomic"
	"testing"
	"time"

	"zecpower/internal/power"
	"zecpower/internal/store"
)

func TestResumeDecidesHowAClaimedRunGoesOn(t *testing.T) {
	s := mustSchedule(t, "s", "45 7 * * *")
	f := Firing{Action: s.Action, Fingerprint: s.fingerprint(), Nominal: at("05 07:45"), RunAt: at("05 07:50"), Deadline: at("05 08:20")}
	for _, tc := range []struct {
		story    string
		schedule *Schedule
		now      string
		later    bool
		want     DecisionKind
		reason   MissedReason
	}{
		{"the clock was set back while it ran", &s, "05 07:46", false, DecisionRun, ""},
		{"its deadline allows", &s, "05 08:19", true, DecisionRun, ""},
		{"its catch-up window allows", &s, "05 08:20", false, DecisionCatchUp, ""},
		{"a younger one does its work", &s, "05 08:20", true, DecisionInterrupted, MissedInterrupted},
		{"too late", &s, "05 08:51", false, DecisionInterrupted, MissedInterrupted},
		{"removed", nil, "05 07:51", false, DecisionInterrupted, MissedRemoved},
	} {
		t.Run(tc.story, func(t *testing.T) {
			if got, reason := resume(f, tc.schedule, at(tc.now), tc.later); got != tc.want || reason != tc.reason {
				t.Errorf("got %s %s, want %s %s", got, reason, tc.want, tc.reason)
			}
		})
	}
	waits := f
	waits.Waits = WaitTime
	if got, _ := resume(waits, &s, at("05 07:46"), false); got != DecisionJittered {
		t.Errorf("its run time is still to come: got %s", got)
	}
	queued := f
	queued.Waits = WaitTurn
	noCatchUp := mustSchedule(t, "s", "45 7 * * *", catchUp(0))
	if got, _ := resume(queued, &noCatchUp, at("05 08:19"), true); got != DecisionRun {
		t.Errorf("it waited for its turn, and its deadline allows: got %s", got)
	}
	pausedNow := s
	pausedNow.Paused = true
	if got, reason := resume(f, &pausedNow, at("05 07:51"), false); got != DecisionInterrupted || reason != MissedPaused {
		t.Errorf("paused: got %s %s", got, reason)
	}
}

func TestJitteredRunThatWasDownOverItsTime(t *testing.T) {
	shifted := func(catchUp time.Duration) Schedule {
		return mustSchedule(t, "s", "45 7 * * *", jitter(10*time.Minute), func(s *Schedule) { s.CatchUp = catchUp })
	}
	for _, tc := range []struct {
		story   string
		catchUp time.Duration
		want    string
	}{
		{"it is caught up with all the time of a run", time.Hour, "run s/2026-01-05T07:45:00Z resumed"},
		{"catch-up is off", 0, "missed s 05 07:45:00 catch_up_off x1"},
		{"its window is shorter than its deadline", 5 * time.Minute, "missed s 05 07:45:00 down x1"},
	} {
		t.Run(tc.story, func(t *testing.T) {
			story(t, "05 07:44", func(t *testing.T, w *world) {
				w.runFor = func(Firing) time.Duration { return 0 }
				s := shifted(tc.catchUp)
				w.start(s)
				w.until("05 07:45:10")
				w.kill()
				back := at("05 07:45").Add(s.JitterOffset() + 20*time.Minute)
				w.pass(back.Sub(w.clock.now()))
				w.start(s)
				if want := back.Format("02 15:04:05 ") + tc.want; len(w.log) == 0 || w.log[0] != want {
					t.Errorf("got %q, want %q", w.log, want)
				}
				if len(w.calls) == 1 && !w.calls[0].Deadline.Equal(back.Add(30*time.Minute)) {
					t.Errorf("begun at %s with deadline %s", back, w.calls[0].Deadline)
				}
			})
		})
	}
}

// The store cannot be read at start, and the clock was set back, so that a time comes again which an
// earlier process has claimed. That claim goes on once the store can be read.
func TestAClaimThatIsMetBeforeTheStoreIsReadGoesOn(t *testing.T) {
	story(t, "05 07:59", func(t *testing.T, w *world) {
		s := mustSchedule(t, "s", "0 8 * * *", jitter(40*time.Minute))
		w.start(s)
		w.until("05 08:00:30")
		w.kill()
		w.clock.step(-2 * time.Minute)
		var readable atomic.Bool
		w.store.fault = func(op string) fault {
			if op == "load" && !readable.Load() {
				return lost
			}
			return noFault
		}
		w.start(s)
		w.until("05 08:00:30") // it is met
		readable.Store(true)
		w.pass(s.JitterOffset() + time.Minute)
		if len(w.calls) != 1 || !w.calls[0].Resumed {
			t.Errorf("calls %+v", w.calls)
		}
	})
}

// What the store has is passed on once, when it can be read, and before a run goes on.
func TestTheStateIsPassedOnBeforeARunGoesOn(t *testing.T) {
	story(t, "05 07:44", func(t *testing.T, w *world) {
		s := mustSchedule(t, "s", "45 7 * * *")
		w.runFor = func(Firing) time.Duration { return 10 * time.Minute }
		w.start(s)
		w.until("05 07:45:10")
		w.kill()
		var readable atomic.Bool
		w.store.fault = func(op string) fault {
			if op == "load" && !readable.Load() {
				return lost
			}
			return noFault
		}
		passed := 0
		w.recalled = func(state store.State, _ []ByHand) {
			w.mu.Lock()
			defer w.mu.Unlock()
			passed++
			if len(w.calls) != 1 || len(state.Newest["web"]) != 1 {
				t.Errorf("calls %+v, newest %+v", w.calls, state.Newest)
			}
		}
		w.start(s)
		w.pass(time.Minute)
		readable.Store(true)
		w.pass(time.Minute)
		if passed != 1 || len(w.calls) != 2 || !w.calls[1].Resumed {
			t.Errorf("passed on %d times, calls %+v", passed, w.calls)
		}
	})
}

func TestJitteredRunThatWasAsleepOverItsTimeWithCatchUpOff(t *testing.T) {
	story(t, "05 07:44", func(t *testing.T, w *world) {
		w.start(mustSchedule(t, "s", "45 7 * * *", jitter(10*time.Minute), catchUp(0)))
		w.until("05 07:45:10")
		w.clock.suspend(20 * time.Minute)
		w.pass(DefaultHeartbeat)
		w.expect("05 08:05:15 missed s 05 07:45:00 catch_up_off x1")
	})
}

func TestJitteredRunThatMeetsAResumedOneIsSkipped(t *testing.T) {
	story(t, "05 07:44", func(t *testing.T, w *world) {
		s := mustSchedule(t, "s", "15,45 7 * * *", jitter(30*time.Minute), func(s *Schedule) { s.Deadline = 2 * time.Hour })
		shift := s.JitterOffset()
		w.runFor = func(Firing) time.Duration { return 90 * time.Minute }
		w.clock.step(at("05 07:14").Sub(w.clock.now()))
		w.start(s)
		w.pass(at("05 07:45").Add(shift - time.Second).Sub(w.clock.now())) // the first one runs, the second one waits
		w.kill()
		w.pass(10 * time.Second)
		w.start(s)
		w.pass(time.Minute)
		if n := len(w.calls); n != 2 || !w.calls[1].Resumed || !w.calls[1].Nominal.Equal(at("05 07:15")) {
			t.Errorf("calls %+v", w.calls)
		}
		if waiting := w.loop.Snapshot().Waiting; len(waiting) != 0 {
			t.Errorf("waiting: %+v", waiting)
		}
	})
}

func TestExpiredRunIsCaughtUpWhereTheYoungerOneWasSkippedForIt(t *testing.T) {
	story(t, "05 06:59", func(t *testing.T, w *world) {
		w.runFor = func(Firing) time.Duration { return 80 * time.Minute }
		s := mustSchedule(t, "s", "0 7,8 * * *", catchUp(3*time.Hour), func(s *Schedule) { s.Deadline = 90 * time.Minute })
		w.start(s)
		w.until("05 08:10")
		w.kill()
		w.until("05 08:40")
		w.start(s)
		w.expect("05 07:00:00 run s/2026-01-05T07:00:00Z", "05 08:00:00 skipped s 05 08:00:00 overlap",
			"05 08:40:00 run s/2026-01-05T07:00:00Z resumed")
	})
}

func TestStoreThatLoadsLateBringsNothingTwice(t *testing.T) {
	story(t, "05 07:44", func(t *testing.T, w *world) {
		var unreadable, full atomic.Bool
		unreadable.Store(true)
		w.store.fault = func(op string) fault {
			if op == "load" && unreadable.Load() || op == "finish" && full.Load() {
				return lost
			}
			return noFault
		}
		w.runFor = func(Firing) time.Duration { return 0 }
		shifted := mustSchedule(t, "s", "45 7 * * *", jitter(10*time.Minute), overlap(OverlapAllow))
		prompt := mustSchedule(t, "p", "45 7 * * *")
		full.Store(true)
		w.start(shifted, prompt)
		w.until("05 07:45")
		unreadable.Store(false)
		w.pass(20 * time.Minute)
		full.Store(false)
		w.pass(20 * time.Minute)
		if len(w.calls) != 2 {
			t.Errorf("%d runs, want 2: %+v", len(w.calls), w.calls)
		}
	})
}

func TestKilledInMidRunIsResumed(t *testing.T) {
	story(t, "05 07:40", func(t *testing.T, w *world) {
		w.runFor = func(Firing) time.Duration { return 10 * time.Minute }
		s := mustSchedule(t, "s", "45 7 * * *")
		w.start(s)
		w.until("05 07:50")
		w.kill()
		w.pass(5 * time.Minute)
		w.start(s)
		w.pass(15 * time.Minute)
		w.expect("05 07:45:00 run s/2026-01-05T07:45:00Z",
			"05 07:55:00 run s/2026-01-05T07:45:00Z resumed", "05 08:05:00 finished s/2026-01-05T07:45:00Z ok after 10m0s")
		if a, b := w.calls[0], w.calls[1]; !a.Deadline.Equal(b.Deadline) || !a.Nominal.Equal(b.Nominal) || b.CatchUp {
			t.Errorf("resumed as something else: %+v, was %+v", b, a)
		}
		w.kill()
		w.start(s)
		w.pass(time.Minute)
		w.expect()
	})
}

func TestKilledInMidRunAndTooLate(t *testing.T) {
	story(t, "05 07:40", func(t *testing.T, w *world) {
		w.runFor = func(Firing) time.Duration { return 10 * time.Minute }
		s := mustSchedule(t, "s", "45 7 * * *")
		w.start(s)
		w.until("05 07:50")
		w.kill()
		w.pass(time.Hour)
		w.start(s)
		w.pass(15 * time.Minute)
		w.expect("05 07:45:00 run s/2026-01-05T07:45:00Z", "05 08:50:00 missed s 05 07:45:00 interrupted x1")
	})
}

func TestStoppedInMidRunIsResumed(t *testing.T) {
	story(t, "05 07:40", func(t *testing.T, w *world) {
		w.runFor = func(Firing) time.Duration { return 10 * time.Minute }
		s := mustSchedule(t, "s", "45 7 * * *")
		w.start(s)
		w.until("05 07:50")
		w.stop()
		w.start(s)
		w.pass(15 * time.Minute)
		w.expect("05 07:45:00 run s/2026-01-05T07:45:00Z", "05 07:50:00 suspended s/2026-01-05T07:45:00Z",
			"05 07:50:00 run s/2026-01-05T07:45:00Z resumed", "05 08:00:00 finished s/2026-01-05T07:45:00Z ok after 10m0s")
	})
}

func TestStoppedWhenEverythingWasDoneIsNotResumed(t *testing.T) {
	story(t, "05 07:44", func(t *testing.T, w *world) {
		w.runFor = func(Firing) time.Duration { return 10 * time.Minute }
		w.cut = power.ResultOK
		s := mustSchedule(t, "s", "45 7 * * *")
		w.start(s)
		w.until("05 07:50")
		w.stop()
		w.start(s)
		w.pass(15 * time.Minute)
		w.expect("05 07:45:00 run s/2026-01-05T07:45:00Z", "05 07:50:00 finished s/2026-01-05T07:45:00Z ok after 5m0s")
	})
}
