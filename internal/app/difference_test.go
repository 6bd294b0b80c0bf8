package app

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"zecpower/internal/event"
	"zecpower/internal/logging"
	"zecpower/scheduler"
	"zecpower/scheduler/calendar"
	"zecpower/scheduler/cron"
)

func schedule(t *testing.T, name, spec, zone string, change func(*scheduler.Schedule)) scheduler.Schedule {
	t.Helper()
	location, err := cron.LoadZone(zone)
	if err != nil {
		t.Fatal(err)
	}
	timetable, err := cron.Parse(spec, location)
	if err != nil {
		t.Fatal(err)
	}
	s := scheduler.Schedule{
		Name: name, Timetable: timetable, Zone: location, Action: "start", Groups: []string{"web"},
		CatchUp: time.Hour, Overlap: scheduler.OverlapSkip, Deadline: 30 * time.Minute,
	}
	if change != nil {
		change(&s)
	}
	return s
}

func TestCompareDescribesWhatAReloadDidToEachSchedule(t *testing.T) {
	now := time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC)
	at := func(hour int) time.Time { return time.Date(2026, 11, 23, hour, 0, 0, 0, time.UTC) }
	holidays, err := calendar.New(calendar.Source{Name: "holidays", Dates: []string{"2026-11-23"}})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		spec, zone string
		change     func(*scheduler.Schedule)
		want       event.ScheduleChanged // zero: nothing to tell
		changed    bool
	}{
		"nothing":         {spec: "0 7 * * *"},
		"another time":    {spec: "0 8 * * *", want: moved(at(7), at(8))},
		"another zone":    {spec: "0 7 * * *", zone: "Europe/Lisbon", want: moved(at(7), at(7))},
		"a holiday":       {spec: "0 7 * * *", change: func(s *scheduler.Schedule) { s.Exclude = []*calendar.Calendar{holidays} }, want: moved(at(7), at(31))},
		"paused":          {spec: "0 7 * * *", change: func(s *scheduler.Schedule) { s.Paused = true }, want: moved(at(7), time.Time{})},
		"only on a date":  {spec: "0 7 * * *", change: func(s *scheduler.Schedule) { s.Only = []*calendar.Calendar{holidays} }, changed: true},
		"another group":   {spec: "0 7 * * *", change: func(s *scheduler.Schedule) { s.Groups = []string{"db"} }, changed: true},
		"another action":  {spec: "0 7 * * *", change: func(s *scheduler.Schedule) { s.Action = "stop" }, changed: true},
		"longer deadline": {spec: "0 7 * * *", change: func(s *scheduler.Schedule) { s.Deadline = time.Hour }, changed: true},
	} {
		t.Run(name, func(t *testing.T) {
			before := []scheduler.Schedule{schedule(t, "a", "0 7 * * *", "UTC", nil)}
			d := compare(before, []scheduler.Schedule{schedule(t, "a", c.spec, c.zone, c.change)}, now)
			var want []event.ScheduleChanged
			if c.want.What != "" {
				want = append(want, c.want)
			}
			same := func(a, b event.ScheduleChanged) bool {
				return a.What == b.What && a.Schedule == b.Schedule && a.Was.Equal(b.Was) && a.Is.Equal(b.Is)
			}
			if !slices.EqualFunc(d.runs, want, same) || (len(d.names.Changed) == 1) != c.changed || len(d.names.Moved) != len(want) {
				t.Errorf("got %+v, want %+v, changed %v", d, want, c.changed)
			}
		})
	}
}

func moved(was, is time.Time) event.ScheduleChanged {
	return event.ScheduleChanged{What: event.ScheduleMoved, Schedule: "a", Was: was, Is: is}
}

// daemonThatLogs has a log, and nothing else.
func daemonThatLogs(core zapcore.Core) *Daemon {
	log := zap.New(core)
	return &Daemon{log: log, stream: event.Stream{logging.NewEvents(logging.EventsConfig{Logger: log})}}
}

func TestCompareListsAddedAndRemoved(t *testing.T) {
	now := time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC)
	d := compare(
		[]scheduler.Schedule{schedule(t, "z", "@daily", "", nil), schedule(t, "a", "@daily", "", nil)},
		[]scheduler.Schedule{schedule(t, "n", "0 7 * * *", "", nil)}, now)
	if !slices.Equal(d.names.Added, []string{"n"}) || !slices.Equal(d.names.Removed, []string{"a", "z"}) || d.names.Moved != nil {
		t.Errorf("%+v", d.names)
	}
	core, logs := observer.New(zap.InfoLevel)
	daemonThatLogs(core).emitDifference("c.yaml", d)
	added := logs.FilterMessage(event.ScheduleAdded).All()
	if len(added) != 1 || added[0].ContextMap()["next_run"] != time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC) || logs.FilterMessage(event.ScheduleRemoved).Len() != 2 {
		t.Errorf("%v", logs.All())
	}
}

func TestTellIsShortAboutManySchedules(t *testing.T) {
	var d difference
	for i := range 10000 {
		d.runs = append(d.runs, event.ScheduleChanged{What: event.ScheduleMoved, Schedule: fmt.Sprint(i)})
	}
	core, logs := observer.New(zap.InfoLevel)
	daemonThatLogs(core).emitDifference("c.yaml", d)
	all := logs.All()[1:] // the first is about all of them
	if len(all) != maxReloadLines+1 || all[maxReloadLines].ContextMap()["schedules"] != int64(10000-maxReloadLines) {
		t.Errorf("%d lines, the last is %v", len(all), all[len(all)-1])
	}
	if got := all[0].ContextMap()["next_run"]; got != "none" {
		t.Errorf("a schedule without a next run: %v", got)
	}
}
