package scheduler

import (
	"fmt"
	"testing"
	"time"
)

func TestClashesAreFoundWithTheirWinner(t *testing.T) {
	year := at("05 00:00").AddDate(1, 0, 0)
	for name, tc := range map[string]struct {
		a, b Schedule
		want string // empty: none
	}{
		"at one time the start wins": {
			mustSchedule(t, "night", "0 8 * * *", stops), mustSchedule(t, "morning", "0 8 * * MON"),
			"web: morning start 2026-01-05 08:00:00 before night stop 2026-01-05 08:00:00",
		},
		"the later one wins": {
			mustSchedule(t, "night", "@every 100s", stops), mustSchedule(t, "morning", "58 7 6 1 *"),
			"web: night stop 2026-01-06 07:58:20 before morning start 2026-01-06 07:58:00",
		},
		"once a year": {
			mustSchedule(t, "night", "0 8 3 7 *", stops), mustSchedule(t, "morning", "0 8 * * *"),
			"web: morning start 2026-07-03 08:00:00 before night stop 2026-07-03 08:00:00",
		},
		"a minute apart":  {mustSchedule(t, "night", "0 8 * * *", stops), mustSchedule(t, "morning", "1 8 * * *"), ""},
		"the same action": {mustSchedule(t, "first", "0 8 * * *"), mustSchedule(t, "second", "0 8 * * *"), ""},
		"other groups":    {mustSchedule(t, "night", "0 8 * * *", stops, over("db")), mustSchedule(t, "morning", "0 8 * * *"), ""},
		"paused":          {mustSchedule(t, "night", "0 8 * * *", stops, paused), mustSchedule(t, "morning", "0 8 * * *"), ""},
		"excluded": {
			mustSchedule(t, "night", "0 8 * * *", stops), mustSchedule(t, "morning", "0 8 5 1 *", excluding(t, "day-off", "*-01-05")), "",
		},
		"jitter moves them apart": {
			mustSchedule(t, "night", "0 8 * * *", stops, jitter(20*time.Minute)), mustSchedule(t, "morning", "0 8 * * *"), "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, schedules := range [][]Schedule{{tc.a, tc.b}, {tc.b, tc.a}} {
				clashes, complete := Clashes(schedules, at("05 00:00"), year)
				got := ""
				for _, c := range clashes {
					got = fmt.Sprintf("%s: %s %s %s before %s %s %s", c.Group, c.Winner.Schedule, c.Winner.Action, c.Winner.At.Format(time.DateTime),
						c.Loser.Schedule, c.Loser.Action, c.Loser.At.Format(time.DateTime))
				}
				if got != tc.want || len(clashes) > 1 {
					t.Errorf("got  %s\nwant %s", got, tc.want)
				}
				if want := name != "the later one wins"; complete != want { // @every 100s has more than are searched
					t.Errorf("complete: %v", complete)
				}
			}
		})
	}
}

// Of ten thousand schedules over one group the first hundred clashes are enough.
func TestClashesOfManySchedulesAreBounded(t *testing.T) {
	var schedules []Schedule
	for i := range 10_000 {
		s := mustSchedule(t, fmt.Sprint("s", i), "0 8 * * *")
		if i%2 == 0 {
			stops(&s)
		}
		schedules = append(schedules, s)
	}
	begin := time.Now()
	clashes, complete := Clashes(schedules, at("05 00:00"), at("05 00:00").AddDate(1, 0, 0))
	if len(clashes) != clashReports || complete {
		t.Errorf("%d clashes, complete %v", len(clashes), complete)
	}
	t.Logf("%d schedules: %s", len(schedules), time.Since(begin))
}
