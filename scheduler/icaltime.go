package scheduler

import (
	"strconv"
	"strings"
	"time"
)

// icsTime is what a clock shows, written as a UTC time whatever the zone.
type icsTime struct {
	civil  time.Time
	allDay bool
}

// parseICSTime reads one DATE or DATE-TIME value of a property. Times in UTC
// become what the clock in the given zone shows then; all others are that
// already.
func parseICSTime(p icsProperty, value string, zone *time.Location) (icsTime, error) {
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
	if err != nil || len(local) != len(layout) || allDay && utc || t.Year() < 1 {
		return wrong()
	}
	if utc {
		t = wallClock(t.In(zone))
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
	total := time.Duration(0)
	for _, part := range []struct{ text, units string }{{dates, "WD"}, {clock, "HMS"}} {
		d, ok := sumUnits(part.text, part.units)
		if !ok {
			return wrong()
		}
		total += d
	}
	return total, nil
}

// sumUnits adds up numbers with their unit letters, which come in the given
// order, each at most once.
func sumUnits(text, units string) (total time.Duration, ok bool) {
	for text != "" {
		i := strings.IndexAny(text, units)
		if i < 0 || i > 6 { // six digits of any unit fit a Duration
			return 0, false
		}
		n, err := strconv.ParseUint(text[:i], 10, 32)
		if err != nil {
			return 0, false
		}
		total += time.Duration(n) * unitLength(text[i])
		units = units[strings.IndexByte(units, text[i])+1:]
		text = text[i+1:]
		if text != "" && units == "" {
			return 0, false
		}
	}
	return total, true
}

func unitLength(letter byte) time.Duration {
	switch letter {
	case 'W':
		return 7 * 24 * time.Hour
	case 'D':
		return 24 * time.Hour
	case 'H':
		return time.Hour
	case 'M':
		return time.Minute
	}
	return time.Second
}
