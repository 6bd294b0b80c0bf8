package scheduler

import (
	"time"

	"zecpower/internal/event"
)

// readClock compares the clocks with those of the previous round. It returns the part of a
// situation that all schedules share: now, the grace, and the reason for late times. Where the wall
// clock was set it emits an event and, for a step backward, moves schedules back.
func (l *Loop) readClock(r Reading) situation {
	// While the daemon runs, a round may be a heartbeat late by design, so that much is on time.
	// What is later, with no other cause below, is late because the process made no progress.
	shared := situation{now: r.Wall, cause: MissedStalled, grace: l.cfg.Heartbeat + stepThreshold}

	// At start-up there is no previous reading to compare with. A time that passed before the start
	// was missed, however short ago: no daemon was there to run it.
	if l.starting {
		shared.cause, shared.grace = MissedDown, stepThreshold
		return shared
	}

	// A step and a suspend can coincide, because many machines set the clock on waking. Then the
	// step gives the reason.
	step, slept := drift(l.previous, r)
	if slept != 0 {
		shared.cause = MissedAsleep
	}
	if step != 0 {
		shared.cause = MissedClockStep
		l.lock(func() { l.clockSteps++ })
		l.cfg.Emit(event.ClockStepped{Delta: step})
	}

	switch {
	// Forward by more than the grace: times inside the step are decided as missed now. The step may
	// be a mistake that is undone soon; remember the clocks before it. See rewindTarget.
	case step > shared.grace:
		l.beforeStep = l.previous
	// Backward: the schedules are decided beyond now. Left alone they would not run until the clock
	// is there again.
	case step < 0:
		l.rewind(l.rewindTarget(r), r.Wall)
	}
	return shared
}

// rewindTarget returns from where on nominal times are undecided after the clock was set back to r.
// Normally that is now: what lies before was decided. Where the step only undoes a step forward, it
// is the time before that one. Times that the wrong clock made seem missed may then be caught up.
func (l *Loop) rewindTarget(r Reading) time.Time {
	// Seen from before the step forward, the clock shows no step: so the two steps cancel out.
	// Beyond recallReach the loop does not know what ran, and would decide it again.
	step, _ := drift(l.beforeStep, r)
	if l.beforeStep.Wall.IsZero() || step != 0 || r.Monotonic-l.beforeStep.Monotonic > recallReach {
		return r.Wall
	}
	return l.beforeStep.Wall
}

// rewind makes every schedule that is decided beyond now undecided after from. Its nominal times
// come again. What ran does not run twice: the entry and the store remember it.
func (l *Loop) rewind(from, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.entries {
		if e.schedule == nil || !e.through.After(now) {
			continue
		}
		e.through = from
		e.seek()
		e.seekDue(true)
		// The watermark in the store lies in the future. Correct it, or a restart would start from
		// it.
		l.unrecorded.Watermarks = append(l.unrecorded.Watermarks, e.watermark())
	}
	l.rebuildQueue() // wake times went backward: every position in the heap may be wrong
}
