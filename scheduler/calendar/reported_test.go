package calendar

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func readTestFile(t testing.TB, path string) File {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return File{Name: filepath.Base(path), Data: data}
}

// spansOf lists the dates of a calendar within [from, to], runs of them as from..to.
func spansOf(t testing.TB, c *Calendar, from, to string) string {
	t.Helper()
	var found []string
	for n := date(t, from).number(); n <= date(t, to).number(); n++ {
		first := n
		for n <= date(t, to).number() && c.Contains(n.date()) {
			n++
		}
		switch n - first {
		case 0:
		case 1, 2:
			for d := first; d < n; d++ {
				found = append(found, d.date().String())
			}
		default:
			found = append(found, first.date().String()+".."+(n-1).date().String())
		}
	}
	return strings.Join(found, " ")
}

// The files are such as people report that tools of this kind read wrongly.
func TestReportedFilesHaveTheirDates(t *testing.T) {
	for _, c := range []struct{ file, match, exclude, want, warning string }{
		{"moved-occurrence.ics", "", "", "2026-11-02 2026-12-01 2026-12-28 2027-01-25 2027-02-22 2027-03-22", ""},
		{"two-versions.ics", "", "", "2026-11-02 2026-11-09 2026-11-23 2026-11-30 2026-12-07 2026-12-14 2026-12-21 2026-12-28", ""},
		{"outlook-zone.ics", "", "", "2026-12-04 2026-12-11 2026-12-18", ""},
		{"whole-day-in-utc.ics", "", "", "2026-12-25", ""},
		{"empty-rrule.ics", "", "", "2027-01-01", "empty-rrule.ics:11: an empty RRULE"},
		{"spaces-in-byday.ics", "", "", "2026-12-21..2026-12-25", "spaces-in-byday.ics:7: RRULE"},
		{"count-minus-one.ics", "", "", "2026-12-21..2026-12-25 2027-01-18..2027-01-22", "count-minus-one.ics:7: RRULE"},
		{"holidays-and-observances.ics", "Public holiday", "", "2026-12-25", ""},
		{"holidays-and-observances.ics", "", "^Observance", "2026-12-25", ""},
		{"holidays-and-observances.ics", "", "", "2026-12-24 2026-12-25", ""},
		{"days-off-and-make-up-days.ics", "（休）", "", "2026-10-01..2026-10-07", ""},
		{"days-off-and-make-up-days.ics", "（班）", "", "2026-10-10", ""},
		{"days-off-and-make-up-days.ics", "节", "班", "2026-10-01..2026-10-07 2026-10-19", ""},
		{"days-off-and-make-up-days.ics", "假期", "", "", "days-off-and-make-up-days.ics:0: match and exclude let none of its 3 events through"},
	} {
		t.Run(c.file+c.match+c.exclude, func(t *testing.T) {
			file := readTestFile(t, "testdata/reported/"+c.file)
			if c.match != "" {
				file.Match = regexp.MustCompile(c.match)
			}
			if c.exclude != "" {
				file.Exclude = regexp.MustCompile(c.exclude)
			}
			calendar, err := New(Source{Name: "c", Files: []File{file}, Now: present})
			if err != nil {
				t.Fatal(err)
			}
			if got := spansOf(t, calendar.In(mustZone(t, "Asia/Singapore")), "2026-01-01", "2040-12-31"); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if got := warningsText(calendar); c.warning == "" && got != "" || !strings.Contains(got, c.warning) {
				t.Errorf("warnings %q, want %q", got, c.warning)
			}
		})
	}
}

// Beside each file of testdata/programs stand its dates in some zones.
func TestFilesOfWellKnownProgramsHaveTheirDates(t *testing.T) {
	files, err := filepath.Glob("testdata/programs/*.ics")
	if err != nil || len(files) < 7 {
		t.Fatal(files, err)
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			for name, data := range map[string][]byte{"LF": readTestFile(t, path).Data, "CRLF": crlf(readTestFile(t, path).Data)} {
				calendar, err := New(Source{Name: "c", Files: []File{{Name: path, Data: data}}, Now: present})
				if err != nil {
					t.Fatal(err)
				}
				warned, want := warningsText(calendar), ""
				if filepath.Base(path) == "nextcloud.ics" {
					want = path + ":30: a line break inside DESCRIPTION; it is read as the rest of its text"
				}
				if warned != want {
					t.Errorf("%s warns %q, want %q", name, warned, want)
				}
				for line := range strings.Lines(string(readTestFile(t, strings.TrimSuffix(path, "ics")+"dates").Data)) {
					zone, want, _ := strings.Cut(strings.TrimSpace(line), ": ")
					if got := spansOf(t, calendar.In(mustZone(t, zone)), "2026-01-01", "2040-12-31"); got != want {
						t.Errorf("%s in %s\ngot  %s\nwant %s", name, zone, got, want)
					}
				}
			}
		})
	}
}

func crlf(data []byte) []byte { return []byte(strings.ReplaceAll(string(data), "\n", "\r\n")) }

func warningsText(c *Calendar) string {
	var lines []string
	for _, w := range c.Warnings() {
		lines = append(lines, w.String())
	}
	return strings.Join(lines, "\n")
}
