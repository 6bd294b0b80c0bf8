package scheduler

import (
	"testing"
	"time"
)

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
