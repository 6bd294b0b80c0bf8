package scheduler

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"zecpower/internal/power"
)

// Firing is one run to be made. It is a value: nobody changes it once it is handed out.
type Firing struct {
	RunID    string // see RunID
	Schedule string
	Action   power.Action
	Groups   []string
	Nominal  time.Time // when the schedule says
	RunAt    time.Time // when it begins: nominal time and jitter, or later where it had to wait
	Deadline time.Time // when it has to end; counts from RunAt, is kept over a restart; zero: none
	CatchUp  bool      // it begins late, after its nominal time was missed
	Waits    Wait      // whether it has yet to begin
	Resumed  bool      // an earlier process claimed it, and may have done a part of it
}

// Wait says what a claimed run waits for.
type Wait string

// What a run waits for.
const (
	WaitNone Wait = ""     // nothing: it began, or begins at once
	WaitTime Wait = "time" // its RunAt
	WaitTurn Wait = "turn" // the end of its predecessor; RunAt and Deadline count from there
)

// RunID names the run of a schedule's nominal time.
func RunID(schedule string, nominal time.Time) string {
	return schedule + "/" + nominal.UTC().Format(time.RFC3339)
}

// RunEnd is how a run ended.
type RunEnd struct {
	Result power.Result
	Err    error         // why the run as a whole failed, if it did; a *PanicError after a panic
	Report *power.Report // what became of its instances; nil where it did not come to that
}

// PanicError is a panic of the run function.
type PanicError struct {
	Value any
	Stack []byte
}

// Error implements error.
func (e *PanicError) Error() string { return fmt.Sprintf("the run panicked: %v", e.Value) }

// overrun is how long a run may outlast its deadline before its context is
// cancelled: the runner obeys the deadline by itself and tells instances that
// ran out of time from cancelled ones, so this only frees a stuck schedule.
const overrun = time.Minute

// ended is a run function's return, on its way to the loop.
type ended struct {
	firing    Firing
	result    RunEnd
	at        time.Time
	took      time.Duration
	suspended bool  // cut short by a stop of the daemon: left open for the next start
	unwritten error // the ledger did not take the end
}

// execute makes one run and reports its end to the loop, whatever happens.
func (l *Loop) execute(ctx context.Context, f Firing) {
	begin := l.cfg.Clock.Read()
	e := ended{firing: f, result: l.call(ctx, f, begin.Wall)}
	end := l.cfg.Clock.Read()
	e.at, e.took = end.Wall, end.Monotonic-begin.Monotonic
	// A cut run that still got everything done has nothing left to resume.
	e.suspended = ctx.Err() != nil && e.result.Result != power.ResultOK
	if !e.suspended {
		e.unwritten = l.cfg.Store.Finish(f, e.result, e.at)
	}
	l.ends <- e
}

// call runs the run function, a panic turned into a result.
func (l *Loop) call(ctx context.Context, f Firing, now time.Time) (r RunEnd) {
	defer func() {
		if v := recover(); v != nil {
			r = RunEnd{Result: power.ResultFailed, Err: &PanicError{Value: v, Stack: debug.Stack()}}
		}
	}()
	if !f.Deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, f.Deadline.Sub(now)+overrun)
		defer cancel()
	}
	return l.cfg.Run(ctx, f)
}
