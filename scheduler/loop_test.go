package scheduler

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"zecpower/internal/power"
	"zecpower/scheduler/calendar"
)

// story runs a test in a synctest bubble, and stops the daemon that is running at its end.
func story(t *testing.T, now string, body func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, now)
		body(t, w)
		if w.cancel != nil {
			w.stop()
		}
	})
}

func TestRunsOnTime(t *testing.T) {
	story(t, "05 07:00", func(t *testing.T, w *world) {
		w.start(mustSchedule(t, "s", "45 7 * * *"))
		if !w.next["s"].Equal(at("05 07:45")) {
			t.Errorf("next run %s", w.next["s"])
		}
		w.until("06 08:00")
		w.expect(
			"05 07:45:00 run s/2026-01-05T07:45:00Z", "05 07:46:00 finished s/2026-01-05T07:45:00Z ok after 1m0s",
			"06 07:45:00 run s/2026-01-06T07:45:00Z", "06 07:46:00 finished s/2026-01-06T07:45:00Z ok after 1m0s")
		if !w.next["s"].Equal(at("07 07:45")) {
			t.Errorf("next run %s", w.next["s"])
		}
	})
}

func TestClaimIsDurableBeforeTheRun(t *testing.T) {
	story(t, "05 07:44", func(t *testing.T, w *world) {
		w.runFor = func(f Firing) time.Duration {
			w.store.mu.Lock()
			defer w.store.mu.Unlock()
			if r := w.store.runs[f.RunID]; r == nil || !r.open() || w.store.watermarks["s"].Through.Before(f.Nominal) {
				t.Errorf("not claimed when it runs: %+v", r)
			}
			return 0
		}
		w.start(mustSchedule(t, "s", "45 7 * * *"))
		w.pass(2 * time.Minute)
		if len(w.calls) != 1 {
			t.Errorf("%d runs", len(w.calls))
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

func TestDownOverANominalTime(t *testing.T) {
	story(t, "05 07:00", func(t *testing.T, w *world) {
		s := mustSchedule(t, "s", "45 7 * * *")
		w.start(s)
		w.pass(time.Minute)
		w.kill()
		w.until("05 08:30")
		w.start(s)
		w.pass(time.Hour)
		w.kill()
		w.until("08 12:00")
		w.start(s)
		w.expect("05 08:30:00 run s/2026-01-05T07:45:00Z", "05 08:31:00 finished s/2026-01-05T07:45:00Z ok after 1m0s",
			"08 12:00:00 missed s 06 07:45:00 down x1", "08 12:00:00 missed s 07 07:45:00 down x1", "08 12:00:00 missed s 08 07:45:00 down x1")
	})
}

func TestNewRenamedAndEditedSchedulesHaveNoPast(t *testing.T) {
	story(t, "05 08:00", func(t *testing.T, w *world) {
		old := mustSchedule(t, "old", "0 9 * * *")
		w.start(old)
		w.pass(time.Minute)
		w.kill()
		w.until("05 09:10")
		w.start(mustSchedule(t, "new", "0 9 * * *")) // renamed while down
		w.pass(time.Minute)
		w.expect()
		if _, ok := w.store.watermarks["old"]; ok {
			t.Error("the watermark of a removed schedule would be its past when it is added again")
		}
		w.kill()
		w.until("05 09:20")
		w.start(mustSchedule(t, "new", "15 9 * * *")) // edited while down
		w.pass(time.Minute)
		w.expect()
		if err := w.loop.Reload([]Schedule{mustSchedule(t, "new", "0,20 9 * * *")}); err != nil { // edited while up
			t.Fatal(err)
		}
		w.pass(time.Minute)
		w.expect()
	})
}

func TestIncludedDateAddedAfterItsTimeDoesNotFire(t *testing.T) {
	story(t, "10 11:00", func(t *testing.T, w *world) { // a Saturday
		weekdays := mustSchedule(t, "s", "45 11 * * MON-FRI")
		w.start(weekdays)
		w.pass(time.Hour)
		makeUp := weekdays
		c, err := calendar.New(calendar.Source{Name: "make-up", Dates: []string{"2026-01-10"}})
		if err != nil {
			t.Fatal(err)
		}
		makeUp.Include = []*calendar.Calendar{c}
		if err := w.loop.Reload([]Schedule{makeUp}); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Minute)
		w.stop()
		w.start(makeUp)
		w.pass(time.Minute)
		w.expect()
	})
}

func TestIncludedDateAddedWhileDownDoesNotFireForWhatWasDecided(t *testing.T) {
	story(t, "10 11:00", func(t *testing.T, w *world) { // a Saturday
		makeUp := mustSchedule(t, "s", "45 11 * * MON-FRI")
		w.start(makeUp)
		w.pass(time.Hour)
		w.stop()
		c, err := calendar.New(calendar.Source{Name: "make-up", Dates: []string{"2026-01-10"}})
		if err != nil {
			t.Fatal(err)
		}
		makeUp.Include = []*calendar.Calendar{c}
		w.start(makeUp)
		w.pass(time.Minute)
		w.expect()
	})
}

func TestScheduleAddedByAReloadIsCaughtUpAfterAKill(t *testing.T) {
	story(t, "05 07:00", func(t *testing.T, w *world) {
		added, edited := mustSchedule(t, "added", "45 7 * * *"), mustSchedule(t, "edited", "50 7 * * *")
		w.start(mustSchedule(t, "edited", "0 9 * * *"))
		w.pass(time.Minute)
		if err := w.loop.Reload([]Schedule{added, edited}); err != nil {
			t.Fatal(err)
		}
		w.kill()
		w.until("05 08:00")
		w.start(added, edited)
		slices.Sort(w.log) // both at once, in no order
		w.expect("05 08:00:00 run added/2026-01-05T07:45:00Z", "05 08:00:00 run edited/2026-01-05T07:50:00Z")
	})
}

func TestQueuedRunWaitsForEveryRunOfItsSchedule(t *testing.T) {
	story(t, "05 06:59", func(t *testing.T, w *world) {
		w.runFor = func(f Firing) time.Duration {
			return map[int]time.Duration{0: 25 * time.Minute, 10: 28 * time.Minute, 20: time.Minute}[f.Nominal.Minute()]
		}
		w.start(mustSchedule(t, "allows", "0,10,20 7 * * *", overlap(OverlapAllow)))
		w.until("05 07:15") // two are going
		if err := w.loop.Reload([]Schedule{mustSchedule(t, "allows", "0,10,20 7 * * *", overlap(OverlapQueue))}); err != nil {
			t.Fatal(err)
		}
		w.until("05 07:38")
		w.expect(
			"05 07:00:00 run allows/2026-01-05T07:00:00Z", "05 07:10:00 run allows/2026-01-05T07:10:00Z",
			"05 07:25:00 finished allows/2026-01-05T07:00:00Z ok after 25m0s", "05 07:38:00 finished allows/2026-01-05T07:10:00Z ok after 28m0s",
			"05 07:38:00 run allows/2026-01-05T07:20:00Z",
		)
	})
}

func TestPauseLiftedWhileDownDoesNotFireForWhatItCovered(t *testing.T) {
	story(t, "05 07:00", func(t *testing.T, w *world) {
		s, held := mustSchedule(t, "s", "45 7 * * *"), mustSchedule(t, "s", "45 7 * * *", paused)
		w.start(held)
		w.stop()
		w.until("05 08:00")
		w.start(s)
		w.until("06 07:46")
		w.expect("06 07:45:00 run s/2026-01-06T07:45:00Z", "06 07:46:00 finished s/2026-01-06T07:45:00Z ok after 1m0s")
		w.stop()
		w.until("07 08:00")
		w.start(held) // paused while it was down: what it covers is reported
		w.expect("07 08:00:00 skipped s 07 07:45:00 paused")
	})
}

func TestPauseLiftedWhileRunningDoesNotFireForWhatItCovered(t *testing.T) {
	story(t, "05 07:00", func(t *testing.T, w *world) {
		w.start(mustSchedule(t, "s", "45 7 * * *", paused))
		w.until("05 08:00")
		if err := w.loop.Reload([]Schedule{mustSchedule(t, "s", "45 7 * * *")}); err != nil {
			t.Fatal(err)
		}
		w.stop()
		w.start(mustSchedule(t, "s", "45 7 * * *"))
		w.until("05 08:10")
		w.expect("05 07:45:00 skipped s 05 07:45:00 paused")
	})
}

func TestTimeThatComesWhileTheDaemonStopsIsForTheNextStart(t *testing.T) {
	story(t, "05 07:40", func(t *testing.T, w *world) {
		release := make(chan struct{})
		busy, due := mustSchedule(t, "busy", "42 7 * * *"), mustSchedule(t, "due", "45 7 * * *")
		w.runFor = func(f Firing) time.Duration {
			if f.Schedule == "busy" {
				<-release // ignores its context
			}
			return 0
		}
		w.start(busy, due)
		w.until("05 07:44")
		w.cancel()
		w.until("05 07:47")
		close(release)
		<-w.gone
		w.start(busy, due)
		w.pass(time.Minute)
		if !slices.ContainsFunc(w.calls, func(c call) bool { return c.Schedule == "due" }) {
			t.Errorf("runs: %+v", w.calls)
		}
	})
}

func TestWatermarkInTheFutureIsCorrectedAtOnce(t *testing.T) {
	story(t, "05 07:00", func(t *testing.T, w *world) {
		s := mustSchedule(t, "s", "0 * * * *")
		w.start(s)
		w.clock.step(48 * time.Hour)
		w.pass(90 * time.Minute) // decides in the future, and records that
		w.kill()
		w.clock.step(-48 * time.Hour)
		w.start(s)
		w.kill()
		w.until("05 09:30") // down over the hour
		w.calls = nil
		w.start(s)
		w.pass(time.Minute)
		if len(w.calls) != 1 || !w.calls[0].Nominal.Equal(at("05 09:00")) {
			t.Errorf("runs: %+v", w.calls)
		}
	})
}

func TestStoreRefusesRunsThatTheProcessDoesNotRemember(t *testing.T) {
	story(t, "05 07:44", func(t *testing.T, w *world) {
		s := mustSchedule(t, "s", "45 7 * * *")
		w.start(s)
		w.until("07 12:00")
		w.kill()
		w.start(s) // loads only the last day
		w.clock.step(-53 * time.Hour)
		w.calls = nil
		w.until("05 12:00")
		if len(w.calls) != 0 {
			t.Errorf("ran again: %+v", w.calls)
		}
	})
}

func TestEachDecisionIsRecordedOnce(t *testing.T) {
	story(t, "05 07:00", func(t *testing.T, w *world) {
		w.start(mustSchedule(t, "s", "*/15 * * * *", paused))
		w.until("05 08:01")
		if len(w.store.other) != 4 {
			t.Errorf("recorded: %+v", w.store.other)
		}
	})
}

func TestOverlap(t *testing.T) {
	for _, tc := range []struct {
		overlap Overlap
		want    []string
	}{
		{OverlapSkip, []string{
			"05 07:00:00 run s/2026-01-05T07:00:00Z", "05 07:15:00 skipped s 05 07:15:00 overlap",
			"05 07:25:00 finished s/2026-01-05T07:00:00Z ok after 25m0s", "05 07:30:00 run s/2026-01-05T07:30:00Z",
		}},
		{OverlapQueue, []string{
			"05 07:00:00 run s/2026-01-05T07:00:00Z",
			"05 07:25:00 finished s/2026-01-05T07:00:00Z ok after 25m0s", "05 07:25:00 run s/2026-01-05T07:15:00Z",
		}},
		{OverlapAllow, []string{
			"05 07:00:00 run s/2026-01-05T07:00:00Z", "05 07:15:00 run s/2026-01-05T07:15:00Z",
			"05 07:25:00 finished s/2026-01-05T07:00:00Z ok after 25m0s", "05 07:30:00 run s/2026-01-05T07:30:00Z",
		}},
	} {
		t.Run(string(tc.overlap), func(t *testing.T) {
			story(t, "05 06:59", func(t *testing.T, w *world) {
				w.runFor = func(Firing) time.Duration { return 25 * time.Minute }
				w.start(mustSchedule(t, "s", "*/15 * * * *", overlap(tc.overlap)))
				w.until("05 07:31")
				w.expect(tc.want...)
				if tc.overlap == OverlapQueue {
					if c := w.calls[1]; !c.Deadline.Equal(at("05 07:55")) {
						t.Errorf("deadline of the queued run %s: it counts from its beginning", c.Deadline)
					}
				}
			})
		})
	}
}

func TestJitteredRunSurvivesAKillBeforeItBegan(t *testing.T) {
	story(t, "05 07:44", func(t *testing.T, w *world) {
		s := mustSchedule(t, "s", "45 7 * * *", jitter(10*time.Minute), catchUp(0))
		runAt := at("05 07:45").Add(s.JitterOffset())
		w.start(s)
		w.until("05 07:45:20")
		w.kill()
		w.start(s)
		w.pass(20 * time.Minute)
		if len(w.calls) != 1 || !w.calls[0].at.Equal(runAt) || !w.calls[0].Nominal.Equal(at("05 07:45")) {
			t.Fatalf("calls %+v, want one at %s", w.calls, runAt)
		}
		if want := runAt.Add(30 * time.Minute); !w.calls[0].Deadline.Equal(want) {
			t.Errorf("deadline %s, want %s", w.calls[0].Deadline, want)
		}
	})
}

func TestClockSetForwardAndBack(t *testing.T) {
	story(t, "05 07:00", func(t *testing.T, w *world) {
		w.start(mustSchedule(t, "s", "45 7 * * *"))
		w.pass(time.Minute)
		w.clock.step(48 * time.Hour)
		w.pass(2 * time.Minute)
		w.expect("07 07:01:15 stepped 48h0m0s", "07 07:01:15 missed s 05 07:45:00 clock_step x1", "07 07:01:15 missed s 06 07:45:00 clock_step x1")
		w.clock.step(-48 * time.Hour)
		w.until("06 08:00")
		w.expect("05 07:03:15 stepped -48h0m0s",
			"05 07:45:00 run s/2026-01-05T07:45:00Z", "05 07:46:00 finished s/2026-01-05T07:45:00Z ok after 1m0s",
			"06 07:45:00 run s/2026-01-06T07:45:00Z", "06 07:46:00 finished s/2026-01-06T07:45:00Z ok after 1m0s")
	})
}

func TestTimeThatPassedWhileTheClockWasAheadIsCaughtUp(t *testing.T) {
	story(t, "05 07:44", func(t *testing.T, w *world) {
		w.start(mustSchedule(t, "s", "45 7 * * *"))
		w.clock.step(40 * time.Hour)
		w.pass(2 * time.Minute)
		w.clock.step(-40 * time.Hour)
		w.pass(2 * time.Minute)
		w.expect("06 23:44:15 stepped 40h0m0s", "06 23:44:15 missed s 05 07:45:00 clock_step x1", "06 23:44:15 missed s 06 07:45:00 clock_step x1",
			"05 07:46:15 stepped -40h0m0s", "05 07:46:15 run s/2026-01-05T07:45:00Z", "05 07:47:15 finished s/2026-01-05T07:45:00Z ok after 1m0s")
	})
}

func TestScheduleAddedWhileTheClockWasAheadHasNoPast(t *testing.T) {
	story(t, "05 07:44", func(t *testing.T, w *world) {
		w.start()
		w.clock.step(40 * time.Hour)
		w.pass(2 * time.Minute)
		if err := w.loop.Reload([]Schedule{mustSchedule(t, "s", "45 7 * * *")}); err != nil {
			t.Fatal(err)
		}
		w.clock.step(-40 * time.Hour)
		w.pass(2 * time.Minute)
		w.expect("06 23:44:15 stepped 40h0m0s", "05 07:46:15 stepped -40h0m0s")
	})
}

func TestClockSetBackLongAfterItWasSetForwardBringsNothingUpAgain(t *testing.T) {
	story(t, "05 07:44", func(t *testing.T, w *world) {
		w.start(mustSchedule(t, "s", "0 * * * *", paused))
		w.clock.step(40 * time.Hour)
		w.until("07 10:00:02")
		w.log = nil
		w.clock.step(-20 * time.Second)
		w.pass(time.Minute)
		w.expect("07 09:59:55 stepped -20s", "07 10:00:00 skipped s 07 10:00:00 paused")
	})
}

func TestClockSetForwardRunsAtTheNewTime(t *testing.T) {
	story(t, "05 07:00", func(t *testing.T, w *world) {
		w.start(mustSchedule(t, "s", "30 10 * * *"))
		w.pass(time.Minute)
		w.clock.step(2 * time.Hour)
		w.until("05 10:31:30")
		w.expect("05 09:01:15 stepped 2h0m0s", "05 10:30:00 run s/2026-01-05T10:30:00Z", "05 10:31:00 finished s/2026-01-05T10:30:00Z ok after 1m0s")
	})
}

func TestClockSetBackDoesNotRunTwice(t *testing.T) {
	story(t, "05 07:44", func(t *testing.T, w *world) {
		s := mustSchedule(t, "s", "45 7 * * *")
		w.start(s)
		w.until("05 07:50")
		w.clock.step(-time.Hour)
		w.until("05 08:00")
		w.expect("05 07:45:00 run s/2026-01-05T07:45:00Z", "05 07:46:00 finished s/2026-01-05T07:45:00Z ok after 1m0s", "05 06:50:15 stepped -1h0m0s")
		w.clock.step(-time.Hour) // and over a restart
		w.kill()
		w.start(s)
		w.until("05 08:00")
		w.expect()
	})
}

func TestSuspendIsCaughtUpWithinAHeartbeat(t *testing.T) {
	story(t, "05 07:00", func(t *testing.T, w *world) {
		w.start(mustSchedule(t, "s", "45 7 * * *"))
		w.pass(time.Minute)
		w.clock.suspend(time.Hour)
		w.pass(DefaultHeartbeat)
		w.expect("05 08:01:15 run s/2026-01-05T07:45:00Z")
		w.clock.suspend(72 * time.Hour)
		w.pass(DefaultHeartbeat)
		w.log = w.log[len(w.log)-3:]
		w.expect("08 08:01:30 missed s 06 07:45:00 superseded x1", "08 08:01:30 missed s 07 07:45:00 superseded x1", "08 08:01:30 skipped s 08 07:45:00 overlap")
	})
}

func TestReloadLeavesRunsAlone(t *testing.T) {
	story(t, "05 07:44", func(t *testing.T, w *world) {
		w.runFor = func(Firing) time.Duration { return 10 * time.Minute }
		gone, stays := mustSchedule(t, "gone", "45 7 * * *"), mustSchedule(t, "stays", "45,50 7 * * *")
		w.start(gone, stays)
		w.until("05 07:46")
		if err := w.loop.Reload([]Schedule{stays, mustSchedule(t, "new", "48 7 * * *")}); err != nil {
			t.Fatal(err)
		}
		if got := len(w.loop.Snapshot().Running); got != 2 {
			t.Errorf("%d runs after the reload, want 2", got)
		}
		if !w.next["gone"].IsZero() {
			t.Error("a removed schedule still has a next run")
		}
		w.until("05 08:00")
		if got := len(w.calls); got != 3 {
			t.Errorf("%d runs, want 3: %+v", got, w.calls)
		}
		bad := stays
		bad.Action = ""
		if err := w.loop.Reload([]Schedule{bad}); err == nil {
			t.Error("a bad schedule was taken")
		}
		if got := w.loop.Snapshot().Schedules; len(got) != 2 || got[0].Schedule != "stays" && got[1].Schedule != "stays" {
			t.Errorf("after a refused reload: %+v", got)
		}
	})
}

func TestRunThatWaitsBeginsWithTheGroupsOfItsTime(t *testing.T) {
	renamed := func(s *Schedule) { s.Groups = []string{"frontend"} }
	shifted, queues := jitter(40*time.Minute), overlap(OverlapQueue)
	for _, restart := range []bool{false, true} {
		story(t, "05 06:59", func(t *testing.T, w *world) {
			w.runFor = func(Firing) time.Duration { return 10 * time.Minute }
			w.start(mustSchedule(t, "shifted", "0 7 * * *", shifted), mustSchedule(t, "queues", "0,5 7 * * *", queues))
			w.until("05 07:05:01")
			next := []Schedule{mustSchedule(t, "shifted", "0 7 * * *", shifted, renamed), mustSchedule(t, "queues", "0,5 7 * * *", queues, renamed)}
			if restart {
				w.kill()
				w.start(next...)
			} else if err := w.loop.Reload(next); err != nil {
				t.Fatal(err)
			}
			w.pass(time.Hour)
			for _, c := range w.calls {
				want := "frontend"
				if c.RunID == RunID("queues", at("05 07:00")) { // it had begun
					want = "web"
				}
				if len(c.Groups) != 1 || c.Groups[0] != want {
					t.Errorf("%s ran with groups %q, want %s", c.RunID, c.Groups, want)
				}
			}
			if len(w.calls) < 3 {
				t.Errorf("calls: %+v", w.calls)
			}
		})
	}
}

func TestRemovedAndPausedSchedulesDropWhatWaits(t *testing.T) {
	story(t, "05 07:44", func(t *testing.T, w *world) {
		a := mustSchedule(t, "a", "45 7 * * *", jitter(10*time.Minute))
		b := mustSchedule(t, "b", "45 7 * * *", jitter(10*time.Minute))
		w.start(a, b)
		w.until("05 07:45:10")
		b.Paused = true
		if err := w.loop.Reload([]Schedule{b}); err != nil {
			t.Fatal(err)
		}
		w.pass(20 * time.Minute)
		w.expect("05 07:45:10 missed a 05 07:45:00 removed x1", "05 07:45:10 skipped b 05 07:45:00 paused")
	})
}

func TestPanicInARunIsReportedAndWedgesNothing(t *testing.T) {
	story(t, "05 07:44", func(t *testing.T, w *world) {
		w.runFor = func(f Firing) time.Duration {
			if f.Nominal.Equal(at("05 07:45")) {
				return -1
			}
			return 0
		}
		w.start(mustSchedule(t, "s", "*/15 * * * *"))
		w.until("05 08:01")
		w.expect("05 07:45:00 run s/2026-01-05T07:45:00Z", "05 07:45:00 finished s/2026-01-05T07:45:00Z failed after 0s",
			"05 08:00:00 run s/2026-01-05T08:00:00Z", "05 08:00:00 finished s/2026-01-05T08:00:00Z ok after 0s")
	})
}

func TestPanicCarriesItsStack(t *testing.T) {
	l := &Loop{cfg: Config{Run: func(context.Context, Firing) RunEnd { panic("boom") }}}
	r := l.call(t.Context(), Firing{}, time.Time{})
	var p *PanicError
	if !errors.As(r.Err, &p) || !strings.Contains(string(p.Stack), "loop_test.go") || !strings.Contains(r.Err.Error(), "boom") {
		t.Errorf("got %v", r.Err)
	}
}

func TestFailingStoreStillPowersOn(t *testing.T) {
	for _, f := range []fault{lost, unreported} {
		story(t, "05 07:44", func(t *testing.T, w *world) {
			var broken atomic.Bool
			broken.Store(true)
			w.store.fault = func(string) fault {
				if broken.Load() {
					return f
				}
				return noFault
			}
			s := mustSchedule(t, "s", "45 7 * * *")
			w.start(s)
			w.until("06 07:50")
			w.clock.step(-time.Hour) // the store fails, and still no run happens twice
			w.until("06 08:00")
			if len(w.calls) != 2 {
				t.Errorf("fault %d: %d runs, want 2", f, len(w.calls))
			}
			failures := 0
			for _, line := range w.log {
				if strings.Contains(line, "store: ") {
					failures++
				}
			}
			if failures == 0 || w.loop.Snapshot().StoreErr == nil {
				t.Errorf("fault %d: no failure was reported", f)
			}
			broken.Store(false)
			w.pass(time.Minute)
			if w.loop.Snapshot().StoreErr != nil {
				t.Errorf("fault %d: still failing: %v", f, w.loop.Snapshot().StoreErr)
			}
			for _, c := range w.calls {
				if r := w.store.runs[c.RunID]; r == nil || r.result != power.ResultOK {
					t.Errorf("fault %d: %s was not recorded once the store worked again: %+v", f, c.RunID, r)
				}
			}
		})
	}
}

func TestUnfinishedRunIsFoundWhenTheStoreWorksAgain(t *testing.T) {
	story(t, "05 07:44", func(t *testing.T, w *world) {
		w.runFor = func(Firing) time.Duration { return 10 * time.Minute }
		s := mustSchedule(t, "s", "45 7 * * *")
		w.start(s)
		w.until("05 07:46")
		w.kill()
		var broken atomic.Bool
		broken.Store(true)
		w.store.fault = func(string) fault {
			if broken.Load() {
				return lost
			}
			return noFault
		}
		w.start(s)
		w.pass(time.Minute)
		broken.Store(false)
		w.pass(time.Minute)
		if len(w.calls) != 2 || !w.calls[1].Resumed {
			t.Errorf("calls: %+v", w.calls)
		}
	})
}

func TestStopJoinsRunsAndStartsNone(t *testing.T) {
	story(t, "05 07:44", func(t *testing.T, w *world) {
		w.runFor = func(Firing) time.Duration { return time.Hour }
		w.start(mustSchedule(t, "s", "45 7 * * *", overlap(OverlapQueue)))
		w.until("05 07:46")
		w.stop()
		if len(w.loop.Snapshot().Running) != 0 {
			t.Error("runs are left")
		}
		if err := w.loop.Run(t.Context()); err == nil {
			t.Error("a loop ran twice")
		}
		if err := w.loop.Reload(nil); !errors.Is(err, ErrStopped) {
			t.Errorf("reload of a stopped loop: %v", err)
		}
		w.cancel = nil
	})
}

func TestLoopNeverSleepsPastTheHeartbeat(t *testing.T) {
	story(t, "05 07:44", func(t *testing.T, w *world) {
		w.start(mustSchedule(t, "s", "0 0 1 1 *"))
		rounds := func() int {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.rounds
		}
		before := rounds()
		w.pass(10 * time.Minute)
		if got := rounds() - before; got != 40 {
			t.Errorf("%d rounds in ten minutes, want 40", got)
		}
	})
}

func TestStuckRunIsCutAMinuteAfterItsDeadline(t *testing.T) {
	story(t, "05 07:44", func(t *testing.T, w *world) {
		w.runFor = func(Firing) time.Duration { return 24 * time.Hour }
		w.start(mustSchedule(t, "s", "45 7 * * *"))
		w.until("05 08:20")
		w.expect("05 07:45:00 run s/2026-01-05T07:45:00Z", "05 08:16:00 finished s/2026-01-05T07:45:00Z partial after 31m0s")
	})
}

func TestManyEndsAtOnceShareARound(t *testing.T) {
	story(t, "05 07:44", func(t *testing.T, w *world) {
		var schedules []Schedule
		for i := range 500 {
			schedules = append(schedules, mustSchedule(t, fmt.Sprint("s", i), "45 7 * * *"))
		}
		loop, err := New(Config{
			Schedules: schedules, Run: w.run(0), Store: &session{memoryStore: w.store}, Observer: events{w}, Clock: w.clock,
			Alive: func() { w.countRound(); time.Sleep(time.Millisecond) }, // a round takes its time
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
		defer cancel()
		if err := loop.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if w.rounds > 30 {
			t.Errorf("%d rounds", w.rounds)
		}
	})
}

func TestReloadBeforeRun(t *testing.T) {
	story(t, "05 07:44", func(t *testing.T, w *world) {
		loop, err := New(Config{Run: w.run(0), Store: &session{memoryStore: w.store}, Observer: events{w}, Clock: w.clock})
		if err != nil {
			t.Fatal(err)
		}
		if err := loop.Reload([]Schedule{mustSchedule(t, "s", "45 7 * * *")}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute+time.Second)
		defer cancel()
		if err := loop.Run(ctx); err != nil {
			t.Fatal(err)
		}
		w.expect("05 07:45:00 run s/2026-01-05T07:45:00Z", "05 07:46:00 finished s/2026-01-05T07:45:00Z ok after 1m0s")
	})
}

func TestConfigIsChecked(t *testing.T) {
	run := func(context.Context, Firing) RunEnd { return RunEnd{} }
	s := mustSchedule(t, "s", "@daily")
	for name, cfg := range map[string]Config{
		"no run function":  {Store: &session{}, Observer: events{}},
		"no store":         {Run: run, Observer: events{}},
		"no observer":      {Run: run, Store: &session{}},
		"negative":         {Run: run, Store: &session{}, Observer: events{}, Heartbeat: -1},
		`"s": named twice`: {Run: run, Store: &session{}, Observer: events{}, Schedules: []Schedule{s, s}},
	} {
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
