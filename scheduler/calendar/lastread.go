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
	from, to := DateOf(c.readAt.AddDate(-keepYears, 0, 0)).number(), DateOf(c.horizon).number()
	kept := FileDates{ReadAt: c.readAt}
	keep := func(set dateSet) (texts []string) {
		texts, more := set.within(from, to)
		kept.Endless = kept.Endless || more
		return texts
	}
	if len(c.zoned) == 0 {
		kept.Dates = keep(c.files)
		return kept, true
	}
	in := func(zone *time.Location) []string {
		set := c.zonedIn(zone)
		set.merge(c.files)
		return keep(set)
	}
	kept.Dates, kept.Zones = in(time.UTC), make(map[string][]string, len(zones))
	for _, zone := range zones {
		kept.Zones[zone.String()] = in(zone)
	}
	return kept, true
}

// within are the days of the set from one day to another, as ParseDates reads them, and whether it
// has later ones. It leaves out yearly dates, which no file has.
func (s *dateSet) within(from, to dayNumber) (texts []string, more bool) {
	more = s.endless
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
