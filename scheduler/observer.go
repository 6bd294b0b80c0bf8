package scheduler

import (
	"time"

	"zecpower/internal/power"
)

// Observer is told what the loop does, as it does it. Every call comes from
// the goroutine of Loop.Run, so calls never overlap, and a slow observer
// delays decisions.
type Observer interface {
	// RunStarted precedes the call of the run function.
	RunStarted(f Firing)
	// RunFinished follows it; took is measured on the monotonic clock.
	RunFinished(f Firing, r RunEnd, took time.Duration)
	// RunSuspended: the daemon stops in mid-run; the next start resumes it.
	RunSuspended(f Firing)
	// RunMissed: nominal times that will not run though they were due.
	RunMissed(m Missed)
	// RunSkipped: nominal times that were not meant to run.
	RunSkipped(s Skipped)
	// ClockStepped: the wall clock went delta further than time itself did.
	ClockStepped(delta time.Duration)
	// NextRun: the coming run time (jitter included) of a schedule has changed;
	// zero where there is none: paused, removed, or nothing within 5 years.
	NextRun(schedule string, at time.Time)
	// LastRun: how a schedule last ended. Comes at start-up for every schedule
	// that the ledger remembers, then after each run.
	LastRun(schedule string, last LastRun)
	// LedgerFailed: op was not, or may not have been, recorded. The fleet is
	// powered on regardless, and the loop tries to record it again each round.
	StoreFailed(op string, err error)
}

// Missed is a stretch of missed nominal times with one reason, all on one UTC day.
type Missed struct {
	Schedule string
	Nominal  time.Time // the first of them
	Last     time.Time // the last of them; Nominal where Count is 1
	Count    int
	AtLeast  bool // there were more than the loop cares to count
	Reason   MissedReason
}

// Skipped is a stretch of nominal times that were left out on purpose, all on
// one UTC day.
type Skipped struct {
	Schedule string
	Nominal  time.Time // the first of them
	Last     time.Time // the last of them; Nominal where Count is 1
	Count    int
	Cause    DecisionKind // VerdictExcluded, VerdictPaused or VerdictOverlap
	Calendar string       // of VerdictExcluded
}

// LastRun is how a schedule's newest finished run ended.
type LastRun struct {
	RunID       string
	Nominal     time.Time
	FinishedAt  time.Time
	Result      power.Result
	LastSuccess time.Time // when a run of the schedule last finished with power.ResultOK; zero: never
}

// Observers fans out to several observers, in order.
type Observers []Observer

// RunStarted implements Observer.
func (os Observers) RunStarted(f Firing) {
	for _, o := range os {
		o.RunStarted(f)
	}
}

// RunFinished implements Observer.
func (os Observers) RunFinished(f Firing, r RunEnd, took time.Duration) {
	for _, o := range os {
		o.RunFinished(f, r, took)
	}
}

// RunSuspended implements Observer.
func (os Observers) RunSuspended(f Firing) {
	for _, o := range os {
		o.RunSuspended(f)
	}
}

// RunMissed implements Observer.
func (os Observers) RunMissed(m Missed) {
	for _, o := range os {
		o.RunMissed(m)
	}
}

// RunSkipped implements Observer.
func (os Observers) RunSkipped(s Skipped) {
	for _, o := range os {
		o.RunSkipped(s)
	}
}

// ClockStepped implements Observer.
func (os Observers) ClockStepped(delta time.Duration) {
	for _, o := range os {
		o.ClockStepped(delta)
	}
}

// NextRun implements Observer.
func (os Observers) NextRun(schedule string, at time.Time) {
	for _, o := range os {
		o.NextRun(schedule, at)
	}
}

// LastRun implements Observer.
func (os Observers) LastRun(schedule string, last LastRun) {
	for _, o := range os {
		o.LastRun(schedule, last)
	}
}

// LedgerFailed implements Observer.
func (os Observers) StoreFailed(op string, err error) {
	for _, o := range os {
		o.StoreFailed(op, err)
	}
}
