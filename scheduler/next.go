package scheduler

import (
	"iter"
	"time"

	"zecpower/scheduler/calendar"
	"zecpower/scheduler/cron"
)

// Status says what is to become of one nominal time.
type Status string

// What becomes of a nominal time.
const (
	StatusDue      Status = "due"      // it runs
	StatusExcluded Status = "excluded" // its date is in an exclude calendar, or not in one of only
	StatusPaused   Status = "paused"   // its schedule is paused
	StatusSkipped  Status = "skipped"  // a person left it out
)

// Occurrence is one nominal time of one schedule.
type Occurrence struct {
	Schedule string    // its name
	Nominal  time.Time // in the schedule's zone; with Schedule the key of the run
	Run      time.Time // Nominal shifted by the schedule's jitter
	Status   Status
	Calendar string // the calendar that excludes it, of only the first; empty otherwise
	Skip     *Skip  // who skipped it, and why; nil: it is not skipped
}

// leftOut reports whether the time was never meant to run, though its schedule is in force.
func (o Occurrence) leftOut() bool { return o.Status == StatusExcluded || o.Status == StatusSkipped }

// Occurrences yields what is due: every nominal time of s in (after, until], in time order, with
// what is to become of it. A zero until is unbounded; 5 years without a nominal time end the
// sequence. Pure, and safe for concurrent use.
//
// Dates are what a clock in the schedule's zone shows at the nominal time. On a date of an Include
// calendar s fires at its times of day even where an Exclude calendar or the spec's day fields say
// otherwise; an @every schedule has no day fields, so there Include only lifts an exclusion. Where s
// has Only calendars it fires on their dates likewise, unless Exclude has them, and all other dates
// are excluded. A date that is excluded stays excluded while the schedule is paused: that is what a
// resume would not change.
func (s *Schedule) Occurrences(after, until time.Time) iter.Seq[Occurrence] {
	return func(yield func(Occurrence) bool) {
		jitter := s.JitterOffset()
		times := s.newNominals(after)
		for {
			at := times.next()
			if at.IsZero() || !until.IsZero() && at.After(until) {
				return
			}
			o := Occurrence{Schedule: s.Name, Nominal: at, Run: at.Add(jitter)}
			o.Status, o.Calendar = s.statusOn(calendar.DateOf(at))
			if skip := s.skipAt(at); skip != nil && o.Status == StatusDue {
				o.Status, o.Skip = StatusSkipped, skip
			}
			if !yield(o) {
				return
			}
		}
	}
}

// NextDue is the first nominal time strictly after the given instant that will run; false where
// there is none within 5 years. Unlike a walk through Occurrences it takes no longer for a calendar
// that excludes years.
func (s *Schedule) NextDue(after time.Time) (Occurrence, bool) {
	if s.Paused {
		return Occurrence{}, false
	}
	limit := after.AddDate(cron.SearchYears, 0, 0)
	for {
		var last Occurrence
		for o := range s.Occurrences(after, limit) {
			if o.Status == StatusDue {
				return o, true
			}
			last = o
			if s.amidExcluded(calendar.DateOf(o.Nominal)) {
				break
			}
		}
		if last.Nominal.IsZero() || last.Status != StatusExcluded {
			return Occurrence{}, false
		}
		open, ok := s.firstOpen(calendar.DateOf(last.Nominal))
		if !ok {
			return Occurrence{}, false
		}
		after = latest(last.Nominal, open.In(s.Timetable.Zone()).Add(-1))
	}
}

// amidExcluded says whether d and the day before it are excluded. From there on all is, up to the
// first open date: a clock that is set back over midnight shows the day before again, and none
// earlier.
func (s *Schedule) amidExcluded(d calendar.Date) bool {
	return s.excludes(d) && s.excludes(d.AddDays(-1))
}

func (s *Schedule) excludes(d calendar.Date) bool {
	status, _ := s.statusOn(d)
	return status == StatusExcluded
}

