package scheduler

import (
	"maps"
	"slices"

	"zecpower/internal/store"
)

// notify reports a decision against a run. A decision for a run is reported when the run begins.
func (l *Loop) notify(d Decision) {
	switch d.Kind {
	case DecisionMissed, DecisionInterrupted:
		l.cfg.Observer.RunMissed(Missed{d.Schedule, d.Nominal, d.Last, d.Count, d.AtLeast, d.Reason})
	case DecisionExcluded, DecisionPaused, DecisionOverlap:
		l.cfg.Observer.RunSkipped(Skipped{d.Schedule, d.Nominal, d.Last, d.Count, d.Kind, d.Calendar})
	}
}

// notifyAbandoned reports claimed runs that do not run.
func (l *Loop) notifyAbandoned(all []store.Abandonment) {
	for _, a := range all {
		l.notify(decisionOf(a))
	}
}

// notifyNext reports the next run of a schedule where it differs from the last report.
func (l *Loop) notifyNext(e *entry) {
	if at := e.nextRun(); !at.Equal(e.notified) {
		e.notified = at
		l.cfg.Observer.NextRun(e.name, at)
	}
}

// notifyAll does so for every schedule, in the order of the names.
func (l *Loop) notifyAll() {
	for _, name := range slices.Sorted(maps.Keys(l.entries)) {
		l.notifyNext(l.entries[name])
	}
}
