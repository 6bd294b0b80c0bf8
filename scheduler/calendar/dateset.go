package calendar

import (
	"slices"
	"time"
)

// dateSet is a set of days.
type dateSet struct {
	spans   []span     // sorted and apart from each other, once merged
	yearly  [13]uint32 // bit d of element m: day d of month m, every year
	endless bool       // it goes on beyond the horizon up to which it was computed
}

// span is a run of days, both ends in it.
type span struct{ from, to dayNumber }

func (s *dateSet) add(r DateRange) {
	if !r.Yearly {
		s.spans = append(s.spans, span{r.From.number(), r.To.number()})
		return
	}
	// A leap year has every day that a yearly range can name.
	day := time.Date(2000, r.From.Month, r.From.Day, 0, 0, 0, 0, time.UTC)
	for range 366 {
		s.yearly[day.Month()] |= 1 << day.Day()
		if day.Month() == r.To.Month && day.Day() == r.To.Day {
			return
		}
		if day = day.AddDate(0, 0, 1); day.Year() != 2000 {
			day = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
		}
	}
}

// merge adds the days of other and makes the set ready for questions.
func (s *dateSet) merge(other dateSet) {
	s.spans = mergeSpans(slices.Concat(s.spans, other.spans))
	for month, days := range other.yearly {
		s.yearly[month] |= days
	}
	s.endless = s.endless || other.endless
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

func (s *dateSet) contains(d Date) bool {
	if s.isYearly(d) {
		return true
	}
	i, ok := s.spanFrom(d.number())
	return ok && s.spans[i].from <= d.number()
}

func (s *dateSet) isYearly(d Date) bool {
	if d.Month < 1 || d.Month > 12 || d.Day < 1 || d.Day > 31 {
		return false
	}
	return s.yearly[d.Month]&(1<<d.Day) != 0
}

// spanFrom is the first span that does not end before n.
func (s *dateSet) spanFrom(n dayNumber) (int, bool) {
	i, _ := slices.BinarySearchFunc(s.spans, n, func(s span, n dayNumber) int { return int(s.to) - int(n) })
	return i, i < len(s.spans)
}

// next is the first day of the set that is not before n.
func (s *dateSet) next(n dayNumber) (dayNumber, bool) {
	found, ok := dayNumber(0), false
	if i, some := s.spanFrom(n); some {
		found, ok = max(n, s.spans[i].from), true
	}
	if s.yearly == [13]uint32{} {
		return found, ok
	}
	// A yearly date comes at the latest after 8 years: 29 February around 1900.
	for day := n; day <= n+8*366 && (!ok || day < found); day++ {
		if s.isYearly(day.date()) {
			return day, true
		}
	}
	return found, ok
}

// end is what Calendar.End says.
func (s *dateSet) end() (Date, bool) {
	switch {
	case s.endless, len(s.spans) == 0 && s.yearly != [13]uint32{}:
		return Date{}, false
	case len(s.spans) == 0:
		return Date{}, true
	}
	return s.spans[len(s.spans)-1].to.date(), true
}
