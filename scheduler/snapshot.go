package scheduler

import (
	"cmp"
	"slices"
	"time"
)

// Snapshot is what the loop is doing and going to do.
type Snapshot struct {
	At         time.Time
	Running    []Running // in the order of their beginning
	Waiting    []Firing  // claimed, and begin at their jittered time or when their predecessor ends
	Schedules  []ScheduleStatus
	ClockSteps int   // since the daemon started
	StoreErr   error // of the last write to the ledger; nil when it went well
}

// Running is a run that is going.
type Running struct {
	Firing    Firing
	StartedAt time.Time // in this process
}

// ScheduleStatus is one schedule's part of a Snapshot.
type ScheduleStatus struct {
	Schedule string
	Paused   bool
	NextRun  time.Time // jitter included; zero: none is planned
	Last     LastRun   // zero where it never ran
}

// Snapshot tells what the loop is doing, its schedules in the order of their
// next run, those without one last. It is safe for concurrent use and does not
// wait for a ledger.
func (l *Loop) Snapshot() Snapshot {
	l.mu.Lock()
	defer l.mu.Unlock()
	snap := Snapshot{At: l.cfg.Clock.Read().Wall, ClockSteps: l.clockSteps, StoreErr: l.storeErr}
	for _, s := range l.entries {
		snap.Running = append(snap.Running, s.running...)
		snap.Waiting = append(snap.Waiting, s.waiting...)
		if s.queued != nil {
			snap.Waiting = append(snap.Waiting, *s.queued)
		}
		if s.schedule != nil {
			snap.Schedules = append(snap.Schedules, ScheduleStatus{s.name, s.schedule.Paused, s.nextRun(), s.last})
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

func compareNext(a, b ScheduleStatus) int {
	if a.NextRun.IsZero() != b.NextRun.IsZero() {
		if a.NextRun.IsZero() {
			return 1
		}
		return -1
	}
	return cmp.Or(a.NextRun.Compare(b.NextRun), cmp.Compare(a.Schedule, b.Schedule))
}
