package scheduler

import (
	"fmt"
	"time"
)

// Date is a day in the calendar, in no zone. The zero value is no date.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

// DateOf is the local date of t in its own location.
func DateOf(t time.Time) Date {
	y, m, d := t.Date()
	return Date{y, m, d}
}

// String is the date as 2026-12-25.
func (d Date) String() string { return fmt.Sprintf("%04d-%02d-%02d", d.Year, int(d.Month), d.Day) }

// Compare is -1, 0 or +1 as d is before, the same as or after e.
func (d Date) Compare(e Date) int {
	switch a, b := d.ordinal(), e.ordinal(); {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func (d Date) ordinal() int {
	return int(time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC).Unix() / 86400)
}

// DateRange is a first and a last date, both in the range.
type DateRange struct {
	From, To Date
	Yearly   bool // every year: the years of From and To are zero
}

// ParseDates reads "2026-12-25", "2026-12-24..2026-12-26" or "*-01-01".
func ParseDates(s string) (DateRange, error) {
	t, err := time.Parse("2006-01-02", s)
	if err != nil {
		return DateRange{}, fmt.Errorf("date %q: %w", s, err)
	}
	return DateRange{From: DateOf(t), To: DateOf(t)}, nil
}

// CalendarSource is what a calendar is built from.
type CalendarSource struct {
	Name  string            // as schedules name it
	Dates []string          // see ParseDates
	ICS   map[string][]byte // content of iCalendar files by file name
}

// Calendar is a set of local dates. It is immutable and safe for concurrent use.
type Calendar struct {
	name   string
	ranges []DateRange
}

// NewCalendar builds a calendar; errors name the date text or the file and line.
func NewCalendar(src CalendarSource) (*Calendar, error) {
	c := &Calendar{name: src.Name}
	for _, s := range src.Dates {
		r, err := ParseDates(s)
		if err != nil {
			return nil, fmt.Errorf("calendar %q: %w", src.Name, err)
		}
		c.ranges = append(c.ranges, r)
	}
	return c, nil
}

// Name is the calendar's name.
func (c *Calendar) Name() string { return c.name }

// Contains says whether d is in the calendar.
func (c *Calendar) Contains(d Date) bool {
	for _, r := range c.ranges {
		if r.From.Compare(d) <= 0 && d.Compare(r.To) <= 0 {
			return true
		}
	}
	return false
}

// End is the last date that the calendar's data speaks of; false when it never
// ends.
func (c *Calendar) End() (Date, bool) {
	var end Date
	for _, r := range c.ranges {
		if r.To.Compare(end) > 0 {
			end = r.To
		}
	}
	return end, true
}
