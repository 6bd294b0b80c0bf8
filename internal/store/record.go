package store

import (
	"time"

	"zecpower/internal/power"
)

// Kind says what became of a nominal time.
type Kind string

// The kinds. All but KindRun say why a nominal time did not (fully) run.
const (
	KindRun         Kind = "run" // begun, or yet to begin
	KindMissed      Kind = "missed"
	KindInterrupted Kind = "interrupted"
	KindExcluded    Kind = "excluded"
	KindPaused      Kind = "paused"
	KindOverlap     Kind = "overlap"
	KindSkipped     Kind = "skipped" // a person left it out
	KindAct         Kind = "act"     // what a person did, or tried: see [Act]
)

// Record is what became of one nominal time, or by hand, of one run; or what a person did. An implementation keeps it as
// JSON under its id, and by Nominal for reads in time order. The methods change it in memory. A zero
// field is left out of the JSON.
type Record struct {
	ID       string    `json:"-"`
	Schedule string    `json:"-"`
	Nominal  time.Time `json:"-"`

	Kind     Kind         `json:"v"`
	Action   power.Action `json:"a,omitempty"`
	Groups   []string     `json:"g,omitempty"`
	Last     time.Time    `json:"l,omitzero"`
	Count    int          `json:"n,omitempty"`
	AtLeast  bool         `json:"m,omitempty"`
	Reason   string       `json:"r,omitempty"`
	Calendar string       `json:"c,omitempty"`
	Timezone string       `json:"tz,omitempty"`

	Act       ActKind `json:"ac,omitempty"` // this and the next are of KindAct
	Subject   string  `json:"su,omitempty"`
	Refused   string  `json:"rf,omitempty"`
	NewestAct string  `json:"na,omitempty"` // the id of the newest act of a stretch

	Planned      time.Time    `json:"at,omitzero"`
	Deadline     time.Time    `json:"dl,omitzero"`
	CatchUp      bool         `json:"cu,omitempty"`
	Waits        string       `json:"w,omitempty"`
	Fingerprint  string       `json:"fp,omitempty"`
	Force        bool         `json:"f,omitempty"`
	AcceptAll    bool         `json:"aa,omitempty"` // Run.AcceptMembership
	Cancelled    bool         `json:"x,omitempty"`
	Actor        string       `json:"by,omitempty"` // empty: a schedule, or not recorded
	Trigger      string       `json:"tr,omitempty"`
	Resumes      int          `json:"rs,omitempty"`
	ResumedBy    string       `json:"rb,omitempty"` // the process that counted the last resume
	BegunAt      time.Time    `json:"b,omitzero"`
	BegunBy      string       `json:"bb,omitempty"` // the process that began it, or resumed it last
	StartedAt    time.Time    `json:"st,omitzero"`
	FirstRequest time.Time    `json:"fr,omitzero"`
	FinishedAt   time.Time    `json:"fi,omitzero"`
	Result       power.Result `json:"o,omitempty"` // set by the end
	Err          string       `json:"e,omitempty"`
	Totals       []Totals     `json:"t,omitempty"` // set by the beginning, and by the end
}

// NewClaim returns the record of a run that has not begun.
func NewClaim(r Run) Record {
	return Record{
		ID: r.ID, Schedule: r.Schedule, Nominal: r.Nominal.UTC(), Kind: KindRun, Action: r.Action, Groups: r.Groups,
		Planned: utc(r.Planned), Deadline: utc(r.Deadline), CatchUp: r.CatchUp, Waits: r.Waits,
		Fingerprint: r.Fingerprint, Force: r.Force, Actor: actorToKeep(r.Actor), Timezone: r.Timezone, Reason: r.Reason, Trigger: r.Trigger,
		AcceptAll: r.AcceptMembership, Cancelled: r.Cancelled,
	}
}

// actorToKeep leaves out what goes without saying, since it would stand in each record.
func actorToKeep(actor string) string {
	if actor == ActorSchedule {
		return ""
	}
	return actor
}

// NewNote returns the record of nominal times that do not run.
func NewNote(n Note) Record {
	return Record{
		ID: n.ID, Schedule: n.Schedule, Nominal: n.Nominal.UTC(), Kind: n.Kind, Action: n.Action, Groups: n.Groups,
		Last: n.Last.UTC(), Count: n.Count, AtLeast: n.AtLeast, Reason: n.Reason, Calendar: n.Calendar,
		Timezone: n.Timezone, Actor: n.Actor,
	}
}

