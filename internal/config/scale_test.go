package config

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// manySchedules has n schedules over several zones and specs, and as many groups.
func manySchedules(n int) string {
	zones := []string{"Asia/Singapore", "Europe/Berlin", "America/New_York", "Africa/Cairo", "Australia/Lord_Howe", "UTC"}
	var b strings.Builder
	b.WriteString("calendars:\n  holidays: {dates: [2026-12-25, \"*-01-01\"]}\ngroups:\n")
	for i := range n {
		fmt.Fprintf(&b, "  g%d: {instances: [i-%06d]}\n", i, i)
	}
	b.WriteString("schedules:\n")
	for i := range n {
		fmt.Fprintf(&b, "  s%d:\n    cron: \"%d %d * * MON-FRI\"\n    timezone: %s\n    action: start\n    groups: [g%d]\n    exclude: [holidays, 2026-12-%02d]\n    jitter: 5m\n",
			i, i%60, i/60%24, zones[i%len(zones)], i, 1+i%31)
	}
	return b.String()
}

func millionIDs(inline bool) string {
	var b strings.Builder
	if inline {
		b.WriteString("schedules:\n  morning: {cron: \"@daily\", action: start, groups: [web]}\ngroups:\n  web:\n    instances:\n")
	}
	for i := range million {
		if inline {
			b.WriteString("    - ")
		}
		fmt.Fprintf(&b, "i-%06d\n", i)
	}
	return b.String()
}

// cpu is the processor time that the process has used: unlike the time of day, it does not depend
// on the neighbours.
func cpu(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// costs fails the test where f takes more than a second's work; twice is allowed for, since a busy
// machine is slower.
func costs(t *testing.T, f func()) {
	t.Helper()
	start := cpu(t)
	f()
	took := cpu(t) - start
	t.Logf("took %v of processor time", took)
	if took > 2*time.Second {
		t.Errorf("took %v of processor time", took)
	}
}

func TestThousandsOfSchedulesLoadWithinASecond(t *testing.T) {
	path := write(t, "schedules.yaml", manySchedules(thousands))
	costs(t, func() {
		if c := load(t, path); len(c.Schedules) != thousands {
			t.Errorf("%d schedules", len(c.Schedules))
		}
	})
}

// manyGroups has n groups, all of them in one schedule.
func manyGroups(n int) string {
	var groups, named strings.Builder
	for i := range n {
		fmt.Fprintf(&groups, "  g%d: {instances: [i-%06d]}\n", i, i)
		fmt.Fprintf(&named, "      - g%d\n", i)
	}
	return "groups:\n" + groups.String() + "schedules:\n  s:\n    cron: \"@daily\"\n    action: start\n    groups:\n" + named.String()
}

// Eight times the groups may take some eight times the work. Work that grows with their square takes
// 64 times as much.
func TestTheWorkGrowsWithTheGroupsOfAScheduleNotWithTheirSquare(t *testing.T) {
	load(t, write(t, "warm.yaml", manyGroups(100)))
	work := func(n int) time.Duration {
		path := write(t, "schedules.yaml", manyGroups(n))
		least := time.Duration(math.MaxInt64)
		for range 3 {
			start := cpu(t)
			if c := load(t, path); len(c.Schedules[0].Groups) != n {
				t.Errorf("%d groups", len(c.Schedules[0].Groups))
			}
			least = min(least, cpu(t)-start)
		}
		return least
	}
	few, many := work(thousands/2), work(4*thousands)
	t.Logf("%d groups: %v, %d groups: %v", thousands/2, few, 4*thousands, many)
	if many > 24*few {
		t.Errorf("%d groups take %v, eight times as many %v", thousands/2, few, many)
	}
}

func TestThousandsOfWrongNamesAreReportedWithinASecond(t *testing.T) {
	path := write(t, "schedules.yaml", strings.ReplaceAll(manySchedules(thousands), "groups: [g", "groups: [gg"))
	costs(t, func() {
		var invalid *Invalid
		if _, err := LoadAt(path, present); !errors.As(err, &invalid) || len(invalid.Problems) != thousands {
			t.Error("not every wrong name is reported")
		}
	})
}

func TestThousandsOfWrongZonesAreReportedWithinASecond(t *testing.T) {
	const n = thousands / 4 // each is compared with the whole database
	var text strings.Builder
	for i, part := range strings.SplitAfter(manySchedules(n), "timezone: ") {
		text.WriteString(part)
		if i < n {
			fmt.Fprintf(&text, "Asia/Singapoor%d # ", i)
		}
	}
	path := write(t, "schedules.yaml", text.String())
	costs(t, func() {
		var invalid *Invalid
		if _, err := LoadAt(path, present); !errors.As(err, &invalid) || len(invalid.Problems) != n {
			t.Fatal("not every wrong zone is reported")
		}
		if first := invalid.Problems[0]; first.Hint != "did you mean Asia/Singapore?" {
			t.Errorf("the first ones should name the nearest zone: %s", first)
		}
		if last := invalid.Problems[n-1]; !strings.Contains(last.Hint, "region and city") {
			t.Errorf("the last ones should say what to write: %s", last)
		}
	})
}

func TestAMillionInstancesLoad(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	dir := t.TempDir()
	for name, content := range map[string]string{"inline.yaml": millionIDs(true), "file.yaml": oneFileGroup, "web.txt": millionIDs(false)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"inline.yaml", "file.yaml"} {
		start := time.Now()
		g := load(t, filepath.Join(dir, name)).Groups[0]
		loaded := time.Since(start)
		start = time.Now()
		ids, err := g.IDs()
		t.Logf("%s: load %v, ids %v", name, loaded, time.Since(start))
		if err != nil || g.Size != million || len(ids) != million || ids[million-1] != fmt.Sprintf("i-%06d", million-1) {
			t.Errorf("%s: %d ids, error %v", name, len(ids), err)
		}
	}
}

func BenchmarkLoadTenThousandSchedules(b *testing.B) {
	path := filepath.Join(b.TempDir(), "schedules.yaml")
	if err := os.WriteFile(path, []byte(manySchedules(10_000)), 0o644); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := LoadAt(path, present); err != nil {
			b.Fatal(err)
		}
	}
}
