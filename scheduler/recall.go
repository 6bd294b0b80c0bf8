package scheduler

import (
	"maps"
	"slices"
	"time"

	"zecpower/internal/store"
)

// recallReach is how far back from now the loop loads what ran, at least: the longest catch-up
// window may reach further. Where the clock is set back further, the store still refuses a run that
// it has: see store.Store.Claim.
const recallReach = 24 * time.Hour

// reach is how far back a time may lie that is decided now.
func (l *Loop) reach() time.Duration {
	reach := recallReach
	for i := range l.cfg.Schedules {
		reach = max(reach, l.cfg.Schedules[i].CatchUp+l.cfg.Schedules[i].Jitter)
	}
	for _, e := range l.entries {
		if e.schedule != nil {
			reach = max(reach, e.schedule.CatchUp+e.schedule.Jitter)
		}
	}
	return reach
}

// recall loads what earlier processes left in the store, and resumes their runs. The first call
// also makes the entries. Where the store fails, the schedules start from now, and round calls
// recall again each heartbeat until it succeeds: a run that a crash cut short must not wait for the
// next restart.
func (l *Loop) recall(now time.Time) {
	state, err := l.cfg.Store.Load(l.writing, now.Add(-l.reach()))
	if err != nil {
		l.storeFailed("load", err)
	}

	// Skips come before any decision.
	if err == nil {
		l.applySkips(SkipsOf(state.Skips))
	}

	// 1. Make the entries, once and also after a failure: the schedules must fire without a store.
	if l.starting {
		l.fill(state, now)
	}
	if err != nil {
		return
	}
	l.recalled = true

	// 2. Drop the runs of this process from those to resume. There are some where the store answers
	// late. This must come before remember, which adds the runs of other processes: after it the
	// two cannot be distinguished.
	unfinished := l.ofOthers(state)

	// 3. Remember what ran, so that no time runs twice, and report how each schedule last ended.
	l.remember(state)
	l.recallMade(state.Newest)
	l.cfg.Recalled(state, l.leftByHand(state, now))
	for _, name := range slices.Sorted(maps.Keys(state.Last)) {
		if e := l.entries[name]; e != nil && e.schedule != nil {
			l.cfg.Emit(e.lastRun())
		}
	}

	// 4. Resume last: it needs to know what ran, to see whether a younger run replaces an open one.
	l.resumeAll(unfinished, now)
}

// ByHand is a run by hand that an earlier process left. Superseded are those of its groups of which a
// newer intention wants otherwise, with the id of the run that it is about.
type ByHand struct {
	Run        store.Run
	Superseded map[string]string
}

// leftByHand returns the runs by hand that have no end.
func (l *Loop) leftByHand(state store.State, now time.Time) (left []ByHand) {
	intents := l.newIntents(now, stepThreshold)
	for _, r := range state.Unfinished {
		if r.Schedule == store.ManualSchedule {
			_, superseded := intents.divide(r.Groups, l.intentionOf(r), false)
			left = append(left, ByHand{r, superseded})
		}
	}
	return left
}

// ofOthers returns the runs that this process did not claim.
func (l *Loop) ofOthers(state store.State) (others []Firing) {
	for _, r := range state.Unfinished {
		if r.Schedule == store.ManualSchedule {
			continue // it is no schedule's
		}
		if e := l.entries[r.Schedule]; e != nil && e.hasRun(r.Nominal) {
			continue
		}
		f := firingOf(r)
		if f.Fingerprint == "" { // claimed before there were fingerprints
			f.Fingerprint = fingerprintOf(state.Watermarks[r.Schedule])
		}
		others = append(others, f)
	}
	return others
}

// fill makes the first entries, from the configuration and what the store has about them.
func (l *Loop) fill(state store.State, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.cfg.Schedules {
		e := l.newEntry(&l.cfg.Schedules[i])
		w, known := state.Watermarks[e.name]
		e.through = startFrom(w, known, e.spec, state.DecidedThrough, now)
		if e.since = now; known && w.Spec == e.spec {
			e.since = w.Since
		}
		// Correct a watermark that is missing, lies in the future, or belongs to another spec.
		if !known || e.through.Before(w.Through) || w.Spec != e.spec {
			l.unrecorded.Watermarks = append(l.unrecorded.Watermarks, e.watermark())
		}
		e.seek()
		e.seekDue(true)
	}
	// A schedule that is gone must have no watermark: it would be its past if it came back.
	for name := range state.Watermarks {
		if l.entries[name] == nil {
			l.unrecorded.Forget = append(l.unrecorded.Forget, name)
		}
	}
	l.remakeGroups()
	l.cfg.Schedules = nil // the entries have them now; a reload must be able to free them
	l.rebuildQueue()
}

