package scheduler

import (
	"errors"
	"fmt"
	"time"

	"zecpower/internal/power"
	"zecpower/scheduler/calendar"
	"zecpower/scheduler/cron"
)

// Overlap says what a schedule does with a run that comes due while its
// previous one is still going.
type Overlap string

// The ways to treat a run that meets its predecessor. The zero value is
// OverlapSkip.
const (
	OverlapSkip  Overlap = "skip"  // the later run is recorded and left out
	OverlapQueue Overlap = "queue" // one later run waits; any more are left out
	OverlapAllow Overlap = "allow" // both run at the same time
)

// Validate refuses a word that is not one of the three.
func (o Overlap) Validate() error {
	switch o {
	case "", OverlapSkip, OverlapQueue, OverlapAllow:
		return nil
	}
	return fmt.Errorf("overlap %q: not a known way; use skip, queue or allow", string(o))
}

// Schedule is one schedule after all checks. It is read-only once validated,
// and then safe for concurrent use.
type Schedule struct {
	Name      string          // unique in a configuration; part of every run's key
	Timetable *cron.Timetable // its nominal times
	Zone      *time.Location  // the zone that Timetable was parsed with; calendar dates are dates there
	Action    power.Action    // handed to the runner as it is
	Groups    []string        // handed to the runner as they are, in order

	Exclude []*calendar.Calendar // a nominal time on such a local date does not run …
	Include []*calendar.Calendar // … unless the date is here; a date here also fires where the day fields do not match it

	// Only, where it is not empty, names all dates on which s runs: those in one of these calendars, at
	// the timetable's times of day, whatever its day fields say. Exclude takes dates from them.
	Only []*calendar.Calendar

	CatchUp  time.Duration // how late a missed run may still start; 0: never
	Overlap  Overlap       // zero value: skip
	Jitter   time.Duration // window of the constant shift, see JitterOffset; 0: none
	Deadline time.Duration // of one run, from its start; 0: none of its own
	Paused   bool          // decided and recorded, never run
}

// Validate reports everything that is wrong with s, joined.
func (s *Schedule) Validate() error {
	var problems []error
	refuse := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }

	if s.Name == "" {
		refuse("no name")
	}
	switch {
	case s.Timetable == nil:
		refuse("no timetable")
	case s.Zone == nil:
		refuse("no zone; use the one that the timetable was parsed with")
	case s.Zone.String() != s.Timetable.Zone().String():
		refuse("zone %s differs from the timetable's zone %s", s.Zone, s.Timetable.Zone())
	}
	if s.Action == "" {
		refuse("no action")
	}
	problems = append(problems, s.validateGroups()...)
	for _, use := range []struct {
		key       string
		calendars []*calendar.Calendar
	}{{"exclude", s.Exclude}, {"include", s.Include}, {"only", s.Only}} {
		for _, c := range use.calendars {
			if c == nil {
				refuse("%s: nil calendar", use.key)
			}
		}
	}
	if err := s.Overlap.Validate(); err != nil {
		problems = append(problems, err)
	}
	for _, d := range []struct {
		key   string
		value time.Duration
	}{{"catch_up", s.CatchUp}, {"jitter", s.Jitter}, {"deadline", s.Deadline}} {
		if d.value < 0 {
			refuse("%s %s: negative; use 0s to turn it off", d.key, d.value)
		}
	}
	if len(problems) == 0 {
		return nil
	}
	return fmt.Errorf("schedule %q: %w", s.Name, errors.Join(problems...))
}

func (s *Schedule) validateGroups() []error {
	if len(s.Groups) == 0 {
		return []error{errors.New("no groups; name at least one")}
	}
	var problems []error
	seen := make(map[string]bool, len(s.Groups))
	for _, g := range s.Groups {
		switch {
		case g == "":
			problems = append(problems, errors.New("a group without a name"))
		case seen[g]:
			problems = append(problems, fmt.Errorf("group %q is named twice; name it once", g))
		}
		seen[g] = true
	}
	return problems
}
