package scheduler

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"zecpower/internal/event"
	"zecpower/internal/power"
	"zecpower/internal/store"
)

// startWith starts a daemon whose runs prepare makes.
func (w *world) startWith(prepare func(context.Context, Firing) Prepared, schedules ...Schedule) {
	w.t.Helper()
	w.custom = prepare
	w.start(schedules...)
}

// begun are the groups that the store has of a run's beginning.
func (w *world) begun(id string) []store.Targets {
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	if r := w.store.runs[id]; r != nil {
		return r.begun
	}
	return nil
}

func TestClaimAndBeginningAreOneWriteBeforeTheRun(t *testing.T) {
	story(t, "05 07:44", func(t *testing.T, w *world) {
		writes := 0
		w.store.fault = func(op string) fault {
			if op == "decide" {
				writes++
			}
			return noFault
		}
		var atBegin []store.Targets
		wrote := 0
		w.startWith(ready(func(_ context.Context, f Firing) RunEnd {
			atBegin, wrote = w.begun(f.RunID), writes
			return RunEnd{Result: power.ResultOK}
		}), mustSchedule(t, "s", "45 7 * * *"))
		before := writes
		w.until("05 07:45:01")
		if wrote-before != 1 || len(atBegin) != 1 || atBegin[0].Group != "web" {
			t.Errorf("%d writes before the run, which found %+v", wrote-before, atBegin)
		}
	})
}

// Its disk hangs: the other runs of the round begin, and it begins once it is ready.
func TestARunThatIsNotReadyHoldsUpNoOther(t *testing.T) {
	for name, failing := range map[string]bool{"the store works": false, "the store fails": true} {
		t.Run(name, func(t *testing.T) {
			story(t, "05 07:44", func(t *testing.T, w *world) {
				hang := make(chan struct{})
				w.startWith(func(ctx context.Context, f Firing) Prepared {
					if f.Schedule == "slow" {
						<-hang
					}
					return w.prepare(1)(ctx, f)
				}, mustSchedule(t, "slow", "45 7 * * *"), mustSchedule(t, "well", "45 7 * * *"))
				w.until("05 07:45:01")
				w.expect("05 07:45:00 run well/2026-01-05T07:45:00Z")
				if len(w.begun("well/2026-01-05T07:45:00Z")) != 1 || w.begun("slow/2026-01-05T07:45:00Z") != nil {
					t.Error("the beginnings are wrong")
				}
				fails := func(f fault) {
					w.store.mu.Lock()
					defer w.store.mu.Unlock()
					w.store.fault = func(string) fault { return f }
				}
				if failing {
					fails(lost)
				}
				close(hang)
				w.pass(time.Second)
				if len(w.calls) != 2 {
					t.Errorf("%d runs", len(w.calls))
				}
				fails(noFault)
				w.pass(20 * time.Second)
				if len(w.begun("slow/2026-01-05T07:45:00Z")) != 1 {
					t.Error("the late beginning is not recorded")
				}
			})
		})
	}
}

// It is left open, and the daemon ends.
func TestARunThatIsNeverReadyHoldsUpNoStop(t *testing.T) {
	story(t, "05 07:44", func(t *testing.T, w *world) {
		hang := make(chan struct{})
		defer close(hang)
		w.startWith(func(context.Context, Firing) Prepared { <-hang; return Prepared{} }, mustSchedule(t, "s", "45 7 * * *"))
		w.until("05 07:50")
		w.stop()
		w.expect("05 07:50:00 suspended s/2026-01-05T07:45:00Z")
		if !w.store.runs["s/2026-01-05T07:45:00Z"].open() {
			t.Error("the next start would not resume it")
		}
	})
}

// A run that came to its end as the daemon stops has nothing to resume, be it that instances failed.
func TestAPartialRunThatEndedIsNotSuspended(t *testing.T) {
	for _, cut := range []bool{false, true} {
		story(t, "05 07:44", func(t *testing.T, w *world) {
			w.startWith(ready(func(ctx context.Context, _ Firing) RunEnd {
				<-ctx.Done()
				return RunEnd{Result: power.ResultPartial, CutOff: cut}
			}), mustSchedule(t, "s", "45 7 * * *"))
			w.until("05 07:46")
			w.stop()
			want := "05 07:46:00 finished s/2026-01-05T07:45:00Z partial after 1m0s"
			if cut {
				want = "05 07:46:00 suspended s/2026-01-05T07:45:00Z"
			}
			w.expect(want)
		})
	}
}

