package calendar

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Source is what a calendar is built from.
type Source struct {
	Name  string            // as schedules name it; for a date written in a schedule, the date itself
	Dates []string          // as ParseDates reads them
	ICS   map[string][]byte // content of iCalendar files, by file name
}

// Calendar is a set of dates. It is immutable and safe for concurrent use.
type Calendar struct {
	name    string
	spans   []span     // sorted, apart from each other
	yearly  [13]uint32 // bit d of element m: day d of month m, every year
	endless bool       // an event of it comes again for ever
}

// span is a run of days, both ends in it.
type span struct{ from, to dayNumber }

// New builds a calendar from all dates and files of src. The error joins what is wrong with each of
// them and names the date text or the file and its line.
func New(src Source) (*Calendar, error) {
	c := &Calendar{name: src.Name}
	var problems []error
	for _, text := range src.Dates {
		r, err := ParseDates(text)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		c.add(r)
	}
	for _, file := range slices.Sorted(maps.Keys(src.ICS)) {
		dates, err := readICS(src.ICS[file])
		if err != nil {
			problems = append(problems, fmt.Errorf("%s:%w", file, err))
			continue
		}
		c.spans = append(c.spans, dates.spans...)
		c.endless = c.endless || dates.endless
	}
	if len(src.Dates) == 0 && len(src.ICS) == 0 {
		problems = append(problems, errors.New("no dates; give it dates or an iCalendar file"))
	}
	if len(problems) > 0 {
		return nil, fmt.Errorf("calendar %q: %w", src.Name, errors.Join(problems...))
	}
	c.spans = mergeSpans(c.spans)
	return c, nil
}

func (c *Calendar) add(r DateRange) {
	if !r.Yearly {
		c.spans = append(c.spans, span{r.From.number(), r.To.number()})
		return
	}
	// A leap year has every day that a yearly range can name.
	day := time.Date(2000, r.From.Month, r.From.Day, 0, 0, 0, 0, time.UTC)
	for range 366 {
		c.yearly[day.Month()] |= 1 << day.Day()
		if day.Month() == r.To.Month && day.Day() == r.To.Day {
			return
		}
		if day = day.AddDate(0, 0, 1); day.Year() != 2000 {
			day = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
		}
	}
}

// mergeSpans sorts spans and joins those that touch or overlap.
func mergeSpans(spans []span) []span {
	slices.SortFunc(spans, func(a, b span) int { return int(a.from) - int(b.from) })
	merged := spans[:0]
	for _, s := range spans {
		if n := len(merged); n > 0 && s.from <= merged[n-1].to+1 {
			merged[n-1].to = max(merged[n-1].to, s.to)
			continue
		}
		merged = append(merged, s)
	}
	return slices.Clip(merged)
}

// Name is the calendar's name.
func (c *Calendar) Name() string { return c.name }

// Contains says whether d is in the calendar.
func (c *Calendar) Contains(d Date) bool {
	if c.isYearly(d) {
		return true
	}
	i, ok := c.spanFrom(d.number())
	return ok && c.spans[i].from <= d.number()
}

func (c *Calendar) isYearly(d Date) bool {
	if d.Month < 1 || d.Month > 12 || d.Day < 1 || d.Day > 31 {
		return false
	}
	return c.yearly[d.Month]&(1<<d.Day) != 0
}

// spanFrom is the first span that does not end before n.
func (c *Calendar) spanFrom(n dayNumber) (int, bool) {
	i, _ := slices.BinarySearchFunc(c.spans, n, func(s span, n dayNumber) int { return int(s.to) - int(n) })
	return i, i < len(c.spans)
}

// next is the first day of the calendar that is not before n.
func (c *Calendar) next(n dayNumber) (dayNumber, bool) {
	found, ok := dayNumber(0), false
	if i, some := c.spanFrom(n); some {
		found, ok = max(n, c.spans[i].from), true
	}
	if c.yearly == [13]uint32{} {
		return found, ok
	}
	// A yearly date comes at the latest after 8 years: 29 February around 1900.
	for day := n; day <= n+8*366 && (!ok || day < found); day++ {
		if c.isYearly(day.date()) {
			return day, true
		}
	}
	return found, ok
}

// Next is the first date of the calendar that is not before d; false where there is none.
func (c *Calendar) Next(d Date) (Date, bool) {
	n, ok := c.next(d.number())
	return n.date(), ok
}

// End is the last date that the calendar's data speaks of, the zero Date for a calendar of empty
// files. Yearly dates have no end, but beside dated ones they do not hide that those run out. It is
// false when the calendar never ends: it has yearly dates alone, or an event that recurs for ever.
func (c *Calendar) End() (Date, bool) {
	switch {
	case c.endless, len(c.spans) == 0 && c.yearly != [13]uint32{}:
		return Date{}, false
	case len(c.spans) == 0:
		return Date{}, true
	}
	return c.spans[len(c.spans)-1].to.date(), true
}
