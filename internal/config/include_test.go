package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"zecpower/scheduler/calendar"
)

func TestIncludedFilesAddGroupsCalendarsAndSchedules(t *testing.T) {
	c := load(t, "testdata/valid/include.yaml")
	var groups, schedules, included []string
	for _, g := range c.Groups {
		ids, err := g.IDs()
		if err != nil {
			t.Error(err)
		}
		groups = append(groups, fmt.Sprint(g.Name, " ", g.Account, " ", ids))
	}
	for _, s := range c.Schedules {
		schedules = append(schedules, fmt.Sprint(s.Name, " ", s.Zone, " ", s.Groups, " ", calendarNames(s.Exclude)))
	}
	for _, f := range c.Included {
		included = append(included, f.Name)
	}
	const dir = "testdata/valid/"
	got := [][]string{groups, schedules, included, c.Files, c.Globs}
	want := [][]string{
		{"db default [i-000001]", "batch default [i-000010 i-000011]", "web hk [i-000020]", "spare default [i-000021]"},
		{"morning Asia/Singapore [db web batch] [holidays]", "night Asia/Singapore [batch web] [holidays]"},
		{"teams/batch.yaml", "teams/web.yaml", "files/shared.yaml"},
		{
			dir + "include.yaml", dir + "teams/batch.yaml", dir + "teams/web.yaml", dir + "files/shared.yaml",
			dir + "teams/lists/batch.txt", dir + "files/office.ics",
		},
		{dir + "teams/*.yaml"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if !c.Schedules[1].Exclude[0].Contains(calendar.Date{Year: 2026, Month: 12, Day: 25}) {
		t.Error("the calendar of another file excludes nothing")
	}
}

func TestWarningsNameTheIncludedFile(t *testing.T) {
	c := load(t, "testdata/valid/include.yaml")
	var got []string
	for _, w := range append(c.Warnings, c.ScheduleWarning("night", "it clashes", "")) {
		got = append(got, strings.TrimPrefix(w.String(), "testdata/valid/"))
	}
	want := []string{
		"files/shared.yaml:1:13: calendars.holidays: the calendar's last date, 2026-08-17, is past (add those of the coming year, or fetch the file anew)",
		"teams/batch.yaml:2:107: schedules.night: deadline 1m ends a run before batch.boot_timeout 10m: a slow boot is cut off",
		`teams/web.yaml:1:53: no schedule uses the group "spare"`,
		"teams/batch.yaml:2:13: it clashes",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// including writes a main file that includes conf.d/*.yaml, and a team's file that is in order.
func including(t *testing.T) (path string) {
	t.Helper()
	path = write(t, "schedules.yaml", `include_files: ["conf.d/*.yaml"]
groups: {db: {instances: [i-1]}}
schedules: {morning: {cron: "@daily", action: start, groups: [db]}}
`)
	if err := os.Mkdir(filepath.Join(filepath.Dir(path), "conf.d"), 0o755); err != nil {
		t.Fatal(err)
	}
	writeBeside(t, path, "conf.d/sound.yaml", `groups: {sound: {instances: [i-2]}}
schedules: {sound: {cron: "@daily", action: start, groups: [sound]}}
`)
	return path
}

// A wildcard stands for no file that an editor or a package leaves behind.
func TestAPatternMatchesTheTeamsFilesAlone(t *testing.T) {
	path := including(t)
	for _, name := range []string{".hidden.yaml", ".#sound.yaml", "sound.yaml~", ".sound.yaml.swp", "sound.yaml.rpmsave", "sound.yaml.dpkg-old", "notes.txt"} {
		writeBeside(t, path, "conf.d/"+name, "not: [ YAML")
	}
	c := load(t, path)
	if len(c.Included) != 1 || c.Included[0].Name != "conf.d/sound.yaml" {
		t.Errorf("%+v", c.Included)
	}
}

func TestThePatternThatMatchesTheMainFileSkipsIt(t *testing.T) {
	path := write(t, "schedules.yaml", "include_files: [\"*.yaml\", \"conf.d/*.yaml\"]\nschedules: {s: {cron: \"@daily\", action: start, groups: [web]}}\n")
	writeBeside(t, path, "team.yaml", "groups: {web: {instances: [i-1]}}\n")
	if err := os.Symlink(path, filepath.Join(filepath.Dir(path), "link.yaml")); err != nil {
		t.Fatal(err)
	}
	c := load(t, path)
	if len(c.Included) != 1 || c.Included[0].Name != "team.yaml" {
		t.Errorf("%+v", c.Included)
	}
	for _, found := range Matches(c.Globs) {
		if !slices.Contains(c.Files, found) {
			t.Errorf("%s is matched and not among those that were read, so it would count as new for ever", found)
		}
	}
	want := fmt.Sprintf("%s:1:27: include_files: there is no folder %s (check the path, or make the folder)", path, filepath.Join(filepath.Dir(path), "conf.d"))
	if len(c.Warnings) != 1 || c.Warnings[0].String() != want {
		t.Errorf("got  %v\nwant %s", c.Warnings, want)
	}
}

// What is no regular file, or cannot be read, is named, holds nothing up, and costs itself alone.
func TestAnIncludedFileThatCannotBeReadIsLeftOut(t *testing.T) {
	for name, c := range map[string]struct {
		make func(path string) error
		want string
	}{
		"a pipe": {func(path string) error { return syscall.Mkfifo(path, 0o600) }, "is not a regular file (name a regular file)"},
		"a link that leads nowhere": {
			func(path string) error { return os.Symlink("gone.yaml", path) }, "it is a link to gone.yaml, which is not there (mend the link, or delete it)",
		},
		"a link to itself": {func(path string) error { return os.Symlink(filepath.Base(path), path) }, "cannot be read: too many levels of symbolic links"},
		"a folder":         {func(path string) error { return os.Mkdir(path, 0o755) }, "is a directory, not a file (name a file in it)"},
		"a huge file": {func(path string) error {
			return errors.Join(os.WriteFile(path, nil, 0o600), os.Truncate(path, maxFile+1))
		}, "is larger than the 256 MiB that are read (is this the right file?)"},
		"an empty file": {func(path string) error { return os.WriteFile(path, nil, 0o600) }, "the file is empty (delete it, or write groups, calendars or schedules into it)"},
	} {
		t.Run(name, func(t *testing.T) {
			path := including(t)
			bad := filepath.Join(filepath.Dir(path), "conf.d", "bad.yaml")
			if err := c.make(bad); err != nil {
				t.Fatal(err)
			}
			want := bad + ": " + c.want
			if _, err := Load(path); err == nil || err.Error() != want {
				t.Errorf("Load: %v\nwant %s", err, want)
			}
			cfg := runnable(t, path)
			out := cfg.UnreadableFiles()
			if len(out) != 1 || out[0].Name != "conf.d/bad.yaml" || out[0].Without() != "what it schedules is not known, and does not run" {
				t.Errorf("left out %+v", out)
			}
			if err := cfg.Complete(); err == nil || err.Error() != want {
				t.Errorf("a reload is refused with %v, want %s", err, want)
			}
			if len(cfg.Schedules) != 2 || len(cfg.Included) != 2 || !slices.Contains(cfg.Files, bad) {
				t.Errorf("%d schedules of %d files, watched %q", len(cfg.Schedules), len(cfg.Included), cfg.Files)
			}
			if out[0].Mended() {
				t.Error("it counts as mended")
			}
			if err := errors.Join(os.RemoveAll(bad), os.WriteFile(bad, []byte("groups: {x: {instances: [i-9]}}\n"), 0o600)); err != nil {
				t.Fatal(err)
			}
			if !out[0].Mended() {
				t.Error("once it can be read it does not count as mended")
			}
		})
	}
}

// filepath.Glob would have no matches, and nothing would say that all teams are missing.
func TestAFolderThatCannotBeListedIsAMistake(t *testing.T) {
	path := write(t, "schedules.yaml", "include_files: [\"conf.d/*.yaml\"]\ngroups: {db: {instances: [i-1]}}\nschedules: {s: {cron: \"@daily\", action: start, groups: [db]}}\n")
	folder := filepath.Join(filepath.Dir(path), "conf.d")
	if err := os.Symlink("conf.d", folder); err != nil { // so that root cannot list it either
		t.Fatal(err)
	}
	want := path + ":1:17: include_files: " + folder + "/*.yaml: cannot be read: too many levels of symbolic links"
	if _, err := Load(path); err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	out := runnable(t, path).UnreadableFiles()
	if len(out) != 1 || out[0].Name != "conf.d/*.yaml" || out[0].Mended() {
		t.Errorf("%+v", out)
	}
	if err := errors.Join(os.Remove(folder), os.Mkdir(folder, 0o755)); err != nil {
		t.Fatal(err)
	}
	if !out[0].Mended() {
		t.Error("the folder can be listed, and does not count as mended")
	}
}

// badTeam has a mistake in its schedule. Its groups and calendars are known.
const badTeam = `groups: {hk: {instances: [i-3], account: nobody}}
calendars: {closed: {dates: ["*-12-25", 2026-11-30], rrule: ["DTSTART=20261207;FREQ=DAILY;COUNT=2"]}}
schedules: {hk-morning: {cron: "61 * * * *", action: start, groups: [hk]}}
`

// A file with a mistake goes whole. Of what other files need of it, groups fail with the reason,
// and calendars have no dates.
func TestAFileWithAMistakeIsLeftOutWhole(t *testing.T) {
	path := including(t)
	writeBeside(t, path, "conf.d/hk.yaml", badTeam)
	writeBeside(t, path, "conf.d/uses.yaml", `groups: {us: {instances: [i-4]}}
schedules:
  noon: {cron: "@daily", action: start, groups: [hk, us], exclude: [closed]}
  payday: {cron: "@daily", action: start, groups: [us], only: [closed]}
`)
	c := runnable(t, path)
	bad := filepath.Join(filepath.Dir(path), "conf.d", "hk.yaml")
	out := c.UnreadableFiles()
	if len(out) != 1 || len(out[0].Problems) != 2 || out[0].Without() != "does not run: hk-morning" || out[0].Mended() {
		t.Fatalf("%+v", out)
	}
	if _, err := c.Schedule("hk-morning"); err == nil {
		t.Error("its schedule is in use")
	}
	hk, err := c.Group("hk")
	if err != nil {
		t.Fatal(err)
	}
	want := bad + `:1:42: conf.d/hk.yaml is left out, and the group "hk" with it: groups.hk.account: there is no account "nobody" (define it under accounts:)`
	if _, err := hk.IDs(); err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if got := c.UnreadableGroups(); !slices.Equal(got, []string{"hk"}) {
		t.Errorf("unreadable are %q", got)
	}
	us, err := c.Group("us")
	if err != nil {
		t.Fatal(err)
	}
	if ids, err := us.IDs(); err != nil || len(ids) != 1 {
		t.Errorf("the other group of that schedule: %q, %v", ids, err)
	}
	u := c.UnreadableCalendars
	if len(u) != 1 || u[0].Name != "closed" || c.Without(u[0]) != "its dates are not known; without them never runs: payday; runs on them, too: noon" {
		t.Errorf("%+v", u)
	}
	if err := c.Complete(); err == nil || strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("a reload is refused with %v, want the two mistakes once", err)
	}
}

// A group that only an account of a left-out file would need asks for no credential.
func TestAGroupThatIsLeftOutUsesNoAccount(t *testing.T) {
	path := write(t, "schedules.yaml", `accounts: {hk: {profile: hk}}
include_files: [team.yaml]
groups: {db: {account: hk, instances: [i-1]}}
schedules: {s: {cron: "@daily", action: start, groups: [db, web]}}
`)
	writeBeside(t, path, "team.yaml", "groups: {web: {instances: [i-1]}}\nschedule: {}\n")
	used := runnable(t, path).AccountsInUse()
	if len(used) != 1 || used[0].Name != "hk" {
		t.Errorf("%+v", used)
	}
}

// A wrong name is a mistake as long as every file can be read; else it may stand in the one that
// cannot.
func TestAWrongNameIsAMistakeUnlessAFileIsUnknown(t *testing.T) {
	path := including(t)
	writeBeside(t, path, "schedules.yaml", `include_files: ["conf.d/*.yaml"]
groups: {db: {instances: [i-1]}}
schedules: {morning: {cron: "@daily", action: start, groups: [db, hkk], exclude: [close]}}
`)
	writeBeside(t, path, "conf.d/hk.yaml", badTeam)
	if _, err := LoadRunnable(path); err == nil || !strings.Contains(err.Error(), `there is no group "hkk" (did you mean "hk"?)`) ||
		!strings.Contains(err.Error(), `there is no calendar "close" (did you mean "closed"?)`) {
		t.Errorf("the main file's mistakes: %v", err)
	}
	writeBeside(t, path, "conf.d/hk.yaml", "groups: {")
	c := runnable(t, path)
	hkk, err := c.Group("hkk")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := hkk.IDs(); err == nil || !strings.Contains(err.Error(), `conf.d/hk.yaml is left out, in which the group "hkk" may stand: this is not YAML`) {
		t.Errorf("got %v", err)
	}
}

// A group of a left-out file that no schedule needs is still named with the reason.
func TestAskingForALeftOutGroupSaysWhy(t *testing.T) {
	path := including(t)
	writeBeside(t, path, "conf.d/hk.yaml", badTeam)
	_, err := runnable(t, path).Group("hk")
	if err == nil || !strings.Contains(err.Error(), `conf.d/hk.yaml:1:42: conf.d/hk.yaml is left out, and the group "hk" with it`) {
		t.Errorf("got %v", err)
	}
}

// Of two files with one name the later one is left out: the one that is read first goes on.
func TestOfTwoFilesWithOneNameTheLaterIsLeftOut(t *testing.T) {
	path := including(t)
	writeBeside(t, path, "conf.d/zz.yaml", "groups: {db: {instances: [i-7]}, sound: {instances: [i-8]}}\n")
	c := runnable(t, path)
	if out := c.UnreadableFiles(); len(out) != 1 || out[0].Name != "conf.d/zz.yaml" || len(out[0].Problems) != 2 {
		t.Fatalf("%+v", out)
	}
	for name, want := range map[string]string{"db": "i-1", "sound": "i-2"} {
		g, err := c.Group(name)
		if err != nil {
			t.Fatal(err)
		}
		if ids, err := g.IDs(); err != nil || ids[0] != want {
			t.Errorf("%s has %q, %v", name, ids, err)
		}
	}
}

// With the main file alone wrong, or no file sound, a daemon starts or not by the main file alone.
func TestOnlyAMistakeOfTheMainFileKeepsADaemonFromItsStart(t *testing.T) {
	path := write(t, "schedules.yaml", "include_files: [\"conf.d/*.yaml\"]\n")
	where := path + ":1:17: include_files: there is no schedule, neither here nor in an included file (add one, or check the path)"
	if err := os.Mkdir(filepath.Join(filepath.Dir(path), "conf.d"), 0o755); err != nil {
		t.Fatal(err)
	}
	c := runnable(t, path)
	if err := c.Complete(); err == nil || err.Error() != where || len(c.UnreadableFiles()) != 1 || c.UnreadableFiles()[0].Name != "conf.d/*.yaml" {
		t.Errorf("an empty folder: %v, %+v", err, c.UnreadableFiles())
	}
	if _, err := c.Group("web"); err == nil || !strings.HasSuffix(err.Error(), `there is no group "web" (there is none at all)`) {
		t.Errorf("got %v", err)
	}
	writeBeside(t, path, "conf.d/team.yaml", "groups: {web: {instances: [i-1]}}\nschedules: {s: {cron: never, action: start, groups: [web]}}\n")
	if c = runnable(t, path); len(c.Schedules) != 0 || len(c.UnreadableFiles()) != 1 || c.UnreadableFiles()[0].Name != "conf.d/team.yaml" {
		t.Errorf("the only file is wrong: %+v", c.UnreadableFiles())
	}
	writeBeside(t, path, "schedules.yaml", "include_files: [\"conf.d/*.yaml\"]\ntimezon: UTC\n")
	_, err := LoadRunnable(path)
	if invalid, ok := errors.AsType[*Invalid](err); !ok || len(invalid.Problems) != 2 {
		t.Errorf("a mistake of the main file: %v, want it and that of the other", err)
	}
}

// The dates of a calendar that was read last time stand for one in a file that is left out.
func TestTheDatesLastReadStandForACalendarThatIsLeftOut(t *testing.T) {
	path := including(t)
	sound := strings.Replace(strings.Replace(badTeam, "61 *", "6 *", 1), ", account: nobody", "", 1)
	writeBeside(t, path, "conf.d/hk.yaml", sound)
	writeBeside(t, path, "conf.d/uses.yaml", "schedules: {noon: {cron: \"@daily\", timezone: Asia/Singapore, action: start, groups: [db], exclude: [closed]}}\n")
	writeBeside(t, path, "schedules.yaml", `include_files: ["conf.d/*.yaml"]
groups: {db: {instances: [i-1]}}
calendars: {own: {dates: [2026-12-24]}}
schedules: {morning: {cron: "@daily", action: start, groups: [db], exclude: [own]}}
`)
	good := runnable(t, path)
	good.Path = "as it is shown in the log"
	read, want := good.FileDates(), datesOf(t, good, "noon")
	if len(read) != 1 {
		t.Errorf("%+v would be recorded, want the calendar of the included file alone", read)
	}
	if want != "2026-11-30 2026-12-07 2026-12-08 2026-12-25 2027-12-25" {
		t.Fatalf("the calendar has %s", want)
	}
	writeBeside(t, path, "conf.d/hk.yaml", badTeam)
	bad := runnable(t, path)
	if got := datesOf(t, bad, "noon"); got != "" {
		t.Errorf("without a record it has %s", got)
	}
	if err := bad.UseLastRead(read); err != nil {
		t.Fatal(err)
	}
	if got := datesOf(t, bad, "noon"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if !bad.UnreadableCalendars[0].Mended() {
		t.Error("the calendar keeps the file from being read again, though the file decides")
	}
	if said := bad.Without(bad.UnreadableCalendars[0]); said != "its dates as they were read at "+read["closed"].ReadAt.UTC().Format(time.RFC3339)+" count" {
		t.Error(said)
	}
}

// Thousands of files cost what their content costs.
func TestThousandsOfIncludedFilesLoadWithinASecond(t *testing.T) {
	path := including(t)
	for i := range thousands / 5 {
		writeBeside(t, path, fmt.Sprintf("conf.d/t%d.yaml", i), fmt.Sprintf(
			"groups: {g%d: {instances: [i-%06d]}}\nschedules: {s%d: {cron: \"45 7 * * MON-FRI\", action: start, groups: [g%d, db]}}\n", i, i, i, i))
	}
	costs(t, func() {
		if c := load(t, path); len(c.Included) != thousands/5+1 {
			t.Errorf("%d files", len(c.Included))
		}
	})
}
