package calendar

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// keepYears is how far back FileDates goes: further than any run is caught up.
const keepYears = 1

// FileDates are the dates that the files of a calendar gave when they were read, as plain texts, so
// that they can be kept and used where the files cannot be read: see Source.LastRead. They reach from
// a year before ReadAt to cron.SearchYears after it, which are at most some 1,100 ranges a zone.
type FileDates struct {
	ReadAt  time.Time
	Dates   []string            // as ParseDates reads them, sorted; those of a clock in a zone that is not among Zones
	Zones   map[string][]string // the same on a clock in these zones, by name; empty where every zone has Dates
	Endless bool                // there are later dates
}

// FileDates gives what the calendar's files gave, in the zones named and in any other. It is false
// where the calendar has no files.
func (c *Calendar) FileDates(zones []*time.Location) (FileDates, bool) {
	if !c.hasFiles {
		return FileDates{}, false
	}
	return c.datesOf(c.files, zones), true
}

// AllDates is FileDates with all other dates and rules of the calendar, for one whose whole
// definition may be unreadable.
func (c *Calendar) AllDates(zones []*time.Location) FileDates { return c.datesOf(c.fixed, zones) }

// datesOf are the dates of fixed, which are the same in every zone, and those of the events that
// are not.
func (c *Calendar) datesOf(fixed dateSet, zones []*time.Location) FileDates {
	from, to := DateOf(c.readAt.AddDate(-keepYears, 0, 0)).number(), DateOf(c.horizon).number()
	kept := FileDates{ReadAt: c.readAt}
	keep := func(set dateSet) (texts []string) {
		texts, more := set.within(from, to)
		kept.Endless = kept.Endless || more
		return texts
	}
	if len(c.zoned) == 0 {
		kept.Dates = keep(fixed)
		return kept
	}
	in := func(zone *time.Location) []string {
		set := c.zonedIn(zone)
		set.merge(fixed)
		return keep(set)
	}
	kept.Dates, kept.Zones = in(time.UTC), make(map[string][]string, len(zones))
	for _, zone := range zones {
		kept.Zones[zone.String()] = in(zone)
	}
	return kept
}

// within are the days of the set from one day to another, as ParseDates reads them, and whether it
// has later ones. Yearly dates stand as such, and are no later ones.
func (s *dateSet) within(from, to dayNumber) (texts []string, more bool) {
	texts, more = s.yearlyTexts(), s.endless
	for i, _ := s.spanFrom(from); i < len(s.spans); i++ {
		if s.spans[i].from > to {
			return texts, true
		}
		r := DateRange{From: max(s.spans[i].from, from).date(), To: min(s.spans[i].to, to).date()}
		more = more || s.spans[i].to > to
		texts = append(texts, r.String())
	}
	return texts, more
}

// yearlyTexts are the yearly dates, as ParseDates reads them.
func (s *dateSet) yearlyTexts() (texts []string) {
	for month, days := range s.yearly {
		for day := 1; day <= 31; day++ {
			if days&(1<<day) != 0 {
				texts = append(texts, fmt.Sprintf("*-%02d-%02d", month, day))
			}
		}
	}
	return texts
}

// filesLastRead adds the dates of files that cannot be read now.
func (b *builder) filesLastRead(kept FileDates) {
	dates := b.keptDates(kept.Dates, kept.Endless)
	if len(kept.Zones) == 0 {
		b.fixed.merge(dates)
		return
	}
	b.own.merge(dates)
	b.lastRead = map[string]dateSet{"": dates}
	for _, zone := range slices.Sorted(maps.Keys(kept.Zones)) {
		b.lastRead[zone] = b.keptDates(kept.Zones[zone], kept.Endless)
	}
}

func (b *builder) keptDates(texts []string, endless bool) dateSet {
	set := dateSet{endless: endless}
	for _, text := range texts {
		r, err := ParseDates(text)
		if err != nil {
			b.problems = append(b.problems, fmt.Errorf("of the dates that were last read: %w", err))
			continue
		}
		set.add(r)
	}
	set.merge(dateSet{})
	return set
}

// lastReadIn are the dates last read as a clock in the zone shows them.
func (c *shared) lastReadIn(zone *time.Location) dateSet {
	if set, ok := c.lastRead[zone.String()]; ok {
		return set
	}
	return c.lastRead[""]
}
