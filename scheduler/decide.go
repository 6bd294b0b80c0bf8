package scheduler

import (
	"slices"
	"time"

	"zecpower/internal/power"
)

// Verdict is what was decided about a nominal time.
type DecisionKind string

// The verdicts. The first four claim a run; the others are records only.
const (
	DecisionRun         DecisionKind = "run"         // now, on time
	DecisionJittered    DecisionKind = "jittered"    // at its run time, which lies ahead
	DecisionCatchUp     DecisionKind = "catch_up"    // now, though late
	DecisionQueued      DecisionKind = "queued"      // when the previous run of the schedule ends
	DecisionMissed      DecisionKind = "missed"      // not: too late, see MissedReason
	DecisionExcluded    DecisionKind = "excluded"    // not: its local date is in a calendar
	DecisionPaused      DecisionKind = "paused"      // not: the schedule is paused
	DecisionOverlap     DecisionKind = "overlap"     // not: the previous run is still going
	DecisionInterrupted DecisionKind = "interrupted" // it began, and its process died; too late to go on
)

// MissedReason says why a nominal time that was due did not run.
type MissedReason string

// The reasons, a closed set.
const (
	// MissedDown: no daemon was running, for longer than the catch-up window.
	MissedDown MissedReason = "down"
	// MissedAsleep: the machine was suspended for longer than the catch-up window.
	MissedAsleep MissedReason = "asleep"
	// MissedStalled: the daemon ran but was held up (stopped by a signal, a
	// frozen virtual machine) for longer than the catch-up window.
	MissedStalled MissedReason = "stalled"
	// MissedClockStep: the wall clock was set forward past it and its catch-up window.
	MissedClockStep MissedReason = "clock_step"
	// MissedCatchUpOff: late, and the schedule has no catch-up window.
	MissedCatchUpOff MissedReason = "catch_up_off"
	// MissedSuperseded: a later run of the schedule does its work.
	MissedSuperseded MissedReason = "superseded"
	// MissedInterrupted: it began, its process died, and it was too late to resume it.
	MissedInterrupted MissedReason = "interrupted"
	// MissedRemoved: its schedule was removed before it began or could be resumed.
	MissedRemoved MissedReason = "removed"
	// MissedPaused: its schedule was paused before it could be resumed.
	MissedPaused MissedReason = "paused"
)

// MissedReasons lists every reason, in the order of the constants.
func MissedReasons() []MissedReason {
	return []MissedReason{
		MissedDown, MissedAsleep, MissedStalled, MissedClockStep, MissedCatchUpOff, MissedSuperseded,
		MissedInterrupted, MissedRemoved, MissedPaused,
	}
}

// Decision is what becomes of one nominal time, or of a stretch of them on one
// UTC day that share their fate without running.
type Decision struct {
	Schedule string
	Action   power.Action
	Groups   []string
	Kind     DecisionKind
	Nominal  time.Time // the first of the stretch
	Last     time.Time // the last of it; Nominal where Count is 1
	Count    int
	AtLeast  bool         // more than the loop cares to count
	RunAt    time.Time    // of a claim: when the run begins, as far as known
	Deadline time.Time    // of a claim; zero: none
	Reason   MissedReason // of VerdictMissed
	Calendar string       // of VerdictExcluded
}

// Claims says whether d is a run: now, later, or when its turn comes.
func (d Decision) Claims() bool {
	switch d.Kind {
	case DecisionRun, DecisionJittered, DecisionCatchUp, DecisionQueued:
		return true
	}
	return false
}

// Firing is the run that d claims.
func (d Decision) Firing() Firing {
	return Firing{
		RunID: RunID(d.Schedule, d.Nominal), Schedule: d.Schedule, Action: d.Action, Groups: d.Groups,
		Nominal: d.Nominal, RunAt: d.RunAt, Deadline: d.Deadline, CatchUp: d.Kind == DecisionCatchUp,
		Waits: map[DecisionKind]Wait{DecisionJittered: WaitTime, DecisionQueued: WaitTurn}[d.Kind],
	}
}

// maxListed bounds the nominal times of one schedule that one round looks at
// one by one: 90 days of an hourly schedule fit with room to spare, while an
// "@every 1s" that was down for a month cannot hold the loop up.
const maxListed = 5000

// maxSeek bounds the search among times that are not due: more than the seconds
// of a day, far less than would hold a round up.
const maxSeek = 100_000

// situation is all that a decision about one schedule depends on.
type situation struct {
	schedule *Schedule
	through  time.Time // nominal times up to here are decided
	now      time.Time
	cause    MissedReason           // why late ones are late
	grace    time.Duration          // a run this late is still on time
	running  int                    // runs of the schedule that are going
	queued   bool                   // one waits for them
	ran      func(t time.Time) bool // whether a nominal time had its run, which a clock set back brings up again; nil: none had
}

