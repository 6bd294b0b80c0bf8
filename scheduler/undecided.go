package scheduler

import "slices"

// maxListed bounds how many nominal times of one schedule one round decides one by one. 90 days of
// an hourly schedule fit (2160). An "@every 1s" that was down for a month (2.6 million) must not
// hold up the loop, and with it every other schedule.
const maxListed = 5000

// maxSeek bounds how many nominal times one search visits that are not due. It is more than the
// seconds of a day, so that an "@every 1s" finds the end of one excluded day, and few enough for a
// round.
const maxSeek = 100_000

// undecided lists the nominal times in (through, now]. Up to maxListed times are all in head. Of
// more it returns the oldest maxListed (head), one decision for all in between (gap), and the
// newest (tail). gap has at most one element.
func (s situation) undecided() (head []Occurrence, gap []Decision, tail []Occurrence) {
	for o := range s.schedule.Occurrences(s.through, s.now) {
		if len(head) == maxListed {
			// There is at least one more. The newest times matter most: only they can still run.
			// Find them from the other end instead of walking there.
			tail = s.newest()
			// tail may reach back into head. Each time must be decided once, so head gives up its
			// part.
			head = slices.DeleteFunc(head, func(o Occurrence) bool {
				return len(tail) > 0 && !o.Nominal.Before(tail[0].Nominal)
			})
			return head, s.gap(head, tail), tail
		}
		head = append(head, o)
	}
	return head, nil, nil
}

// newest lists the newest nominal times up to now, at least back to the newest due one if one lies
// in the window in which a time can still run. Nominal times can only be listed forward in time.
// newest therefore lists intervals that end now and begin earlier and earlier, twice as long each
// time: the work stays within a small factor of the last list.
func (s situation) newest() (tail []Occurrence) {
	jitter := s.schedule.JitterOffset()
	window := jitter + max(s.schedule.CatchUp, s.grace) // an older time cannot run any more
	for reach := jitter + s.grace; ; reach *= 2 {
		tail = tail[:0]
		due := false
		for o := range s.schedule.Occurrences(latest(s.through, s.now.Add(-reach)), s.now) {
			tail = append(tail, o)
			due = due || o.Status == StatusDue
		}
		// Stop at a due time; it is the one that may run. Stop where the window is searched. A
		// paused schedule has no due time. A list of maxSeek excluded times is long enough.
		if due || reach >= window || s.schedule.Paused || len(tail) >= maxSeek {
			return tail
		}
	}
}

// gap returns one decision for all nominal times between head and tail, or none where there are
// none. Its times are not counted: AtLeast says so.
func (s situation) gap(head, tail []Occurrence) []Decision {
	// 1. The gap begins after the last time of head and ends before the first time of tail.
	from, until := s.through, s.now
	if len(head) > 0 {
		from = head[len(head)-1].Nominal
	}
	if len(tail) > 0 {
		until = tail[0].Nominal.Add(-1)
	}

	// 2. Choose the time whose decision stands for all: the first, or the first that is not
	// excluded or skipped. One missed time among those makes the gap a missed one, since that is what
	// an operator has to know. They are passed over up to maxSeek.
	var first, example Occurrence
	seen := 0
	for o := range s.schedule.Occurrences(from, until) {
		if seen++; seen == 1 {
			first, example = o, o
		}
		if !o.leftOut() {
			example = o
		}
		if !example.leftOut() || seen == maxSeek {
			break
		}
	}
	if seen == 0 {
		return nil
	}

	// 3. Decide that time, and let the decision span the gap. Every time here is older than tail,
	// so none runs. decide corrects the reason where a run of the round replaces the gap's times.
	d := s.decideOne(example, false, false)
	d.Nominal, d.Last, d.AtLeast = first.Nominal, until, true
	return []Decision{d}
}
