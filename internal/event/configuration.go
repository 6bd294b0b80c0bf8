package event

import (
	"iter"
	"time"
)

// ConfigurationReloaded says that the configuration at Path is in use, and what it changed, by names
// of schedules.
type ConfigurationReloaded struct {
	Path           string
	Added, Removed []string
	// Moved run at other times than before; Changed differ in anything else.
	Moved, Changed []string
}

// Lines implements Event.
func (e ConfigurationReloaded) Lines() iter.Seq[Line] {
	return lines(Line{Level: Info, Message: "configuration reloaded", Fields: []Field{
		{"config", e.Path},
		{"schedules_added", e.Added},
		{"schedules_removed", e.Removed},
		{"schedules_moved", e.Moved},
		{"schedules_changed", e.Changed},
	}})
}

// ConfigurationRejected says that the configuration at Path was refused and the one in use stays. Err
// holds every mistake at once.
type ConfigurationRejected struct {
	Path  string
	Err   error
	Again bool // it was refused for the same reason before, and no person asked
}

// Lines implements Event.
func (e ConfigurationRejected) Lines() iter.Seq[Line] {
	if e.Again {
		return lines()
	}
	return lines(Line{Level: Error, Message: "configuration rejected", Fields: []Field{{"config", e.Path}, {"error", text(e.Err)}}})
}

// The kinds of a ScheduleChanged.
const (
	ScheduleAdded   = "schedule added"
	ScheduleRemoved = "schedule removed"
	ScheduleMoved   = "schedule moved"
)

// ScheduleChanged says what a reload did to the next run of a schedule.
type ScheduleChanged struct {
	What     string // ScheduleAdded, ScheduleRemoved or ScheduleMoved
	Schedule string
	Was, Is  time.Time // zero: none
}

// Lines implements Event.
func (e ScheduleChanged) Lines() iter.Seq[Line] {
	fields := []Field{{"schedule", e.Schedule}}
	if e.What != ScheduleAdded {
		fields = append(fields, next("next_run_was", e.Was))
	}
	if e.What != ScheduleRemoved {
		fields = append(fields, next("next_run", e.Is))
	}
	return lines(Line{Level: Info, Message: e.What, Fields: fields})
}

func next(key string, t time.Time) Field {
	if t.IsZero() {
		return Field{key, "none"}
	}
	return Field{key, t.UTC()}
}

// GroupUnreadable says that the configuration in use has a group whose members cannot be read: it
// fails at each run, the others go on. Err has the file, the lines and the remedy.
type GroupUnreadable struct {
	Group string
	Err   error
}

// Lines implements Event.
func (e GroupUnreadable) Lines() iter.Seq[Line] {
	return lines(Line{Level: Error, Message: "group unreadable", Fields: []Field{{"group", e.Group}, {"error", text(e.Err)}}})
}

// FileUnreadable says that the configuration in use goes without a file that include_files names,
// for its mistakes. Without says what that means; Err has the places and the remedies.
type FileUnreadable struct {
	File, Without string
	Err           error
}

// Lines implements Event.
func (e FileUnreadable) Lines() iter.Seq[Line] {
	return lines(Line{Level: Error, Message: "configuration file unreadable", Fields: []Field{{"file", e.File}, {"without", e.Without}, {"error", text(e.Err)}}})
}

// CalendarUnreadable says that the configuration in use has a calendar one of whose files cannot be
// read. Dates says which dates it has instead; Err has the file, the place and the remedy.
type CalendarUnreadable struct {
	Calendar, Dates string
	Err             error
}

// Lines implements Event.
func (e CalendarUnreadable) Lines() iter.Seq[Line] {
	return lines(Line{Level: Error, Message: "calendar unreadable", Fields: []Field{{"calendar", e.Calendar}, {"dates", e.Dates}, {"error", text(e.Err)}}})
}

// GroupResolved says that a run needed the members of a group, and whether it could read them. The
// end of the run reports the error.
type GroupResolved struct {
	silent
	Group string
	Err   error // nil: it could
}
