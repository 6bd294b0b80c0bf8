package calendar

import (
	"errors"
	"fmt"
	"regexp"
	"sync"
	"time"

	"zecpower/scheduler/cron"
)

// Source is what a calendar is built from.
type Source struct {
	Name  string   // as schedules name it; for a date written in a schedule, the date itself
	Dates []string // as ParseDates reads them
	Rules []string // recurrence rules of RFC 5545 for whole days, see parseDayRule
	Files []File   // iCalendar files

	// LastRead are the dates of files that cannot be read now, and count beside the others. Not nil: the
	// calendar may have no dates at all.
	LastRead *FileDates

	// Now is when the source was read. Rules and files need it: what recurs is computed up to
	// cron.SearchYears from then, which is as far as schedules are searched.
	Now time.Time
}

// File is one iCalendar file.
type File struct {
	Name string // for messages
	Data []byte

	// Match and Exclude filter the events by SUMMARY, DESCRIPTION and CATEGORIES: an event counts
	// where Match is nil or matches one of them, and Exclude is nil or matches none.
	Match, Exclude *regexp.Regexp
}

// FileError is a file of a calendar that cannot be understood.
type FileError struct {
	File string // as File.Name
	err  error  // begins with the line's number
}

// Error implements error: the file, the line and what is wrong there.
func (e *FileError) Error() string { return e.File + ":" + e.err.Error() }

// Unwrap gives what is wrong at the line.
func (e *FileError) Unwrap() error { return e.err }

// Warning is what was read over in a file.
type Warning struct {
	File string // as File.Name
	Line int    // from 1; 0 where the file as a whole is meant
	Text string // what was found, and after a semicolon how it was read
}

// String is the warning with its place in front, as file:line: text.
func (w Warning) String() string { return fmt.Sprintf("%s:%d: %s", w.File, w.Line, w.Text) }

// Calendar is a set of dates. It is immutable and safe for concurrent use.
//
// Most dates are the same in every zone. An event that is an instant, and a time in UTC, is on a
// date only where a zone says so: In gives the calendar as a zone sees it.
type Calendar struct {
	*shared
	dates dateSet
}

// shared is what the views of one calendar have in common.
type shared struct {
	name     string
	warnings []Warning
	fixed    dateSet  // the dates that are the same in every zone
	zoned    []*event // the events whose dates are not
	files    dateSet  // those of fixed that files gave
	hasFiles bool
	readAt   time.Time // Source.Now
	horizon  time.Time

	lastRead map[string]dateSet // of FileDates.Zones; "": as a clock in any other zone shows them

	mu    sync.Mutex
	views map[string]*Calendar // by the zone's name
}

// New builds a calendar from all dates, rules and files of src. The error joins what is wrong with
// each of them and names the date or rule, or the file and its line.
func New(src Source) (*Calendar, error) {
	b := builder{shared: &shared{name: src.Name, views: make(map[string]*Calendar)}}
	if src.Now.IsZero() && len(src.Rules)+len(src.Files) > 0 {
		return nil, fmt.Errorf("calendar %q: no present time; set Source.Now", src.Name)
	}
	b.readAt, b.hasFiles = src.Now, len(src.Files) > 0
	b.horizon = wallClock(src.Now.UTC()).AddDate(cron.SearchYears, 0, 0)
	for _, text := range src.Dates {
		b.date(text)
	}
	for _, text := range src.Rules {
		b.rule(text)
	}
	for _, file := range src.Files {
		b.file(file)
	}
	if src.LastRead != nil {
		b.filesLastRead(*src.LastRead)
	}
	if len(src.Dates)+len(src.Rules)+len(src.Files) == 0 && src.LastRead == nil {
		b.problems = append(b.problems, errors.New("no dates; give it dates, a rule or an iCalendar file"))
	}
	if len(b.problems) > 0 {
		return nil, fmt.Errorf("calendar %q: %w", src.Name, errors.Join(b.problems...))
	}
	b.files.merge(dateSet{})
	b.fixed.merge(b.files)
	b.own.merge(b.fixed)
	return &Calendar{shared: b.shared, dates: b.own}, nil
}

// builder is one New.
type builder struct {
	*shared
	own      dateSet // the dates of zoned as their own clocks show them
	problems []error
}

func (b *builder) date(text string) {
	r, err := ParseDates(text)
	if err != nil {
		b.problems = append(b.problems, err)
		return
	}
	b.fixed.add(r)
}

func (b *builder) rule(text string) {
	dates, err := expandDayRule(text, b.horizon)
	if err != nil {
		b.problems = append(b.problems, err)
		return
	}
	b.fixed.spans = append(b.fixed.spans, dates.spans...)
	b.fixed.endless = b.fixed.endless || dates.endless
}

func (b *builder) file(file File) {
	read, err := readICS(file, b.horizon)
	if err != nil {
		b.problems = append(b.problems, &FileError{file.Name, err})
		return
	}
	b.warnings = append(b.warnings, read.warnings...)
	b.files.merge(read.fixed)
	b.own.merge(read.own)
	b.zoned = append(b.zoned, read.zoned...)
}

// In is the calendar as a clock in the zone shows it. Each zone is computed once.
//
// An event that begins and ends at midnight of its own clock is whole days, and counts on those
// dates everywhere. Any other event with a time counts on the dates that a clock in the zone shows
// while it lasts. Times in UTC are read on the clock of the file (X-WR-TIMEZONE), else of the zone.
func (c *Calendar) In(zone *time.Location) *Calendar {
	if len(c.zoned) == 0 && len(c.lastRead) == 0 {
		return c
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	view, ok := c.views[zone.String()]
	if !ok {
		view = &Calendar{shared: c.shared, dates: c.zonedIn(zone)}
		view.dates.merge(c.lastReadIn(zone))
		view.dates.merge(c.fixed)
		c.views[zone.String()] = view
	}
	return view
}

// zonedIn are the dates of zoned as a clock in the zone shows them, not merged.
func (c *shared) zonedIn(zone *time.Location) (set dateSet) {
	for _, e := range c.zoned {
		spans, endless := e.datesIn(zone, c.horizon)
		set.spans = append(set.spans, spans...)
		set.endless = set.endless || endless
	}
	return set
}

// Name is the calendar's name.
func (c *Calendar) Name() string { return c.name }

// Warnings are what was read over in its files. The slice is the caller's.
func (c *Calendar) Warnings() []Warning { return append([]Warning(nil), c.warnings...) }

// Contains says whether d is in the calendar.
func (c *Calendar) Contains(d Date) bool { return c.dates.contains(d) }

// Next is the first date of the calendar that is not before d; false where there is none.
func (c *Calendar) Next(d Date) (Date, bool) {
	n, ok := c.dates.next(d.number())
	return n.date(), ok
}

// End is the last date that the calendar's data speaks of, the zero Date for a calendar of empty
// files. Yearly dates have no end, but beside dated ones they do not hide that those run out. It is
// false when the calendar has no end in sight: it has yearly dates alone, or something in it recurs
// for ever or beyond the horizon.
func (c *Calendar) End() (Date, bool) { return c.dates.end() }
