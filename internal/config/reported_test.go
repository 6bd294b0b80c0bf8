package config

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"zecpower/scheduler"
)

// The table of reported calendars: a schedule at 07:45 in Singapore that excludes the calendar does
// not run on its dates, and on no others. The files are those of the calendar's own test.
func TestASchedulesDaysOffAreThoseOfTheReportedCalendar(t *testing.T) {
	december := "2026-12-21 2026-12-22 2026-12-23 2026-12-24 2026-12-25"
	for _, c := range []struct{ story, ics, off string }{
		{
			"an override that repeats the rule is one moved occurrence, not a second series", "moved-occurrence.ics",
			"2026-11-02 2026-12-01 2026-12-28 2027-01-25 2027-02-22 2027-03-22",
		},
		{
			"of two versions of an event the later one counts: 16 November is a working day", "two-versions.ics",
			"2026-11-02 2026-11-09 2026-11-23 2026-11-30 2026-12-07 2026-12-14 2026-12-21 2026-12-28",
		},
		{"a zone by its Windows name, with UNTIL in UTC: the last Friday is off, too", "outlook-zone.ics", "2026-12-04 2026-12-11 2026-12-18"},
		{"a whole day written in UTC is that day alone", "whole-day-in-utc.ics", "2026-12-25"},
		{"an empty RRULE is read over", "empty-rrule.ics", "2027-01-01"},
		{"spaces in BYDAY are read over", "spaces-in-byday.ics", december},
		{"COUNT=-1 beside UNTIL is read over", "count-minus-one.ics", december + " 2027-01-18 2027-01-19 2027-01-20 2027-01-21 2027-01-22"},
		{"of holidays and observances the filter takes the holidays", `{file: holidays-and-observances.ics, match: "Public holiday"}`, "2026-12-25"},
		{
			"of days off and make-up days the filter takes the days off", `{file: days-off-and-make-up-days.ics, match: "（休）"}`,
			"2026-10-01 2026-10-02 2026-10-03 2026-10-04 2026-10-05 2026-10-06 2026-10-07",
		},
	} {
		t.Run(c.story, func(t *testing.T) {
			s := reported(t, c.ics, `"45 7 * * *"`, "exclude")
			if got := days(s, scheduler.StatusExcluded); got != c.off {
				t.Errorf("no run on %s\nwant      %s", got, c.off)
			}
			const all = 1553 // days from October 2026 to the end of 2030
			if n := len(strings.Fields(days(s, scheduler.StatusDue))) + len(strings.Fields(c.off)); n != all {
				t.Errorf("it runs or is off on %d days, want %d", n, all)
			}
		})
	}
	t.Run("a make-up day that is included runs though it is a Saturday", func(t *testing.T) {
		s := reported(t, `{file: days-off-and-make-up-days.ics, match: "（班）"}`, `"45 7 * * MON-FRI"`, "include")
		due := strings.Fields(days(s, scheduler.StatusDue))
		if !slices.Contains(due, "2026-10-10") || slices.Contains(due, "2026-10-17") {
			t.Errorf("it runs on %q", due[:20])
		}
	})
}

// reported is a schedule that uses a calendar of the reported files.
func reported(t *testing.T, ics, cron, use string) *scheduler.Schedule {
	t.Helper()
	folder, err := filepath.Abs("../../scheduler/calendar/testdata/reported")
	if err != nil {
		t.Fatal(err)
	}
	if name, filtered := strings.CutPrefix(ics, "{file: "); filtered {
		ics = "{file: " + folder + "/" + name
	} else {
		ics = folder + "/" + ics
	}
	path := write(t, "schedules.yaml", fmt.Sprintf(`groups: {web: {instances: [i-1]}}
calendars: {reported: {ics: %s}}
schedules: {morning: {cron: %s, timezone: Asia/Singapore, action: start, groups: [web], %s: [reported]}}
`, ics, cron, use))
	c, err := LoadAt(path, time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	return &c.Schedules[0]
}

// days are the dates of a schedule's times with a status, from October 2026 to the end of 2030.
func days(s *scheduler.Schedule, status scheduler.Status) string {
	var found []string
	from := time.Date(2026, 10, 1, 0, 0, 0, 0, s.Zone)
	for o := range s.Occurrences(from, time.Date(2031, 1, 1, 0, 0, 0, 0, s.Zone)) {
		if o.Status == status {
			found = append(found, o.Nominal.In(s.Zone).Format(time.DateOnly))
		}
	}
	return strings.Join(found, " ")
}
