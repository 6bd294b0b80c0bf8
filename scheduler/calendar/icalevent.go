package calendar

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// event is one VEVENT: first its properties, and once parse has run the values that say when it
// takes place.
type event struct {
	line     int // of its BEGIN
	calendar *vcalendar
	raw      rawEvent

	uid       string
	sequence  int
	cancelled bool
	texts     []string // SUMMARY, DESCRIPTION and CATEGORIES, where a filter needs them
	start     stamp
	end       *stamp        // nil where it has no DTEND
	length    time.Duration // of a DURATION
	rule      *rule
	ruleLine  int
	ruleText  string
	extra     []period // RDATE
	except    []stamp  // EXDATE
	replaces  *stamp   // RECURRENCE-ID: the occurrence of its series that it stands for
	without   []stamp  // occurrences that other events stand for
}

// rawEvent is the properties of an event that refer to others.
type rawEvent struct {
	recurrenceID, start, end, duration, rule *icsProperty
	extra, except                            []icsProperty
}

// period is one RDATE: a time, and its end or length where it has one of its own.
type period struct {
	start  stamp
	end    *stamp
	length time.Duration
	own    bool // it has an end or a length
}

// take keeps a property; those that may stand once are refused twice.
func (e *event) take(p icsProperty, keepTexts bool) error {
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
	case "SEQUENCE":
		e.sequence, _ = strconv.Atoi(p.value) // one that is no number counts as none
	case "SUMMARY", "DESCRIPTION", "CATEGORIES":
		if keepTexts {
			e.texts = append(e.texts, unescapeICS.Replace(p.value))
		}
	case "RECURRENCE-ID":
		if p.param("RANGE") != "" {
			return refuseLine(p.line, "RECURRENCE-ID with RANGE (this and all later ones) is not supported; end the series there and export the rest as a second one")
		}
		return once(&e.raw.recurrenceID)
	case "DTSTART":
		return once(&e.raw.start)
	case "DTEND":
		return once(&e.raw.end)
	case "DURATION":
		return once(&e.raw.duration)
	case "RRULE":
		if p.value != "" {
			return once(&e.raw.rule)
		}
		e.raw.extra = append(e.raw.extra, p) // parse warns of it
	case "EXRULE":
		return refuseLine(p.line, "EXRULE is not supported; list the dates with EXDATE, or in a calendar that the schedule includes")
	case "RDATE":
		e.raw.extra = append(e.raw.extra, p)
	case "EXDATE":
		e.raw.except = append(e.raw.except, p)
	}
	return nil
}

// parse turns the properties into values.
func (e *event) parse(zones *zoneFinder, warn *warnings) error {
	if e.raw.start == nil {
		return refuseLine(e.line, "an event without DTSTART")
	}
	stamps := stampReader{calendar: e.calendar, zones: zones}
	var err error
	if e.start, err = stamps.read(*e.raw.start, e.raw.start.value); err != nil {
		return err
	}
	for _, step := range []func(*stampReader, *warnings) error{e.parseEnd, e.parseRule, e.parseExtra, e.parseExcept} {
		if err := step(&stamps, warn); err != nil {
			return err
		}
	}
	e.raw = rawEvent{}
	return nil
}

// parseEnd reads DTEND or DURATION.
func (e *event) parseEnd(stamps *stampReader, warn *warnings) error {
	switch end, duration := e.raw.end, e.raw.duration; {
	case end != nil && duration != nil:
		return refuseLine(duration.line, "an event with both DTEND and DURATION; keep one")
	case end != nil:
		s, err := stamps.read(*end, end.value)
		if err != nil {
			return err
		}
		e.end = &s
		v := view{}
		c := e.clock(&v)
		switch lasts := c.read(s).Sub(c.read(e.start)); {
		case lasts < 0 && !v.zoneMatters:
			e.end = nil
			warn.warn(end.line, "DTEND %s lies before DTSTART %s; the event counts on the day of its start", end.value, e.raw.start.value)
		case lasts > maxICSLength:
			return refuseLine(end.line, "%s %s: %v", end.name, end.value, errTooLong)
		}
	case duration != nil:
		var err error
		e.length, err = parseLength(*duration, duration.value)
		return err
	}
	return nil
}

