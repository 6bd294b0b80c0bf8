package config

import (
	"errors"
	"regexp"
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
			l.Refuse(key, strictyaml.Faultf("put a letter in it", "the calendar's name reads as a date"))
			return
		}
		first := l.once("calendar", name, key)
		c := l.readCalendar(name, key, value)
		if !first {
			return
		}
		l.names.calendars = append(l.names.calendars, name)
		l.calendars[name] = c
		if c != nil {
			l.config.Calendars = append(l.config.Calendars, c)
		}
	})
}

// readCalendar is nil where the calendar is refused; the problems have been reported then.
func (l *loader) readCalendar(name string, key, value *yaml.Node) *calendar.Calendar {
	u := &UnreadableCalendar{Name: name, source: calendar.Source{Name: name, Now: l.now}}
	defer func() { l.unreadable = append(l.unreadable, u.Problems...) }()
	var given map[string]*yaml.Node
	sound := l.Sound(func() {
		given = l.Mapping(key, value, strictyaml.Keys{
			"dates": l.List(func(item *yaml.Node) { l.calendarDate(&u.source, item) }),
			"rrule": l.OneOrMore(func(item *yaml.Node) { l.calendarRule(&u.source, item) }),
			"ics":   l.OneOrMore(func(item *yaml.Node) { l.calendarFile(u, item) }),
		})
	})
	if strictyaml.IsEmpty(value) {
		l.Refuse(key, strictyaml.Faultf("add dates: [2026-12-25], rrule: [RULE] or ics: FILE", "the calendar has no dates"))
		return nil
	}
	if !sound || len(u.source.Dates)+len(u.source.Rules)+len(u.source.Files)+len(u.Problems) == 0 {
		return nil
	}
	at := key
	if n := given["ics"]; n != nil {
		at = n
	}
	c := l.build(u, at)
	if c == nil {
		return nil
	}
	l.warnFiles(c)
	if len(u.Problems) == 0 {
		l.warnEnd(key, c)
		return c
	}
	l.config.UnreadableCalendars = append(l.config.UnreadableCalendars, u)
	return c
}

// build makes the calendar of what could be read. What New refuses of a file is a problem of that file
// alone.
func (l *loader) build(u *UnreadableCalendar, at *yaml.Node) *calendar.Calendar {
	if len(u.Problems) > 0 {
		u.source.LastRead = &calendar.FileDates{}
	}
	c, err := calendar.New(u.source)
	if err == nil {
		return c
	}
	refused := len(u.unusable)
	sound := l.Sound(func() {
		for _, err := range parts(err) {
			if file, ok := errors.AsType[*calendar.FileError](err); ok {
				u.refuse(l.ProblemAt(at, err), file.File)
			} else {
				l.Refuse(at, err)
			}
		}
	})
	if !sound || len(u.unusable) == refused {
		return nil
	}
	return l.build(u, at)
}

// warnFiles reports what was read over in a calendar's files.
func (l *loader) warnFiles(c *calendar.Calendar) {
	for _, w := range c.Warnings() {
		text := w.File + ": " + w.Text
		if w.Line > 0 {
			text = w.File + ":" + strconv.Itoa(w.Line) + ": " + w.Text
		}
		if !l.used["warned "+text] {
			l.used["warned "+text] = true
			l.AddWarnings(icsWarning(w))
		}
	}
}

// warnEnd reports a calendar that does nothing any more.
func (l *loader) warnEnd(key *yaml.Node, c *calendar.Calendar) {
	today := calendar.DateOf(l.now.In(l.config.Timezone))
	switch end, ends := c.End(); {
	case ends && end.IsZero():
		l.Warn(key, strictyaml.Faultf("check its files and filters", "the calendar has no dates"))
	case ends && end.Before(today):
		l.Warn(key, strictyaml.Faultf("add those of the coming year, or fetch the file anew", "the calendar's last date, %s, is past", end))
	}
}

// icsWarning is a remark on an iCalendar file at its own place.
func icsWarning(w calendar.Warning) Problem {
	p := Problem{File: w.File, Line: w.Line, Message: w.Text}
	if w.Line > 0 {
		p.Column = 1
	}
	if i := strings.LastIndex(w.Text, "; "); i > 0 {
		p.Message, p.Hint = w.Text[:i], w.Text[i+2:]
	}
	return p
}

// parts are the errors that were joined under one heading; the heading repeats the key path.
func parts(err error) []error {
	if joined, ok := errors.Unwrap(err).(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}

func (l *loader) calendarDate(src *calendar.Source, item *yaml.Node) {
	if text, ok := l.Item(item); ok && l.isDate(item, text) {
		src.Dates = append(src.Dates, text)
	}
}

// isDate checks a date at its own place, where calendar.New only knows the calendar's.
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

func (l *loader) calendarRule(src *calendar.Source, item *yaml.Node) {
	text, ok := l.Item(item)
	if !ok {
		return
	}
	if err := calendar.ParseDayRule(text); err != nil {
		l.Refuse(item, err)
		return
	}
	src.Rules = append(src.Rules, text)
}

// calendarFile reads one iCalendar file: its name, or a mapping with its name and filters.
func (l *loader) calendarFile(u *UnreadableCalendar, item *yaml.Node) {
	at, name := item, ""
	var file calendar.File
	if item.Kind == yaml.MappingNode {
		given := l.Mapping(item, item, strictyaml.Keys{
			"file":    strictyaml.Value(l.Doc, &name, "a file name", fileName),
			"match":   l.pattern(&file.Match),
			"exclude": l.pattern(&file.Exclude),
		}, "file")
		if at = given["file"]; at == nil || name == "" {
			return
		}
	} else {
		text, ok := l.Item(item)
		if !ok {
			return
		}
		var err error
		if name, err = fileName(text); err != nil {
			l.Refuse(item, err)
			return
		}
	}
	file.Name = l.watched(name)
	err := readICS(&file)
	u.source.Files = append(u.source.Files, file)
	if err != nil {
		u.refuse(l.ProblemAt(at, strictyaml.Within(file.Name, err)), file.Name)
	}
}

// readICS reads the content of an iCalendar file.
func readICS(file *calendar.File) (err error) {
	file.Data, err = strictyaml.ReadFile(file.Name, maxICS)
	return err
}

var urlShape = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9+.-]*://`)

// fileName refuses a URL: a fetch at load would make the daemon's start depend on another host.
func fileName(text string) (string, error) {
	if urlShape.MatchString(text) {
		return "", strictyaml.Faultf("fetch it into a file with a timer, as README.md shows, and name the file here", "%s is a URL, and calendars are read from files", strictyaml.Quote(text))
	}
	return notEmpty(text)
}

// pattern reads a regular expression.
func (l *loader) pattern(dst **regexp.Regexp) strictyaml.Read {
	return strictyaml.Value(l.Doc, dst, `a regular expression such as "休|假期"`, func(text string) (*regexp.Regexp, error) {
		const remedy = `write it as Go's package regexp reads it, such as "休|假期", with \ before . ( ) * + ? where these mean themselves`
		if text == "" {
			return nil, strictyaml.Faultf("take the key out, or write a pattern", "the regular expression is empty")
		}
		re, err := regexp.Compile(text)
		if err != nil {
			return nil, strictyaml.Faultf(remedy, "%s is no regular expression: %s", strictyaml.Quote(text), strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		}
		return re, nil
	})
}
