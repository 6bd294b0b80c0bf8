package scheduler

import (
	"context"
	"slices"
	"testing"
	"time"

	"zecpower/internal/store"
	"zecpower/scheduler/cron"
)

func TestScheduleAddedByAReloadIsCaughtUpAfterAKill(t *testing.T) {
	story(t, "05 07:00", func(t *testing.T, w *world) {
		added, edited := mustSchedule(t, "added", "45 7 * * *", over("db")), mustSchedule(t, "edited", "50 7 * * *")
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
				want, leftOut := []string{"frontend"}, []string(nil)
				switch had := c.RunID == RunID("queues", at("05 07:00")); { // it had begun
				case had && c.Resumed:
					want, leftOut = nil, []string{"web"}
				case had:
					want = []string{"web"}
				}
				if !slices.Equal(c.Groups, want) || !slices.Equal(c.LeftOut, leftOut) {
					t.Errorf("%s ran with groups %q, without %q, want %q, %q", c.RunID, c.Groups, c.LeftOut, want, leftOut)
				}
			}
			if len(w.calls) < 3 {
				t.Errorf("calls: %+v", w.calls)
			}
		})
	}
}

// An edit of the timing, the zone or the action ends what was claimed before it, over a reload and
// over a restart. What has begun goes on in the same process, and is interrupted by a restart.
func TestAnEditEndsWhatWasClaimedBeforeIt(t *testing.T) {
	stops := func(s *Schedule) { s.Action = "stop" }
	for _, restart := range []bool{false, true} {
		for name, tc := range map[string]struct {
			spec   string
			change func(*Schedule)
		}{
			"action": {"45 7 * * *", stops},
			"timing": {"45 19 * * *", func(*Schedule) {}},
			"zone":   {"45 7 * * *", inZone(t, "Asia/Singapore", "45 7 * * *")},
		} {
			story(t, "05 07:44", func(t *testing.T, w *world) {
				w.runFor = func(Firing) time.Duration { return 10 * time.Minute }
				began, shifted := mustSchedule(t, "began", "45 7 * * *"), mustSchedule(t, "shifted", "45 7 * * *", jitter(40*time.Minute))
				queues := mustSchedule(t, "queues", "45,46 7 * * *", overlap(OverlapQueue))
				w.start(began, shifted, queues)
				w.until("05 07:46:10")
				w.expectAll("05 07:45:00 run began/2026-01-05T07:45:00Z", "05 07:45:00 run queues/2026-01-05T07:45:00Z")
				edited := func(name string) Schedule { return mustSchedule(t, name, tc.spec, tc.change) }
				next := []Schedule{edited("began"), edited("shifted"), edited("queues")}
				if restart {
					w.kill()
					w.start(next...)
					w.expectAll(
						"05 07:46:10 missed began 05 07:45:00 edited x1", "05 07:46:10 missed queues 05 07:45:00 edited x1",
						"05 07:46:10 missed shifted 05 07:45:00 edited x1", "05 07:46:10 missed queues 05 07:46:00 edited x1")
					w.expectKinds(map[string]store.Kind{
						"began/2026-01-05T07:45:00Z": store.KindInterrupted, "queues/2026-01-05T07:45:00Z": store.KindInterrupted,
						"shifted/2026-01-05T07:45:00Z": store.KindMissed, "queues/2026-01-05T07:46:00Z": store.KindMissed,
					})
				} else {
					if err := w.loop.Reload(next); err != nil {
						t.Fatal(err)
					}
					w.expectAll("05 07:46:10 missed shifted 05 07:45:00 edited x1", "05 07:46:10 missed queues 05 07:46:00 edited x1")
				}
				w.pass(time.Hour)
				if n := len(w.calls); n != 2 {
					t.Errorf("%s edited, restart %v: %d runs, want the two that had begun", name, restart, n)
				}
			})
		}
	}
}

// A claim of the first release has no fingerprint: its schedule's watermark shows an edit.
func TestAClaimWithoutAFingerprintIsComparedByTheWatermark(t *testing.T) {
	for _, edited := range []bool{false, true} {
		story(t, "05 07:44", func(t *testing.T, w *world) {
			w.runFor = func(Firing) time.Duration { return 10 * time.Minute }
			s := mustSchedule(t, "s", "45 7 * * *")
			w.start(s)
			w.until("05 07:46")
			w.kill()
			w.store.runs["s/2026-01-05T07:45:00Z"].run.Fingerprint = ""
			if edited {
				s = mustSchedule(t, "s", "45 9 * * *")
			}
			w.start(s)
			w.pass(time.Minute)
			if resumed := len(w.calls) == 2; resumed == edited {
				t.Errorf("edited %v: resumed %v", edited, resumed)
			}
		})
	}
}

// inZone moves a schedule to a zone.
func inZone(t *testing.T, name, spec string) func(*Schedule) {
	zone, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	timetable, err := cron.Parse(spec, zone)
	if err != nil {
		t.Fatal(err)
	}
	return func(s *Schedule) { s.Timetable, s.Zone = timetable, zone }
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

func TestReloadBeforeRun(t *testing.T) {
	story(t, "05 07:44", func(t *testing.T, w *world) {
		loop, err := New(Config{Prepare: w.prepare(0), Store: &session{memoryStore: w.store}, Emit: w.Receive, Clock: w.clock})
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
