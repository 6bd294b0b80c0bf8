package calendar

import "time"

// view is how the dates of events are computed.
type view struct {
	zone    *time.Location // whose dates are wanted; nil: those that each event's own clock shows
	horizon time.Time      // up to which what recurs is computed
	budget  int            // occurrences that may still be computed
	warn    *warnings      // nil: no remarks

	zoneMatters bool // set where another zone may have other dates
}

// local is where dates and times without a zone belong: to the file's zone, else the view's.
func (v *view) local(c *vcalendar) *time.Location {
	if c.zone != nil {
		return c.zone
	}
	v.zoneMatters = true
	if v.zone != nil {
		return v.zone
	}
	return time.UTC
}

// clock is the one on which the event is expanded.
func (e *event) clock(v *view) clock {
	switch e.start.kind {
	case zonedTime:
		return clock{zone: e.start.zone, local: e.start.zone}
	case utcTime:
		return clock{zone: time.UTC, local: v.local(e.calendar)}
	}
	if !e.hasInstants() {
		return clock{zone: time.UTC, local: time.UTC, floating: true} // nothing depends on it
	}
	local := v.local(e.calendar)
	return clock{zone: local, local: local, floating: true}
}

// hasInstants says whether an event without a zone has times in UTC, which need one.
func (e *event) hasInstants() bool {
	utc := func(s *stamp) bool { return s != nil && s.kind == utcTime }
	if utc(e.end) || e.rule != nil && utc(e.rule.until) {
		return true
	}
	for _, list := range [][]stamp{e.except, e.without} {
		for i := range list {
			if utc(&list[i]) {
				return true
			}
		}
	}
	for i := range e.extra {
		if utc(&e.extra[i].start) || utc(e.extra[i].end) {
			return true
		}
	}
	return false
}

// dates are the days on which the event takes place, and whether there are more beyond the horizon.
func (e *event) dates(v *view) (spans []span, endless bool, err error) {
	c := e.clock(v)
	start := c.read(e.start)
	length := e.length
	if e.end != nil {
		length = max(0, c.read(*e.end).Sub(start))
	}
	skip := newSkips(c, e.start.kind == wholeDay, e.except, e.without)
	o := occurrences{at: []time.Time{start}}
	if e.rule != nil {
		if o, err = e.expand(c, start, v); err != nil {
			return nil, false, err
		}
	}
	for _, at := range o.at {
		if !skip.has(at) {
			spans = append(spans, e.days(at, length, c, v))
		}
	}
	for _, x := range e.extra {
		at, lasts := c.read(x.start), length
		if x.own {
			lasts = x.length
		}
		if x.end != nil {
			lasts = c.read(*x.end).Sub(at)
		}
		if lasts > maxICSLength && v.warn != nil {
			return nil, false, refuseLine(e.line, "a period of RDATE lasts %v", errTooLong)
		}
		if !skip.has(at) {
			spans = append(spans, e.days(at, max(0, lasts), c, v))
		}
	}
	return spans, o.endless, nil
}

// datesIn are the dates in a zone of an event that was computed without one before. The budget is
// larger than then, so that nothing is refused now: a zone moves an UNTIL by less than two days.
func (e *event) datesIn(zone *time.Location, horizon time.Time) ([]span, bool) {
	spans, endless, _ := e.dates(&view{zone: zone, horizon: horizon, budget: maxICSOccurrences + 2})
	return spans, endless
}

// expand gives the occurrences of a recurring event as readings of its clock.
func (e *event) expand(c clock, start time.Time, v *view) (occurrences, error) {
	var until time.Time
	if e.rule.until != nil {
		until = c.lastMoment(*e.rule.until)
	}
	o, err := e.rule.expand(start, until, v.horizon, v.budget)
	if err != nil {
		return o, refuseLine(e.ruleLine, "RRULE %.80q: %v", e.ruleText, err)
	}
	v.budget -= len(o.at)
	if !o.unlisted || v.warn == nil {
		return o, nil
	}
	if o.empty {
		return o, refuseLine(e.ruleLine, "RRULE %.80q: names no date at all; check its BY… parts", e.ruleText)
	}
	v.warn.warn(e.ruleLine, "RRULE %.80q does not name the day of DTSTART; that day counts, too", e.ruleText)
	return o, nil
}

// days are the dates of one occurrence, which begins at a reading of the event's clock.
func (e *event) days(at time.Time, length time.Duration, c clock, v *view) span {
	if e.start.kind == wholeDay || e.start.kind == floatingTime {
		return daysOf(at, length)
	}
	// Whole days keep their dates in every zone: a holiday in Shanghai is not parts of two days in
	// Berlin.
	begin := instant(at, c.zone)
	end := begin.Add(length)
	if e.start.kind == zonedTime {
		end = instant(at.Add(length), c.zone)
	}
	own := c.zone
	if e.start.kind == utcTime && e.calendar.zone != nil {
		own = e.calendar.zone
	}
	first := wallClock(begin.In(own))
	if isMidnight(first) && length > 0 && isMidnight(wallClock(end.In(own))) {
		return daysOf(first, wallClock(end.In(own)).Sub(first))
	}
	v.zoneMatters = true
	if v.zone != nil {
		own = v.zone
	}
	first = wallClock(begin.In(own))
	last := first
	if end.After(begin) {
		last = wallClock(end.Add(-1).In(own))
	}
	return span{DateOf(first).number(), max(DateOf(first).number(), DateOf(last).number())}
}

// daysOf are the days touched by what begins at a wall-clock reading. What ends at midnight does
// not touch the day that begins then.
func daysOf(at time.Time, length time.Duration) span {
	last := at
	if length > 0 {
		last = at.Add(length - time.Nanosecond)
	}
	return span{DateOf(at).number(), DateOf(last).number()}
}

// skips are occurrences that do not take place: at a reading of the clock, or on a whole day.
type skips struct {
	clock clock
	times map[time.Time]bool
	days  map[Date]bool
}

// newSkips takes a date for any time on it, and for an all-day event a time for its date: programs
// mix the two.
func newSkips(c clock, allDay bool, lists ...[]stamp) skips {
	s := skips{clock: c}
	for _, list := range lists {
		for _, stamp := range list {
			if s.times == nil {
				s.times, s.days = make(map[time.Time]bool), make(map[Date]bool)
			}
			switch {
			case stamp.kind == wholeDay:
				s.days[DateOf(stamp.civil)] = true
			case allDay:
				s.days[DateOf(c.read(stamp))] = true
			default:
				s.times[c.read(stamp)] = true
			}
		}
	}
	return s
}

func (s *skips) has(at time.Time) bool {
	return s.times != nil && (s.times[at] || s.days[s.clock.localDate(at)])
}
