package scheduler

import (
	"maps"
	"slices"

	"zecpower/internal/event"
	"zecpower/internal/store"
)

// notify reports a decision against a run. A decision for a run is reported when the run begins.
func (l *Loop) notify(d Decision) {
	switch d.Kind {
	case DecisionMissed, DecisionInterrupted:
		l.cfg.Emit(event.Missed{Times: d.times(), AtLeast: d.AtLeast, Reason: string(d.Reason)})
	case DecisionSkipped:
		l.cfg.Emit(event.Skipped{Times: d.times(), Cause: string(d.Kind), Actor: d.Skip.Actor, Why: d.Skip.Reason})
	case DecisionExcluded, DecisionPaused, DecisionOverlap:
		l.cfg.Emit(event.Skipped{Times: d.times(), Cause: string(d.Kind), Calendar: d.Calendar})
	}
}

// abandoned notes and reports claimed runs that do not run.
func (l *Loop) abandoned(all []store.Abandonment) {
	for _, a := range all {
		if e := l.entries[a.Run.Schedule]; e != nil {
			l.lock(func() { e.abandon(a.Run.Nominal) })
		}
		l.notify(decisionOf(a))
	}
}

// notifyNext reports the next run of a schedule where it differs from the last report.
func (l *Loop) notifyNext(e *entry) {
	if at := e.nextRun(); !at.Equal(e.notified) {
		e.notified = at
		l.cfg.Emit(event.NextRun{Schedule: e.name, At: at})
	}
}

// notifyAll does so for every schedule, in the order of the names.
func (l *Loop) notifyAll() {
	for _, name := range slices.Sorted(maps.Keys(l.entries)) {
		l.notifyNext(l.entries[name])
	}
}
