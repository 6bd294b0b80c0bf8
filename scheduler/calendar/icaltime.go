package calendar

import (
	"strconv"
	"strings"
	"time"

	"zecpower/scheduler/cron"
)

// icsTime is what a clock shows, written as a UTC time whatever the zone.
type icsTime struct {
	civil  time.Time
	allDay bool
}

// firstICSYear is before 1601 and 1604, which programs write for birthdays of
// unknown year, and after the zero time, which the rule library takes for now.
const firstICSYear = 1600

// icsZones are the zones that a file names, each looked up once; nil stands for
// a name that only the file knows.
type icsZones map[string]*time.Location

func (z icsZones) find(name string) *time.Location {
	zone, known := z[name]
	if !known && name != "" {
		zone, _ = cron.FindZone(name)
		z[name] = zone
	}
	return zone
}

// icsClock is the clock on whose dates an event counts.
type icsClock struct {
	zone  *time.Location
	fixed bool // the event's own times are instants, so that those of other zones can be told by this clock
	zones icsZones
}

// shows is what the clock shows at a reading of the clock that a property names
// by its TZID. Without one, or beside a zone that only the file knows, all
// readings are taken for its own.
func (c icsClock) shows(p icsProperty, reading time.Time) time.Time {
	zone := c.zones.find(p.param("TZID"))
	if !c.fixed || zone == nil || zone == c.zone {
		return reading
	}
	year, month, day := reading.Date()
	hour, minute, second := reading.Clock()
	return wallClock(time.Date(year, month, day, hour, minute, second, 0, zone).In(c.zone))
}

// read reads one DATE or DATE-TIME value of a property. Times in UTC or in
// another zone become what the clock shows then; all others are that already.
func (c icsClock) read(p icsProperty, value string) (icsTime, error) {
	value = strings.TrimSpace(value)
	wrong := func() (icsTime, error) {
		return icsTime{}, refuseLine(p.line, "%s: %.40q is no date or time; write 20261225, 20261225T090000 or 20261225T090000Z", p.name, value)
	}
	local, utc := strings.CutSuffix(value, "Z")
	layout := "20060102T150405"
	allDay := len(local) == len("20060102")
	if allDay {
		layout = "20060102"
	}
	t, err := time.Parse(layout, local)
	if err != nil || len(local) != len(layout) || allDay && utc {
		return wrong()
	}
	if t.Year() < firstICSYear {
		return icsTime{}, refuseLine(p.line, "%s: %s lies before %d; is the year right?", p.name, value, firstICSYear)
	}
	switch {
	case utc:
		t = wallClock(t.In(c.zone))
	case !allDay:
		t = c.shows(p, t)
	}
	return icsTime{civil: t, allDay: allDay}, nil
}

// wallClock is what t's clock shows, as a UTC time.
func wallClock(t time.Time) time.Time {
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	return time.Date(year, month, day, hour, minute, second, 0, time.UTC)
}

// parseICSDuration reads P1W, P2D, PT8H30M, P1DT12H. A negative one is refused:
// nothing lasts that long.
func parseICSDuration(p icsProperty, value string) (time.Duration, error) {
	wrong := func() (time.Duration, error) {
		return 0, refuseLine(p.line, "%s: %.40q is no duration; write P1D, P1W, PT8H or P1DT12H30M", p.name, value)
	}
	rest, ok := strings.CutPrefix(strings.TrimPrefix(strings.ToUpper(value), "+"), "P")
	if !ok || rest == "" || strings.HasSuffix(rest, "T") {
		return wrong()
	}
	dates, clock, _ := strings.Cut(rest, "T")
	seconds := int64(0)
	for _, part := range []struct{ text, units string }{{dates, "WD"}, {clock, "HMS"}} {
		n, ok := sumUnits(part.text, part.units)
		if !ok {
			return wrong()
		}
		seconds += n
	}
	if seconds > int64(maxICSLength/time.Second) {
		return 0, tooLong(p, value)
	}
	return time.Duration(seconds) * time.Second, nil
}

// maxICSLength is more than any real event lasts.
const maxICSLength = 100 * 366 * 24 * time.Hour

func tooLong(p icsProperty, value string) error {
	return refuseLine(p.line, "%s %s: more than 100 years; no event lasts that long", p.name, value)
}

// sumUnits adds up numbers with their unit letters, which come in the given
// order, each at most once, in seconds.
func sumUnits(text, units string) (seconds int64, ok bool) {
	for text != "" {
		i := strings.IndexAny(text, units)
		if i < 0 || i > 9 { // nine digits of any unit add up without overflow
			return 0, false
		}
		n, err := strconv.ParseUint(text[:i], 10, 32)
		if err != nil {
			return 0, false
		}
		seconds += int64(n) * unitSeconds(text[i])
		units = units[strings.IndexByte(units, text[i])+1:]
		text = text[i+1:]
	}
	return seconds, true
}

func unitSeconds(letter byte) int64 {
	switch letter {
	case 'W':
		return 7 * secondsPerDay
	case 'D':
		return secondsPerDay
	case 'H':
		return 3600
	case 'M':
		return 60
	}
	return 1
}
