package scheduler

import (
	"testing"
	"time"

	"zecpower/internal/store"
)

func TestTrimDropsNoRunBeforeOtherDecisions(t *testing.T) {
	start := at("05 07:45")
	var r store.Round
	for i := range maxUnrecorded + 10 {
		d := Decision{Schedule: "s", Nominal: start.Add(time.Duration(i) * time.Second), Kind: DecisionMissed}
		if i == 0 {
			d.Kind = DecisionRun
		}
		var one store.Round
		d.addTo(&one)
		join(&r, one)
	}
	if dropped := trim(&r); dropped != 10 || len(r.Claims)+len(r.Notes) != maxUnrecorded {
		t.Fatalf("%d dropped, %d kept", dropped, len(r.Claims)+len(r.Notes))
	}
	if runs := len(r.Claims); runs != 1 || !r.Notes[0].Nominal.Equal(start.Add(11*time.Second)) {
		t.Errorf("%d runs kept, first of the others %s: the oldest of those that did not run go first", runs, r.Notes[0].Nominal)
	}
}
