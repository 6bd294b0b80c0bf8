package calendar

import (
	"bytes"
	"fmt"
	"strings"

	ics "github.com/arran4/golang-ical"
)

// What one iCalendar file may hold. Public holiday files are a few hundred
// kilobytes; the limits only keep a wrong or hostile file from taking the
// daemon's memory or time.
const (
	maxICSBytes       = 16 << 20
	maxICSEvents      = 50_000
	maxICSRules       = 1000
	maxICSDepth       = 8
	maxICSHeader      = 1000    // characters of a property before its value
	maxICSOccurrences = 200_000 // of all recurring events and their exceptions together
	// icsHorizon is the first year for which recurring events are not expanded.
	icsHorizon = 2101
)

// icsDates are the dates that one iCalendar file names.
type icsDates struct {
	spans   []span
	endless bool
}

// lineError is what is wrong at one line of a file; its text begins with the
// line's number.
type lineError struct {
	line    int
	problem string
}

func (e *lineError) Error() string { return fmt.Sprintf("%d: %s", e.line, e.problem) }

func refuseLine(line int, format string, args ...any) error {
	return &lineError{line, fmt.Sprintf(format, args...)}
}

// readICS gives the dates on which the events of an iCalendar file take place.
//
// A calendar is a set of dates without a zone, so an event counts on the dates
// that its own clock shows: those of its TZID, for times in UTC those of the
// calendar's X-WR-TIMEZONE, without one UTC's. A timed event counts on every
// date that it touches. Cancelled events, and all components that are no
// events, do not count. Everything else that cannot be understood is an error:
// a holiday silently missed would power a fleet on.
func readICS(data []byte) (icsDates, error) {
	if len(data) > maxICSBytes {
		return icsDates{}, refuseLine(1, "larger than %d MiB; is it really a calendar?", maxICSBytes>>20)
	}
	r := icsReader{}
	if err := r.read(data); err != nil {
		return icsDates{}, err
	}
	return r.dates()
}

// icsReader collects the events of a file.
type icsReader struct {
	open     []icsProperty // the BEGIN lines that wait for their END
	zoneName string        // X-WR-TIMEZONE
	events   []*icsEvent
	event    *icsEvent // the one that is open
	complete bool      // a whole VCALENDAR was seen
}

// icsProperty is one content line.
type icsProperty struct {
	line   int
	name   string // upper case
	params map[string][]string
	value  string
}

// param is the first value of a parameter, or "".
func (p icsProperty) param(name string) string {
	for key, values := range p.params {
		if strings.EqualFold(key, name) && len(values) > 0 {
			return values[0]
		}
	}
	return ""
}

func (r *icsReader) read(data []byte) error {
	last := 1
	for line, text := range unfold(data) {
		last = line
		if strings.TrimSpace(text) == "" {
			continue
		}
		p, err := parseICSLine(line, text)
		if err != nil {
			return err
		}
		if err := r.take(p); err != nil {
			return err
		}
	}
	switch {
	case len(r.open) > 0:
		p := r.open[len(r.open)-1]
		return refuseLine(last, "the file ends inside the %s that begins at line %d; is it cut off?", p.value, p.line)
	case !r.complete:
		return refuseLine(last, "no BEGIN:VCALENDAR; this is no iCalendar file")
	}
	return nil
}

// unfold yields the content lines of a file with the number of the line on
// which each begins: a line that begins with a space or tab continues the one
// before it.
func unfold(data []byte) func(yield func(int, string) bool) {
	return func(yield func(int, string) bool) {
		data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
		var text []byte
		begun, n := 0, 0
		for line := range bytes.Lines(data) {
			n++
			line = bytes.TrimRight(line, "\r\n")
			if begun > 0 && len(line) > 0 && (line[0] == ' ' || line[0] == '\t') {
				text = append(text, line[1:]...)
				continue
			}
			if begun > 0 && !yield(begun, string(text)) {
				return
			}
			begun, text = n, append(text[:0], line...)
		}
		if begun > 0 {
			yield(begun, string(text))
		}
	}
}

func parseICSLine(line int, text string) (icsProperty, error) {
	end := strings.IndexAny(text, ":;")
	if end <= 0 || strings.ContainsFunc(text[:end], notInICSName) {
		return icsProperty{}, refuseLine(line, "%.40q is no iCalendar property; each line is NAME:value", text)
	}
	p := icsProperty{line: line, name: strings.ToUpper(text[:end])}
	if !icsNameMatters(p.name) {
		return p, nil
	}
	header, value, ok := cutICSValue(text)
	if !ok || len(header) > maxICSHeader {
		return p, refuseLine(line, "%s: no value, or too much before it; each line is NAME:value", p.name)
	}
	// Only the parameters go through the library: its time grows with the
	// square of what it is given.
	parsed, err := ics.ParseProperty(ics.ContentLine(header + ":"))
	if err != nil {
		return p, refuseLine(line, "%s: %v", p.name, err)
	}
	if parsed == nil {
		return p, refuseLine(line, "%s: no value; each line is NAME:value", p.name)
	}
	p.params, p.value = parsed.ICalParameters, strings.TrimSpace(value)
	return p, nil
}

