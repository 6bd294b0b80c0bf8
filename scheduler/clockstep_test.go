package scheduler

import (
	"testing"
	"time"
)

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
