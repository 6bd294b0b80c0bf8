package config

import (
	"errors"
	"regexp"
	"slices"
	"time"

	"gopkg.in/yaml.v3"

	"zecpower/internal/strictyaml"
	"zecpower/scheduler"
	"zecpower/scheduler/calendar"
	"zecpower/scheduler/cron"
)

// manualRuns is what stands in the place of a schedule's name in the ids of runs by hand.
const manualRuns = "manual"

func (l *loader) schedules(key, value *yaml.Node) {
	l.config.Schedules = slices.Grow(l.config.Schedules, len(value.Content)/2)
	l.Names(value, func(name string, key, value *yaml.Node) {
		if name == manualRuns {
			l.Refuse(key, strictyaml.Faultf("choose another", "the name is taken: runs by hand go by it in history"))
			return
		}
		first := l.once("schedule", name, key)
		if s := l.schedule(name, key, value); first {
			l.config.Schedules = append(l.config.Schedules, s)
		}
	})
	l.needSome(key, value, "schedule")
}

func (l *loader) schedule(name string, key, value *yaml.Node) scheduler.Schedule {
	var exclude, include, only []*calendar.Calendar
	s := scheduler.Schedule{
		Name:     name,
		Source:   l.config,
		Zone:     l.config.Timezone,
		CatchUp:  defaultCatchUp,
		Overlap:  scheduler.OverlapSkip,
		Deadline: defaultDeadline,
	}
	var spec string
	given := l.Mapping(key, value, strictyaml.Keys{
		"cron":     strictyaml.Value(l.Doc, &spec, `a cron spec such as "45 7 * * MON-FRI"`, verbatim),
		"timezone": l.zone(&s.Zone),
		"action":   strictyaml.Enum(l.Doc, &s.Action, "start", "stop"),
		"groups":   l.List(l.groupName(&s.Groups, make(map[string]bool))),
		"exclude":  l.List(l.calendarOrDate(&exclude)),
		"include":  l.List(l.calendarOrDate(&include)),
		"only":     l.List(l.calendarOrDate(&only)),
		"catch_up": l.Duration(&s.CatchUp, 0, 30*24*time.Hour),
		"overlap":  strictyaml.Enum(l.Doc, &s.Overlap, scheduler.OverlapSkip, scheduler.OverlapQueue, scheduler.OverlapAllow),
		"jitter":   l.Duration(&s.Jitter, 0, 24*time.Hour),
		"deadline": l.Duration(&s.Deadline, time.Second, 24*time.Hour),
		"paused":   l.Bool(&s.Paused),
	}, "cron", "action", "groups")
	if n := given["cron"]; n != nil && n.Kind == yaml.ScalarNode && !strictyaml.IsEmpty(n) {
		l.In("cron", func() { s.Timetable = l.timetable(n, spec, s.Zone) })
	}
	// The zone is known only now, whatever the order of the keys.
	s.Exclude, s.Include, s.Only = inZone(exclude, s.Zone), inZone(include, s.Zone), inZone(only, s.Zone)
	if n := given["only"]; n != nil && s.Timetable != nil && s.Timetable.RestrictsDays() {
		l.Warn(n, strictyaml.Faultf("write * in them", "only names the dates: the cron's day of month, month and weekday do not count"))
	}
	if n := given["deadline"]; n != nil && s.Deadline < l.config.Batch.BootTimeout {
		l.Warn(n, strictyaml.Faultf("", "deadline %s ends a run before batch.boot_timeout %s: a slow boot is cut off",
			strictyaml.Short(s.Deadline), strictyaml.Short(l.config.Batch.BootTimeout)))
	}
	return s
}

// inZone is calendars as a clock in the zone shows their dates.
func inZone(calendars []*calendar.Calendar, zone *time.Location) (seen []*calendar.Calendar) {
	for _, c := range calendars {
		seen = append(seen, c.In(zone))
	}
	return seen
}

func verbatim(text string) (string, error) { return text, nil }

type timetableKey struct {
	spec string
	zone *time.Location
}

type parsedTimetable struct {
	timetable *cron.Timetable
	err       error
}

// timetable parses a spec once for each zone: Parse searches years ahead for a time, and schedules
// share specs.
func (l *loader) timetable(at *yaml.Node, spec string, zone *time.Location) *cron.Timetable {
	k := timetableKey{spec, zone}
	p, ok := l.timetables[k]
	if !ok {
		p.timetable, p.err = cron.Parse(spec, zone)
		l.timetables[k] = p
	}
	var refused *cron.SpecError
	switch {
	case errors.As(p.err, &refused):
		l.Refuse(at, strictyaml.Faultf(refused.Hint, "%s: %s", strictyaml.Quote(spec), refused.Problem))
	case p.err != nil:
		l.Refuse(at, p.err)
	default:
		for _, w := range p.timetable.Warnings() {
			l.Warn(at, strictyaml.Faultf("", "%s: %s", strictyaml.Quote(spec), w))
		}
	}
	return p.timetable
}

// groupName reads one name of a schedule's groups. named holds those that the schedule has named:
// a scan of dst would make a schedule of many groups take the square of their number.
func (l *loader) groupName(dst *[]string, named map[string]bool) func(*yaml.Node) {
	return func(item *yaml.Node) {
		name, ok := l.Item(item)
		switch {
		case !ok || len(l.names.groups) == 0 && !l.including: // that there is none has been reported
		case l.config.groups[name] == nil && !l.leftOutGroup(name):
			l.Refuse(item, l.unknownName("group", name, l.names.groups))
		case named[name]:
			l.Refuse(item, strictyaml.Faultf("name it once", "the group %q is named twice", name))
		default:
			l.used["group "+name] = true
			named[name] = true
			*dst = append(*dst, name)
		}
	}
}

func (l *loader) unknownName(noun, name string, known []string) error {
	if near := l.Nearest(name, known); near != "" {
		return strictyaml.Faultf("did you mean \""+near+"\"?", "there is no %s %s", noun, strictyaml.Quote(name))
	}
	return strictyaml.Faultf("define it under "+noun+"s:", "there is no %s %s", noun, strictyaml.Quote(name))
}

func (l *loader) calendarOrDate(dst *[]*calendar.Calendar) func(*yaml.Node) {
	return func(item *yaml.Node) {
		text, ok := l.Item(item)
		if !ok {
			return
		}
		var c *calendar.Calendar
		if dateShape.MatchString(text) {
			c = l.dates(item, text)
		} else {
			c = l.calendar(item, text)
		}
		if c != nil {
			*dst = append(*dst, c)
		}
	}
}

// dateShape separates the dates in exclude and include from names of calendars, which must not
// match it.
var dateShape = regexp.MustCompile(`^[0-9*][^a-zA-Z]*$`)

// dates is the calendar of dates that stand in a schedule itself; its name is the text.
func (l *loader) dates(item *yaml.Node, text string) *calendar.Calendar {
	if c, ok := l.inline[text]; ok {
		return c
	}
	if !l.isDate(item, text) {
		return nil
	}
	c, err := calendar.New(calendar.Source{Name: text, Dates: []string{text}})
	if err != nil {
		l.Refuse(item, err)
		return nil
	}
	l.inline[text] = c
	return c
}

func (l *loader) calendar(item *yaml.Node, name string) *calendar.Calendar {
	c, ok := l.calendars[name]
	if !ok {
		if c = l.leftOutCalendar(name); c == nil {
			l.Refuse(item, l.unknownName("calendar", name, l.names.calendars))
		}
	}
	l.used["calendar "+name] = true
	return c
}