// decide says what becomes of each nominal time in (through, now], in order.
func (s situation) decide() []Decision {
	head, gap, tail := s.undecided()
	all := slices.Concat(head, tail)
	prompt := slices.ContainsFunc(all, s.prompt)
	lateRun := s.catchUpOf(all, prompt)

	replaced := prompt || !lateRun.IsZero()
	for i := range gap {
		if gap[i].Kind == DecisionMissed {
			gap[i].Reason = s.missedReason(replaced)
		}
	}
	var decisions []Decision
	for i, o := range all {
		if i == len(head) {
			decisions = append(decisions, gap...)
		}
		if s.ran != nil && s.ran(o.Nominal) {
			continue
		}
		d := s.judge(o, o.Nominal.Equal(lateRun), replaced)
		switch d.Kind {
		case DecisionRun, DecisionCatchUp:
			s.running++
		case DecisionQueued:
			s.queued = true
		}
		decisions = appendFolded(decisions, d)
	}
	if len(tail) == 0 {
		decisions = append(decisions, gap...)
	}
	return decisions
}

// judge decides about one nominal time. catchUp says that it is the late one
// that runs after all, replaced that some run of this round does its work.
func (s situation) judge(o Occurrence, catchUp, replaced bool) Decision {
	d := Decision{
		Schedule: s.schedule.Name, Action: s.schedule.Action, Groups: s.schedule.Groups,
		Nominal: o.Nominal, Last: o.Nominal, Count: 1,
	}
	switch {
	case o.Status == StatusExcluded:
		d.Kind, d.Calendar = DecisionExcluded, o.Calendar
	case o.Status == StatusPaused:
		d.Kind = DecisionPaused
	case o.Run.After(s.now):
		d.Kind, d.RunAt = DecisionJittered, o.Run
	case s.prompt(o):
		d.Kind, d.RunAt = s.turn(DecisionRun), s.now
	case catchUp:
		d.Kind, d.RunAt = s.turn(DecisionCatchUp), s.now
	default:
		d.Kind, d.Reason = DecisionMissed, s.missedReason(replaced)
	}
	if d.Claims() {
		d.Deadline = s.schedule.deadline(d.RunAt)
	}
	return d
}

// turn applies the overlap policy to a run that could begin now.
func (s situation) turn(v DecisionKind) DecisionKind {
	switch {
	case s.running == 0 || s.schedule.Overlap == OverlapAllow:
		return v
	case s.schedule.Overlap == OverlapQueue && !s.queued:
		return DecisionQueued
	}
	return DecisionOverlap
}

func (s situation) missedReason(replaced bool) MissedReason {
	switch {
	case replaced:
		return MissedSuperseded
	case s.schedule.CatchUp == 0:
		return MissedCatchUpOff
	}
	return s.cause
}

// prompt says whether o runs as planned: its run time is near or still to come.
// Lateness counts from the run time, so that jitter is not taken for lateness.
func (s situation) prompt(o Occurrence) bool {
	return o.Status == StatusDue && s.now.Sub(o.Run) <= s.grace && (s.ran == nil || !s.ran(o.Nominal))
}

// catchUpOf is the nominal time of the late run to make up for: the newest one
// inside the window, and none where a prompt one does its work anyway.
func (s situation) catchUpOf(all []Occurrence, prompt bool) time.Time {
	if prompt || s.schedule.CatchUp == 0 {
		return time.Time{}
	}
	for _, o := range slices.Backward(all) {
		if o.Status != StatusDue {
			continue
		}
		if s.ran != nil && s.ran(o.Nominal) || s.now.Sub(o.Run) > s.schedule.CatchUp {
			break // what is older than a run, or than the window, need not be made up for
		}
		return o.Nominal
	}
	return time.Time{}
}

// undecided lists the nominal times in (through, now]. Where they are more than
// maxListed it gives the first of them, one decision for those in the gap that
// follows, and the newest.
func (s situation) undecided() (head []Occurrence, gap []Decision, tail []Occurrence) {
	for o := range s.schedule.Occurrences(s.through, s.now) {
		if len(head) == maxListed {
			tail = s.newest()
			head = slices.DeleteFunc(head, func(o Occurrence) bool {
				return len(tail) > 0 && !o.Nominal.Before(tail[0].Nominal)
			})
			return head, s.gap(head, tail), tail
		}
		head = append(head, o)
	}
	return head, nil, nil
}