// firstOpen is the first date from d on that no calendar excludes; false where there is none within
// 5 years.
func (s *Schedule) firstOpen(d calendar.Date) (calendar.Date, bool) {
	for range cron.SearchYears*366 + 1 {
		if !s.excludes(d) {
			return d, true
		}
		d = d.AddDays(1)
	}
	return calendar.Date{}, false
}

// statusOn is what becomes of a nominal time on a date.
func (s *Schedule) statusOn(d calendar.Date) (Status, string) {
	if by := s.excludedBy(d); by != nil {
		return StatusExcluded, by.Name()
	}
	if s.Paused {
		return StatusPaused, ""
	}
	return StatusDue, ""
}

// excludedBy is the calendar that keeps s from running on a date, nil where none does.
func (s *Schedule) excludedBy(d calendar.Date) *calendar.Calendar {
	if anyContains(s.Include, d) {
		return nil
	}
	for _, c := range s.Exclude {
		if c.Contains(d) {
			return c
		}
	}
	if len(s.Only) > 0 && !anyContains(s.Only, d) {
		return s.Only[0]
	}
	return nil
}

// adds says whether s fires on a date whatever its day fields say.
func (s *Schedule) adds(d calendar.Date) bool {
	return anyContains(s.Include, d) || anyContains(s.Only, d)
}

func anyContains(calendars []*calendar.Calendar, d calendar.Date) bool {
	for _, c := range calendars {
		if c.Contains(d) {
			return true
		}
	}
	return false
}

// nominals merges two sources of nominal times: the timetable's own, and its times of day on the
// dates that Include and Only add.
type nominals struct {
	schedule *Schedule
	daily    *cron.Timetable // the same times of day on every date; nil without Include and Only
	own      time.Time       // the source's next time; zero when it has no more
	added    time.Time
}

func (s *Schedule) newNominals(after time.Time) nominals {
	n := nominals{schedule: s, own: s.Timetable.Next(after)}
	if len(s.Include)+len(s.Only) > 0 {
		n.daily = s.Timetable.EveryDate()
	}
	n.added = n.nextAdded(after)
	return n
}

// next takes the earlier of the two; a time that both have is one.
func (n *nominals) next() time.Time {
	at := n.own
	if at.IsZero() || !n.added.IsZero() && n.added.Before(at) {
		at = n.added
	}
	if at.IsZero() {
		return at
	}
	if n.own.Equal(at) {
		n.own = n.schedule.Timetable.Next(at)
	}
	if n.added.Equal(at) {
		n.added = n.nextAdded(at)
	}
	return at
}

// nextAdded is the first time of day on an added date strictly after an instant; zero when there
// is none within the search of 5 years.
func (n *nominals) nextAdded(after time.Time) time.Time {
	if n.daily == nil {
		return time.Time{}
	}
	zone := n.schedule.Timetable.Zone()
	limit := after.AddDate(cron.SearchYears, 0, 0)
	for {
		at := n.daily.Next(after)
		if at.IsZero() || at.After(limit) {
			return time.Time{}
		}
		today := calendar.DateOf(at)
		if n.schedule.adds(today) {
			return at
		}
		day, ok := n.schedule.nextAddedDate(today)
		if !ok {
			return time.Time{}
		}
		// Where the clock was set back over midnight, that date may have begun before now.
		after = at
		if begin := day.In(zone).Add(-1); begin.After(at) {
			after = begin
		}
	}
}

// nextAddedDate is the first added date that is not before d.
func (s *Schedule) nextAddedDate(d calendar.Date) (first calendar.Date, ok bool) {
	for _, calendars := range [][]*calendar.Calendar{s.Include, s.Only} {
		for _, c := range calendars {
			if day, some := c.Next(d); some && (!ok || day.Before(first)) {
				first, ok = day, true
			}
		}
	}
	return first, ok
}
