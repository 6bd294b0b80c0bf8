package calendar

import (
	"strings"
	"time"
)

// icsEvent is one VEVENT: the properties that say when it takes place.
type icsEvent struct {
	line         int    // of its BEGIN
	zoneName     string // X-WR-TIMEZONE of its calendar
	uid          string
	cancelled    bool
	recurrenceID *icsProperty
	start        *icsProperty
	end          *icsProperty
	duration     *icsProperty
	rule         *icsProperty
	extra        []icsProperty // RDATE
	except       []icsProperty // EXDATE
}

// take keeps a property; those that may stand once are refused twice.
func (e *icsEvent) take(p icsProperty) error {
	once := func(to **icsProperty) error {
		if *to != nil {
			return refuseLine(p.line, "a second %s in the event that begins at line %d; keep one", p.name, e.line)
		}
		*to = &p
		return nil
	}
	switch p.name {
	case "UID":
		e.uid = p.value
	case "STATUS":
		e.cancelled = strings.EqualFold(p.value, "CANCELLED")
	case "RECURRENCE-ID":
		if p.param("RANGE") != "" {
			return refuseLine(p.line, "RECURRENCE-ID with RANGE is not supported; export the series as two")
		}
		return once(&e.recurrenceID)
	case "DTSTART":
		return once(&e.start)
	case "DTEND":
		return once(&e.end)
	case "DURATION":
		return once(&e.duration)
	case "RRULE":
		return once(&e.rule)
	case "EXRULE":
		return refuseLine(p.line, "EXRULE is not supported; list the dates with EXDATE")
	case "RDATE":
		e.extra = append(e.extra, p)
	case "EXDATE":
		e.except = append(e.except, p)
	}
	return nil
}

// dates are the days on which the event takes place, and whether it recurs for
// ever. without are occurrences that other events stand for.
func (e *icsEvent) dates(without []icsProperty, zones icsZones, budget *int) (spans []span, endless bool, err error) {
	if e.start == nil {
		return nil, false, refuseLine(e.line, "an event without DTSTART")
	}
	clock := e.clock(zones)
	start, err := clock.read(*e.start, e.start.value)
	if err != nil {
		return nil, false, err
	}
	length, err := e.length(start, clock)
	if err != nil {
		return nil, false, err
	}
	skip := icsSkip{}
	if err := skip.add(e.except, start.allDay, clock); err != nil {
		return nil, false, err
	}
	if err := skip.add(without, start.allDay, clock); err != nil {
		return nil, false, err
	}

	occurrences := []time.Time{start.civil}
	if e.rule != nil {
		occurrences, endless, err = expandRule(*e.rule, start, clock, budget)
		if err != nil {
			return nil, false, err
		}
	}
	for _, at := range occurrences {
		if !skip.has(at) {
			spans = append(spans, daysOf(at, length))
		}
	}
	extra, err := e.extraDates(length, skip, clock)
	return append(spans, extra...), endless, err
}

// clock is the one of the event's start: of its TZID, else of its calendar, else UTC.
func (e *icsEvent) clock(zones icsZones) icsClock {
	c := icsClock{zone: time.UTC, zones: zones}
	own, calendars := zones.find(e.start.param("TZID")), zones.find(e.zoneName)
	switch {
	case own != nil:
		c.zone = own
	case calendars != nil:
		c.zone = calendars
	}
	c.fixed = own != nil || strings.HasSuffix(e.start.value, "Z")
	return c
}

// length is how long each occurrence lasts; 0 is a moment.
func (e *icsEvent) length(start icsTime, clock icsClock) (time.Duration, error) {
	switch {
	case e.end != nil && e.duration != nil:
		return 0, refuseLine(e.duration.line, "an event with both DTEND and DURATION; keep one")
	case e.end != nil:
		end, err := clock.read(*e.end, e.end.value)
		if err != nil {
			return 0, err
		}
		if end.civil.Before(start.civil) {
			return 0, refuseLine(e.end.line, "DTEND %s lies before DTSTART %s", e.end.value, e.start.value)
		}
		if end.civil.Sub(start.civil) > maxICSLength {
			return 0, tooLong(*e.end, e.end.value)
		}
		return end.civil.Sub(start.civil), nil
	case e.duration != nil:
		return parseICSDuration(*e.duration, e.duration.value)
	}
	return 0, nil
}

// daysOf are the days touched by an event that begins at a wall-clock reading.
// An event that ends at midnight does not touch the day that begins then.
func daysOf(at time.Time, length time.Duration) span {
	last := at
	if length > 0 {
		last = at.Add(length - time.Nanosecond)
	}
	return span{DateOf(at).number(), DateOf(last).number()}
}

// extraDates are the RDATEs: times, or periods with a length of their own.
func (e *icsEvent) extraDates(length time.Duration, skip icsSkip, clock icsClock) ([]span, error) {
	var spans []span
	for _, p := range e.extra {
		for value := range strings.SplitSeq(p.value, ",") {
			first, period, isPeriod := strings.Cut(value, "/")
			at, err := clock.read(p, first)
			if err != nil {
				return nil, err
			}
			lasts := length
			if isPeriod {
				if lasts, err = periodLength(p, at, period, clock); err != nil {
					return nil, err
				}
			}
			if !skip.has(at.civil) {
				spans = append(spans, daysOf(at.civil, lasts))
			}
		}
	}
	return spans, nil
}

func periodLength(p icsProperty, at icsTime, period string, clock icsClock) (time.Duration, error) {
	if strings.ContainsAny(period, "Pp") {
		return parseICSDuration(p, period)
	}
	end, err := clock.read(p, period)
	if err != nil {
		return 0, err
	}
	switch lasts := end.civil.Sub(at.civil); {
	case lasts < 0:
		return 0, refuseLine(p.line, "%s: a period that ends before it begins", p.name)
	case lasts > maxICSLength:
		return 0, tooLong(p, period)
	default:
		return lasts, nil
	}
}

// icsSkip are occurrences that do not take place: at a reading of the clock, or
// on a whole day.
type icsSkip struct {
	times map[time.Time]bool
	days  map[Date]bool
}

// add takes a date for any time on it, and for an all-day event a time for its
// date: programs mix the two.
func (s *icsSkip) add(properties []icsProperty, allDay bool, clock icsClock) error {
	for _, p := range properties {
		for value := range strings.SplitSeq(p.value, ",") {
			t, err := clock.read(p, value)
			if err != nil {
				return err
			}
			if s.times == nil {
				s.times, s.days = map[time.Time]bool{}, map[Date]bool{}
			}
			if allDay || t.allDay {
				s.days[DateOf(t.civil)] = true
			} else {
				s.times[t.civil] = true
			}
		}
	}
	return nil
}

func (s *icsSkip) has(at time.Time) bool { return s.times[at] || s.days[DateOf(at)] }
