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
	// fallsThroughStopping is the next state of a boot that fails: STOPPING for the time of a
	// forced stop, then STOPPED. No describe shows it.
	fallsThroughStopping apiclient.State = "STOPPING, then STOPPED"
)

// instance is one machine. Times are since the simulator's beginning. A machine is in current until
// a moment that is known when the transition begins, and in next from then on: no timer has to fire
// for that.
type instance struct {
	kind *behaviour   // shared, never changed
	own  *particulars // nil for most

	before    apiclient.State // what describes show until shownFrom
	current   apiclient.State
	next      apiclient.State
	until     time.Duration
	shownFrom time.Duration

	firstRunning, lastRunning time.Duration // when RUNNING was reached; never
	starts, stops             uint32        // accepted
	// Starts that named it and were judged, accepted or not: all, and those that came while it was
	// on its way already.
	startRequests, needlessStarts uint32
}

func newInstance(kind *behaviour, own *particulars) instance {
	in := instance{
		kind: kind, own: own, before: kind.firstState, current: kind.firstState, next: kind.firstState,
		firstRunning: never, lastRunning: never,
	}
	if kind.stateFor > 0 {
		in.next, in.until = kind.stateThen, kind.joins+kind.stateFor
	}
	if kind.firstState == apiclient.StateRunning {
		in.firstRunning, in.lastRunning = kind.joins, kind.joins
	}
	return in
}

// state is the true state at a time not before the last transition. It first carries out what other
// actors did until then.
func (in *instance) state(at time.Duration) apiclient.State {
	in.catchUp(at)
	return in.phase(at)
}

// catchUp brings the instance to a time.
func (in *instance) catchUp(at time.Duration) {
	if a := in.actors(); a != nil {
		a.perform(in, at)
	}
	in.noteRunning(at)
}

// actors are the other actors of the instance, nil where there are none.
func (in *instance) actors() *actors {
	if in.own == nil {
		return nil
	}
	return in.own.actors
}

// phase is where the last transition has led at a time.
func (in *instance) phase(at time.Duration) apiclient.State {
	switch {
	case !in.kind.exists(at):
		return StateMissing
	case at < in.until:
		return in.current
	case in.next != fallsThroughStopping:
		return in.next
	case at-in.until < in.kind.forcedStopTime:
		return apiclient.StateStopping
	}
	return apiclient.StateStopped
}

// shown is the state in describes, which lags behind what was accepted.
func (in *instance) shown(at time.Duration) apiclient.State {
	state := in.state(at)
	if at < in.shownFrom && state != StateMissing {
		return in.before
	}
	return state
}

// noteRunning records that RUNNING was reached since the last call.
func (in *instance) noteRunning(at time.Duration) {
	if in.next != apiclient.StateRunning || in.current == apiclient.StateRunning || at < in.until || !in.kind.exists(in.until) {
		return
	}
	in.lastRunning = in.until
	if in.firstRunning == never {
		in.firstRunning = in.until
	}
}

// begin enters a state that leads to next after a while; takes may be forever.
func (in *instance) begin(at time.Duration, state, next apiclient.State, takes time.Duration) {
	in.noteRunning(at)
	in.before = in.phase(at)
	in.shownFrom = at + in.kind.statusLag
	in.current, in.next, in.until = state, next, forever
	if takes != forever {
		in.until = at + takes
	}
}

// start accepts a start over the API; jitter in [0, 1) places the boot time.
func (in *instance) start(at time.Duration, jitter float64) {
	in.starts++
	in.boot(at, jitter)
	if a := in.actors(); a != nil {
		a.startAccepted(at)
	}
}

// stop accepts a stop over the API.
func (in *instance) stop(at time.Duration, forced bool) {
	in.stops++
	in.shutDown(at, forced)
	if a := in.actors(); a != nil {
		a.stopAccepted(at)
	}
}

// boots and shutdowns count starts and stops, those of other actors included.
func (in *instance) boots() uint64 {
	n := uint64(in.starts)
	if a := in.actors(); a != nil {
		n += uint64(a.starts)
	}
	return n
}

func (in *instance) shutdowns() uint64 {
	n := uint64(in.stops)
	if a := in.actors(); a != nil {
		n += uint64(a.stops)
	}
	return n
}

// boot begins a boot that was counted.
func (in *instance) boot(at time.Duration, jitter float64) {
	k := in.kind
	next, takes := apiclient.StateRunning, k.bootTime+time.Duration(jitter*float64(k.bootJitter))
	switch {
	case k.boot == BootHangs:
		takes = forever
	case k.boot == BootWorks && in.boots() > uint64(k.bootFailures):
	case k.bootFailsStopping:
		next = fallsThroughStopping
	default:
		next = apiclient.StateStopped
	}
	in.begin(at, k.bootState, next, takes)
}

// shutDown begins a stop that was counted.
func (in *instance) shutDown(at time.Duration, forced bool) {
	k := in.kind
	next, takes := apiclient.StateStopped, k.forcedStopTime
	if !forced {
		takes = k.softStopTime
	}
	if in.shutdowns() <= uint64(k.stopFailures) {
		next = apiclient.StateRunning
	}
	if k.stopHangs || !forced && k.softStopHangs {
		takes = forever
	}
	in.begin(at, apiclient.StateStopping, next, takes)
}

// startDenial is why a start of this instance is refused, zero where it is accepted.
func (in *instance) startDenial(at time.Duration) denial {
	if state := in.state(at); state != apiclient.StateStopped {
		return stateDenial(state, apiclient.CodeInstanceNotStopped)
	}
	return in.kind.ownDenial(at, in.kind.refuses, apiclient.CodeInstanceNotStopped)
}

// stopDenial is the same for a stop.
func (in *instance) stopDenial(at time.Duration) denial {
	if state := in.state(at); state != apiclient.StateRunning {
		return stateDenial(state, apiclient.CodeInstanceNotRunning)
	}
	return in.kind.ownDenial(at, in.kind.refusesStops, apiclient.CodeInstanceNotRunning)
}

// ownDenial is the refusal that a spec describes, for as long as it lasts.
func (b *behaviour) ownDenial(at time.Duration, refuses bool, otherwise apiclient.Code) denial {
	if !refuses || b.refusesFor != 0 && at >= b.refusesFor {
		return denial{}
	}
	return denial{or(b.refusalCode, otherwise), b.refusalStatus}
}

func stateDenial(state apiclient.State, otherwise apiclient.Code) denial {
	switch state {
	case apiclient.StateRecycle, apiclient.StateRecycling, apiclient.StateRecycled:
		return denial{code: apiclient.CodeInstanceRecycled}
	}
	return denial{code: otherwise}
}

// noteStartRequest counts a request that named the instance, before it is judged.
func (in *instance) noteStartRequest(at time.Duration) {
	in.startRequests++
	if onItsWay(in.state(at)) {
		in.needlessStarts++
	}
}
