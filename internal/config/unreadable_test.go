package config

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"zecpower/scheduler/calendar"
)

const icsOfChristmas = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART;VALUE=DATE:20261225\nEND:VEVENT\nEND:VCALENDAR\n"

const calendarOfFiles = `groups: {web: {instances: [i-1]}}
calendars:
  off: {dates: [2026-11-30], ics: [here.ics, off.ics]}
  days: {ics: days.ics}
schedules:
  morning: {cron: "@daily", action: start, groups: [web], exclude: [off]}
  open: {cron: "0 9 * * *", action: start, groups: [web], include: [off]}
  payday: {cron: "0 18 * * *", action: stop, groups: [web], only: [days]}
  either: {cron: "0 19 * * *", action: stop, groups: [web], only: [off, days]}
`

// calendarFiles writes calendarOfFiles with both of its calendars' files but off.ics.
func calendarFiles(t *testing.T) (path string) {
	t.Helper()
	path = write(t, "schedules.yaml", calendarOfFiles)
	writeBeside(t, path, "here.ics", strings.Replace(icsOfChristmas, "20261225", "20261231", 1))
	writeBeside(t, path, "days.ics", icsOfChristmas)
	return path
}

func writeBeside(t *testing.T, path, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(filepath.Dir(path), name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func runnable(t *testing.T, path string) *Config {
	t.Helper()
	c, err := LoadRunnable(path)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// datesOf lists the dates of the calendar that a schedule excludes, from November to January.
func datesOf(t *testing.T, c *Config, schedule string) string {
	t.Helper()
	s, err := c.Schedule(schedule)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for d := (calendar.Date{Year: 2026, Month: 11, Day: 1}); d.Year < 2028; d = d.AddDays(1) {
		if calendarsOf(s)[0].Contains(d) {
			found = append(found, d.String())
		}
	}
	return strings.Join(found, " ")
}

func TestAnUnusableCalendarFileLeavesItsCalendarTheOtherDates(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"missing":   {"", "DIR/schedules.yaml:3:46: calendars.off.ics: DIR/off.ics: there is no such file (check the path)"},
		"malformed": {"BEGIN:VCALENDAR\nnonsense\n", "DIR/schedules.yaml:3:35: calendars.off: DIR/off.ics:2: "},
	} {
		t.Run(name, func(t *testing.T) {
			path := calendarFiles(t)
			dir := filepath.Dir(path)
			if c.text != "" {
				writeBeside(t, path, "off.ics", c.text)
			}
			want := strings.ReplaceAll(c.want, "DIR", dir)
			if _, err := Load(path); err == nil || !strings.HasPrefix(err.Error(), want) {
				t.Errorf("Load: %v, want %s", err, want)
			}
			cfg := runnable(t, path)
			if len(cfg.Unreadable) != 1 || !strings.HasPrefix(cfg.Unreadable[0].String(), want) {
				t.Errorf("%v, want %s", cfg.Unreadable, want)
			}
			if err := cfg.Complete(); err == nil || !strings.HasPrefix(err.Error(), want) {
				t.Errorf("a reload is refused with %v, want %s", err, want)
			}
			if len(cfg.UnreadableCalendars) != 1 || cfg.UnreadableCalendars[0].Name != "off" {
				t.Errorf("%+v", cfg.UnreadableCalendars)
			}
			if got := datesOf(t, cfg, "morning"); got != "2026-11-30 2026-12-31" {
				t.Errorf("it has %s", got)
			}
			if !slices.Contains(cfg.Files, filepath.Join(dir, "off.ics")) {
				t.Errorf("%q: the file is not watched, so its return would go unnoticed", cfg.Files)
			}
		})
	}
}

func TestTheDatesLastReadStandForAnUnusableFile(t *testing.T) {
	path := calendarFiles(t)
	writeBeside(t, path, "off.ics", icsOfChristmas)
	good := runnable(t, path)
	read := good.FileDates()
	if len(read) != 2 || good.Complete() != nil {
		t.Fatalf("%+v, %v", read, good.Complete())
	}
	want := datesOf(t, good, "morning")
	if want != "2026-11-30 2026-12-25 2026-12-31" {
		t.Fatalf("the files have %s", want)
	}
	writeBeside(t, path, "off.ics", "")
	bad := runnable(t, path)
	if dates := bad.FileDates(); len(dates) != 1 || dates["days"].Dates == nil {
		t.Errorf("of a calendar that cannot be read, %+v would be recorded", dates)
	}
	if err := bad.UseLastRead(read); err != nil {
		t.Fatal(err)
	}
	for _, schedule := range []string{"morning", "open", "either"} {
		if got := datesOf(t, bad, schedule); got != want {
			t.Errorf("%s has %s, want %s", schedule, got, want)
		}
	}
	u := bad.UnreadableCalendars[0]
	if said := bad.Without(u); said != "its dates as they were read at "+read["off"].ReadAt.UTC().Format(time.RFC3339)+" count" {
		t.Error(said)
	}
	if u.Mended() {
		t.Error("an empty file counts as mended")
	}
	writeBeside(t, path, "off.ics", icsOfChristmas)
	if !u.Mended() {
		t.Error("the mended file does not count")
	}
}

func TestWithoutDatesLastReadEachScheduleThatChangesIsNamed(t *testing.T) {
	path := calendarFiles(t)
	writeBeside(t, path, "days.ics", "")
	c := runnable(t, path)
	if err := c.UseLastRead(map[string]calendar.FileDates{"days": {ReadAt: time.Now(), Dates: []string{"tomorrow"}}}); err == nil {
		t.Error("damaged dates pass")
	}
	var got []string
	for _, u := range c.UnreadableCalendars {
		got = append(got, u.Name+": "+c.Without(u))
	}
	want := []string{
		"off: the dates of its files are not known; does not run on them: open, either; runs on them, too: morning",
		"days: the dates of its files are not known; without them never runs: payday; does not run on them: either",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if said := listed("x", strings.Split("abcdefghijkl", "")); said != "; x: a, b, c, d, e, f, g, h, i, j and 2 more" {
		t.Error(said)
	}
}