// cutICSValue cuts a content line at the colon before its value: the first one
// outside quotes.
func cutICSValue(text string) (header, value string, ok bool) {
	quoted := false
	for i := range len(text) {
		switch {
		case text[i] == '"':
			quoted = !quoted
		case text[i] == ':' && !quoted:
			return text[:i], text[i+1:], true
		}
	}
	return "", "", false
}

func notInICSName(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '.' && r != '_'
}

// icsNameMatters spares the long descriptions that nobody asks about.
func icsNameMatters(name string) bool {
	switch name {
	case "BEGIN", "END", "X-WR-TIMEZONE", "UID", "STATUS", "RECURRENCE-ID",
		"DTSTART", "DTEND", "DURATION", "RRULE", "EXRULE", "RDATE", "EXDATE":
		return true
	}
	return false
}

// take is one step of the reader: BEGIN and END nest, the rest belongs to what
// is open.
func (r *icsReader) take(p icsProperty) error {
	switch p.name {
	case "BEGIN":
		return r.begin(p)
	case "END":
		return r.end(p)
	}
	switch {
	case len(r.open) == 0:
		return refuseLine(p.line, "%s stands outside BEGIN:VCALENDAR; this is no iCalendar file", p.name)
	case r.event != nil && len(r.open) == 2:
		return r.event.take(p)
	case p.name == "X-WR-TIMEZONE" && len(r.open) == 1:
		r.zoneName = p.value
	}
	return nil
}

func (r *icsReader) begin(p icsProperty) error {
	p.value = strings.ToUpper(p.value)
	switch {
	case len(r.open) == 0 && p.value != "VCALENDAR":
		return refuseLine(p.line, "BEGIN:%.20s where BEGIN:VCALENDAR should be; this is no iCalendar file", p.value)
	case len(r.open) >= maxICSDepth:
		return refuseLine(p.line, "nested more than %d deep", maxICSDepth)
	}
	if len(r.open) == 1 && p.value == "VEVENT" {
		if len(r.events) >= maxICSEvents {
			return refuseLine(p.line, "more than %d events; keep only the ones that concern the fleet", maxICSEvents)
		}
		r.event = &icsEvent{line: p.line, zoneName: r.zoneName}
	}
	r.open = append(r.open, p)
	return nil
}

func (r *icsReader) end(p icsProperty) error {
	p.value = strings.ToUpper(p.value)
	if len(r.open) == 0 {
		return refuseLine(p.line, "END:%.20s without its BEGIN", p.value)
	}
	top := r.open[len(r.open)-1]
	if top.value != p.value {
		return refuseLine(p.line, "END:%.20s does not match the BEGIN:%.20s at line %d", p.value, top.value, top.line)
	}
	r.open = r.open[:len(r.open)-1]
	switch {
	case len(r.open) == 0:
		r.complete, r.zoneName = true, ""
	case len(r.open) == 1 && r.event != nil:
		r.events = append(r.events, r.event)
		r.event = nil
	}
	return nil
}

// dates puts the events together: an event with a RECURRENCE-ID stands for one
// occurrence of the recurring event with the same UID.
func (r *icsReader) dates() (icsDates, error) {
	replaced := map[string][]icsProperty{}
	for _, e := range r.events {
		if e.recurrenceID != nil {
			replaced[e.uid] = append(replaced[e.uid], *e.recurrenceID)
		}
	}
	var all icsDates
	zones, budget, rules := icsZones{}, maxICSOccurrences, 0
	for _, e := range r.events {
		if e.cancelled {
			continue
		}
		var without []icsProperty
		if e.recurrenceID == nil && e.uid != "" {
			without = replaced[e.uid]
		}
		if e.rule != nil {
			rules++
		}
		if budget -= len(without); budget < 0 || rules > maxICSRules {
			return icsDates{}, refuseLine(e.line, "too many recurring events, more than %d or with too many exceptions; keep only the ones that concern the fleet", maxICSRules)
		}
		spans, endless, err := e.dates(without, zones, &budget)
		if err != nil {
			return icsDates{}, err
		}
		all.spans = append(all.spans, spans...)
		all.endless = all.endless || endless
	}
	return all, nil
}
