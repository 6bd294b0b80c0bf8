package cron

import (
	"strings"
	"testing"
	"time"
)

// Among them the story of a "timezone: GMT+8": the hint leads to UTC+8, and not to Etc/GMT+8, which is
// UTC-8.
func TestZoneNames(t *testing.T) {
	for name, want := range map[string]string{
		"Local": "depends on the host", "localtime": "depends on the host", "asia/singapore": "did you mean Asia/Singapore?",
		"Asia/Singapor": "did you mean Asia/Singapore?", "Shanghai": "did you mean Asia/Shanghai?", "New York": "did you mean America/New_York?",
		"Mars/Olympus_Mons_Base": "write region and city", "../../etc/passwd": "write region and city", "right/Asia/Tokyo": "leave",
		strings.Repeat("x", 100): "write region and city", "SGT": "",
		"GMT+8":     "an offset, which does not say when the clock changes; name the region, as in Asia/Singapore for UTC+8, or for that offset all year Etc/GMT-8, whose sign is inverted",
		"UTC+08:00": "Asia/Singapore for UTC+8, or for that offset all year Etc/GMT-8", "+0800": "Asia/Singapore for UTC+8", "utc-5": "America/New_York for UTC-5, or for that offset all year Etc/GMT+5",
		"GMT+5:30": "Asia/Kolkata for UTC+5:30", "UTC-4:30": "whose clock shows UTC-4:30", "Etc/GMT+5:30": "Asia/Kolkata", "Etc/UTC+8": "Asia/Singapore",
		"GMT+99": "write region and city",
	} {
		if _, err := LoadZone(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	for _, name := range []string{"GMT+8", "GMT-5", "UTC+8"} {
		if _, err := LoadZone(name); err == nil || strings.Contains(err.Error(), "did you mean") {
			t.Errorf("%s: %v: a name that is near is of the opposite offset", name, err)
		}
	}
	if zone, err := LoadZone(""); err != nil || zone != time.UTC {
		t.Errorf("no name: %v, %v", zone, err)
	}
}

func TestTheRegionOfAnOffsetHasIt(t *testing.T) {
	for line := range strings.Lines(strings.TrimSpace(regions)) {
		text, name, _ := strings.Cut(strings.TrimSpace(line), " ")
		offset, ok := parseOffset(text)
		if !ok {
			t.Errorf("%s is no offset", text)
		}
		winter := 0
		for month := range 12 { // standard time is the least of the year
			_, seconds := time.Date(2026, time.Month(1+month), 15, 0, 0, 0, 0, time.UTC).In(mustZone(t, name)).Zone()
			if month == 0 || seconds < winter {
				winter = seconds
			}
		}
		if time.Duration(winter)*time.Second != offset {
			t.Errorf("%s: standard time is %d s from UTC, not %s", name, winter, offset)
		}
		if etc := etcZone(offset); etc != "" {
			if _, seconds := time.Unix(0, 0).In(mustZone(t, etc)).Zone(); time.Duration(seconds)*time.Second != offset {
				t.Errorf("%s is %d s from UTC, not %s", etc, seconds, offset)
			}
		}
	}
}

func TestZonesWithoutDaylightSavingTimeAreWarnedAbout(t *testing.T) {
	for name, want := range map[string]string{
		"EST":            "knows no daylight saving time: it is UTC-5 all year; name a region where that is not meant, as in America/New_York",
		"MST":            "UTC-7 all year",
		"HST":            "UTC-10 all year",
		"Etc/GMT+8":      "it is UTC-8 all year, because the signs of Etc zones are inverted",
		"Etc/GMT-14":     "it is UTC+14 all year",
		"Etc/GMT":        "",
		"Etc/GMT+0":      "",
		"UTC":            "",
		"CET":            "",
		"EST5EDT":        "",
		"Asia/Singapore": "",
	} {
		got := ZoneWarning(mustZone(t, name))
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
