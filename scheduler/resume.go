package scheduler

import (
	"slices"
	"time"
)

// resume decides how a claimed run goes on at now, where it has not begun in time or its process
// ended. s is the run's schedule, nil where that was removed. replaced says that a younger run of
// the schedule does the work of f. The kind is one of:
//
//   - DecisionRun: begins or goes on now, with the deadline that it has
//   - DecisionJittered: begins at f.RunAt, which lies ahead
//   - DecisionCatchUp: begins or goes on now, and its deadline counts from now
//   - DecisionSkipped: a person left it out before it began
//   - DecisionInterrupted: does not go on, for the reason returned with it
func resume(f Firing, s *Schedule, now time.Time, replaced bool) (DecisionKind, MissedReason) {
	switch {
	// Without a schedule in force nothing says that the run is still wanted.
	case s == nil:
		return DecisionInterrupted, MissedRemoved
	case s.Paused:
		return DecisionInterrupted, MissedPaused
	// What it was claimed for is no longer what the schedule says.
	case !f.claimedBy(s):
		return DecisionInterrupted, MissedEdited
	case f.Waits != WaitNone && s.skipAt(f.Nominal) != nil:
		return DecisionSkipped, ""
	// A jittered run that has not begun has used none of its deadline's time. It is early, on time
	// or late like any run that was never claimed.
	case f.Waits == WaitTime && f.RunAt.After(now):
		return DecisionJittered, ""
	case f.Waits == WaitTime && now.Sub(f.RunAt) <= stepThreshold:
		return DecisionRun, ""
	// A run that began, or that waits in the queue, may use what is left until its deadline.
	case f.Waits != WaitTime && !f.Deadline.IsZero() && now.Before(f.Deadline):
		return DecisionRun, ""
	// Its time is used up, or it has no deadline. It may still be made up for, as a missed time
	// may.
	case now.Sub(f.RunAt) <= s.CatchUp && !replaced:
		return DecisionCatchUp, ""
	}
	return DecisionInterrupted, MissedInterrupted
}

// begin returns f as it begins, or goes on, at now. kind is what resume decided about it. s is its
// schedule.
func (f Firing) begin(kind DecisionKind, s *Schedule, now time.Time) Firing {
	if f.Waits == WaitNone {
		_, f.LeftOut = divide(f.Groups, s.Groups)
	}
	f.Groups = f.groupsOf(s)
	f.CatchUp = f.CatchUp || kind == DecisionCatchUp && f.Waits != WaitTurn
	// Only a run whose time is used up, or whose time counts from the end of its predecessor, gets
	// a new deadline. Any other keeps its own: a restart must not extend a run.
	if kind == DecisionCatchUp || f.Waits == WaitTurn {
		f.RunAt, f.Deadline = now, s.deadline(now)
	}
	f.Waits, f.Planned, f.Source = WaitNone, s.intention(f.Nominal).planned, s.Source
	return f
}

// groupsOf returns the groups with which a claimed run of s begins, or goes on. One that waited
// takes the groups that its schedule has by now: the groups at its claim may be gone. One that began
// keeps its groups, but for those that its schedule no longer names.
func (f Firing) groupsOf(s *Schedule) []string {
	if f.Waits != WaitNone {
		return s.Groups
	}
	kept, _ := divide(f.Groups, s.Groups)
	return kept
}

// divide returns the names that are among named, and the others.
func divide(names, named []string) (among, others []string) {
	for _, name := range names {
		if slices.Contains(named, name) {
			among = append(among, name)
		} else {
			others = append(others, name)
		}
	}
	return among, others
}

// replaces reports whether a younger run of the schedule does the work of f at now: one that began,
// or a nominal time that is due and undecided. A younger time that was skipped does not.
func (e *entry) replaces(f Firing, now time.Time) bool {
	// The first time in ran that is younger than f. It counts once its run time has come; until
	// then that run still waits for its jitter.
	younger, _ := slices.BinarySearch(e.ran, f.Nominal.Unix()+1)
	if younger < len(e.ran) && !time.Unix(e.ran[younger], 0).Add(e.schedule.JitterOffset()).After(now) {
		return true
	}
	return e.schedule.dueWithin(latest(f.Nominal, e.through), now)
}

// dueWithin reports whether one of the first maxListed nominal times in (after, until] is due and
// its run time has come by until.
func (s *Schedule) dueWithin(after, until time.Time) bool {
	seen := 0
	for o := range s.Occurrences(after, until) {
		if o.Status == StatusDue && !o.Run.After(until) {
			return true
		}
		if seen++; seen == maxListed {
			break
		}
	}
	return false
}
