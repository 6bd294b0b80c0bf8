package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
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
	for i := range 1_000_000 {
		if inline {
			b.WriteString("    - ")
		}
		fmt.Fprintf(&b, "i-%06d\n", i)
	}
	return b.String()
}

func TestTenThousandSchedulesLoadWithinASecond(t *testing.T) {
	path := write(t, "schedules.yaml", manySchedules(10_000))
	start := time.Now()
	c := load(t, path)
	took := time.Since(start)
	t.Logf("%d schedules in %v", len(c.Schedules), took)
	// The target is a second on an idle machine; the bound leaves room for the race detector and for neighbours.
	if len(c.Schedules) != 10_000 || took > 10*time.Second {
		t.Errorf("%d schedules took %v", len(c.Schedules), took)
	}
}

func TestTenThousandWrongNamesDoNotTakeForEver(t *testing.T) {
	path := write(t, "schedules.yaml", strings.ReplaceAll(manySchedules(10_000), "groups: [g", "groups: [gg"))
	start := time.Now()
	_, err := Load(path)
	if err == nil || time.Since(start) > 10*time.Second {
		t.Errorf("took %v, error %v", time.Since(start), err != nil)
	}
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
		if err != nil || g.Size != 1_000_000 || len(ids) != 1_000_000 || ids[999_999] != "i-999999" {
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
		if _, err := Load(path); err != nil {
			b.Fatal(err)
		}
	}
}
