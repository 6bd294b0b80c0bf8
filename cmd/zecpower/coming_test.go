package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"zecpower/scheduler"
	"zecpower/scheduler/calendar"
	"zecpower/scheduler/cron"
)

// everySecond is a schedule of every second, which the calendar's dates exclude.
func everySecond(t *testing.T, name string, dates ...string) scheduler.Schedule {
	t.Helper()
	table, err := cron.Parse("@every 1s", time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	closed, err := calendar.New(calendar.Source{Name: "closed", Dates: dates})
	if err != nil {
		t.Fatal(err)
	}
	return scheduler.Schedule{Name: name, Timetable: table, Zone: time.UTC, Action: "start", Groups: []string{"web"}, Exclude: []*calendar.Calendar{closed}}
}

func TestRunsBehindExcludedYearsAreFoundAndTheRestIsCounted(t *testing.T) {
	from := time.Date(2026, 12, 24, 23, 59, 57, 0, time.UTC)
	for _, paused := range []bool{false, true} {
		s := everySecond(t, "ticks", "2026-12-25..2029-12-31")
		s.Paused = paused
		found := findRuns([]scheduler.Schedule{s}, from, 4, 10)
		last := found.runs[len(found.runs)-1]
		if len(found.runs) != 14 || !last.Nominal.Equal(time.Date(2030, 1, 1, 0, 0, 1, 0, time.UTC)) || last.Status == scheduler.StatusExcluded {
			t.Errorf("%d rows, the last %+v", len(found.runs), last)
		}
		want := "ticks: at least 100000 more excluded times not shown, the first at 2026-12-25T00:00:10Z; --schedule ticks --from 2026-12-25T00:00:09Z goes on there"
		if len(found.notes) != 1 || found.notes[0] != want {
			t.Errorf("notes %q", found.notes)
		}
	}
}

func TestFewExcludedTimesAreCountedExactly(t *testing.T) {
	s := everySecond(t, "ticks", "2026-12-25")
	found := findRuns([]scheduler.Schedule{s}, time.Date(2026, 12, 24, 23, 59, 59, 0, time.UTC), 1, 400)
	if len(found.runs) != 401 || len(found.notes) != 1 || !strings.HasPrefix(found.notes[0], "ticks: 86000 more excluded times not shown") {
		t.Errorf("%d rows, notes %q", len(found.runs), found.notes)
	}
}

func TestManySchedulesShareTheRows(t *testing.T) {
	schedules := make([]scheduler.Schedule, 5000)
	for i := range schedules {
		schedules[i] = everySecond(t, fmt.Sprint("s", i), "2020-01-01")
	}
	found := findRuns(schedules, time.Date(2026, 12, 24, 0, 0, 0, 0, time.UTC), 10_000, maxExcluded)
	if len(found.runs) != maxRows || len(found.notes) != 1 || !strings.Contains(found.notes[0], "20 of 10000 runs of each schedule are shown; --schedule NAME") {
		t.Errorf("%d rows, notes %q", len(found.runs), found.notes)
	}
	var out strings.Builder
	(&host{stderr: &out}).printNotes(make([]string, 1000))
	if lines := strings.Count(out.String(), "\n"); lines != maxNotes+1 || !strings.HasSuffix(out.String(), "note: the same for 980 more schedules\n") {
		t.Errorf("%d lines: %s", lines, out.String())
	}
}

func TestARowNamesTheFirstGroupsAndTheirNumber(t *testing.T) {
	groups := strings.Fields(strings.Repeat("web ", 30_000))
	if got := groupsText(groups); got != "web,web,web,web,web,web,web,web,… (30000 groups)" {
		t.Errorf("got %.100s", got)
	}
	if got := groupsText(groups[:maxGroups]); got != "web,web,web,web,web,web,web,web" {
		t.Errorf("got %s", got)
	}
}
