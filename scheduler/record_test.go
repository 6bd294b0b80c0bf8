package scheduler

import (
	"testing"
	"time"
)

// 10,000 schedules that were down for eleven days make more decisions in one round than the loop keeps
// while the store fails. The bound must not apply to a store that works.
func TestARoundOfAnySizeIsRecordedWhole(t *testing.T) {
	story(t, "05 07:40", func(t *testing.T, w *world) {
		loop, err := New(Config{Run: w.run(1), Store: &session{memoryStore: w.store}, Observer: events{w}, Clock: w.clock})
		if err != nil {
			t.Fatal(err)
		}
		var round Round
		for i := range maxUnrecorded + 10 {
			d := Decision{Schedule: "s", Nominal: at("05 07:45").Add(time.Duration(i) * time.Second), Kind: DecisionMissed}
			if i < 5 {
				d.Kind = DecisionCatchUp
			}
			round.Decisions = append(round.Decisions, d)
		}
		loop.record(round)
		if runs, others := len(w.store.runs), len(w.store.other); runs != 5 || runs+others != len(round.Decisions) {
			t.Errorf("recorded %d runs and %d others of %d decisions", runs, others, len(round.Decisions))
		}
		w.expect()
	})
}

func TestTrimDropsNoRunBeforeOtherDecisions(t *testing.T) {
	start := at("05 07:45")
	var r Round
	for i := range maxUnrecorded + 10 {
		d := Decision{Schedule: "s", Nominal: start.Add(time.Duration(i) * time.Second), Kind: DecisionMissed}
		if i == 0 {
			d.Kind = DecisionRun
		}
		r.add(Round{Decisions: []Decision{d}})
	}
	if dropped := r.trim(); dropped != 10 || len(r.Decisions) != maxUnrecorded {
		t.Fatalf("%d dropped, %d kept", dropped, len(r.Decisions))
	}
	runs := 0
	for _, d := range r.Decisions {
		if d.Claims() {
			runs++
		}
	}
	if runs != 1 || !r.Decisions[0].Nominal.Equal(start.Add(11*time.Second)) {
		t.Errorf("%d runs kept, first of the others %s: the oldest of those that did not run go first", runs, r.Decisions[0].Nominal)
	}
}