// What follows an end, as its log line, follows its record: it must not come again after a resume.
func TestAnEndIsRecordedBeforeItIsReported(t *testing.T) {
	for _, f := range []fault{noFault, lost} {
		story(t, "05 07:44", func(t *testing.T, w *world) {
			w.store.fault = func(op string) fault {
				if op == "finish" {
					return f
				}
				return noFault
			}
			reported := 0
			w.listen = func(e event.Event) {
				end, ok := e.(event.RunFinished)
				if !ok {
					return
				}
				reported++
				if open := w.store.runs[end.Run.ID].open(); open != (f == lost) {
					t.Errorf("the store fails %v: reported with the run open %v", f == lost, open)
				}
			}
			w.start(mustSchedule(t, "s", "45 7 * * *"))
			w.until("05 07:46")
			if reported != 1 {
				t.Errorf("reported %d times", reported)
			}
		})
	}
}

// A write that the store gave up may still be made: what it was passed must not change meanwhile.
func TestWhatTheStoreWasPassedDoesNotChange(t *testing.T) {
	story(t, "05 07:44", func(t *testing.T, w *world) {
		w.store.fault = func(op string) fault {
			if op == "decide" {
				return lost
			}
			return noFault
		}
		w.runFor = func(f Firing) time.Duration {
			return map[string]time.Duration{"short": time.Minute, "long": 10 * time.Minute}[f.Schedule]
		}
		w.start(mustSchedule(t, "short", "45 7 * * *"), mustSchedule(t, "long", "45 7 * * *"))
		w.until("05 07:45:10")
		given := w.store.given[len(w.store.given)-1]
		w.until("05 07:47") // the short one has ended
		for _, b := range given {
			if b.Run.ID == "" {
				t.Errorf("%+v", given)
			}
		}
		if len(given) != 2 {
			t.Errorf("%d beginnings", len(given))
		}
	})
}

// A firing means what the schedule said that decided it, also where a reload replaces that in the
// same second; what waits means what its schedule says when it begins.
func TestAFiringCarriesWhatItsScheduleMeant(t *testing.T) {
	story(t, "05 07:44", func(t *testing.T, w *world) {
		from := func(source, name, group string, change ...func(*Schedule)) Schedule {
			s := mustSchedule(t, name, "45 7 * * *", change...)
			s.Source, s.Groups = source, []string{group}
			return s
		}
		shifted := jitter(10 * time.Minute)
		w.start(from("old", "s", "web", shifted), from("old", "now", "web"))
		w.clock.step(time.Minute) // due, and the loop has not noticed
		if err := w.loop.Reload([]Schedule{from("new", "s", "frontend", shifted), from("new", "now", "frontend")}); err != nil {
			t.Fatal(err)
		}
		w.pass(20 * time.Minute)
		var got []string
		for _, c := range w.calls {
			got = append(got, c.Schedule+" "+c.Source.(string)+" "+c.Groups[0])
		}
		if want := []string{"now old web", "s new frontend"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// rounds counts what Config.Gather was asked for, and who left.
type rounds struct{ sizes, left []int }

type countedRound struct {
	*rounds
	of int
}

func (r countedRound) Leave() { r.left = append(r.left, r.of) }

// Runs that begin together know each other; one whose claim is held leaves them, and one that begins
// alone waits for none.
func TestRunsThatBeginTogetherKnowEachOther(t *testing.T) {
	story(t, "05 07:44", func(t *testing.T, w *world) {
		seen := &rounds{}
		w.gather = func(n int) Round {
			seen.sizes = append(seen.sizes, n)
			return countedRound{seen, n}
		}
		w.store.runs["c/2026-01-05T07:45:00Z"] = &memoryRun{run: store.Run{ID: "c/2026-01-05T07:45:00Z", Schedule: "c", Nominal: at("05 07:45")}, result: power.ResultOK}
		w.start(mustSchedule(t, "a", "45 7 * * *"), mustSchedule(t, "b", "45 7 * * *"), mustSchedule(t, "c", "45 7 * * *"), mustSchedule(t, "d", "50 7 * * *"))
		w.loop.lock(func() { w.loop.entries["c"].ran = nil }) // another process claimed it meanwhile
		w.until("05 07:55")
		var rounds []string
		for _, c := range w.calls {
			rounds = append(rounds, fmt.Sprint(c.Schedule, " ", c.Round != nil))
		}
		slices.Sort(rounds)
		if want := []string{"a true", "b true", "d false"}; !slices.Equal(rounds, want) {
			t.Errorf("runs with a round: %q, want %q", rounds, want)
		}
		if !slices.Equal(seen.sizes, []int{3}) || !slices.Equal(seen.left, []int{3}) {
			t.Errorf("rounds of %v, left %v", seen.sizes, seen.left)
		}
	})
}
