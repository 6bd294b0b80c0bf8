package zecsim

import (
	"time"

	"zecpower/apiclient"
)

// behaviour is the part of a spec that matters after the first state. It is comparable, so equal
// ones are shared by all the instances that have them.
type behaviour struct {
	boot                         BootOutcome
	bootFailures, stopFailures   int
	bootFailsStopping            bool
	bootTime, bootJitter         time.Duration
	bootState                    apiclient.State
	refuses, refusesStops        bool
	refusesFor, statusLag        time.Duration
	refusalCode                  apiclient.Code // empty: the one of the state that the action needs
	refusalStatus                int
	softStopHangs, stopHangs     bool
	firstState, stateThen        apiclient.State
	stateFor                     time.Duration
	forcedStopTime, softStopTime time.Duration
	joins, leaves                time.Duration // leaves is forever where nothing ends its stay
}

// behaviour fills what the spec leaves out from the account's options.
func (i InstanceSpec) behaviour(o *Options) behaviour {
	b := behaviour{
		boot: i.Boot, bootFailures: i.BootFailures, bootTime: i.BootTime, bootJitter: i.BootJitter,
		bootFailsStopping: i.BootFailsStopping,
		bootState:         or(i.BootState, or(o.Boot.State, apiclient.StateStarting)),
		refuses:           i.Refuses, refusesStops: i.RefusesStops, refusesFor: i.RefusesFor,
		refusalCode: i.RefusalCode, refusalStatus: i.RefusalStatus,
		softStopHangs: i.SoftStopHangs || o.Stop.SoftHangs, stopHangs: i.StopHangs, stopFailures: i.StopFailures,
		statusLag:  or(i.StatusLag, o.StatusLag),
		firstState: or(i.State, apiclient.StateStopped), stateThen: i.StateThen, stateFor: i.StateFor,
		forcedStopTime: o.Stop.Forced, softStopTime: o.Stop.Soft,
		joins: i.JoinsAfter, leaves: or(i.LeavesAfter, forever),
	}
	if b.bootTime == 0 {
		b.bootTime, b.bootJitter = o.Boot.Time, o.Boot.Jitter
	}
	if b.stateThen == "" {
		b.stateThen = naturalEnd(b.firstState)
	}
	return b
}

// exists reports whether the API knows the instance at a time, as far as joining and leaving go.
func (b *behaviour) exists(at time.Duration) bool { return at >= b.joins && at < b.leaves }

// mayMiss reports whether the API does not know the instance at some time.
func (b *behaviour) mayMiss() bool {
	return b.joins > 0 || b.leaves < forever || b.firstState == StateMissing || b.stateThen == StateMissing
}

// naturalEnd is where a passing state leads when nothing else is said.
func naturalEnd(s apiclient.State) apiclient.State {
	if onItsWay(s) {
		return apiclient.StateRunning
	}
	return apiclient.StateStopped
}

func onItsWay(s apiclient.State) bool {
	return s == apiclient.StateStarting || s == apiclient.StateBooting
}

// startability is whether, when and at what cost an instance of a kind can reach RUNNING, given its
// first state.
type startability struct {
	possible    bool
	starts      int           // accepted starts that are needed; 0: it gets there by itself
	from, until time.Duration // when starts are accepted; until is forever where nothing ends that
}

func (b *behaviour) startable() startability {
	state, from, until := b.firstState, b.joins, b.leaves
	switch {
	case state == apiclient.StateRunning:
		return startability{possible: true, from: from, until: until}
	case b.stateFor > 0 && state == apiclient.StateStopped && b.stateThen != apiclient.StateStopped:
		until = min(until, b.joins+b.stateFor)
	case b.stateFor > 0:
		state, from = b.stateThen, b.joins+b.stateFor
	}
	switch {
	case state == apiclient.StateRunning:
		return startability{possible: from < until, from: from, until: until}
	case state != apiclient.StateStopped || b.boot != BootWorks || b.refuses && b.refusesFor == 0:
		return startability{}
	}
	if b.refuses {
		from = max(from, b.refusesFor)
	}
	return startability{possible: from < until, starts: 1 + b.bootFailures, from: from, until: until}
}