// newEntry adds an entry for schedule. The caller holds mu, and sets through.
func (l *Loop) newEntry(schedule *Schedule) *entry {
	e := &entry{name: schedule.Name, schedule: schedule.With(l.skips), spec: schedule.spec(), index: -1}
	l.entries[e.name] = e
	return e
}

// remember adds what earlier processes ran to the entries. A run that this process finished is
// newer than the last one in the store, and stays.
func (l *Loop) remember(state store.State) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for name, times := range state.Ran {
		if e := l.entries[name]; e != nil {
			for _, t := range times {
				e.remember(t)
			}
			for _, t := range state.Abandoned[name] {
				e.abandon(t)
			}
		}
	}
	for name, last := range state.Last {
		if e := l.entries[name]; e != nil && e.last.FinishedAt.IsZero() {
			e.last = last
		}
	}
}

// resumeAll goes on with the runs that earlier processes claimed and did not end.
func (l *Loop) resumeAll(unfinished []Firing, now time.Time) {
	// Decide first about runs that may have begun: the runs that waited overlap with them, not the
	// other way round. A run that waited for its time comes before one that waited in the queue.
	r := resumption{begun: map[string]int{}, intents: l.newIntents(now, stepThreshold)}
	for _, waits := range []Wait{WaitNone, WaitTime, WaitTurn} {
		for _, f := range unfinished {
			if f.Waits == waits {
				l.resume(&r, f, now)
			}
		}
	}
	if r.round.Empty() {
		return
	}
	// As in reconcile: durable first, then report, then begin.
	launches := l.prepareAll(r.begins)
	addBeginnings(&r.round, launches, now)
	l.record(r.round)
	l.abandoned(r.round.Abandons)
	for _, p := range launches {
		l.begin(l.entries[p.firing.Schedule], p)
	}
}

// resumption collects what becomes of the runs of earlier processes.
type resumption struct {
	round   store.Round
	intents *intents
	begins  []Firing       // they are in round as well
	begun   map[string]int // by schedule: how many of begins
}

// resume decides how f, a run of an earlier process, goes on, and adds that to r or to the entry.
func (l *Loop) resume(r *resumption, f Firing, now time.Time) {
	e := l.entries[f.Schedule]
	f.Resumed = true
	var schedule *Schedule
	replaced := false
	if e != nil && e.schedule != nil {
		schedule, replaced = e.schedule, e.replaces(f, now)
	}

	// 1. Decide by its times. A run that had not begun was not interrupted: it is missed, like a
	// time that was never claimed. Its reason is found the same way; the cause is that no daemon
	// was there.
	kind, reason := resume(f, schedule, now, replaced)
	if reason == "" && kind != DecisionJittered && kind != DecisionSkipped {
		superseded, all := r.intents.of(f, schedule)
		if f.Superseded = superseded; all {
			kind, reason = DecisionInterrupted, MissedSuperseded
		}
	}
	if kind == DecisionInterrupted && f.Waits != WaitNone {
		switch reason {
		case MissedInterrupted:
			kind, reason = DecisionMissed, situation{schedule: schedule, cause: MissedDown}.missedReason(replaced)
		case MissedEdited, MissedSuperseded:
			kind = DecisionMissed
		}
	}

	// 2. Apply the overlap policy to the runs of the schedule that are going, or begin in this round.
	running := r.begun[f.Schedule]
	if e != nil {
		running += len(e.running)
	}
	switch {
	case kind == DecisionSkipped:
		r.round.Abandons = append(r.round.Abandons, skipped(f, *schedule.skipAt(f.Nominal), now))
	case kind == DecisionInterrupted, kind == DecisionMissed:
		r.round.Abandons = append(r.round.Abandons, abandonment(f, kind, reason, now))
	case kind == DecisionJittered:
		l.lock(func() { e.wait(f); l.queue.place(e) })
	case schedule.Overlap.admits(running):
		f = f.begin(kind, schedule, now)
		r.begun[f.Schedule]++
		r.begins = append(r.begins, f)
		r.round.Updates = append(r.round.Updates, f.Record())
	// A run that may have done a part of its work, or had a place in the queue, gets the queue's
	// one place under any policy. Its record in the store is right as it is, so nothing is written.
	case e.queued == nil && f.Waits != WaitTime:
		l.lock(func() { e.queued = &f })
	// One that waited for its time gets that place only where the schedule queues.
	case e.queued == nil && schedule.Overlap == OverlapQueue:
		f.Waits = WaitTurn
		l.lock(func() { e.queued = &f })
	default:
		r.round.Abandons = append(r.round.Abandons, abandonment(f, DecisionOverlap, "", now))
	}
}
