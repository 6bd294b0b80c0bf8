package metrics

import (
	"time"

	"zecpower/internal/power"
	"zecpower/internal/store"
	"zecpower/scheduler"
)

// reasonOverlap is counted beside scheduler.MissedReasons: a nominal time that was due and did not
// run because the run before it was still going. Excluded and paused times are not counted.
const reasonOverlap = string(scheduler.DecisionOverlap)

func missedReasons() []string {
	reasons := []string{reasonOverlap}
	for _, r := range scheduler.MissedReasons() {
		reasons = append(reasons, string(r))
	}
	return reasons
}

// scheduleObserver implements scheduler.Observer apart from Metrics, because batcher.Observer has
// methods of the same names.
type scheduleObserver struct{ m *Metrics }

// Scheduler returns the scheduler.Observer that writes to m.
func (m *Metrics) Scheduler() scheduler.Observer { return scheduleObserver{m} }

// RunStarted implements scheduler.Observer.
func (o scheduleObserver) RunStarted(f scheduler.Firing) {
	o.m.mu.Lock()
	defer o.m.mu.Unlock()
	o.m.series.fired[f.RunID] = false
}

// RunFinished implements scheduler.Observer. A run that ended without a report
// (it never got as far as its first instance, or it panicked) counts as failed.
func (o scheduleObserver) RunFinished(f scheduler.Firing, _ scheduler.RunEnd, took time.Duration) {
	o.m.mu.Lock()
	defer o.m.mu.Unlock()
	if o.m.ended(f) {
		return
	}
	o.m.release(f.RunID)
	o.m.startSchedule(f.Schedule)
	o.m.startPair(scheduleAction{f.Schedule, power.Action(f.Action)})
	o.m.runs.WithLabelValues(f.Schedule, string(f.Action), string(power.ResultFailed)).Inc()
	o.m.runDuration.WithLabelValues(f.Schedule).Observe(took.Seconds())
}

// RunSuspended implements scheduler.Observer.
func (o scheduleObserver) RunSuspended(f scheduler.Firing) {
	o.m.mu.Lock()
	defer o.m.mu.Unlock()
	o.m.ended(f)
}

// ended drops a fired run and says whether the batcher reported its end.
func (m *Metrics) ended(f scheduler.Firing) (reported bool) {
	reported = m.series.fired[f.RunID]
	delete(m.series.fired, f.RunID)
	return reported
}

// RunMissed implements scheduler.Observer.
func (o scheduleObserver) RunMissed(missed scheduler.Missed) {
	o.count(missed.Schedule, string(missed.Reason), missed.Count)
}

// RunSkipped implements scheduler.Observer.
func (o scheduleObserver) RunSkipped(s scheduler.Skipped) {
	if s.Cause == scheduler.DecisionOverlap {
		o.count(s.Schedule, reasonOverlap, s.Count)
	}
}

func (o scheduleObserver) count(schedule, reason string, n int) {
	o.m.mu.Lock()
	defer o.m.mu.Unlock()
	o.m.startSchedule(schedule)
	o.m.missed.WithLabelValues(schedule, reason).Add(float64(n))
}

// ClockStepped implements scheduler.Observer.
func (o scheduleObserver) ClockStepped(time.Duration) { o.m.clockSteps.Inc() }

// NextRun implements scheduler.Observer.
func (o scheduleObserver) NextRun(schedule string, at time.Time) {
	o.m.mu.Lock()
	defer o.m.mu.Unlock()
	if o.m.removed(schedule) {
		return
	}
	if at.IsZero() {
		o.m.nextRun.DeleteLabelValues(schedule)
		return
	}
	o.m.startSchedule(schedule)
	o.m.nextRun.WithLabelValues(schedule).Set(unix(at))
}

// LastRun implements scheduler.Observer. It also sets what earlier processes recorded.
func (o scheduleObserver) LastRun(schedule string, last store.LastRun) {
	o.m.mu.Lock()
	defer o.m.mu.Unlock()
	o.m.setLastRun(schedule, last.FinishedAt, last.LastSuccess)
}

// StoreFailed implements scheduler.Observer.
func (o scheduleObserver) StoreFailed(string, error) { o.m.storeFails.Inc() }

// removed reports a schedule that the configuration does not name (any more).
func (m *Metrics) removed(schedule string) bool {
	return m.series.loaded && !m.series.known[schedule]
}