// newest looks back from now in growing steps until it finds a due time, or
// the window is searched: sequences of nominal times only go forward. Where
// maxSeek of them are none, or there can be none, it looks no further.
func (s situation) newest() (tail []Occurrence) {
	jitter := s.schedule.JitterOffset()
	window := jitter + max(s.schedule.CatchUp, s.grace)
	for reach := jitter + s.grace; ; reach *= 2 {
		tail = tail[:0]
		due := false
		for o := range s.schedule.Occurrences(latest(s.through, s.now.Add(-reach)), s.now) {
			tail = append(tail, o)
			due = due || o.Status == StatusDue
		}
		if due || reach >= window || s.schedule.Paused || len(tail) >= maxSeek {
			return tail
		}
	}
}

// gap stands for the nominal times between head and tail, which nobody counts.
func (s situation) gap(head, tail []Occurrence) []Decision {
	from, until := s.through, s.now
	if len(head) > 0 {
		from = head[len(head)-1].Nominal
	}
	if len(tail) > 0 {
		until = tail[0].Nominal.Add(-1)
	}
	var first, telling Occurrence
	seen := 0
	for o := range s.schedule.Occurrences(from, until) {
		if seen++; seen == 1 {
			first, telling = o, o
		}
		if o.Status != StatusExcluded {
			telling = o // one that was due makes the gap one of missed times
		}
		if telling.Status != StatusExcluded || seen == maxSeek {
			break
		}
	}
	if seen == 0 {
		return nil
	}
	d := s.judge(telling, false, false)
	d.Nominal, d.Last, d.AtLeast = first.Nominal, until, true
	return []Decision{d}
}

// appendFolded appends d, or makes the last decision's stretch longer by it.
func appendFolded(decisions []Decision, d Decision) []Decision {
	if len(decisions) == 0 || d.Claims() {
		return append(decisions, d)
	}
	last := &decisions[len(decisions)-1]
	same := last.Kind == d.Kind && last.Reason == d.Reason && last.Calendar == d.Calendar &&
		!last.AtLeast && SameDay(last.Nominal, d.Nominal)
	if !same {
		return append(decisions, d)
	}
	last.Last = d.Last
	last.Count += d.Count
	return decisions
}

// SameDay says whether a and b lie on one UTC day: what shares a fate on one
// day is told and recorded as one stretch.
func SameDay(a, b time.Time) bool {
	const day = 24 * 60 * 60
	return a.Unix()/day == b.Unix()/day
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// deadline is when a run that begins at runAt has to end; zero: never.
func (s *Schedule) deadline(runAt time.Time) time.Time {
	if s.Deadline == 0 {
		return time.Time{}
	}
	return runAt.Add(s.Deadline)
}

// spec tells one timing from another: a schedule whose spec has changed is a
// new one, whose past is none of its own. The calendars are not part of it:
// next year's holidays added while the daemon was down must not cost the run
// that it missed meanwhile. A pause is: what it kept from running must not burst
// out when it is lifted while the daemon is down.
func (s *Schedule) spec() string {
	spec := s.Timetable.String() + "\n" + s.Zone.String() + "\n" + string(s.Action)
	if s.Paused {
		spec += pausedMark
	}
	return spec
}

const pausedMark = "\npaused"

// startFrom is where the decisions about a schedule go on when the loop first
// meets it: after what m and decidedThrough say is decided. A schedule that is
// new or edited has no past, but one that was only paused meanwhile is told of
// as paused; a mark in the future is a clock's mistake.
func startFrom(m Watermark, known bool, spec string, decidedThrough, now time.Time) time.Time {
	edited := m.Spec != spec && m.Spec+pausedMark != spec
	if !known || edited || m.Through.After(now) {
		return now
	}
	if decidedThrough.After(now) {
		return m.Through
	}
	return latest(m.Through, decidedThrough)
}

// resume says how a run that was claimed, and not begun or not ended in time,
// goes on at now. replaced says that a younger run of the schedule does its work.
// The verdict is VerdictRun, VerdictJittered (f.RunAt lies ahead), VerdictCatchUp
// (its deadline counts anew) or VerdictInterrupted. A jittered run that has yet to
// begin has used nothing of its deadline's time: it is on time, or late as any other.
func resume(f Firing, s *Schedule, now time.Time, replaced bool) (DecisionKind, MissedReason) {
	switch {
	case s == nil:
		return DecisionInterrupted, MissedRemoved
	case s.Paused:
		return DecisionInterrupted, MissedPaused
	case f.Waits == WaitTime && f.RunAt.After(now):
		return DecisionJittered, ""
	case f.Waits == WaitTime && now.Sub(f.RunAt) <= stepThreshold:
		return DecisionRun, ""
	case f.Waits != WaitTime && !f.Deadline.IsZero() && now.Before(f.Deadline):
		return DecisionRun, ""
	case now.Sub(f.RunAt) <= s.CatchUp && !replaced:
		return DecisionCatchUp, ""
	}
	return DecisionInterrupted, MissedInterrupted
}
