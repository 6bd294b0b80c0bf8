package scheduler

import (
	"strconv"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// maxSilence is how far ahead a timetable is searched for its next time.
const maxSilence = 5 * 366 * 24 * time.Hour

func strconvQuote(s string) string { return strconv.Quote(s) }

// SpecError is a refusal of a cron spec.
type SpecError struct {
	Spec    string // as written
	Problem string // what is wrong, without the spec
	Hint    string // what to write instead
}

func (e *SpecError) Error() string {
	return "cron " + strconv.Quote(e.Spec) + ": " + e.Problem + "; " + e.Hint
}

func refuseSpec(spec, problem, hint string) error {
	return &SpecError{Spec: spec, Problem: problem, Hint: hint}
}

// Timetable is the nominal times of one schedule. It is immutable and safe for
// concurrent use.
type Timetable struct {
	text  string
	zone  *time.Location
	every time.Duration     // of an @every spec, else 0
	civil cron.SpecSchedule // in UTC, where its Next has no transitions to get wrong
	warn  []string
}

// ParseTimetable reads a cron spec of five fields, a descriptor as @daily, or
// "@every D", for a zone from LoadZone (nil is UTC). Errors are *SpecError.
func ParseTimetable(spec string, zone *time.Location) (*Timetable, error) {
	if zone == nil {
		zone = time.UTC
	}
	spec = strings.TrimSpace(spec)
	t := &Timetable{text: spec, zone: zone}
	if strings.HasPrefix(spec, everyPrefix) {
		d, err := parseEvery(spec)
		t.every = d
		return t, err
	}
	if strings.Contains(spec, "TZ=") {
		return nil, refuseSpec(spec, "a time zone inside the spec", "use the schedule's timezone")
	}
	parsed, err := cron.ParseStandard(spec)
	if err != nil {
		return nil, refuseSpec(spec, err.Error(), "write five fields: minute hour day month weekday")
	}
	t.civil = *parsed.(*cron.SpecSchedule)
	t.civil.Location = time.UTC
	return t, nil
}

// Next is the first nominal time strictly after the given one, in the
// timetable's zone; the zero Time where there is none within 5 years.
func (t *Timetable) Next(after time.Time) time.Time {
	if t.every > 0 {
		return nextMultiple(t.every, after).In(t.zone)
	}
	s := t.civil
	s.Location = t.zone
	return s.Next(after.In(t.zone))
}

// Warnings are remarks about a spec that is accepted but may not mean what it
// seems to.
func (t *Timetable) Warnings() []string { return t.warn }

// String is the spec as written.
func (t *Timetable) String() string { return t.text }
