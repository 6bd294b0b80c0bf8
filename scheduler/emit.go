package scheduler

import (
	"errors"

	"zecpower/internal/event"
)

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