func parseLength(p icsProperty, value string) (time.Duration, error) {
	length, err := parseICSDuration(value)
	switch {
	case errors.Is(err, errTooLong):
		return 0, refuseLine(p.line, "%s %s: %v", p.name, value, errTooLong)
	case err != nil:
		return 0, p.refuse("%v", err)
	}
	return length, nil
}

// parseRule reads RRULE and RECURRENCE-ID. An event that stands for one occurrence has no rule of
// its own: programs repeat there that of the series.
func (e *event) parseRule(stamps *stampReader, warn *warnings) error {
	if p := e.raw.recurrenceID; p != nil {
		s, err := stamps.read(*p, p.value)
		if err != nil {
			return err
		}
		e.replaces = &s
		e.raw.extra = nil
		return nil
	}
	p := e.raw.rule
	if p == nil {
		return nil
	}
	r, sins, err := parseRule(p.value, e.start.zone)
	if err != nil {
		return refuseLine(p.line, "RRULE %.80q: %v", p.value, err)
	}
	for _, sin := range sins {
		warn.warn(p.line, "RRULE %.80q: %s", p.value, sin)
	}
	e.rule, e.ruleLine, e.ruleText = &r, p.line, p.value
	return nil
}

// parseExtra reads the RDATEs: times, or periods with a length of their own.
func (e *event) parseExtra(stamps *stampReader, warn *warnings) error {
	for _, p := range e.raw.extra {
		if p.name == "RRULE" {
			warn.warn(p.line, "an empty RRULE; the event takes place once")
			continue
		}
		values := listed(p, warn)
		for _, value := range values {
			x, err := parsePeriod(p, value, stamps)
			if err != nil {
				return err
			}
			e.extra = append(e.extra, x)
		}
	}
	return nil
}

func parsePeriod(p icsProperty, value string, stamps *stampReader) (period, error) {
	first, rest, isPeriod := strings.Cut(value, "/")
	start, err := stamps.read(p, first)
	if err != nil || !isPeriod {
		return period{start: start}, err
	}
	if strings.ContainsAny(rest, "Pp") {
		length, err := parseLength(p, rest)
		return period{start: start, length: length, own: true}, err
	}
	end, err := stamps.read(p, rest)
	return period{start: start, end: &end, own: true}, err
}

func (e *event) parseExcept(stamps *stampReader, warn *warnings) error {
	for _, p := range e.raw.except {
		for _, value := range listed(p, warn) {
			s, err := stamps.read(p, value)
			if err != nil {
				return err
			}
			e.except = append(e.except, s)
		}
	}
	return nil
}

// listed are the values of a list, without the empty ones.
func listed(p icsProperty, warn *warnings) (values []string) {
	for value := range strings.SplitSeq(p.value, ",") {
		if value = strings.TrimSpace(value); value != "" {
			values = append(values, value)
		}
	}
	switch {
	case len(values) == 0:
		warn.warn(p.line, "an empty %s; it is left out", p.name)
	case len(values) <= strings.Count(p.value, ","):
		warn.warn(p.line, "an empty place in the list of %s; it is left out", p.name)
	}
	return values
}

// stampReader reads the dates and times of one event.
type stampReader struct {
	calendar *vcalendar
	zones    *zoneFinder
}

func (r *stampReader) read(p icsProperty, value string) (stamp, error) {
	var zone *time.Location
	if p.param("TZID") != "" {
		zone = r.zones.find(r.calendar, icsProperty{line: p.line, name: p.name + " with TZID", value: p.param("TZID")})
	}
	s, err := parseStamp(value, zone)
	if err != nil {
		return s, p.refuse("%v", err)
	}
	return s, nil
}
