package scheduler

import (
	"maps"
	"slices"
	"time"
)

// recall asks the ledger what earlier processes left, and resumes their runs.
// While the ledger cannot tell, schedules start from now, and it is asked again
// each heartbeat: late is better than never for a run left in the middle.
func (l *Loop) recall(now time.Time) {
	state, err := l.cfg.Store.Load(now.Add(-recallReach))
	if err != nil {
		l.storeFailed("load", err)
	}
	if l.starting {
		l.fill(state, now)
	}
	if err != nil {
		return
	}
	l.recalled = true
	unfinished := slices.DeleteFunc(state.Unfinished, l.claimed) // before what others ran is remembered as well
	l.remember(state)
	for _, name := range slices.Sorted(maps.Keys(state.Last)) {
		if s := l.entries[name]; s != nil && s.schedule != nil {
			l.cfg.Observer.LastRun(name, s.last)
		}
	}
	l.resumeAll(unfinished, now)
}

// claimed says that f is this process's own, which the ledger was slow to tell of.
func (l *Loop) claimed(f Firing) bool {
	s := l.entries[f.Schedule]
	return s != nil && s.hasRun(f.Nominal)
}

// resumeAll goes on with what earlier processes claimed and did not end, first
// with what may have begun.
func (l *Loop) resumeAll(unfinished []Firing, now time.Time) {
	var round Round
	begun := map[string]bool{}
	for _, waits := range []Wait{WaitNone, WaitTime, WaitTurn} {
		for _, f := range unfinished {
			if f.Waits == waits {
				l.resume(&round, begun, f, now)
			}
		}
	}
	if round.empty() {
		return
	}
	l.record(round)
	l.notifyAbandoned(round.Abandons)
	for _, f := range round.Begins {
		l.begin(l.entries[f.Schedule], f)
	}
}

// fill makes the first slots.
func (l *Loop) fill(state State, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.cfg.Schedules {
		s := l.newEntry(&l.cfg.Schedules[i])
		m, known := state.Watermarks[s.name]
		s.through = startFrom(m, known, s.spec, state.DecidedThrough, now)
		if !known || s.through.Before(m.Through) || m.Spec != s.spec {
			l.unrecorded.Watermarks = append(l.unrecorded.Watermarks, s.watermark())
		}
		s.seek()
		s.seekDue(true)
	}
	for name := range state.Watermarks {
		if l.entries[name] == nil {
			l.unrecorded.Forget = append(l.unrecorded.Forget, name)
		}
	}
	l.cfg.Schedules = nil // the slots hold them; a reload must be able to free them
	l.rebuildQueue()
}

func (l *Loop) newEntry(schedule *Schedule) *entry {
	s := &entry{name: schedule.Name, schedule: schedule, spec: schedule.spec(), index: -1}
	l.entries[s.name] = s
	return s
}

func (l *Loop) remember(state State) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for name, times := range state.Ran {
		if s := l.entries[name]; s != nil {
			for _, t := range times {
				s.remember(t)
			}
		}
	}
	for name, last := range state.Last {
		if s := l.entries[name]; s != nil && s.last.FinishedAt.IsZero() {
			s.last = last
		}
	}
}

// takeUp finds out how a run goes on that an earlier process left. begun are
// the schedules that have such a run in round.
func (l *Loop) resume(round *Round, begun map[string]bool, f Firing, now time.Time) {
	s := l.entries[f.Schedule]
	f.Resumed = true
	var schedule *Schedule
	replaced := false
	if s != nil && s.schedule != nil {
		schedule, replaced = s.schedule, s.replaces(f, now)
	}
	verdict, reason := resume(f, schedule, now, replaced)
	if verdict == DecisionInterrupted && reason == MissedInterrupted && f.Waits != WaitNone { // it never began
		verdict, reason = DecisionMissed, situation{schedule: schedule, cause: MissedDown}.missedReason(replaced)
	}
	busy := s != nil && len(s.running) > 0 || begun[f.Schedule]
	switch {
	case verdict == DecisionInterrupted, verdict == DecisionMissed:
		round.Abandons = append(round.Abandons, Abandonment{f, verdict, reason, now})
	case verdict == DecisionJittered:
		l.lock(func() { s.wait(f); l.queue.place(s) })
	case !busy || schedule.Overlap == OverlapAllow:
		begun[f.Schedule] = true
		round.Begins = append(round.Begins, f.setOut(verdict, schedule, now))
	case s.queued == nil && f.Waits != WaitTime:
		l.lock(func() { s.queued = &f })
	case s.queued == nil && schedule.Overlap == OverlapQueue:
		f.Waits = WaitTurn
		l.lock(func() { s.queued = &f })
	default:
		round.Abandons = append(round.Abandons, Abandonment{f, DecisionOverlap, "", now})
	}
}

// setOut is f as it begins now. Only a run that had no time to use yet, or has
// used it up, gets new time. One that waited takes the groups that its schedule
// has by now: those that it had may be gone.
func (f Firing) setOut(v DecisionKind, s *Schedule, now time.Time) Firing {
	if f.Waits != WaitNone && f.Action == s.Action {
		f.Groups = s.Groups
	}
	f.CatchUp = f.CatchUp || v == DecisionCatchUp && f.Waits != WaitTurn
	if v == DecisionCatchUp || f.Waits == WaitTurn {
		f.RunAt, f.Deadline = now, s.deadline(now)
	}
	f.Waits = WaitNone
	return f
}

// replaces says that a younger run of the schedule does the work of f: one that
// has had its turn, or that is due and undecided. One that was left out does not.
func (s *entry) replaces(f Firing, now time.Time) bool {
	younger, _ := slices.BinarySearch(s.ran, f.Nominal.Unix()+1)
	if younger < len(s.ran) && !time.Unix(s.ran[younger], 0).Add(s.schedule.JitterOffset()).After(now) {
		return true
	}
	return s.schedule.dueWithin(latest(f.Nominal, s.through), now)
}

// dueWithin says whether a due time lies in (after, until].
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

// lock changes slots while nobody takes a snapshot of them.
func (l *Loop) lock(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change()
}
