package app

import (
	"reflect"
	"slices"
	"time"

	"go.uber.org/zap"

	"zecpower/internal/logging"
	"zecpower/scheduler"
)

// maxReloadLines bounds the lines of one reload: of ten thousand schedules whose timezone changed,
// the first few show what happened.
const maxReloadLines = 20

// The messages about single schedules of a reload.
const (
	scheduleAdded   = "schedule added"
	scheduleRemoved = "schedule removed"
	scheduleMoved   = "schedule moved"
)

// difference is what a reload changed: the names by kind, and the next runs that it added, removed
// or moved.
type difference struct {
	names logging.Changes
	runs  []rescheduled
}

// rescheduled is one schedule's next run before and after; zero where it has none.
type rescheduled struct {
	what, schedule string
	was, is        time.Time
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
			d.runs = append(d.runs, rescheduled{what: scheduleRemoved, schedule: s.Name, was: nextRun(s, now)})
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
		d.runs = append(d.runs, rescheduled{what: scheduleAdded, schedule: is.Name, is: next})
		return
	}
	before := nextRun(was, now)
	switch {
	case !before.Equal(next) || was.Timetable.String() != is.Timetable.String() || was.Zone.String() != is.Zone.String():
		d.names.Moved = append(d.names.Moved, is.Name)
		d.runs = append(d.runs, rescheduled{scheduleMoved, is.Name, before, next})
	case differs(was, is):
		d.names.Changed = append(d.names.Changed, is.Name)
	}
}

// log writes the next runs, one line a schedule, up to maxReloadLines.
func (d *difference) log(log *zap.Logger) {
	for i, r := range d.runs {
		if i == maxReloadLines {
			log.Info("further schedules were added, removed or moved: see zecpower next", zap.Int("schedules", len(d.runs)-i))
			return
		}
		fields := []zap.Field{zap.String("schedule", r.schedule)}
		if r.what != scheduleAdded {
			fields = append(fields, nextField("next_run_was", r.was))
		}
		if r.what != scheduleRemoved {
			fields = append(fields, nextField("next_run", r.is))
		}
		log.Info(r.what, fields...)
	}
}

func nextField(key string, t time.Time) zap.Field {
	if t.IsZero() {
		return zap.String(key, "none")
	}
	return zap.Time(key, t.UTC())
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
		!reflect.DeepEqual(a.Exclude, b.Exclude) || !reflect.DeepEqual(a.Include, b.Include)
}
