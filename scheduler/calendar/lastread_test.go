package calendar

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// What files gave is kept as texts, and stands for the files where they cannot be read.
func TestDatesLastReadAreThoseOfTheFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/*/*.ics")
	if err != nil || len(files) < 16 {
		t.Fatal(files, err)
	}
	zones := []*time.Location{mustZone(t, "Asia/Singapore"), mustZone(t, "America/New_York"), mustZone(t, "Pacific/Auckland")}
	from, to := DateOf(present.AddDate(-1, 0, 0)).String(), DateOf(present.AddDate(5, 0, 0)).String()
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			source := Source{Name: "c", Dates: []string{"2026-03-03", "*-04-04"}, Now: present}
			source.Files = []File{readTestFile(t, path)}
			read := mustNew(t, source)
			kept, ok := read.FileDates(zones)
			if !ok || !kept.ReadAt.Equal(present) {
				t.Fatalf("%+v, %v", kept, ok)
			}
			if slices.Contains(kept.Dates, "2026-03-03") {
				t.Error("a date of the configuration itself is kept as if a file had it")
			}
			source.Files, source.LastRead = nil, &kept
			again := mustNew(t, source)
			for _, zone := range zones {
				want, got := spansOf(t, read.In(zone), from, to), spansOf(t, again.In(zone), from, to)
				if got != want {
					t.Errorf("in %s\ngot  %s\nwant %s", zone, got, want)
				}
				_, wantEnds := read.In(zone).End()
				if _, ends := again.In(zone).End(); ends != wantEnds {
					t.Errorf("in %s: ends %v, the files' dates %v", zone, ends, wantEnds)
				}
			}
		})
	}
}

// A whole calendar is kept, too: its dates, yearly ones, rules and files.
func TestAllDatesOfACalendarAreKept(t *testing.T) {
	floating := "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDTSTART:20261225T160000Z\r\nDTEND:20261226T020000Z\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
	zones := []*time.Location{mustZone(t, "Asia/Singapore"), mustZone(t, "America/New_York")}
	for name, files := range map[string][]File{"without a file": nil, "with a file whose dates differ by zone": {{Name: "f.ics", Data: []byte(floating)}}} {
		t.Run(name, func(t *testing.T) {
			read := mustNew(t, Source{
				Name: "c", Dates: []string{"2026-11-02", "*-02-28..*-03-01"}, Rules: []string{"FREQ=MONTHLY;BYDAY=2TU"}, Files: files, Now: present,
			})
			kept := read.AllDates(zones)
			again := mustNew(t, Source{Name: "c", Now: present, LastRead: &kept})
			for _, zone := range zones {
				want, got := spansOf(t, read.In(zone), "2026-01-01", "2029-12-31"), spansOf(t, again.In(zone), "2026-01-01", "2029-12-31")
				if got != want || !strings.Contains(got, "2026-11-10") || !strings.Contains(got, "2028-02-28..2028-03-01") {
					t.Errorf("in %s\ngot  %s\nwant %s", zone, got, want)
				}
			}
		})
	}
}

// The dates of files that can be read, and those of the configuration, count beside those last read.
func TestDatesLastReadCountBesideTheOthers(t *testing.T) {
	floating := "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDTSTART:20261225T160000Z\r\nDTEND:20261226T020000Z\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
	c := mustNew(t, Source{
		Name: "c", Dates: []string{"2026-11-02"}, Files: []File{{Name: "f.ics", Data: []byte(floating)}}, Now: present,
		LastRead: &FileDates{
			ReadAt: present, Dates: []string{"2026-11-04"}, Zones: map[string][]string{"Asia/Singapore": {"2026-11-05..2026-11-06"}},
		},
	})
	for zone, want := range map[string]string{
		"Asia/Singapore":   "2026-11-02 2026-11-05 2026-11-06 2026-12-26",
		"America/New_York": "2026-11-02 2026-11-04 2026-12-25",
	} {
		if got := spansOf(t, c.In(mustZone(t, zone)), "2026-01-01", "2027-12-31"); got != want {
			t.Errorf("in %s: %s, want %s", zone, got, want)
		}
	}
}

func TestWithoutDatesLastReadACalendarOfAnUnreadableFileIsEmpty(t *testing.T) {
	c := mustNew(t, Source{Name: "c", Now: present, LastRead: &FileDates{}})
	if end, ends := c.End(); !ends || !end.IsZero() {
		t.Errorf("it has dates up to %s, %v", end, ends)
	}
}

// A team's calendar of many endless meetings is kept as some hundred ranges.
func TestDatesThatAreKeptAreBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString("BEGIN:VCALENDAR\r\n")
	for year := 1990; year < 2100; year++ {
		fmt.Fprintf(&b, "BEGIN:VEVENT\r\nDTSTART;VALUE=DATE:%d0105\r\nEND:VEVENT\r\n", year)
	}
	b.WriteString("BEGIN:VEVENT\r\nDTSTART;VALUE=DATE:19900101\r\nRRULE:FREQ=DAILY;INTERVAL=2\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n")
	kept, _ := mustNew(t, Source{Name: "c", Files: []File{{Name: "f.ics", Data: []byte(b.String())}}, Now: present}).FileDates(nil)
	first, last := kept.Dates[0], kept.Dates[len(kept.Dates)-1]
	if n := len(kept.Dates); n < 1000 || n > 1100 || first < "2025-" || last > "2031-12" || !kept.Endless {
		t.Errorf("%d ranges from %s to %s, endless %v", n, first, last, kept.Endless)
	}
}

func TestDatesLastReadThatAreDamagedAreRefused(t *testing.T) {
	_, err := New(Source{Name: "c", Now: present, LastRead: &FileDates{Zones: map[string][]string{"UTC": {"2026-13-01"}}}})
	if err == nil || !strings.Contains(err.Error(), `of the dates that were last read: date "2026-13-01"`) {
		t.Errorf("got %v", err)
	}
}

func TestAFileThatIsRefusedIsNamedInTheError(t *testing.T) {
	_, err := New(Source{Name: "c", Files: []File{{Name: "f.ics", Data: []byte("nonsense\n")}}, Now: present})
	var file *FileError
	if !errors.As(err, &file) || file.File != "f.ics" || !strings.HasPrefix(file.Error(), "f.ics:1: ") {
		t.Errorf("got %v", err)
	}
	if _, ok := mustNew(t, Source{Name: "c", Dates: []string{"2026-01-01"}}).FileDates(nil); ok {
		t.Error("a calendar without files has dates of files")
	}
}

func mustNew(t *testing.T, src Source) *Calendar {
	t.Helper()
	c, err := New(src)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
