package scheduler

import (
	"runtime/debug"
	"time"

	"zecpower/internal/store"
)

// guarded is an Observer whose panics end that one call and nothing else: a bug in a metric or a
// log line must not keep a fleet off. It reports each to report.
type guarded struct {
	observer Observer
	report   func(*PanicError)
}

// guard guards each of several observers by itself, so that the others are still notified.
func guard(o Observer, report func(*PanicError)) Observer {
	all, several := o.(Observers)
	if !several {
		return guarded{o, report}
	}
	each := make(Observers, len(all))
	for i, one := range all {
		each[i] = guarded{one, report}
	}
	return each
}

// call calls f, a call of the observer.
func (g guarded) call(f func()) {
	defer func() {
		if v := recover(); v != nil {
			g.reportPanic(&PanicError{Value: v, Stack: debug.Stack()})
		}
	}()
	f()
}

// reportPanic calls report. A panic there has no one left to be reported to.
func (g guarded) reportPanic(p *PanicError) {
	defer func() { _ = recover() }()
	g.report(p)
}

func (g guarded) RunStarted(f Firing) { g.call(func() { g.observer.RunStarted(f) }) }

func (g guarded) RunFinished(f Firing, r RunEnd, took time.Duration) {
	g.call(func() { g.observer.RunFinished(f, r, took) })
}
func (g guarded) RunSuspended(f Firing)            { g.call(func() { g.observer.RunSuspended(f) }) }
func (g guarded) RunMissed(m Missed)               { g.call(func() { g.observer.RunMissed(m) }) }
func (g guarded) RunSkipped(s Skipped)             { g.call(func() { g.observer.RunSkipped(s) }) }
func (g guarded) ClockStepped(delta time.Duration) { g.call(func() { g.observer.ClockStepped(delta) }) }

func (g guarded) NextRun(schedule string, at time.Time) {
	g.call(func() { g.observer.NextRun(schedule, at) })
}

func (g guarded) LastRun(schedule string, last store.LastRun) {
	g.call(func() { g.observer.LastRun(schedule, last) })
}

func (g guarded) StoreFailed(op string, err error) {
	g.call(func() { g.observer.StoreFailed(op, err) })
}
