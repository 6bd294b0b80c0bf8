package main

import (
	"testing"
	"time"

	"zecpower/internal/store"
)

func TestMomentIsInTheZoneOfItsSchedule(t *testing.T) {
	now := time.Date(2026, 11, 25, 8, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		t        time.Time
		timezone string
		want     string
	}{
		{time.Time{}, "Asia/Singapore", "-"},
		{now, "Asia/Singapore", "Wed 2026-11-25 16:00:00 +0800 (now)"},
		{now.Add(59 * time.Second), "UTC", "Wed 2026-11-25 08:00:59 +0000 (in 59 s)"},
		{now.Add(-90 * time.Minute), "America/New_York", "Wed 2026-11-25 01:30:00 -0500 (1 h 30 min ago)"},
		{now.Add(3 * time.Hour), "UTC", "Wed 2026-11-25 11:00:00 +0000 (in 3 h)"},
		{now.Add(14*time.Hour + 59*time.Minute), "UTC", "Wed 2026-11-25 22:59:00 +0000 (in 14 h)"},
		{now.AddDate(0, 0, -3), "UTC", "Sun 2026-11-22 08:00:00 +0000 (3 days ago)"},
	} {
		if got := moment(c.t, now, c.timezone); got != c.want {
			t.Errorf("%s, %s: %q, want %q", c.t, c.timezone, got, c.want)
		}
	}
	for _, timezone := range []string{"", "Mars/Olympus"} {
		if got, want := moment(now, now, timezone), now.Local().Format(tableTime)+" (now)"; got != want {
			t.Errorf("timezone %q: %q, want %q", timezone, got, want)
		}
	}
}

// A date without a zone is that date of each schedule: --since 2026-11-25 has no time of the 24th of
// one in Singapore, and all of the 25th of one in New York.
func TestSinceIsReadInTheZoneOfEachSchedule(t *testing.T) {
	now := time.Date(2026, 11, 26, 0, 0, 0, 0, time.UTC)
	entry := func(timezone, nominal string) store.Entry {
		at, err := time.ParseInLocation("2006-01-02T15:04", nominal, zoneOf(timezone))
		if err != nil {
			t.Fatal(err)
		}
		return store.Entry{Timezone: timezone, NominalTime: at.UTC()}
	}
	for _, c := range []struct {
		since string
		entry store.Entry
		want  bool
	}{
		{"2026-11-25", entry("Asia/Singapore", "2026-11-25T00:00"), true},
		{"2026-11-25", entry("Asia/Singapore", "2026-11-24T23:59"), false},
		{"2026-11-25", entry("America/New_York", "2026-11-25T00:00"), true},
		{"2026-11-25", entry("America/New_York", "2026-11-24T23:59"), false},
		{"2026-11-25T07:30", entry("Pacific/Kiritimati", "2026-11-25T07:30"), true},
		{"2026-11-25T07:30", entry("Etc/GMT+12", "2026-11-25T07:29"), false},
		{"2026-11-25T07:30:00+08:00", entry("America/New_York", "2026-11-24T18:30"), true},
		{"2026-11-25T07:30:00+08:00", entry("America/New_York", "2026-11-24T18:29"), false},
		{"24h", entry("Asia/Singapore", "2026-11-25T08:00"), true},
		{"24h", entry("Asia/Singapore", "2026-11-25T07:59"), false},
		{"", entry("Asia/Singapore", "2020-01-01T00:00"), true},
	} {
		s, err := parseSince(c.since, now)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.has(c.entry); got != c.want {
			t.Errorf("since %q has %s %s: %v, want %v", c.since, c.entry.Timezone, c.entry.NominalTime, got, c.want)
		}
		if s.has(c.entry) && c.entry.NominalTime.Before(s.earliest) {
			t.Errorf("since %q: %s would not be asked for", c.since, c.entry.NominalTime)
		}
	}
	s, err := parseSince("2026-11-25", now)
	if err != nil {
		t.Fatal(err)
	}
	stretch := entry("UTC", "2026-11-24T23:00")
	if stretch.LastTime = stretch.NominalTime.Add(2 * time.Hour); !s.has(stretch) {
		t.Error("a stretch that reaches into the time asked for is left out")
	}
}
