package cron

import "time"

// offsetSpread is more than any two UTC offsets of one zone were ever apart
// (the tz database spans -15:13 to +15:13). Two instants further apart than
// this show wall-clock readings in the same order.
const offsetSpread = 32 * time.Hour

// segment is a stretch of one zone in which its offset does not change.
// Wall-clock readings in it ("civil" times) are written as UTC times.
type segment struct {
	zone       *time.Location
	start, end time.Time // [start, end); zero where it has no such bound
	offset     time.Duration
}

func segmentAt(zone *time.Location, t time.Time) segment {
	local := t.In(zone)
	_, seconds := local.Zone()
	start, end := local.ZoneBounds()
	if !end.IsZero() && !end.After(t) {
		// Go (1.26) ends leap years a day early where it computes transitions
		// from a rule, so on 31 December UTC the bound lies in the past. No
		// zone changes between there and the year's real end.
		end = t.UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)
	}
	return segment{zone, start, end, time.Duration(seconds) * time.Second}
}

// civil is what the zone's clock shows at t, by this segment's offset.
func (s segment) civil(t time.Time) time.Time { return t.UTC().Add(s.offset) }

// instant is when the zone's clock shows c, by this segment's offset.
func (s segment) instant(c time.Time) time.Time { return c.Add(-s.offset) }

// shownBefore is the end of what the zone's clock has shown before this
// segment, which has a start: readings from there up to the segment's first are
// in a gap, and readings below it are shown for a second time. Looking at one
// segment is enough: no zone ever changed twice within four days.
func (s segment) shownBefore() time.Time {
	return segmentAt(s.zone, justBefore(s.start)).civil(s.start)
}

// skip says where to look next when the segment has been searched from an
// instant and the first civil match lies beyond its end: usually at its end,
// but over whole segments where none of their readings can match.
func (s segment) skip(from, match time.Time) time.Time {
	if s.end.IsZero() || s.end.Sub(from) < offsetSpread {
		return s.end // a later segment may show readings from before the search
	}
	if near := match.Add(-offsetSpread); near.After(s.end) {
		return near
	}
	return s.end
}

// FirstShown is the first instant at which a clock in the zone shows midnight of
// civil's date, civil being that midnight written as a UTC time. Where the zone
// skips midnight, or the whole date, it is the transition that does so.
func FirstShown(zone *time.Location, civil time.Time) time.Time {
	seg := segmentAt(zone, civil.Add(-offsetSpread/2))
	for {
		at := seg.instant(civil)
		if at.Before(seg.start) {
			at = seg.start
		}
		if seg.end.IsZero() || at.Before(seg.end) {
			return at.In(zone)
		}
		seg = segmentAt(zone, seg.end)
	}
}

func justBefore(t time.Time) time.Time { return t.Add(-time.Nanosecond) }
