package zecsim

import (
	"math"
	"time"

	"zecpower/apiclient"
)

const (
	// forever is the end of a state that nothing ends.
	forever time.Duration = math.MaxInt64
	// never is a time that did not come.
	never time.Duration = -1
)

// instance is one machine. Times are since the simulator's beginning. A
// machine is in current until a moment that is known when the transition
// begins, and in next from then on: no timer has to fire for that.
type instance struct {
	kind  *behaviour  // shared, never changed
	attrs *attributes // nil where all follows from the position

	before    apiclient.State // what describes show until shownFrom
	current   apiclient.State
	next      apiclient.State
	until     time.Duration
	shownFrom time.Duration

	firstRunning, lastRunning time.Duration // when RUNNING was reached; never
	starts, stops             uint32        // accepted
	// Starts that named it and were judged, accepted or not: all, and those
	// that came while it was on its way already.
	startRequests, needlessStarts uint32
}

func newInstance(kind *behaviour, attrs *attributes) instance {
	in := instance{
		kind: kind, attrs: attrs, before: kind.firstState, current: kind.firstState, next: kind.firstState,
		firstRunning: never, lastRunning: never,
	}
	if kind.stateFor > 0 {
		in.next, in.until = kind.stateThen, kind.stateFor
	}
	if kind.firstState == apiclient.StateRunning {
		in.firstRunning, in.lastRunning = 0, 0
	}
	return in
}

// state is the true state at a time not before the last transition.
func (in *instance) state(at time.Duration) apiclient.State {
	if at >= in.until {
		return in.next
	}
	return in.current
}

// shown is the state as describes tell it, which lags behind what was accepted.
func (in *instance) shown(at time.Duration) apiclient.State {
	if at < in.shownFrom && in.state(at) != StateMissing {
		return in.before
	}
	return in.state(at)
}

// settle notes a RUNNING that was reached since somebody last looked.
func (in *instance) settle(at time.Duration) {
	if in.next != apiclient.StateRunning || in.current == apiclient.StateRunning || at < in.until {
		return
	}
	in.lastRunning = in.until
	if in.firstRunning == never {
		in.firstRunning = in.until
	}
}

// begin enters a state that leads to next after a while; takes may be forever.
func (in *instance) begin(at time.Duration, state, next apiclient.State, takes time.Duration) {
	in.settle(at)
	in.before = in.state(at)
	in.shownFrom = at + in.kind.statusLag
	in.current, in.next, in.until = state, next, forever
	if takes != forever {
		in.until = at + takes
	}
}

// start accepts a start; jitter in [0, 1) places the boot time.
func (in *instance) start(at time.Duration, jitter float64) {
	in.starts++
	k := in.kind
	takes := k.bootTime + time.Duration(jitter*float64(k.bootJitter))
	switch {
	case k.boot == BootHangs:
		in.begin(at, k.bootState, k.bootState, forever)
	case k.boot == BootFails || int64(in.starts) <= int64(k.bootFailures):
		in.begin(at, k.bootState, apiclient.StateStopped, takes)
	default:
		in.begin(at, k.bootState, apiclient.StateRunning, takes)
	}
}

// stop accepts a stop.
func (in *instance) stop(at time.Duration, forced bool) {
	in.stops++
	takes := in.kind.forcedStopTime
	if !forced {
		takes = in.kind.softStopTime
	}
	if !forced && in.kind.softStopHangs {
		takes = forever
	}
	in.begin(at, apiclient.StateStopping, apiclient.StateStopped, takes)
}

// startRefusal is the code that a start of this instance meets, empty where it would be accepted.
func (in *instance) startRefusal(at time.Duration) apiclient.Code {
	switch state := in.state(at); {
	case state != apiclient.StateStopped:
		return stateRefusal(state, apiclient.CodeInstanceNotStopped)
	case in.kind.refuses && (in.kind.refusesFor == 0 || at < in.kind.refusesFor):
		return in.kind.refusalCode
	}
	return ""
}

// stopRefusal is the same for a stop.
func (in *instance) stopRefusal(at time.Duration) apiclient.Code {
	if state := in.state(at); state != apiclient.StateRunning {
		return stateRefusal(state, apiclient.CodeInstanceNotRunning)
	}
	return ""
}

func stateRefusal(state apiclient.State, otherwise apiclient.Code) apiclient.Code {
	switch state {
	case StateMissing:
		return apiclient.CodeInstanceNotFound
	case apiclient.StateRecycle, apiclient.StateRecycling:
		return apiclient.CodeInstanceRecycled
	}
	return otherwise
}

// noteStartRequest counts a request that named the instance, before it is judged.
func (in *instance) noteStartRequest(at time.Duration) {
	in.startRequests++
	if onItsWay(in.state(at)) {
		in.needlessStarts++
	}
}
