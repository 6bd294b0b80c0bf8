package scheduler

import (
	"iter"
	"time"
)

// Status says what is to become of one nominal time.
type Status string

// What becomes of a nominal time.
const (
	StatusDue      Status = "due"      // it runs
	StatusExcluded Status = "excluded" // its local date is in an exclude calendar
	StatusPaused   Status = "paused"   // its schedule is paused
)

// Occurrence is one nominal time of one schedule.
type Occurrence struct {
	Schedule string    // name
	Nominal  time.Time // in the schedule's zone; with Schedule the key of the run
	Run      time.Time // Nominal and the jitter
	Status   Status
	Calendar string // name of the calendar that excludes it, else empty
}

// Occurrences yields the nominal times of s in (after, until], in time order.
// A zero until is unbounded; 5 years without a nominal time end the sequence.
func (s *Schedule) Occurrences(after, until time.Time) iter.Seq[Occurrence] {
	return func(yield func(Occurrence) bool) {
		jitter := s.JitterOffset()
		for t := s.Timetable.Next(after); !t.IsZero() && (until.IsZero() || !t.After(until)); t = s.Timetable.Next(t) {
			o := Occurrence{Schedule: s.Name, Nominal: t, Run: t.Add(jitter), Status: StatusDue}
			date := DateOf(t)
			if s.Paused {
				o.Status = StatusPaused
			}
			for _, c := range s.Exclude {
				if c.Contains(date) {
					o.Status, o.Calendar = StatusExcluded, c.name
					break
				}
			}
			if !yield(o) {
				return
			}
		}
	}
}
