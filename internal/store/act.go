package store

import (
	"slices"
	"time"

	"zecpower/internal/power"
)

// ActKind is what a person did, or tried.
type ActKind string

// The kinds of acts.
const (
	ActRun     ActKind = "run" // a start or stop, where it was not said which
	ActStart   ActKind = "start"
	ActStop    ActKind = "stop"
	ActTrigger ActKind = "trigger"
	ActCancel  ActKind = "cancel"
	ActAccept  ActKind = "accept" // members of groups
	ActSkip    ActKind = "skip"   // one nominal time; Subject is the id that its run would have
	ActUnskip  ActKind = "unskip" // the same, taken back
)

// Act is what a person did or tried, other than a run that was made: that has a record of its own, with
// Actor and Reason.
type Act struct {
	ID    string // its key; opaque to the store
	At    time.Time
	Actor string
	Kind  ActKind
	// Schedule, Groups and Subject are what it was about; each may be empty. Subject is the id of a run,
	// or what its kind says.
	Schedule string
	Groups   []string
	Subject  string
	Timezone string // of Schedule, by IANA name; empty: Schedule is
	Reason   string // what the person gave; empty: nothing
	Refused  string // why it was refused; empty: it was done
	Count    int    // how many of the kind it stands for; 0: one
}

// action is what the act does to instances; empty: nothing.
func (a Act) action() power.Action {
	switch a.Kind {
	case ActStart:
		return power.ActionStart
	case ActStop:
		return power.ActionStop
	}
	return ""
}

// NewAct returns the record of an act.
func NewAct(a Act) Record {
	r := Record{
		ID: a.ID, Schedule: a.Schedule, Nominal: a.At.UTC(), Kind: KindAct, Action: a.action(), Groups: a.Groups, Act: a.Kind, Subject: a.Subject,
		Timezone: a.Timezone, Actor: a.Actor, Reason: a.Reason, Refused: a.Refused, Last: a.At.UTC(), Count: max(a.Count, 1), NewestAct: a.ID,
	}
	if r.Schedule == "" {
		r.Schedule = ManualSchedule
	}
	return r
}

// ContinueAct extends r, the newest record of an act, by a, and reports whether a belongs to it: a
// client that tries the same again and again is one record a day. An act that is repeated under its id
// changes nothing.
func (r *Record) ContinueAct(a Act) bool {
	if r.NewestAct == a.ID || r.ID == a.ID {
		return true
	}
	next := NewAct(a)
	same := r.Kind == KindAct && r.Act == next.Act && r.Actor == next.Actor && r.Schedule == next.Schedule && r.Subject == next.Subject &&
		r.Reason == next.Reason && r.Refused == next.Refused && slices.Equal(r.Groups, next.Groups)
	if !same || !SameDay(r.Nominal, next.Nominal) || next.Nominal.Before(r.Last) {
		return false
	}
	r.Last, r.Count, r.NewestAct = next.Nominal, r.Count+next.Count, a.ID
	return true
}
