package scheduler

import (
	"slices"
	"time"

	"zecpower/internal/store"
)

// This file has every conversion between what the loop works with and what the store keeps.

// Record returns f as the store keeps it.
func (f Firing) Record() store.Run {
	return store.Run{
		ID: f.RunID, Schedule: f.Schedule, Action: f.Action, Groups: slices.Concat(f.Groups, f.LeftOut), Nominal: f.Nominal, Planned: f.RunAt,
		Deadline: f.Deadline, CatchUp: f.CatchUp, Waits: string(f.Waits), Resumed: f.Resumed,
		Fingerprint: f.Fingerprint, Timezone: f.Timezone,
	}
}

// firingOf returns a run that the store kept.
func firingOf(r store.Run) Firing {
	return Firing{
		RunID: r.ID, Schedule: r.Schedule, Action: r.Action, Groups: r.Groups, Nominal: r.Nominal, RunAt: r.Planned,
		Deadline: r.Deadline, CatchUp: r.CatchUp, Waits: Wait(r.Waits), Resumed: r.Resumed,
		Fingerprint: r.Fingerprint, Timezone: r.Timezone,
	}
}

// addTo adds d to what is recorded: as a claim, or as a note of why it does not run.
func (d Decision) addTo(r *store.Round) {
	if d.Claims() {
		r.Claims = append(r.Claims, d.Firing().Record())
		return
	}
	n := store.Note{
		ID: RunID(d.Schedule, d.Nominal), Schedule: d.Schedule, Action: d.Action, Groups: d.Groups, Kind: store.Kind(d.Kind),
		Nominal: d.Nominal, Last: d.Last, Count: d.Count, AtLeast: d.AtLeast, Reason: string(d.Reason), Calendar: d.Calendar,
		Timezone: d.Timezone,
	}
	if d.Skip != nil {
		n.Actor, n.Reason = d.Skip.Actor, d.Skip.Reason
	}
	r.Notes = append(r.Notes, n)
}

// abandonment records that a claimed run does not begin, or does not go on: kind is DecisionOverlap,
// DecisionPaused, DecisionMissed or DecisionInterrupted, and reason that of the last two.
func abandonment(f Firing, kind DecisionKind, reason MissedReason, now time.Time) store.Abandonment {
	return store.Abandonment{Run: f.Record(), Kind: store.Kind(kind), Reason: string(reason), At: now}
}

// decisionOf returns an abandonment as the decision about its nominal time.
func decisionOf(a store.Abandonment) Decision {
	d := Decision{Schedule: a.Run.Schedule, Kind: DecisionKind(a.Kind), Nominal: a.Run.Nominal, Last: a.Run.Nominal, Count: 1}
	if d.Kind == DecisionSkipped {
		d.Skip = &Skip{a.Run.Nominal, a.Actor, a.Reason}
	} else {
		d.Reason = MissedReason(a.Reason)
	}
	return d
}

// record returns r, which ended at a wall-clock time, as the store keeps it.
func (r RunEnd) record(at time.Time) store.End {
	e := store.End{At: at, Result: r.Result, Report: r.Report}
	if r.Err != nil {
		e.Err = r.Err.Error()
	}
	for _, a := range r.Accepted {
		a.At = at
		e.Accepted = append(e.Accepted, a)
	}
	return e
}
