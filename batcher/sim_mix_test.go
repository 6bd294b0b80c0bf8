package batcher_test

import (
	"maps"
	"slices"
	"sync"
	"testing"

	"zecpower/internal/power"
	"zecpower/internal/zecsim"
)

// mix counts, over all seeds, in how many runs something happened.
type mix struct {
	mu   sync.Mutex // guards runs
	runs map[string]int
}

// count notes what happened in one run.
func (m *mix) count(w *world) {
	happened := map[string]bool{
		"any": true, "bad ids " + string(w.s.sim.BadIDs): true, "action " + string(w.s.action): true,
		"outage": w.s.outage, "kill": len(w.boots) > 1, "clean": w.s.clean(), "no deadline in the way": !w.s.tight,
	}
	truth := w.sim.Truth()
	happened["throttled"] = truth.Throttled > 0
	for kind, n := range truth.Faults {
		happened["fault "+string(kind)] = n > 0
	}
	for _, g := range w.report.Groups {
		for _, r := range g.Results {
			happened["outcome "+string(r.Outcome)] = true
			happened["reason "+string(r.Reason)] = r.Reason != ""
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for what, so := range happened {
		if so {
			m.runs[what]++
		}
	}
}

// wanted is what must have happened in some run, for the others' sake: a
// checker of runs in which nothing happens finds nothing.
func wanted() []string {
	want := []string{
		"bad ids " + string(zecsim.BadIDsReject), "bad ids " + string(zecsim.BadIDsFailedList),
		"outage", "kill", "clean", "throttled", "no deadline in the way",
	}
	for _, kind := range zecsim.FaultKinds() {
		want = append(want, "fault "+string(kind))
	}
	for _, action := range []power.Action{power.ActionStart, power.ActionStop} {
		want = append(want, "action "+string(action))
		for _, o := range power.Outcomes(action) {
			if o == power.OutcomeSkipped {
				continue // one run alone skips nothing
			}
			want = append(want, "outcome "+string(o))
		}
	}
	for _, reason := range power.Reasons() {
		if !slices.Contains(notDrawn(), reason) {
			want = append(want, "reason "+string(reason))
		}
	}
	return want
}

// check says what happened how often, and complains of what never did.
func (m *mix) check(t *testing.T) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, what := range slices.Sorted(maps.Keys(m.runs)) {
		t.Logf("%6d of %d runs: %s", m.runs[what], m.runs["any"], what)
	}
	for _, what := range wanted() {
		if m.runs[what] == 0 {
			t.Errorf("%q happened in none of %d runs: the draw of scenarios has a gap", what, m.runs["any"])
		}
	}
}

// notDrawn are the reasons that no scenario leads to.
func notDrawn() []power.Reason {
	return []power.Reason{
		power.ReasonInvalidRequest, power.ReasonInternalError,
		power.ReasonGuarded, // it is decided before an account has the run
	}
}
