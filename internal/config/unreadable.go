package config

import (
	"errors"
	"maps"
	"slices"
	"time"

	"zecpower/internal/strictyaml"
	"zecpower/scheduler"
	"zecpower/scheduler/calendar"
)

// UnreadableCalendar is a calendar some of whose iCalendar files could not be used at load. It has the
// dates of its other files and of the configuration itself, and those of UseLastRead.
type UnreadableCalendar struct {
	Name string

	// Problems are why, at least one.
	Problems []Problem

	// ReadAt is when the dates that stand for the files were read; zero where there are none.
	ReadAt time.Time

	leftOut  bool            // it stands in an included file that is left out
	source   calendar.Source // of what can be used
	unusable []calendar.File // the others, without their content
}

// refuse leaves the files of a name out.
func (u *UnreadableCalendar) refuse(p Problem, name string) {
	u.Problems = append(u.Problems, p)
	u.source.Files = slices.DeleteFunc(u.source.Files, func(f calendar.File) bool {
		if f.Name != name {
			return false
		}
		f.Data = nil
		u.unusable = append(u.unusable, f)
		return true
	})
}

// Mended reports whether all files can be used by now. It reads them. Of a calendar in an included
// file that is left out, that file decides: see Included.Mended.
func (u *UnreadableCalendar) Mended() bool {
	if u.leftOut {
		return true
	}
	files := slices.Clone(u.unusable)
	for i := range files {
		if readICS(&files[i]) != nil {
			return false
		}
	}
	_, err := calendar.New(calendar.Source{Name: u.Name, Files: files, Now: u.source.Now})
	return err == nil
}

// UsedBy reports whether a schedule names the calendar.
func (u *UnreadableCalendar) UsedBy(s *scheduler.Schedule) bool { return uses(calendarsOf(s), u.Name) }

// Complete is an *Invalid with the mistakes of included files and of iCalendar files, or nil where
// there is none: a reload is refused for what a start gets over.
func (c *Config) Complete() error {
	var problems []Problem
	for _, f := range c.UnreadableFiles() {
		problems = append(problems, f.Problems...)
	}
	for _, u := range c.UnreadableCalendars {
		if !u.leftOut {
			problems = append(problems, u.Problems...)
		}
	}
	strictyaml.Sort(c.Path, problems)
	if len(problems) == 0 {
		return nil
	}
	return &Invalid{Problems: problems}
}

// FileDates are the dates that the iCalendar files of the calendars gave, by the calendar's name;
// of a calendar in an included file all of its dates, since that file may be left out at the next
// start. It leaves out other calendars without such files, and those of UnreadableCalendars.
func (c *Config) FileDates() map[string]calendar.FileDates {
	zones := make(map[string]map[string]*time.Location) // by calendar
	for i := range c.Schedules {
		for _, used := range calendarsOf(&c.Schedules[i]) {
			if zones[used.Name()] == nil {
				zones[used.Name()] = make(map[string]*time.Location)
			}
			zones[used.Name()][c.Schedules[i].Zone.String()] = c.Schedules[i].Zone
		}
	}
	read := make(map[string]calendar.FileDates)
	for _, cal := range c.Calendars {
		if c.unreadable(cal.Name()) != nil {
			continue
		}
		in := slices.Collect(maps.Values(zones[cal.Name()]))
		if c.places["calendar "+cal.Name()].included {
			read[cal.Name()] = cal.AllDates(in)
		} else if dates, ok := cal.FileDates(in); ok {
			read[cal.Name()] = dates
		}
	}
	return read
}

func calendarsOf(s *scheduler.Schedule) []*calendar.Calendar {
	return slices.Concat(s.Exclude, s.Include, s.Only)
}

func (c *Config) unreadable(name string) *UnreadableCalendar {
	for _, u := range c.UnreadableCalendars {
		if u.Name == name {
			return u
		}
	}
	return nil
}

// UseLastRead gives each of UnreadableCalendars the dates that its files gave when they were last
// read, where read has any by its name. The error joins what cannot be used of them. It changes c, so
// it must be called before c is used.
func (c *Config) UseLastRead(read map[string]calendar.FileDates) error {
	var problems []error
	for _, u := range c.UnreadableCalendars {
		dates, ok := read[u.Name]
		if !ok {
			continue
		}
		src := u.source
		src.LastRead = &dates
		with, err := calendar.New(src)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		u.ReadAt = dates.ReadAt
		c.replace(with)
	}
	return errors.Join(problems...)
}

// replace puts a calendar in the place of the one of its name.
func (c *Config) replace(with *calendar.Calendar) {
	put := func(calendars []*calendar.Calendar, in *time.Location) {
		for i := range calendars {
			if calendars[i].Name() == with.Name() {
				calendars[i] = with.In(in)
			}
		}
	}
	for i := range c.Calendars {
		if c.Calendars[i].Name() == with.Name() {
			c.Calendars[i] = with
		}
	}
	for i := range c.Schedules {
		s := &c.Schedules[i]
		for _, calendars := range [][]*calendar.Calendar{s.Exclude, s.Include, s.Only} {
			put(calendars, s.Zone)
		}
	}
}

// Without says what it means that files of a calendar cannot be used.
func (c *Config) Without(u *UnreadableCalendar) string {
	if !u.ReadAt.IsZero() {
		return "its dates as they were read at " + u.ReadAt.UTC().Format(time.RFC3339) + " count"
	}
	var excluding, including, idle []string
	for i := range c.Schedules {
		s := &c.Schedules[i]
		switch {
		case uses(s.Only, u.Name) && !slices.ContainsFunc(s.Only, hasDates):
			idle = append(idle, s.Name)
		case uses(s.Only, u.Name), uses(s.Include, u.Name):
			including = append(including, s.Name)
		case uses(s.Exclude, u.Name):
			excluding = append(excluding, s.Name)
		}
	}
	known := "the dates of its files are not known"
	if u.leftOut {
		known = "its dates are not known"
	}
	return known + listed("without them never runs", idle) +
		listed("does not run on them", including) + listed("runs on them, too", excluding)
}

// listed is a consequence and the schedules that have it; empty where none has.
func listed(consequence string, schedules []string) string {
	if len(schedules) == 0 {
		return ""
	}
	return "; " + consequence + ": " + strictyaml.Some(schedules)
}

func uses(calendars []*calendar.Calendar, name string) bool {
	return slices.ContainsFunc(calendars, func(c *calendar.Calendar) bool { return c.Name() == name })
}

// hasDates reports whether c has any date.
func hasDates(c *calendar.Calendar) bool {
	end, ends := c.End()
	return !ends || !end.IsZero()
}