// Run returns the claimed run.
func (r *Record) Run() Run {
	return Run{
		ID: r.ID, Schedule: r.Schedule, Action: r.Action, Groups: r.Groups, Nominal: r.Nominal, Planned: r.Planned,
		Deadline: r.Deadline, CatchUp: r.CatchUp, Waits: r.Waits, Fingerprint: r.Fingerprint, Force: r.Force, Actor: r.Actor, Timezone: r.Timezone,
		Reason: r.Reason, Trigger: r.Trigger,
		AcceptMembership: r.AcceptAll, Cancelled: r.Cancelled,
	}
}

// Claimed reports whether r is, or was, a run rather than a note.
func (r *Record) Claimed() bool { return r.Kind == KindRun || !r.Planned.IsZero() }

// ByHand reports whether r is what a person did: a run, an act, or a time that a person left out.
func (r *Record) ByHand() bool { return r.Schedule == ManualSchedule || r.Actor != "" }

// Ended reports whether nothing more can happen to r.
func (r *Record) Ended() bool { return r.Result != "" || r.Kind != KindRun }

// Reported reports whether the run ended with a report. Its results are then complete.
func (r *Record) Reported() bool { return !r.StartedAt.IsZero() }

// Continue extends the stretch of r by n, and reports whether n belongs to it: a paused "@every
// 10s" is one record a day, not 8,640. A note that is repeated changes nothing.
func (r *Record) Continue(n Note) bool {
	if r.Claimed() || r.Kind != n.Kind || r.Reason != n.Reason || r.Calendar != n.Calendar || r.Timezone != n.Timezone || r.Actor != n.Actor || r.AtLeast ||
		!SameDay(r.Nominal, n.Nominal) || n.Nominal.Before(r.Nominal) {
		return false
	}
	if n.Last.After(r.Last) {
		r.Last, r.Count, r.AtLeast = n.Last.UTC(), r.Count+n.Count, n.AtLeast
	}
	return true
}

// Update sets what r's run now is. process is the one that writes: it resumes a run once, so a
// second resumption by it is the first one repeated.
func (r *Record) Update(run Run, process string) {
	r.Groups, r.Planned, r.Deadline, r.CatchUp, r.Waits = run.Groups, utc(run.Planned), utc(run.Deadline), run.CatchUp, run.Waits
	r.Cancelled = r.Cancelled || run.Cancelled
	if run.Resumed && r.ResumedBy != process {
		r.Resumes++
		r.ResumedBy = process
	}
}

// Begin sets that process begins r's run, or goes on with it.
func (r *Record) Begin(b Beginning, targets []GroupValue, process string) {
	if r.BegunAt.IsZero() {
		r.BegunAt = utc(b.At)
	}
	r.BegunBy, r.Waits = process, ""
	r.setTotals(targets)
}

// Abandon ends r's run, which does not begin or does not go on, with what it had done. damage says
// why that cannot be read; nil: it can.
func (r *Record) Abandon(a Abandonment, done []GroupValue, damage error) {
	r.noteDamage(damage)
	r.Kind, r.Reason, r.Actor, r.FinishedAt, r.Count, r.Last = a.Kind, a.Reason, a.Actor, a.At.UTC(), 1, r.Nominal
	r.setTotals(done)
}

// Finish ends r's run with the outcomes of groups. damage is as in Abandon.
func (r *Record) Finish(e End, groups []GroupValue, damage error) {
	r.Result, r.Err, r.FinishedAt, r.Waits = e.Result, e.Err, e.At.UTC(), ""
	r.noteDamage(damage)
	if e.Report != nil {
		r.StartedAt, r.FirstRequest = utc(e.Report.StartedAt), utc(e.Report.FirstRequestAt)
	}
	r.setTotals(groups)
}

// noteDamage keeps a run's end where its progress cannot be read. The end of one run must not fail
// the writes that share its commit.
func (r *Record) noteDamage(err error) {
	if err == nil {
		return
	}
	damage := "what it did before it was interrupted cannot be read: " + err.Error()
	if r.Err != "" {
		damage = r.Err + "; " + damage
	}
	r.Err = damage
}

func (r *Record) setTotals(groups []GroupValue) {
	r.Totals = nil
	for _, g := range groups {
		r.Totals = append(r.Totals, g.Totals)
	}
}

// utc keeps a zero time zero, so that it is left out of the JSON.
func utc(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC()
}
