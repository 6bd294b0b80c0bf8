package config

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"zecpower/apiclient"
	"zecpower/scheduler"
	"zecpower/scheduler/calendar"
)

var update = flag.Bool("update", false, "write the .err files of testdata/invalid anew")

// present is when the tests load their files: what is past changes with the day.
var present = time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)

func TestEverySampleOfAMistakeIsRefusedWithItsMessage(t *testing.T) {
	for _, file := range samples(t, "invalid") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			config, err := LoadAt(file, present)
			if err == nil {
				t.Fatalf("accepted: %+v", config)
			}
			got := strings.ReplaceAll(err.Error(), "testdata/invalid/", "") + "\n"
			golden := strings.TrimSuffix(file, ".yaml") + ".err"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got:\n%swant:\n%s", got, want)
			}
			if strings.Contains(got, "hunter2") {
				t.Error("the message shows a secret")
			}
		})
	}
}

func TestEveryValidSampleLoads(t *testing.T) {
	for _, file := range samples(t, "valid") {
		t.Run(filepath.Base(file), func(t *testing.T) { load(t, file) })
	}
}

func samples(t *testing.T, folder string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", folder, "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no samples in %s: %v", folder, err)
	}
	return files
}

// load fails the test on any problem, and on a schedule that its own package would refuse.
func load(t *testing.T, path string) *Config {
	t.Helper()
	c, err := LoadAt(path, present)
	if err != nil {
		t.Fatal(err)
	}
	for i := range c.Schedules {
		if err := c.Schedules[i].Validate(); err != nil {
			t.Error(err)
		}
	}
	if _, err := apiclient.ParseEndpoint(c.API.Endpoint); err != nil {
		t.Error(err)
	}
	return c
}

// write makes a file in a folder of the test's own.
func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLeftOutKeysHaveTheirDefaults(t *testing.T) {
	for _, file := range []string{"testdata/valid/minimal.yaml", "testdata/valid/empty-sections.yaml"} {
		c := load(t, file)
		wantAPI := API{"https://console.zenlayer.com", "2025-09-01", 30 * time.Second, 10, 10, 8}
		wantBatch := Batch{100, 3, Backoff{500 * time.Millisecond, 30 * time.Second}, 5 * time.Second, 10 * time.Minute}
		if c.API != wantAPI || c.Batch != wantBatch || c.Timezone != time.UTC || len(c.Warnings) > 0 {
			t.Errorf("%s: %+v", file, c)
		}
		s := c.Schedules[0]
		if s.CatchUp != time.Hour || s.Overlap != scheduler.OverlapSkip || s.Jitter != 0 || s.Deadline != 30*time.Minute ||
			s.Paused || s.Zone != time.UTC || s.Action != "start" || s.Timetable.String() != "45 7 * * MON-FRI" {
			t.Errorf("%s: %+v", file, s)
		}
	}
}

