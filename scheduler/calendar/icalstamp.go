package calendar

import (
	"fmt"
	"strings"
	"time"
)

// stamp is one DATE or DATE-TIME of a file, as it stands there.
type stamp struct {
	civil time.Time // the reading, written as a UTC time whatever the zone
	kind  stampKind
	zone  *time.Location // of a zonedTime
}

type stampKind int

const (
	wholeDay     stampKind = iota // a date without a time
	floatingTime                  // a time without a zone, or in one that nothing explains
	zonedTime                     // a time in a zone
	utcTime                       // a time in UTC
)

// firstICSYear is before 1601 and 1604, which programs write for birthdays of unknown year, and
// after the zero time, which the rule library takes for now.
const firstICSYear = 1600

// parseStamp reads one date or time. zone is that of the property's TZID; nil where it has none.
func parseStamp(value string, zone *time.Location) (stamp, error) {
	value = strings.TrimSpace(value)
	local, utc := strings.CutSuffix(value, "Z")
	s := stamp{kind: floatingTime}
	layout := "20060102T150405"
	switch {
	case len(local) == len("20060102") && !utc:
		layout, s.kind = "20060102", wholeDay
	case utc:
		s.kind = utcTime
	case zone != nil:
		s.kind, s.zone = zonedTime, zone
	}
	var err error
	if s.civil, err = time.Parse(layout, local); err != nil || len(local) != len(layout) {
		return stamp{}, fmt.Errorf("%.40q is no date or time; write 20261225, 20261225T090000 or 20261225T090000Z", value)
	}
	if s.civil.Year() < firstICSYear {
		return stamp{}, fmt.Errorf("%s lies before %d; is the year right?", value, firstICSYear)
	}
	return s, nil
}

// instant is when a clock in the zone shows a reading.
func instant(civil time.Time, zone *time.Location) time.Time {
	year, month, day := civil.Date()
	hour, minute, second := civil.Clock()
	return time.Date(year, month, day, hour, minute, second, 0, zone)
}

// wallClock is what t's clock shows, as a UTC time.
func wallClock(t time.Time) time.Time {
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	return time.Date(year, month, day, hour, minute, second, 0, time.UTC)
}

// isMidnight says whether a reading is the beginning of a day.
func isMidnight(civil time.Time) bool { return civil.Equal(civil.Truncate(24 * time.Hour)) }

// clock is the one on which an event's times are read and its rule is expanded.
type clock struct {
	// zone is what the event's readings are in: of a time with a TZID its zone, of a time in UTC UTC,
	// else local.
	zone *time.Location

	// local is where dates and times without a zone belong: beside a time with a TZID its zone, else
	// the file's zone, else the view's.
	local *time.Location

	// floating is an event without a zone. It takes the readings of other zones as they stand.
	floating bool
}

// read is what the clock shows at a stamp. A date is its midnight.
func (c clock) read(s stamp) time.Time {
	switch {
	case s.kind == utcTime:
		return c.shows(s.civil)
	case s.kind == zonedTime && !c.floating && s.zone != c.zone:
		return c.shows(instant(s.civil, s.zone))
	case s.kind == floatingTime && c.zone != c.local:
		return c.shows(instant(s.civil, c.local))
	}
	return s.civil
}

func (c clock) shows(t time.Time) time.Time { return wallClock(t.In(c.zone)) }

// localDate is the date on which a reading of the clock counts beside dates without a time.
func (c clock) localDate(at time.Time) Date {
	if c.zone == c.local {
		return DateOf(at)
	}
	return DateOf(instant(at, c.zone).In(c.local))
}

// lastMoment is the last reading that a stamp includes as an end: of a date its last second.
func (c clock) lastMoment(s stamp) time.Time {
	if s.kind != wholeDay {
		return c.read(s)
	}
	return c.read(stamp{civil: s.civil.Add(24*time.Hour - time.Second), kind: floatingTime})
}
