package scheduler

import (
	"time"

	"zecpower/internal/store"
)

// Observer is notified of what the loop does, as it does it. Every call comes from the goroutine of
// Loop.Run: calls never overlap, and a slow observer delays decisions.
type Observer interface {
	// RunStarted comes before the call of the run function.
	RunStarted(f Firing)
	// RunFinished comes after the run function has returned. took is measured on the monotonic
	// clock.
	RunFinished(f Firing, r RunEnd, took time.Duration)
	// RunSuspended comes in place of RunFinished where the daemon stops during a run. The next
	// start resumes it.
	RunSuspended(f Firing)
	// RunMissed reports nominal times that were due and will not run.
	RunMissed(m Missed)
	// RunSkipped reports nominal times that were not meant to run.
	RunSkipped(s Skipped)
	// ClockStepped reports that the wall clock was set by delta, negative for backward.
	ClockStepped(delta time.Duration)
	// NextRun reports that the next run time of a schedule, jitter included, has changed. Zero: it
	// has none, because it is paused or removed, or has no due time within 5 years.
	NextRun(schedule string, at time.Time)
	// LastRun reports how a schedule last ended: at start-up for every schedule that the store has
	// a run of, then after each run.
	LastRun(schedule string, last store.LastRun)
	// StoreFailed reports that op was not, or perhaps not, recorded. The fleet is powered on all
	// the same, and the loop tries again each round.
	StoreFailed(op string, err error)
}

// Missed is a stretch of missed nominal times of one schedule with one reason. They lie on one UTC
// day, except where AtLeast is set.
type Missed struct {
	Schedule string
	Nominal  time.Time // the first of them
	Last     time.Time // the last of them (with AtLeast: a bound); Nominal for a single time
	Count    int       // how many, at least 1
	AtLeast  bool      // there are more than Count: the loop did not count them all
	Reason   MissedReason
}

// Skipped is a stretch of nominal times of one schedule that were left out on purpose. They lie on
// one UTC day, unless there were too many to count.
type Skipped struct {
	Schedule string
	Nominal  time.Time    // the first of them
	Last     time.Time    // the last of them; Nominal for a single time
	Count    int          // how many, at least 1
	Cause    DecisionKind // DecisionExcluded, DecisionPaused or DecisionOverlap
	Calendar string       // of DecisionExcluded: the calendar's name; empty otherwise
}

// Observers passes each call to several observers, in order.
type Observers []Observer

// RunStarted calls each observer.
func (all Observers) RunStarted(f Firing) {
	for _, o := range all {
		o.RunStarted(f)
	}
}

// RunFinished calls each observer.
func (all Observers) RunFinished(f Firing, r RunEnd, took time.Duration) {
	for _, o := range all {
		o.RunFinished(f, r, took)
	}
}

// RunSuspended calls each observer.
func (all Observers) RunSuspended(f Firing) {
	for _, o := range all {
		o.RunSuspended(f)
	}
}

// RunMissed calls each observer.
func (all Observers) RunMissed(m Missed) {
	for _, o := range all {
		o.RunMissed(m)
	}
}

// RunSkipped calls each observer.
func (all Observers) RunSkipped(s Skipped) {
	for _, o := range all {
		o.RunSkipped(s)
	}
}

// ClockStepped calls each observer.
func (all Observers) ClockStepped(delta time.Duration) {
	for _, o := range all {
		o.ClockStepped(delta)
	}
}

// NextRun calls each observer.
func (all Observers) NextRun(schedule string, at time.Time) {
	for _, o := range all {
		o.NextRun(schedule, at)
	}
}

// LastRun calls each observer.
func (all Observers) LastRun(schedule string, last store.LastRun) {
	for _, o := range all {
		o.LastRun(schedule, last)
	}
}

// StoreFailed calls each observer.
func (all Observers) StoreFailed(op string, err error) {
	for _, o := range all {
		o.StoreFailed(op, err)
	}
}
