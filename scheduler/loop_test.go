package scheduler

import (
	"errors"
	"slices"
	"testing"
	"time"

	"zecpower/scheduler/calendar"
)

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
