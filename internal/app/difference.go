package app

import (
	"reflect"
	"slices"
	"time"

	"go.uber.org/zap"

	"zecpower/internal/event"
	"zecpower/scheduler"
)

// maxReloadLines bounds the lines of one reload: of ten thousand schedules whose timezone changed,
// the first few show what happened.
const maxReloadLines = 20

// difference is what a reload changed: the names by kind, and the next runs that it added, removed
// or moved.
type difference struct {
	names event.ConfigurationReloaded
	runs  []event.ScheduleChanged
}

// compare compares two sets of schedules by name.
func compare(before, after []scheduler.Schedule, now time.Time) difference {
	old := make(map[string]*scheduler.Schedule, len(before))
	for i := range before {
		old[before[i].Name] = &before[i]
	}
	var d difference
	for i := range after {
		was := old[after[i].Name]
		delete(old, after[i].Name)
		d.add(was, &after[i], now)
	}
	for i := range before {
		if s := old[before[i].Name]; s != nil {
			d.names.Removed = append(d.names.Removed, s.Name)
			d.runs = append(d.runs, event.ScheduleChanged{What: event.ScheduleRemoved, Schedule: s.Name, Was: nextRun(s, now)})
		}
	}
	slices.Sort(d.names.Removed)
	return d
}

// add compares one schedule with what it was; was is nil for a new one.
func (d *difference) add(was, is *scheduler.Schedule, now time.Time) {
	next := nextRun(is, now)
	if was == nil {
		d.names.Added = append(d.names.Added, is.Name)
		d.runs = append(d.runs, event.ScheduleChanged{What: event.ScheduleAdded, Schedule: is.Name, Is: next})
		return
	}
	before := nextRun(was, now)
	switch {
	case !before.Equal(next) || was.Timetable.String() != is.Timetable.String() || was.Zone.String() != is.Zone.String():
		d.names.Moved = append(d.names.Moved, is.Name)
		d.runs = append(d.runs, event.ScheduleChanged{What: event.ScheduleMoved, Schedule: is.Name, Was: before, Is: next})
	case differs(was, is):
		d.names.Changed = append(d.names.Changed, is.Name)
	}
}

// emitDifference passes on what a reload of the configuration at path changed: one event for all, and
// one a schedule, up to maxReloadLines.
func (d *Daemon) emitDifference(path string, diff difference) {
	diff.names.Path = path
	d.stream.Emit(diff.names)
	for i, changed := range diff.runs {
		if i == maxReloadLines {
			d.log.Info("further schedules were added, removed or moved: see zecpower next", zap.Int("schedules", len(diff.runs)-i))
			return
		}
		d.stream.Emit(changed)
	}
}

// nextRun is when a schedule begins its next run; zero where it has none.
func nextRun(s *scheduler.Schedule, now time.Time) time.Time {
	o, _ := s.NextDue(now)
	return o.Run
}

// differs compares the fields that do not move a run.
func differs(a, b *scheduler.Schedule) bool {
	return a.Action != b.Action || !slices.Equal(a.Groups, b.Groups) || a.CatchUp != b.CatchUp ||
		a.Overlap != b.Overlap || a.Jitter != b.Jitter || a.Deadline != b.Deadline || a.Paused != b.Paused ||
		!reflect.DeepEqual(a.Exclude, b.Exclude) || !reflect.DeepEqual(a.Include, b.Include) || !reflect.DeepEqual(a.Only, b.Only)
}
