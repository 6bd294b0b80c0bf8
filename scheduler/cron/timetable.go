package cron

import (
	"strings"
	"time"

	robfig "github.com/robfig/cron/v3"
)

const (
	// SearchYears is how many years ahead a timetable is searched for its next time.
	SearchYears = 5
	// maxSilence is the longest @every duration: anything longer would lie outside the search.
	maxSilence = SearchYears * 365 * 24 * time.Hour
	// lastYear ends the search a year before RFC 3339 ends: a jittered run time is written in it, too.
	lastYear = 9998
	// maxGap is the longest gap whose fixed times are made up for: more is not daylight saving but a
	// zone that moved over the date line.
	maxGap = 3 * time.Hour
)

// Timetable is the nominal times of one schedule. It is immutable and safe for concurrent use.
type Timetable struct {
	text     string
	zone     *time.Location
	every    time.Duration // of an @every spec; the rest is unused then
	wildcard bool          // a star in minute or hour: follows the wall clock
	// civil matches wall-clock readings written as UTC times: robfig's Next is right only in a zone
	// without transitions.
	civil    robfig.SpecSchedule
	warnings []string
}

// Parse reads a cron spec of five fields (minute, hour, day of month, month, weekday; names
// allowed; weekday 7 is Sunday), a descriptor such as @daily, or "@every D". zone comes from
// LoadZone; nil is UTC. Every error is a *SpecError that says what to write instead.
//
// Day of month and weekday combine as cronie does it: where either field begins with * (so also
// */2) a day must match both; where neither does, one of them is enough.
//
// Daylight saving is handled as cronie does it:
//   - A schedule without a star in minute or hour keeps its times: one inside a gap of up to 3 hours
//     fires at the transition, once however many fell into the gap; one that the clock shows twice
//     fires on the first pass only.
//   - A schedule with * or */n in minute or hour follows the wall clock: it fires whenever the clock
//     shows a matching time. Readings that a gap leaves out do not fire and are not made up for;
//     readings shown twice fire twice. So "0 * * * *" keeps to once every real hour on both days.
func Parse(spec string, zone *time.Location) (*Timetable, error) {
	if zone == nil {
		zone = time.UTC
	}
	spec = strings.TrimSpace(spec)
	if zone == time.Local || zone.String() == "Local" { // with $TZ set, time.Local bears the name of a real zone
		return nil, refuseSpec(spec, "its zone is Local, which depends on the host", "name the zone, as in Asia/Singapore")
	}
	t := &Timetable{text: spec, zone: zone}
	var err error
	if isEvery(spec) {
		t.every, err = parseEvery(spec)
	} else {
		err = t.parseCron(spec)
	}
	if err != nil {
		return nil, err
	}
	return t, nil
}

// String is the spec as written, without surrounding space.
func (t *Timetable) String() string { return t.text }

// Warnings are remarks about a spec that is accepted but may not mean what it seems to. The slice
// is the caller's.
func (t *Timetable) Warnings() []string { return append([]string(nil), t.warnings...) }

// Zone is the zone that the timetable was parsed with.
func (t *Timetable) Zone() *time.Location { return t.zone }

// RestrictsDays says whether the day of month, month or weekday keeps t from firing on some dates.
func (t *Timetable) RestrictsDays() bool {
	daily := t.EveryDate()
	if daily == nil {
		return false
	}
	const all = starBit
	return t.civil.Dom|all != daily.civil.Dom || t.civil.Month|all != daily.civil.Month || t.civil.Dow|all != daily.civil.Dow
}

// EveryDate is t without its day fields: the same times of day on every date. It is nil for @every,
// which has no day fields.
func (t *Timetable) EveryDate() *Timetable {
	if t.every > 0 {
		return nil
	}
	daily := *t
	daily.civil.Dom = 1<<32 - 2 | starBit
	daily.civil.Month = 1<<13 - 2 | starBit
	daily.civil.Dow = 1<<7 - 1 | starBit
	return &daily
}

// Next is the first nominal time strictly after the given instant, in the timetable's zone; the
// zero Time when there is none within 5 years or before the year 9999.
func (t *Timetable) Next(after time.Time) time.Time {
	if next := t.next(after); next.Year() <= lastYear {
		return next
	}
	return time.Time{}
}

func (t *Timetable) next(after time.Time) time.Time {
	if after.Year() > lastYear {
		return time.Time{}
	}
	if t.every > 0 {
		return nextMultiple(t.every, after).In(t.zone)
	}
	// Walk the zone's segments: in each the offset is constant, so that a search among readings is a
	// search among instants.
	limit := after.AddDate(SearchYears, 0, 0)
	seg := segmentAt(t.zone, after)
	for {
		next, following := t.nextIn(seg, after)
		if !next.IsZero() {
			if next.After(limit) {
				return time.Time{}
			}
			return next.In(t.zone)
		}
		if seg.end.IsZero() || following.After(limit) {
			return time.Time{}
		}
		seg = segmentAt(t.zone, following)
	}
}

// nextIn finds the first nominal time after the given instant inside one segment. Where there is
// none, following is the instant from which the search goes on.
func (t *Timetable) nextIn(seg segment, after time.Time) (next, following time.Time) {
	// Step 1: choose the instant after which this segment is searched. A search that comes from an
	// earlier segment enters at the start, and the first reading there counts too: begin just before
	// it.
	from := after
	entered := !seg.start.IsZero() && seg.start.After(after)
	if entered {
		from = justBefore(seg.start)
	}
	// Step 2: say the same in readings. Inside the segment both differ by a constant, so a match after
	// floor is a nominal time after from.
	floor := seg.civil(from)

	// Step 3: apply the rules at the segment's start, for fixed times only: a schedule with a star
	// follows the wall clock, whatever it shows. Beyond offsetSpread from the start no reading can
	// have been skipped or shown before.
	if !t.wildcard && !seg.start.IsZero() && from.Sub(seg.start) < offsetSpread {
		shown := seg.shownBefore()
		begin := seg.civil(seg.start)
		switch {
		// A gap that the search crosses now: a reading in [shown, begin) never appears, so a time there
		// fires at the transition, once however many there are. Times at the transition itself merge with
		// it. Only a search that enters the segment crosses the gap; one that begins inside it has it in
		// the past.
		case entered && shown.Before(begin) && begin.Sub(shown) <= maxGap:
			if c := t.civil.Next(justBefore(shown)); !c.IsZero() && c.Before(begin) {
				return seg.start, time.Time{}
			}
		// An overlap: the previous segment has shown the readings below shown, and their times have fired
		// then. Search from shown on.
		case shown.After(floor):
			floor = justBefore(shown)
		}
	}

	// Step 4: search the readings. A match counts if the segment shows it, that is before its end.
	match := t.civil.Next(floor)
	if !match.IsZero() && (seg.end.IsZero() || match.Before(seg.civil(seg.end))) {
		return seg.instant(match), time.Time{}
	}

	// Step 5: nothing here. Where nothing matches for years, any instant beyond the limit will do.
	if match.IsZero() {
		match = floor.AddDate(SearchYears+1, 0, 0)
	}
	return time.Time{}, seg.skip(from, match)
}
