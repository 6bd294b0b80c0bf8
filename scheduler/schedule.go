package scheduler

import (
	"errors"
	"fmt"
	"time"

	"zecpower/internal/power"
	"zecpower/scheduler/calendar"
	"zecpower/scheduler/cron"
)

// Overlap says what a schedule does with a run that comes due while a previous run of the same
// schedule is still going. The zero value means OverlapSkip.
type Overlap string

// The overlap policies, a closed set.
const (
	OverlapSkip  Overlap = "skip"  // the later run is recorded and does not run
	OverlapQueue Overlap = "queue" // one later run waits; further ones are recorded and do not run
	OverlapAllow Overlap = "allow" // both run at the same time, up to MaxTogether
)

// MaxTogether is how many runs of one schedule are in progress at most under OverlapAllow. A further
// one is recorded as [DecisionOverlap]. Runs that never end would else fill the memory.
const MaxTogether = 10

// admits reports whether one more run may begin beside those in progress.
func (o Overlap) admits(running int) bool {
	if o == OverlapAllow {
		return running < MaxTogether
	}
	return running == 0
}

// Validate returns an error where o is neither empty nor one of the three policies.
func (o Overlap) Validate() error {
	switch o {
	case "", OverlapSkip, OverlapQueue, OverlapAllow:
		return nil
	}
	return fmt.Errorf("overlap %q: not a known way; use skip, queue or allow", string(o))
}

// Schedule is one schedule of a configuration. A caller must not change it once it is passed to the
// loop; it is then safe for concurrent use.
type Schedule struct {
	Name      string          // unique in a configuration; part of every run's key
	Timetable *cron.Timetable // its nominal times; required
	Zone      *time.Location  // the zone of Timetable; calendar dates are dates there
	Action    power.Action    // passed to Config.Prepare unchanged; required
	Groups    []string        // passed to Config.Prepare unchanged, in order; at least one

	// Source is what its groups mean: the configuration that it stands in. It is passed to
	// Config.Prepare with each firing. Nil is fine.
	Source any

	// Exclude names the local dates on which a nominal time does not run, unless a calendar of
	// Include contains the date too.
	Exclude []*calendar.Calendar
	// Include names the local dates on which the schedule fires at its times of day, also where the
	// day fields of its spec do not match.
	Include []*calendar.Calendar

	// Only, where it is not empty, names all dates on which s runs: those in one of these
	// calendars, at the timetable's times of day, whatever its day fields are. Exclude takes dates
	// from them.
	Only []*calendar.Calendar

	CatchUp  time.Duration // how long after its run time a missed run may begin; 0: not at all
	Overlap  Overlap       // zero value: OverlapSkip
	Jitter   time.Duration // window of the constant shift, see JitterOffset; 0: none
	Deadline time.Duration // of one run, counted from its beginning; 0: none
	Paused   bool          // its nominal times are decided and recorded, and none runs

	// Skips are the nominal times that people leave out, in their order. The loop sets them: see
	// [Loop.SetSkips].
	Skips []Skip
}

// Validate checks s alone, and joins everything that is wrong into one error. nil: s is valid.
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

// validateGroups checks that Groups has at least one name, no empty name and no name twice.
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

// validate checks each schedule, and that no two have the same name. It joins all problems.
func validate(schedules []Schedule) error {
	var problems []error
	seen := make(map[string]bool, len(schedules))
	for i := range schedules {
		if err := schedules[i].Validate(); err != nil {
			problems = append(problems, err)
		}
		if seen[schedules[i].Name] {
			problems = append(problems, fmt.Errorf("schedule %q: named twice", schedules[i].Name))
		}
		seen[schedules[i].Name] = true
	}
	return errors.Join(problems...)
}

// deadline returns when a run that begins at runAt has to end; zero: it has no deadline.
func (s *Schedule) deadline(runAt time.Time) time.Time {
	if s.Deadline == 0 {
		return time.Time{}
	}
	return runAt.Add(s.Deadline)
}
