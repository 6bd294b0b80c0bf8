package scheduler

import (
	"cmp"
	"slices"
	"time"

	"zecpower/internal/store"
)

// Snapshot is what the loop does, and is about to do, at one moment. It shares nothing with the
// loop but the values of firings, which never change.
type Snapshot struct {
	At         time.Time        // wall clock
	Running    []Running        // runs that are going, in the order in which they began
	Waiting    []Firing         // claimed runs that wait for their time or their predecessor
	Schedules  []ScheduleStatus // by next run; those without one last
	ClockSteps int              // since the daemon started
	StoreErr   error            // of the last write to the store; nil where it succeeded
}

// Running is a run that is going.
type Running struct {
	Firing    Firing
	StartedAt time.Time // when this process began or resumed it, wall clock
}

// ScheduleStatus is one schedule's part of a Snapshot.
type ScheduleStatus struct {
	Schedule string
	Zone     *time.Location
	Paused   bool
	NextRun  time.Time     // jitter included; zero: none is planned
	Last     store.LastRun // zero where no run has finished
}

// Snapshot returns what the loop does now. It is safe for concurrent use, and never waits for the
// store or for a run.
func (l *Loop) Snapshot() Snapshot {
	l.mu.Lock()
	defer l.mu.Unlock()
	snap := Snapshot{At: l.cfg.Clock.Read().Wall, ClockSteps: l.clockSteps, StoreErr: l.storeErr}
	for _, e := range l.entries {
		snap.Running = append(snap.Running, e.running...)
		snap.Waiting = append(snap.Waiting, e.waiting...)
		if e.queued != nil {
			snap.Waiting = append(snap.Waiting, *e.queued)
		}
		if e.schedule != nil {
			snap.Schedules = append(snap.Schedules, ScheduleStatus{e.name, e.schedule.Zone, e.schedule.Paused, e.nextRun(), e.last})
		}
	}
	slices.SortFunc(snap.Running, func(a, b Running) int {
		return cmp.Or(a.StartedAt.Compare(b.StartedAt), cmp.Compare(a.Firing.RunID, b.Firing.RunID))
	})
	slices.SortFunc(snap.Waiting, func(a, b Firing) int {
		return cmp.Or(a.RunAt.Compare(b.RunAt), cmp.Compare(a.RunID, b.RunID))
	})
	slices.SortFunc(snap.Schedules, compareNext)
	return snap
}

// compareNext orders by next run, then by name; no next run comes last.
func compareNext(a, b ScheduleStatus) int {
	if a.NextRun.IsZero() != b.NextRun.IsZero() {
		if a.NextRun.IsZero() {
			return 1
		}
		return -1
	}
	return cmp.Or(a.NextRun.Compare(b.NextRun), cmp.Compare(a.Schedule, b.Schedule))
}
