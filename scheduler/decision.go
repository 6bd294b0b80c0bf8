package scheduler

import (
	"time"

	"zecpower/internal/power"
	"zecpower/internal/store"
)

// DecisionKind is what was decided about a nominal time.
type DecisionKind string

// The decision kinds, a closed set. The first four claim a run; the others are only recorded.
const (
	DecisionRun         DecisionKind = "run"         // runs now, on time
	DecisionJittered    DecisionKind = "jittered"    // runs at its run time, which lies ahead
	DecisionCatchUp     DecisionKind = "catch_up"    // runs now, though late
	DecisionQueued      DecisionKind = "queued"      // runs after the previous run of the schedule
	DecisionMissed      DecisionKind = "missed"      // does not run: too late, see MissedReason
	DecisionExcluded    DecisionKind = "excluded"    // does not run: its date is in a calendar
	DecisionPaused      DecisionKind = "paused"      // does not run: the schedule is paused
	DecisionSkipped     DecisionKind = "skipped"     // does not run: a person left it out
	DecisionOverlap     DecisionKind = "overlap"     // does not run: a previous run is still going
	DecisionInterrupted DecisionKind = "interrupted" // it began, its process died, and it is too late
)

// Decision says what becomes of one nominal time. It may also stand for a stretch of nominal times
// that do not run for the same reason; the times of a stretch lie on one UTC day, except where
// AtLeast is set.
type Decision struct {
	Schedule string
	Action   power.Action
	Groups   []string
	Kind     DecisionKind
	Nominal  time.Time // the first nominal time of the stretch
	Last     time.Time // the last one (with AtLeast: a bound); Nominal for a single time
	Count    int       // how many nominal times the decision stands for, at least 1
	AtLeast  bool      // the stretch has more times than Count: the loop did not count them all
	RunAt    time.Time // of a claim: when the run begins, as far as known
	Deadline time.Time // of a claim: when the run has to end; zero: no deadline
	// Fingerprint is the schedule's; see [Firing].
	Fingerprint string
	Timezone    string // the schedule's
	// Superseded are the groups of a claim of which a newer intention wants otherwise; see [Firing].
	Superseded map[string]string
	Reason     MissedReason // of DecisionMissed; empty otherwise
	Calendar   string       // of DecisionExcluded: the calendar's name; empty otherwise
	Skip       *Skip        // of DecisionSkipped: who left it out, and why; nil otherwise
}

// Claims reports whether d is a run: now, later, or after its predecessor.
func (d Decision) Claims() bool {
	switch d.Kind {
	case DecisionRun, DecisionJittered, DecisionCatchUp, DecisionQueued:
		return true
	}
	return false
}

// begins reports whether d is a run that begins now.
func (d Decision) begins() bool { return d.Kind == DecisionRun || d.Kind == DecisionCatchUp }

// Firing returns the run that d claims. It has a meaning only where Claims is true.
func (d Decision) Firing() Firing {
	return Firing{
		RunID: RunID(d.Schedule, d.Nominal), Schedule: d.Schedule, Action: d.Action, Groups: d.Groups,
		Nominal: d.Nominal, RunAt: d.RunAt, Deadline: d.Deadline, CatchUp: d.Kind == DecisionCatchUp,
		Fingerprint: d.Fingerprint, Timezone: d.Timezone, Superseded: d.Superseded,
		Waits: map[DecisionKind]Wait{DecisionJittered: WaitTime, DecisionQueued: WaitTurn}[d.Kind],
	}
}

// appendFolded appends d to decisions, or extends the stretch of the last decision by d. A claim is
// never folded, because each run has a key and a record of its own.
func appendFolded(decisions []Decision, d Decision) []Decision {
	if len(decisions) == 0 || d.Claims() {
		return append(decisions, d)
	}
	last := &decisions[len(decisions)-1]
	same := last.Kind == d.Kind && last.Reason == d.Reason && last.Calendar == d.Calendar && last.Skip == d.Skip &&
		!last.AtLeast && store.SameDay(last.Nominal, d.Nominal)
	if !same {
		return append(decisions, d)
	}
	last.Last = d.Last
	last.Count += d.Count
	return decisions
}
