package calendar

import (
	"fmt"
	"strings"
	"time"

	"zecpower/scheduler/cron"
)

// Date is a day of the calendar, in no zone. The zero value is no date.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

// DateOf is the date that a clock in t's location shows at t.
func DateOf(t time.Time) Date {
	y, m, d := t.Date()
	return Date{y, m, d}
}

// IsZero says whether d is no date.
func (d Date) IsZero() bool { return d == Date{} }

// String is the date as 2026-12-25.
func (d Date) String() string { return fmt.Sprintf("%04d-%02d-%02d", d.Year, int(d.Month), d.Day) }

// In is the first instant at which a clock in the zone shows the date: usually midnight. Where the
// zone skips midnight, or the whole date, it is the transition that does so.
func (d Date) In(zone *time.Location) time.Time {
	return cron.FirstShown(zone, time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC))
}

// Before reports whether d comes before other.
func (d Date) Before(other Date) bool { return d.number() < other.number() }

// AddDays is the date n days after d, or before it where n is negative.
func (d Date) AddDays(n int) Date { return (d.number() + dayNumber(n)).date() }

// dayNumber counts days from 1970-01-01. It is how calendars store dates.
type dayNumber int32

const secondsPerDay = 24 * 60 * 60

func (d Date) number() dayNumber {
	return dayNumber(time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC).Unix() / secondsPerDay)
}

func (n dayNumber) date() Date {
	return DateOf(time.Unix(int64(n)*secondsPerDay, 0).UTC())
}

// DateRange is a first and a last date; both are in the range.
type DateRange struct {
	From, To Date
	Yearly   bool // every year: From.Year and To.Year are 0, and To may lie in the year after
}

// ParseDates reads what a calendar's dates are written as: a day ("2026-12-25"), a range
// ("2026-12-24..2026-12-26"), or either of them for every year ("*-01-01", "*-12-24..*-01-01").
func ParseDates(s string) (DateRange, error) {
	first, last, ranged := strings.Cut(s, "..")
	from, yearly, err := parseDate(first)
	if err != nil {
		return DateRange{}, fmt.Errorf("date %q: %w", s, err)
	}
	r := DateRange{From: from, To: from, Yearly: yearly}
	if !ranged {
		return r, nil
	}
	to, toYearly, err := parseDate(last)
	switch {
	case err != nil:
		return DateRange{}, fmt.Errorf("date %q: %w", s, err)
	case yearly != toYearly:
		return DateRange{}, fmt.Errorf("date %q: one end is for every year, the other is not; write both with a year or both with *", s)
	case !yearly && to.number() < from.number():
		return DateRange{}, fmt.Errorf("date %q: the range runs backwards; write the earlier date first", s)
	}
	r.To = to
	return r, nil
}

// parseDate reads 2026-12-25, or *-12-25 with the year left 0. It is strict: other spellings of
// dates differ between countries.
func parseDate(s string) (d Date, yearly bool, err error) {
	text, layout := s, time.DateOnly
	if rest, ok := strings.CutPrefix(s, "*-"); ok {
		yearly = true
		text = "2000-" + rest // a leap year: *-02-29 is a date in some years
	}
	t, err := time.Parse(layout, text)
	switch {
	case err == nil && yearly:
		return Date{Month: t.Month(), Day: t.Day()}, true, nil
	case err == nil && t.Year() > 0:
		return DateOf(t), false, nil
	case err != nil && strings.Contains(err.Error(), "out of range"):
		return Date{}, false, fmt.Errorf("%q is no day of the calendar; check month and day", s)
	}
	return Date{}, false, fmt.Errorf("%q is not written as a date; write 2026-12-25, 2026-12-24..2026-12-26 or *-01-01", s)
}

// String is the range as ParseDates reads it.
func (r DateRange) String() string {
	from, to := r.From.String(), r.To.String()
	if r.Yearly {
		from, to = "*"+from[4:], "*"+to[4:]
	}
	if from == to {
		return from
	}
	return from + ".." + to
}
