package event

import (
	"iter"
	"time"
)

// Times is a stretch of nominal times of one schedule.
type Times struct {
	Schedule string
	First    time.Time
	Last     time.Time // First for a single time
	Count    int       // at least 1
}

// fields name the stretch by its first time, and where it has more than one, also by its last and
// their number.
func (t Times) fields() []Field {
	fields := []Field{{"schedule", t.Schedule}, {"scheduled_at", t.First}}
	if t.Count > 1 {
		fields = append(fields, Field{"last_scheduled_at", t.Last}, Field{"count", t.Count})
	}
	return fields
}

// Missed are times that were due and will not run. They lie on one UTC day, except where AtLeast is
// set.
type Missed struct {
	Times
	AtLeast bool   // there are more than Count: they were not all counted, and Last is a bound
	Reason  string // one of scheduler.MissedReasons
}

// Lines implements Event.
func (e Missed) Lines() iter.Seq[Line] {
	fields := append(e.fields(), Field{"reason", e.Reason})
	if e.AtLeast {
		fields = append(fields, Field{"at_least", true})
	}
	return lines(Line{Level: Warn, Message: "schedule missed", Fields: fields})
}

// CauseOverlap is the cause of a time that did not run because the run before it was still going.
const CauseOverlap = "overlap"

// CauseSkipped is the cause of a time that a person left out.
const CauseSkipped = "skipped"

// Skipped are times that were left out on purpose. They lie on one UTC day, unless there were too many
// to count.
type Skipped struct {
	Times
	Cause    string // excluded, paused, overlap or skipped
	Calendar string // of an excluded one: the calendar's name; empty otherwise
	// Actor is who left a skipped one out, and Why what that person gave for it.
	Actor, Why string
}

// Lines implements Event. It is a warning where the run before was still going. Of excluded and
// paused times the first of a UTC day and cause is info and the others repeat it: a paused "@every
// 10s" would be 8,640 lines a day.
func (e Skipped) Lines() iter.Seq[Line] {
	l := Line{Level: Warn, Message: "schedule skipped", Fields: append(e.fields(), Field{"reason", e.Cause})}
	if e.Calendar != "" {
		l.Fields = append(l.Fields, Field{"calendar", e.Calendar})
	}
	if e.Cause == CauseSkipped {
		l.Level = Info
		l.Fields = append(l.Fields, Field{"actor", e.Actor}, Field{"why", e.Why})
		return lines(l)
	}
	if e.Cause != CauseOverlap {
		l.Level = Info
		l.Repeat = Repeat{Scope: "skipped/" + e.Schedule, Of: e.Cause + "/" + e.Calendar + "/" + e.First.UTC().Format(time.DateOnly)}
	}
	return lines(l)
}

// NextRun says when a schedule runs next, jitter included. Zero: it has no next run, because it is
// paused or removed, or has no due time within 5 years.
type NextRun struct {
	silent
	Schedule string
	At       time.Time
}

// LastRun says how a schedule last ended: at start-up for every schedule that the store has a run of,
// then after each run; and that a run by hand did its work, FinishedAt being zero then.
type LastRun struct {
	silent
	Schedule    string
	FinishedAt  time.Time
	LastSuccess time.Time // zero: none
}

// ClockStepped says that the wall clock was set by Delta, negative for backward.
type ClockStepped struct{ Delta time.Duration }

// Lines implements Event.
func (e ClockStepped) Lines() iter.Seq[Line] {
	return lines(Line{Level: Warn, Message: "clock stepped", Fields: []Field{{"step_seconds", seconds(e.Delta)}}})
}

// StoreFailed says that Op was not, or perhaps not, recorded. The fleet is powered on all the same.
type StoreFailed struct {
	Op  string
	Err error
}

// Lines implements Event. What is tried again is logged once a dedup window.
func (e StoreFailed) Lines() iter.Seq[Line] {
	return lines(Line{
		Level: Error, Message: "store not written, runs go on", Fields: []Field{{"operation", e.Op}, {"error", text(e.Err)}},
		Repeat: Repeat{Scope: "store/" + e.Op + "/" + text(e.Err), Window: dedupWindow},
	})
}

// ProgressUnread says that what an earlier process recorded of a run cannot be read.
type ProgressUnread struct {
	Run Run
	Err error
}

// Lines implements Event.
func (e ProgressUnread) Lines() iter.Seq[Line] {
	const message = "a run's progress cannot be read: each of its instances is described again"
	return lines(Line{Level: Error, Message: message, Fields: append(e.Run.fields(), Field{"error", text(e.Err)})})
}
