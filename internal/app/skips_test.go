package app

import (
	"strings"
	"testing"
	"time"

	"zecpower/internal/store"
	"zecpower/scheduler"
	"zecpower/scheduler/calendar"
	"zecpower/scheduler/cron"
)

// A person means the next run, or the one at a time; what is none is refused, with those around it.
func TestTheTimeThatAPersonMeans(t *testing.T) {
	t.Parallel()
	zone, err := time.LoadLocation("Asia/Singapore")
	if err != nil {
		t.Fatal(err)
	}
	timetable, err := cron.Parse("45 7 * * 1-5", zone)
	if err != nil {
		t.Fatal(err)
	}
	holidays, err := calendar.New(calendar.Source{Name: "holidays", Dates: []string{"2026-11-26"}})
	if err != nil {
		t.Fatal(err)
	}
	at := func(day, hour, minute int) time.Time { return time.Date(2026, 11, day, hour, minute, 0, 0, zone) }
	now := at(23, 12, 0) // a Monday
	s := scheduler.Schedule{
		Name: "wake", Timetable: timetable, Zone: zone, Action: "start", Groups: []string{"web"}, Exclude: []*calendar.Calendar{holidays},
		Skips: []scheduler.Skip{{Nominal: at(24, 7, 45), Actor: "bob", Reason: "INC-7"}},
	}
	paused := s
	paused.Paused = true
	for name, c := range map[string]struct {
		schedule scheduler.Schedule
		at       time.Time
		waiting  []time.Time
		want     time.Time
		refused  string // parts, each of which the refusal has
	}{
		"the next one, past one that is skipped":  {s, time.Time{}, nil, at(25, 7, 45), ""},
		"the next one, which waits":               {s, time.Time{}, []time.Time{at(23, 7, 45)}, at(23, 7, 45), ""},
		"the next one of a paused schedule":       {paused, time.Time{}, nil, time.Time{}, "has no run ahead"},
		"one that is due":                         {s, at(27, 7, 45), nil, at(27, 7, 45), ""},
		"one that waits":                          {s, at(23, 7, 45), []time.Time{at(23, 7, 45)}, at(23, 7, 45), ""},
		"one that is over":                        {s, at(23, 7, 45), nil, time.Time{}, "is over|; the next is at Wed 2026-11-25 07:45:00 +0800"},
		"none":                                    {s, at(25, 7, 46), nil, time.Time{}, "has no run at Wed 2026-11-25 07:46:00 +0800; the one before it is at Wed 2026-11-25 07:45:00 +0800; the next is at Fri 2026-11-27"},
		"none, and nothing due before it":         {s, at(24, 8, 0), nil, time.Time{}, "has no run at Tue 2026-11-24 08:00:00 +0800; the next is at Wed 2026-11-25"},
		"one that is skipped already":             {s, at(24, 7, 45), nil, time.Time{}, "is skipped already, by bob: INC-7"},
		"one on a holiday":                        {s, at(26, 7, 45), nil, time.Time{}, "the calendar holidays leaves that date out"},
		"one of a paused schedule":                {paused, at(27, 7, 45), nil, time.Time{}, "schedule wake is paused"},
		"one that is due, in another zone's time": {s, at(27, 7, 45).UTC(), nil, at(27, 7, 45), ""},
	} {
		got, err := chooseTime(&c.schedule, c.at, now, c.waiting)
		if c.refused == "" {
			if err != nil || !got.Equal(c.want) {
				t.Errorf("%s: %s, %v, want %s", name, got, err, c.want)
			}
			continue
		}
		for _, part := range strings.Split(c.refused, "|") {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %v, want %q", name, err, part)
			}
		}
	}
}

func TestSkipsAreBounded(t *testing.T) {
	t.Parallel()
	now := time.Now()
	all := make([]store.Skip, maxSkips)
	for i := range all {
		all[i].Nominal = now.Add(time.Duration(i) * time.Minute) // the first is over
	}
	if err := roomFor(all, now); err != nil {
		t.Error(err)
	}
	if err := roomFor(all, now.Add(-time.Second)); err == nil {
		t.Errorf("room for more than %d", maxSkips)
	}
}
