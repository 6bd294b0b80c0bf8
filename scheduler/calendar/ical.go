package calendar

import (
	"fmt"
	"strings"
	"time"
)

// What one iCalendar file may hold. Public holiday files are a few hundred kilobytes; the limits
// only keep a wrong or hostile file from taking the daemon's memory or time.
const (
	maxICSBytes       = 16 << 20
	maxICSEvents      = 50_000
	maxICSRules       = 1000
	maxICSDepth       = 8
	maxICSHeader      = 1000    // characters of a property before its value
	maxICSOccurrences = 200_000 // of all recurring events and their exceptions together
	maxICSWarnings    = 20
)

// icsDates is what one iCalendar file says.
type icsDates struct {
	fixed    dateSet  // dates of events that are the same in every zone
	own      dateSet  // dates of the others, as their own clocks show them
	zoned    []*event // those others
	warnings []Warning
}

// readICS reads the events of an iCalendar file and computes their dates up to the horizon.
//
// It goes in stages: lines become components (icsReader), the components' properties become checked
// values (icsReader.finish), versions and filters choose the events that count (countingEvents),
// and each of those gives its dates. Cancelled events, and all components that are no events, do
// not count. What programs are known to write against the standard is read with a warning.
// Everything else that cannot be understood is an error: a holiday silently missed would power a
// fleet on.
func readICS(file File, horizon time.Time) (icsDates, error) {
	if len(file.Data) > maxICSBytes {
		return icsDates{}, refuseLine(1, "larger than %d MiB; is it really a calendar?", maxICSBytes>>20)
	}
	r := icsReader{warnings: warnings{file: file.Name}, keepTexts: file.Match != nil || file.Exclude != nil}
	if err := r.read(file.Data); err != nil {
		return icsDates{}, err
	}
	if err := r.finish(); err != nil {
		return icsDates{}, err
	}
	events := filterEvents(countingEvents(r.events), file, &r.warnings)
	dates, err := eventDates(events, horizon, &r.warnings)
	dates.warnings = r.list()
	return dates, err
}

// eventDates computes the dates of a file's events.
func eventDates(events []*event, horizon time.Time, warn *warnings) (icsDates, error) {
	var all icsDates
	budget, rules := maxICSOccurrences, 0
	for _, e := range events {
		if e.rule != nil {
			rules++
		}
		if budget -= len(e.without); budget < 0 || rules > maxICSRules {
			return all, refuseLine(e.line, "too many recurring events, more than %d or with too many exceptions; keep only the ones that concern the fleet", maxICSRules)
		}
		v := view{horizon: horizon, budget: budget, warn: warn}
		spans, endless, err := e.dates(&v)
		if err != nil {
			return all, err
		}
		budget = v.budget
		set := &all.fixed
		if v.zoneMatters {
			all.zoned = append(all.zoned, e)
			set = &all.own
		}
		set.spans = append(set.spans, spans...)
		set.endless = set.endless || endless
	}
	return all, nil
}

// icsReader collects the components of a file.
type icsReader struct {
	warnings
	keepTexts bool

	open      []icsProperty // the BEGIN lines that wait for their END
	calendar  *vcalendar    // the VCALENDAR that is open
	calendars []*vcalendar
	events    []*event
	event     *event     // the VEVENT that is open
	zone      *vtimezone // the VTIMEZONE that is open
	text      string     // the name of the last property where it holds a text, else ""
}

// vcalendar is what the events of one VCALENDAR share.
type vcalendar struct {
	zoneName icsProperty               // X-WR-TIMEZONE
	zone     *time.Location            // what it means; nil where it is not there or not explained
	zones    map[string]*vtimezone     // its own VTIMEZONEs by TZID
	found    map[string]*time.Location // what they are
}

