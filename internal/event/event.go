package event

import (
	"iter"
	"time"

	"zecpower/internal/power"
)

// Event is one thing that happened.
type Event interface {
	// Lines are what the log says about it; none where it is only counted.
	Lines() iter.Seq[Line]
}

// Level is how much a line matters.
type Level int8

// The levels.
const (
	Debug Level = iota - 1
	Info
	Warn
	Error
)

// Line is one line of the log.
type Line struct {
	Level   Level
	Message string
	Fields  []Field
	// Repeat says which lines say the same again; the zero value: none does.
	Repeat Repeat
	// Single is the run of a line about one instance: the log bounds these. Empty: any other line.
	Single string
	// Keep says that the line must not be lost, however slow the reader of the log is.
	Keep bool
}

// Field is a key of a line. Its value is a text, a number, a bool, a time, or a list of texts.
type Field struct {
	Key   string
	Value any
}

// Repeat finds lines that say the same again. A line is a repeat where the last one of its Scope had
// the same Of, and came less than Window ago; a Window of 0 is without end. The log shows repeats on
// the debug level alone.
type Repeat struct {
	Scope  string
	Of     string
	Window time.Duration
	// Run is forgotten, with what it repeated, when that run has ended. Empty: no run's.
	Run string
}

// dedupWindow is how long an error must not occur before it is logged again. It is longer than the
// longest pause between two attempts, backoff and timeout together; else an outage would be logged
// at every attempt.
const dedupWindow = 2 * time.Minute

// lines is a sequence of the lines given.
func lines(all ...Line) iter.Seq[Line] {
	return func(yield func(Line) bool) {
		for _, l := range all {
			if !yield(l) {
				return
			}
		}
	}
}

// silent is an event that the log leaves out.
type silent struct{}

// Lines implements Event.
func (silent) Lines() iter.Seq[Line] { return lines() }

// seconds is a duration rounded to the millisecond.
func seconds(d time.Duration) float64 { return d.Round(time.Millisecond).Seconds() }

// text is err's text; empty for none.
func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// levelOf is the level of a run's or a group's end.
func levelOf(r power.Result) Level {
	switch r {
	case power.ResultOK:
		return Info
	case power.ResultPartial:
		return Warn
	}
	return Error
}
