package scheduler

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

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
	for name, prepare := range map[string]func(context.Context, Firing) Prepared{
		"run":         ready(func(context.Context, Firing) RunEnd { panic("boom") }),
		"preparation": func(context.Context, Firing) Prepared { panic("boom") },
	} {
		l := &Loop{cfg: Config{Prepare: prepare, Store: forgetful{}, Clock: SystemClock()}, runs: t.Context()}
		r := l.call(t.Context(), l.prepare(Firing{}), time.Time{})
		var p *PanicError
		if !errors.As(r.Err, &p) || !strings.Contains(string(p.Stack), "runs_test.go") || !strings.Contains(r.Err.Error(), "boom") {
			t.Errorf("%s: got %v", name, r.Err)
		}
	}
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
			Schedules: schedules, Prepare: w.prepare(0), Store: &session{memoryStore: w.store}, Emit: w.Receive, Clock: w.clock,
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
