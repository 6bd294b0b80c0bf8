package scheduler

import (
	"sync/atomic"
	"testing"
	"time"
)

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
