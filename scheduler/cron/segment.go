package cron

import "time"

// offsetSpread is more than any two UTC offsets of one zone were ever apart (the tz database spans
// -15:13 to +15:13). The clock shows two instants that are further apart in their order, whatever
// transitions lie between them.
const offsetSpread = 32 * time.Hour

// segment is a stretch of time in which a zone's UTC offset does not change. What the zone's clock
// shows in it (a reading, or "civil" time) is written as a UTC time.
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
		// Go (1.26) ends leap years a day early where it computes transitions from a rule, so on 31
		// December UTC the bound lies in the past. No zone changes between there and the year's real end.
		end = t.UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)
	}
	return segment{zone, start, end, time.Duration(seconds) * time.Second}
}

// civil is what the zone's clock shows at t, by this segment's offset.
func (s segment) civil(t time.Time) time.Time { return t.UTC().Add(s.offset) }

// instant is when the zone's clock shows c, by this segment's offset.
func (s segment) instant(c time.Time) time.Time { return c.Add(-s.offset) }

// shownBefore is the reading at which the previous segment ends; the segment must have a start.
// Readings from there up to the segment's first one fall into a gap: the clock skips them. Readings
// of the segment that lie below it are shown for the second time. The previous segment alone
// decides, because no zone ever changed twice within four days.
func (s segment) shownBefore() time.Time {
	return segmentAt(s.zone, justBefore(s.start)).civil(s.start)
}

// skip is the instant from which the search goes on after the segment was searched from an instant
// without a match; match is the first reading that matches beyond its end. Usually that is the
// segment's end. A match that is far away lets the search pass over whole segments, none of whose
// readings can match.
func (s segment) skip(from, match time.Time) time.Time {
	if s.end.IsZero() || s.end.Sub(from) < offsetSpread {
		return s.end // a later segment may show readings from before the search
	}
	if near := match.Add(-offsetSpread); near.After(s.end) {
		return near
	}
	return s.end
}

// FirstShown is the first instant at which a clock in the zone shows midnight of civil's date,
// civil being that midnight written as a UTC time. Where the zone skips midnight, or the whole
// date, it is the transition that does so.
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