func TestEveryKeyReachesItsValue(t *testing.T) {
	c := load(t, "testdata/valid/full.yaml")
	wantAPI := API{"https://zec.example.com:8443", "2024-04-01", 20 * time.Second, 2.5, 4, 2}
	wantBatch := Batch{50, 5, Backoff{time.Second, time.Minute}, 7 * time.Second, 15 * time.Minute}
	if c.API != wantAPI || c.Batch != wantBatch || c.Timezone.String() != "Europe/Berlin" {
		t.Errorf("got %+v %+v %v", c.API, c.Batch, c.Timezone)
	}
	morning, evening := c.Schedules[0], c.Schedules[1]
	got := []any{
		morning.Name, morning.Zone.String(), string(morning.Action), morning.Groups, calendarNames(morning.Exclude), calendarNames(morning.Include),
		morning.CatchUp, morning.Overlap, morning.Jitter, morning.Deadline, morning.Paused,
		evening.Name, evening.Zone.String(), string(evening.Action), evening.Groups, calendarNames(c.Calendars),
	}
	want := []any{
		"weekday-morning", "Asia/Singapore", "start",
		[]string{"db", "web"},
		[]string{"holidays", "office", "2026-12-31"},
		[]string{"both", "2026-12-26"},
		2 * time.Hour, scheduler.OverlapQueue, 5 * time.Minute, 45 * time.Minute, true,
		"evening", "Europe/Berlin", "stop",
		[]string{"web"},
		[]string{"holidays", "office", "both"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if !morning.Exclude[1].Contains(calendar.Date{Year: 2026, Month: 8, Day: 17}) {
		t.Error("the iCalendar file's date is missing")
	}
	wantFiles := []string{"testdata/valid/full.yaml", "testdata/valid/files/web.txt", "testdata/valid/files/office.ics"}
	if !reflect.DeepEqual(c.Files, wantFiles) {
		t.Errorf("files %q, want %q", c.Files, wantFiles)
	}
}

func calendarNames(calendars []*calendar.Calendar) (names []string) {
	for _, c := range calendars {
		names = append(names, c.Name())
	}
	return names
}

func TestWarningsDoNotStandInTheWay(t *testing.T) {
	c := load(t, "testdata/valid/warnings.yaml")
	var got []string
	for _, w := range c.Warnings {
		got = append(got, strings.TrimPrefix(w.String(), "testdata/valid/"))
	}
	if len(got) != 5 {
		t.Fatalf("got %d warnings:\n%s", len(got), strings.Join(got, "\n"))
	}
	for i, want := range []string{
		`warnings.yaml:3:20: groups.web: 1 of 3 instance ids are repeated, i-000001 first (each instance is powered once)`,
		`warnings.yaml:4:3: no schedule uses the group "spare"`,
		`warnings.yaml:6:3: no schedule uses the calendar "spare"`,
		`warnings.yaml:9:11: schedules.morning.cron: "0 7 1 * MON": `, // the rest is the scheduler's
		`warnings.yaml:12:15: schedules.morning: deadline 5m ends a run before batch.boot_timeout 10m: a slow boot is cut off`,
	} {
		if !strings.HasPrefix(got[i], want) {
			t.Errorf("got  %s\nwant %s", got[i], want)
		}
	}
}

func TestCalendarsOfFilesFiltersAndRules(t *testing.T) {
	c := load(t, "testdata/valid/calendars.yaml")
	from := time.Date(2026, 9, 30, 12, 0, 0, 0, time.UTC)
	for name, want := range map[string]string{
		"morning": "10-08 10-09 10-10 10-12",
		"payday":  "09-30 10-30 11-30 12-24 12-31",
		"patches": "11-23 12-07 12-21",
	} {
		s, err := c.Schedule(name)
		if err != nil {
			t.Fatal(err)
		}
		var due []string
		for o := range s.Occurrences(from.Add(-24*time.Hour), from.AddDate(0, 3, 3)) {
			if o.Status == scheduler.StatusDue && o.Nominal.After(from.Add(-12*time.Hour)) {
				due = append(due, o.Nominal.Format("01-02"))
			}
		}
		got := strings.Join(due, " ")
		if name == "morning" { // of which the first days show the point
			got = got[strings.Index(got, "10-08"):][:len(want)]
		}
		if got != want {
			t.Errorf("%s runs on %s, want %s", name, got, want)
		}
	}
	if morning, _ := c.Schedule("morning"); morning.Exclude[0].Contains(calendar.Date{Year: 2026, Month: 10, Day: 10}) {
		t.Error("the make-up day passes the filter of the days off")
	}
}

func TestWarningsOfCalendars(t *testing.T) {
	c := load(t, "testdata/valid/calendars.yaml")
	var got []string
	for _, w := range c.Warnings {
		got = append(got, strings.TrimPrefix(w.String(), "testdata/valid/"))
	}
	want := []string{
		`calendars.yaml:5:3: calendars.off: the calendar's last date, 2026-10-07, is past (add those of the coming year, or fetch the file anew)`,
		`calendars.yaml:10:3: calendars.empty: the calendar has no dates (check its files and filters)`,
		`calendars.yaml:14:69: schedules.patches: only names the dates: the cron's day of month, month and weekday do not count (write * in them)`,
		`files/spaces.ics:7:1: RRULE "FREQ=WEEKLY;COUNT=5;BYDAY=MO, TU, WE, TH, FR": spaces inside the rule (they are left out)`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestAZoneWithoutDaylightSavingTimeIsWarnedAboutOnce(t *testing.T) {
	c := load(t, "testdata/valid/fixed-zones.yaml")
	if len(c.Warnings) != 2 {
		t.Fatalf("got %v", c.Warnings)
	}
	for i, want := range []string{
		`fixed-zones.yaml:1:11: timezone: time zone EST knows no daylight saving time: it is UTC-5 all year (name a region`,
		`fixed-zones.yaml:5:49: schedules.morning.timezone: time zone Etc/GMT+8 knows no daylight saving time: it is UTC-8 all year, because`,
	} {
		if got := strings.TrimPrefix(c.Warnings[i].String(), "testdata/valid/"); !strings.HasPrefix(got, want) {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestExampleLoadsWithoutWarningAndShowsTheDefaults(t *testing.T) {
	c := load(t, "../../schedules.example.yaml")
	for _, w := range c.Warnings {
		t.Error(w)
	}
	plain := load(t, "testdata/valid/minimal.yaml")
	if c.API != plain.API || c.Batch != plain.Batch {
		t.Errorf("the example's values are not the defaults: %+v %+v", c.API, c.Batch)
	}
	morning, err := c.Schedule("weekday-morning")
	if err != nil {
		t.Fatal(err)
	}
	if d := plain.Schedules[0]; morning.CatchUp != d.CatchUp || morning.Overlap != d.Overlap || morning.Jitter != d.Jitter ||
		morning.Deadline != d.Deadline || morning.Paused != d.Paused {
		t.Errorf("the example's schedule does not show the defaults: %+v", morning)
	}
	for name, want := range map[string]string{"db": "i-000000", "web": "i-000010"} {
		g, err := c.Group(name)
		if err != nil {
			t.Fatal(err)
		}
		if ids, err := g.IDs(); err != nil || ids[0] != want || len(ids) != g.Size {
			t.Errorf("group %s: %v, error %v", name, ids, err)
		}
	}
	if _, err := c.Schedule("weekday-evening"); err != nil {
		t.Error(err)
	}
	if len(c.Files) != 1 {
		t.Errorf("the example needs other files: %q", c.Files)
	}
}

func TestTheExamplesShowEveryKey(t *testing.T) {
	data, err := os.ReadFile("../../schedules.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, more := range []string{"schedules.yaml", "conf.d/payments.yaml", "conf.d/shop.yaml"} {
		text, err := os.ReadFile(filepath.Join("../../docs/company", more))
		if err != nil {
			t.Fatal(err)
		}
		data = append(data, text...)
	}
	for _, key := range strings.Fields(`api endpoint api_version timeout requests_per_second burst max_in_flight
		batch batch_size attempts backoff initial max poll_interval boot_timeout timezone
		include_files groups instances instances_file selector tags zone resource_group max_instances max_change accounts calendars dates ics match rrule
		schedules cron action exclude include only catch_up overlap jitter deadline paused`) {
		if !strings.Contains(string(data), key+":") {
			t.Errorf("no example shows %s", key)
		}
	}
}

// The calendars of README.md are a sample, too: they must load as they stand there.
func TestCalendarsOfTheReadmeLoad(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(readme), "### Calendars\n```yaml\n")
	if !ok {
		t.Fatal("README.md has no sample of calendars")
	}
	sample, _, _ := strings.Cut(section, "```")
	names := regexp.MustCompile(`(?m)^  ([a-z-]+):`).FindAllStringSubmatch(sample, -1)
	var used []string
	for _, name := range names {
		used = append(used, name[1])
	}
	path := write(t, "schedules.yaml", sample+"groups: {web: {instances: [i-000001]}}\nschedules: {s: {cron: \"@daily\", action: stop, groups: [web], exclude: ["+
		strings.Join(used, ", ")+"]}}\n")
	days, err := os.ReadFile("testdata/valid/files/cn.ics")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"cn.ics", "team.ics", "plant.ics"} {
		if err := os.WriteFile(filepath.Join(filepath.Dir(path), file), days, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c := load(t, path)
	if len(used) < 6 || len(c.Calendars) != len(used) {
		t.Errorf("%d calendars of %q", len(c.Calendars), used)
	}
	for _, calendar := range c.Calendars {
		if end, ends := calendar.End(); ends && end.IsZero() {
			t.Errorf("%s has no dates", calendar.Name())
		}
	}
}

func TestUnknownNamesGetTheNearestOne(t *testing.T) {
	c := load(t, "testdata/valid/full.yaml")
	_, err := c.Group("wbe")
	if want := `testdata/valid/full.yaml: there is no group "wbe" (did you mean "web"?)`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	_, err = c.Schedule("nightly")
	if want := `testdata/valid/full.yaml: there is no schedule "nightly" (there are 2, such as "weekday-morning")`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestFileThatCannotBeReadSaysWhy(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "none.yaml"): "there is no such file (check the path)",
		dir:                             "is a directory, not a file (name a file in it)",
		"/dev/zero":                     "is neither a file nor a pipe (name a regular file)",
		pipe:                            "the file is empty (start from schedules.example.yaml)",
	} {
		if _, err := LoadAt(path, present); err == nil || err.Error() != path+": "+want {
			t.Errorf("got %v, want %s: %s", err, path, want)
		}
	}
}

func TestFileWithoutPermissionSaysSo(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may read every file")
	}
	path := write(t, "schedules.yaml", "groups: {}")
	if err := os.Chmod(path, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadAt(path, present); err == nil || !strings.Contains(err.Error(), "permission denied (let the user that runs zecpower") {
		t.Errorf("got %v", err)
	}
}

func TestErrorHoldsItsProblemsAsData(t *testing.T) {
	_, err := LoadAt("testdata/invalid/many-mistakes.yaml", present)
	var invalid *Invalid
	if !errors.As(err, &invalid) || len(invalid.Problems) < 10 {
		t.Fatalf("got %v", err)
	}
	p := invalid.Problems[1]
	p.File = filepath.Base(p.File)
	if want := (Problem{File: "many-mistakes.yaml", Line: 1, Column: 36, Message: `api: unknown key "timeot"`, Hint: `did you mean "timeout"?`}); p != want {
		t.Errorf("got %+v, want %+v", p, want)
	}
}
