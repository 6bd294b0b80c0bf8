package zecsim

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"zecpower/apiclient"
)

// The actions of other actors.
const (
	OtherStart = "start"
	OtherStop  = "stop" // forced
)

// OtherAct is what another actor does to an instance: a person at the console, another program, the
// provider. It costs no request, and no refusal or limit of the API stops it. It takes effect only
// where the state allows it: a start of a STOPPED instance, a stop of one that is RUNNING, STARTING
// or BOOTING. The boot or stop that follows is as the instance's own.
//
// Exactly one of After, AfterStart and AfterStop is set.
type OtherAct struct {
	// After counts from the simulator's beginning; the act is done once.
	After time.Duration
	// AfterStart and AfterStop count from every start or stop of the instance that the API accepts.
	AfterStart, AfterStop time.Duration
	// Action is OtherStart or OtherStop.
	Action string
}

func (a OtherAct) validate() error {
	given := 0
	for _, d := range []time.Duration{a.After, a.AfterStart, a.AfterStop} {
		if d != 0 {
			given++
		}
	}
	var errs []error
	if given != 1 {
		errs = append(errs, errors.New("an act of another: give one of after, after start and after stop, above 0s"))
	}
	if a.Action != OtherStart && a.Action != OtherStop {
		errs = append(errs, fmt.Errorf("an act of another: action %q: use %s or %s", a.Action, OtherStart, OtherStop))
	}
	errs = append(errs, validDuration("after", a.After), validDuration("after start", a.AfterStart), validDuration("after stop", a.AfterStop))
	return errors.Join(errs...)
}

// actors are the other actors of one instance. Their acts are carried out when the instance's state
// is asked for, in the order of time, as though each had been done at its moment.
type actors struct {
	plan           []OtherAct
	due            []dueAct // in the order of time
	seed, position uint64   // of boot times
	starts, stops  uint32   // that took effect
	last           time.Duration
}

// dueAct is an act whose moment is known.
type dueAct struct {
	at     time.Duration
	action string
}

// newActors returns nil where there is nothing to do.
func newActors(plan []OtherAct, seed uint64, position int) *actors {
	if len(plan) == 0 {
		return nil
	}
	a := &actors{plan: plan, seed: seed, position: uint64(position), last: never}
	a.schedule(0, func(act OtherAct) time.Duration { return act.After })
	return a
}

// schedule makes the acts due that count from a moment; delay returns 0 for the others.
func (a *actors) schedule(from time.Duration, delay func(OtherAct) time.Duration) {
	for _, act := range a.plan {
		if d := delay(act); d > 0 {
			a.due = append(a.due, dueAct{from + d, act.Action})
		}
	}
	slices.SortStableFunc(a.due, func(x, y dueAct) int { return cmp.Compare(x.at, y.at) })
}

// startAccepted and stopAccepted schedule what follows a start or stop over the API.
func (a *actors) startAccepted(at time.Duration) {
	a.schedule(at, func(act OtherAct) time.Duration { return act.AfterStart })
}

func (a *actors) stopAccepted(at time.Duration) {
	a.schedule(at, func(act OtherAct) time.Duration { return act.AfterStop })
}

// perform carries out what is due at a time.
func (a *actors) perform(in *instance, at time.Duration) {
	for len(a.due) > 0 && a.due[0].at <= at {
		act := a.due[0]
		a.due = slices.Delete(a.due, 0, 1)
		a.act(in, act)
	}
}

// act starts or stops the instance at the act's own moment, if its state then allows that.
func (a *actors) act(in *instance, act dueAct) {
	state := in.phase(act.at)
	switch {
	case act.action == OtherStart && state == apiclient.StateStopped:
		jitter := uniform(a.seed, a.position, in.boots())
		a.starts++
		in.boot(act.at, jitter)
	case act.action == OtherStop && (state == apiclient.StateRunning || onItsWay(state)):
		a.stops++
		in.shutDown(act.at, true)
	default:
		return
	}
	a.last = act.at
}
