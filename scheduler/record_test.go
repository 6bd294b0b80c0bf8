package scheduler

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"zecpower/internal/power"
	"zecpower/internal/store"
)

// 10,000 schedules that were down for eleven days make more decisions in one round than the loop
// keeps while the store fails. The bound must not apply to a store that works.
func TestARoundOfAnySizeIsRecordedWhole(t *testing.T) {
	story(t, "05 07:40", func(t *testing.T, w *world) {
		loop, err := New(Config{Prepare: w.prepare(1), Store: &session{memoryStore: w.store}, Emit: w.Receive, Clock: w.clock})
		if err != nil {
			t.Fatal(err)
		}
		var round store.Round
		for i := range maxUnrecorded + 10 {
			d := Decision{Schedule: "s", Nominal: at("05 07:45").Add(time.Duration(i) * time.Second), Kind: DecisionMissed}
			if i < 5 {
				d.Kind = DecisionCatchUp
			}
			d.addTo(&round)
		}
		loop.record(round)
		if runs, others := len(w.store.runs), len(w.store.other); runs != 5 || runs+others != maxUnrecorded+10 {
			t.Errorf("recorded %d runs and %d others of %d decisions", runs, others, maxUnrecorded+10)
		}
		w.expect()
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
