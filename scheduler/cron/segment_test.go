package cron

import (
	"testing"
	"time"
)

// Go's ZoneBounds is wrong on the last day of leap years for which it computes transitions from a
// rule; a walk over segments would stand still there.
func TestSegmentsTileTheTimeLineInEveryZone(t *testing.T) {
	for _, zone := range allZones(t) {
		at := time.Date(1960, 1, 1, 0, 0, 0, 0, time.UTC)
		last := time.Date(2130, 1, 1, 0, 0, 0, 0, time.UTC)
		for at.Before(last) {
			seg := segmentAt(zone, at)
			if !seg.start.IsZero() && seg.start.After(at) || !seg.end.IsZero() && !seg.end.After(at) {
				t.Fatalf("%s: the segment at %s is [%s, %s)", zone, at, seg.start, seg.end)
			}
			if seg.end.IsZero() {
				break
			}
			if _, offset := justBefore(seg.end).In(zone).Zone(); time.Duration(offset)*time.Second != seg.offset {
				t.Fatalf("%s: offset changes inside [%s, %s)", zone, seg.start, seg.end)
			}
			at = seg.end
		}
	}
}

func TestNextPassesTheLastDayOfLeapYears(t *testing.T) {
	for _, zone := range []string{"America/New_York", "Australia/Sydney", "Europe/Dublin", "UTC"} {
		for _, spec := range []string{"45 7 * * MON-FRI", "*/10 * * * *", "30 23 31 12 *"} {
			table := mustParse(t, spec, zone)
			for year := 2027; year < 2060; year++ {
				at := time.Date(year, 12, 28, 0, 0, 0, 0, time.UTC)
				for range 3 {
					if at = table.Next(at); at.IsZero() {
						t.Fatalf("%q in %s falls silent in %d", spec, zone, year)
					}
				}
			}
		}
	}
}