func (r *icsReader) read(data []byte) error {
	last := 1
	for line, text := range unfold(data) {
		last = line
		if strings.TrimSpace(text) == "" {
			continue
		}
		p, err := parseICSLine(line, text)
		switch {
		case err != nil && r.text != "" && p.name == "" && !isConflict(text):
			r.warn(line, "a line break inside %s; it is read as the rest of its text", r.text)
			r.continueText(text)
			continue
		case err != nil:
			return err
		}
		if err := r.take(p); err != nil {
			return err
		}
		r.text = ""
		if len(r.open) > 0 && isICSText(p.name) {
			r.text = p.name
		}
	}
	switch {
	case len(r.open) > 0:
		p := r.open[len(r.open)-1]
		return refuseLine(last, "the file ends inside the %s that begins at line %d; is it cut off?", p.value, p.line)
	case len(r.calendars) == 0:
		return refuseLine(last, "no BEGIN:VCALENDAR; this is no iCalendar file")
	}
	return nil
}

func (r *icsReader) continueText(text string) {
	if r.event != nil && len(r.event.texts) > 0 && icsTexts[r.text] {
		r.event.texts[len(r.event.texts)-1] += "\n" + text
	}
}

// take is one step of the reader: BEGIN and END nest, the rest belongs to what is open.
func (r *icsReader) take(p icsProperty) error {
	switch {
	case p.name == "BEGIN":
		return r.begin(p)
	case p.name == "END":
		return r.end(p)
	case len(r.open) == 0:
		return refuseLine(p.line, "%s stands outside BEGIN:VCALENDAR; this is no iCalendar file", p.name)
	case p.name == "X-WR-TIMEZONE":
		r.calendar.zoneName = p
	case r.event != nil && len(r.open) == 2:
		return r.event.take(p, r.keepTexts)
	case r.zone != nil:
		r.zone.take(p, len(r.open) == 2)
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
	case len(r.open) == 0:
		r.calendar = &vcalendar{zones: make(map[string]*vtimezone), found: make(map[string]*time.Location)}
	case len(r.open) == 1 && p.value == "VEVENT":
		if len(r.events) >= maxICSEvents {
			return refuseLine(p.line, "more than %d events; keep only the ones that concern the fleet", maxICSEvents)
		}
		r.event = &event{line: p.line, calendar: r.calendar}
	case len(r.open) == 1 && p.value == "VTIMEZONE":
		r.zone = &vtimezone{line: p.line}
	case len(r.open) == 2 && r.zone != nil:
		r.zone.observances = append(r.zone.observances, observance{})
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
		r.calendars = append(r.calendars, r.calendar)
		r.calendar = nil
	case len(r.open) == 1 && r.event != nil:
		r.events = append(r.events, r.event)
		r.event = nil
	case len(r.open) == 1 && r.zone != nil:
		r.calendar.zones[r.zone.id] = r.zone
		r.zone = nil
	}
	return nil
}

// finish turns the properties of all events into values. Only now is all known that they refer to:
// a VTIMEZONE and the X-WR-TIMEZONE may stand behind the events.
func (r *icsReader) finish() error {
	zones := newZoneFinder(r.calendars, &r.warnings)
	for _, c := range r.calendars {
		if p := c.zoneName; p.value != "" {
			c.zone = zones.find(c, p)
		}
	}
	for _, e := range r.events {
		if err := e.parse(zones, &r.warnings); err != nil {
			return err
		}
	}
	return nil
}

// warnings collects what was read over in one file, up to a bound.
type warnings struct {
	file    string
	all     []Warning
	omitted int
}

func (w *warnings) warn(line int, format string, args ...any) {
	if len(w.all) >= maxICSWarnings {
		w.omitted++
		return
	}
	w.all = append(w.all, Warning{w.file, line, fmt.Sprintf(format, args...)})
}

func (w *warnings) list() []Warning {
	if w.omitted > 0 {
		return append(w.all, Warning{w.file, 0, fmt.Sprintf("%d more remarks of this kind", w.omitted)})
	}
	return w.all
}
