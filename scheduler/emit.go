package scheduler

import (
	"errors"
	"fmt"
	"runtime/debug"

	"zecpower/internal/event"
)

// emit passes on an event. A panic of a listener ends that call and nothing else: a bug in a metric
// or a log line must not keep a fleet off.
func (l *Loop) emit(e event.Event) {
	defer func() {
		if v := recover(); v != nil {
			l.emitPanic(fmt.Errorf("a panic in a listener to the decision loop: %v", v), debug.Stack())
		}
	}()
	l.cfg.Emit(e)
}

// emitPanic reports a panic. One that meets it again has no one left to be reported to.
func (l *Loop) emitPanic(err error, stack []byte) {
	defer func() { _ = recover() }()
	l.cfg.Emit(event.InternalError{Err: err, Stack: stack})
}

// Name names the run in events.
func (f Firing) Name() event.Run {
	return event.Run{ID: f.RunID, Schedule: f.Schedule, Action: f.Action, Nominal: f.Nominal}
}

// finishedEvent is the end of a run.
func (end ended) finishedEvent() event.RunFinished {
	e := event.RunFinished{
		Run: end.firing.Name(), Groups: end.firing.Groups, Result: end.result.Result, Report: end.result.Report,
		Err: end.result.Err, Took: end.took, Resumed: end.firing.Resumed,
	}
	if p, ok := errors.AsType[*PanicError](end.result.Err); ok {
		e.Stack = p.Stack
	}
	return e
}

// times is the stretch of a decision.
func (d Decision) times() event.Times {
	return event.Times{Schedule: d.Schedule, First: d.Nominal, Last: d.Last, Count: d.Count}
}
