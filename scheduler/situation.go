package scheduler

import (
	"slices"
	"time"
)

// situation is everything that the decisions about one schedule in one round depend on. Its methods
// are pure: they read no clock and change nothing.
type situation struct {
	schedule *Schedule
	through  time.Time              // every nominal time up to here is decided
	now      time.Time              // decide up to here
	cause    MissedReason           // why a late time is late, where no other reason applies
	grace    time.Duration          // a run that is at most this late is on time
	running  int                    // runs of the schedule that are going
	queued   bool                   // one run waits for them to end
	intents  *intents               // of the other schedules; nil: there are none
	ran      func(t time.Time) bool // whether a nominal time had its run already; nil: none had
}

// decide returns what becomes of each nominal time in (through, now], in time order. A time that
// ran already gets no decision: it can lie in that interval only because the clock was set back.
func (s situation) decide() []Decision {
	// 1. List the nominal times. Where there are too many to decide one by one, the list has a
	// first part (head), one decision for everything in between (gap), and the newest part (tail).
	head, gap, tail := s.undecided()
	all := slices.Concat(head, tail)

	// 2. Decide which late time runs after all, before any time is decided. A schedule makes at
	// most one late run: a fleet that was to be started on three mornings needs one start now.
	// Where a run is on time, it does that work, and no late one is needed.
	onTime := slices.ContainsFunc(all, s.onTime)
	lateRun := s.catchUpTime(all, onTime)

	// 3. A missed time is "superseded" where this round makes a run of the schedule, whichever it
	// is. gap was built before that was known.
	replaced := onTime || !lateRun.IsZero()
	for i := range gap {
		if gap[i].Kind == DecisionMissed {
			gap[i].Reason = s.missedReason(replaced)
		}
	}

	// 4. Decide the times in order. Each run that this round begins counts as going for those after
	// it, so that two times of one round obey the overlap policy too. s is a copy: the counts end
	// with it.
	var decisions []Decision
	for i, o := range all {
		if i == len(head) {
			decisions = append(decisions, gap...) // its times lie between head and tail
		}
		if s.ran != nil && s.ran(o.Nominal) {
			continue
		}
		d := s.decideOne(o, o.Nominal.Equal(lateRun), replaced)
		switch d.Kind {
		case DecisionRun, DecisionCatchUp:
			s.running++
		case DecisionQueued:
			s.queued = true
		}
		decisions = appendFolded(decisions, d)
	}
	if len(tail) == 0 {
		decisions = append(decisions, gap...) // the loop above did not reach the index after head
	}
	return decisions
}

// heed applies the intentions of other schedules to the claims among decisions. A claim that keeps
// no group becomes a missed time.
func (s situation) heed(decisions []Decision) {
	if s.intents == nil {
		return
	}
	for i := range decisions {
		d := &decisions[i]
		if !d.Claims() || d.Kind == DecisionJittered {
			continue // a jittered run is decided about when it begins
		}
		own := s.schedule.intention(d.Nominal)
		kept, superseded := s.intents.divide(d.Groups, own, s.now.Sub(own.planned) > s.grace)
		if len(kept) > 0 {
			d.Superseded = superseded
			continue
		}
		d.Kind, d.Reason = DecisionMissed, MissedSuperseded
		d.RunAt, d.Deadline, d.Fingerprint = time.Time{}, time.Time{}, ""
	}
}

// decideOne decides one nominal time. catchUp says that it is the late one that runs after all.
// replaced says that some run of this round does its work.
func (s situation) decideOne(o Occurrence, catchUp, replaced bool) Decision {
	d := Decision{
		Schedule: s.schedule.Name, Action: s.schedule.Action, Groups: s.schedule.Groups,
		Nominal: o.Nominal, Last: o.Nominal, Count: 1, Timezone: s.schedule.Zone.String(),
	}
	switch {
	// An excluded, paused or skipped time was never meant to run, so it is neither late nor missed.
	case o.Status == StatusExcluded:
		d.Kind, d.Calendar = DecisionExcluded, o.Calendar
	case o.Status == StatusPaused:
		d.Kind = DecisionPaused
	case o.Status == StatusSkipped:
		d.Kind, d.Skip = DecisionSkipped, o.Skip
	// Its nominal time has come, and its jittered run time has not. The run is claimed now and
	// begins then. The overlap policy applies when it begins.
	case o.Run.After(s.now):
		d.Kind, d.RunAt = DecisionJittered, o.Run
	case s.onTime(o):
		d.Kind, d.RunAt = s.applyOverlap(DecisionRun), s.now
	case catchUp:
		d.Kind, d.RunAt = s.applyOverlap(DecisionCatchUp), s.now
	default:
		d.Kind, d.Reason = DecisionMissed, s.missedReason(replaced)
	}
	if d.Claims() {
		d.Deadline, d.Fingerprint = s.schedule.deadline(d.RunAt), s.schedule.fingerprint()
	}
	return d
}

// applyOverlap returns kind where the overlap policy lets a run begin now, else what becomes of the
// run instead.
func (s situation) applyOverlap(kind DecisionKind) DecisionKind {
	switch {
	case s.schedule.Overlap.admits(s.running):
		return kind
	case s.schedule.Overlap == OverlapQueue && !s.queued:
		return DecisionQueued
	}
	return DecisionOverlap
}

// missedReason returns why a late time does not run. replaced says that a later run does its work.
func (s situation) missedReason(replaced bool) MissedReason {
	switch {
	case replaced:
		return MissedSuperseded
	case s.schedule.CatchUp == 0:
		return MissedCatchUpOff
	}
	return s.cause
}

// onTime reports whether o runs as planned: it has not run yet, and its run time lies ahead or at
// most grace in the past. Lateness counts from the run time, because jitter is not lateness.
func (s situation) onTime(o Occurrence) bool {
	return o.Status == StatusDue && s.now.Sub(o.Run) <= s.grace && (s.ran == nil || !s.ran(o.Nominal))
}

// catchUpTime returns the nominal time of the one late run to make: the newest due time of all
// whose run time lies inside the catch-up window. Zero: there is none, or an on-time run makes it
// needless.
func (s situation) catchUpTime(all []Occurrence, onTime bool) time.Time {
	if onTime || s.schedule.CatchUp == 0 {
		return time.Time{}
	}
	for _, o := range slices.Backward(all) {
		if o.Status != StatusDue {
			continue
		}
		if s.ran != nil && s.ran(o.Nominal) || s.now.Sub(o.Run) > s.schedule.CatchUp {
			break // older times are covered by that run, or lie outside the window as well
		}
		return o.Nominal
	}
	return time.Time{}
}
