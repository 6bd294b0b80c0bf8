package config

import (
	"errors"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"zecpower/internal/strictyaml"
	"zecpower/scheduler/calendar"
)

// maxICS bounds an iCalendar file; a country's holidays of ten years take some 50 KB.
const maxICS = 16 << 20

func (l *loader) calendarSection(_, value *yaml.Node) {
	l.Names(value, func(name string, key, value *yaml.Node) {
		if dateShape.MatchString(name) {
			l.Refuse(key, strictyaml.Faultf("put a letter in it", "the calendar's name looks like a date"))
			return
		}
		l.names.calendars = append(l.names.calendars, name)
		c := l.readCalendar(name, key, value)
		l.calendars[name] = c
		if c != nil {
			l.config.Calendars = append(l.config.Calendars, c)
		}
	})
}

// readCalendar is nil where the calendar is refused; the problems have been reported then.
func (l *loader) readCalendar(name string, key, value *yaml.Node) *calendar.Calendar {
	src := calendar.Source{Name: name, ICS: make(map[string][]byte)}
	sound := true
	given := l.Mapping(key, value, strictyaml.Keys{
		"dates": l.List(func(item *yaml.Node) { sound = l.calendarDate(&src, item) && sound }),
		"ics":   l.OneOrMore(func(item *yaml.Node) { sound = l.calendarFile(&src, item) && sound }),
	})
	if strictyaml.IsEmpty(value) {
		l.Refuse(key, strictyaml.Faultf("add dates: [2026-12-25] or ics: FILE", "the calendar has no dates"))
		return nil
	}
	if !sound || len(src.Dates)+len(src.ICS) == 0 {
		return nil
	}
	c, err := calendar.New(src)
	if err != nil {
		at := key
		if n := given["ics"]; n != nil {
			at = n
		}
		for _, err := range parts(err) {
			l.Refuse(at, err)
		}
		return nil
	}
	return c
}

// parts are the errors that were joined under one heading; the heading repeats the key path.
func parts(err error) []error {
	if joined, ok := errors.Unwrap(err).(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}

func (l *loader) calendarDate(src *calendar.Source, item *yaml.Node) bool {
	text, ok := l.Item(item)
	if !ok {
		return false
	}
	src.Dates = append(src.Dates, text)
	return l.isDate(item, text)
}

// isDate checks a date at its own place, where NewCalendar only knows the calendar's.
func (l *loader) isDate(item *yaml.Node, text string) bool {
	_, err := calendar.ParseDates(text)
	if err == nil {
		return true
	}
	if inner := errors.Unwrap(err); inner != nil && strings.HasPrefix(inner.Error(), strconv.Quote(text)) {
		err = inner // it names the whole text by itself
	}
	l.Refuse(item, err)
	return false
}

func (l *loader) calendarFile(src *calendar.Source, item *yaml.Node) bool {
	name, ok := l.Item(item)
	if !ok {
		return false
	}
	if _, err := notEmpty(name); err != nil {
		l.Refuse(item, err)
		return false
	}
	path := l.file(name)
	data, err := strictyaml.ReadFile(path, maxICS)
	if err != nil {
		l.Refuse(item, strictyaml.Within(path, err))
		return false
	}
	src.ICS[path] = data
	return true
}
