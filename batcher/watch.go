package batcher

import "time"

// watch knows when the instances whose start, or stop, was accepted are to be described.
//
//	quiet:    none is expected to be there yet. One request a poll interval describes those that were
//	          left alone longest.
//	expected: one of them was seen there, or the first of them has taken as long as the first of
//	          earlier ones did. None is left alone for longer than a poll interval.
//
// An instance that takes longer than expected leaves the watch: it is polled steadily.
type watch struct {
	learned     durations
	from, until time.Duration // how long an instance is expected to take; until 0: nothing is known
	// seen is the shortest time that an instance of the present wave took; 0: none was seen there. A
	// wave ends when nothing is described for two poll intervals.
	seen    time.Duration
	touched time.Time // when an instance last came

	expected bool
	since    time.Time // when it came to be so
	judgeAt  time.Time // when that is to be decided anew
	probed   time.Time // when the last request left while it was quiet
}

// add notes an instance that was accepted at a time and waits to be described.
func (v *watch) add(accepted, now time.Time, interval time.Duration) {
	if now.Sub(v.touched) > 2*interval {
		v.seen, v.judgeAt = 0, time.Time{}
	}
	v.touched = now
	if due := accepted.Add(v.from); !v.expected && due.Before(v.judgeAt) {
		v.judgeAt = due
	}
}

// late reports whether an instance that was accepted at a time takes longer than expected.
func (v *watch) late(accepted, now time.Time) bool {
	return v.until > 0 && now.Sub(accepted) > v.until
}

// reached notes how long an instance took.
func (v *watch) reached(took time.Duration, now time.Time) {
	v.learned.note(took, now)
	if v.seen == 0 || took < v.seen {
		v.seen, v.judgeAt = took, time.Time{}
	}
}

// judge decides whether instances of the list are expected to be there by now. timeout is when each
// must be described, whatever is expected. Deciding takes a pass over the list, so it is not done
// before it can change something, nor twice an interval.
func (v *watch) judge(l *pollList, now time.Time, interval, timeout time.Duration) bool {
	if now.Before(v.judgeAt) {
		return v.expected
	}
	v.from = timeout
	if from, until, ok := v.learned.expected(); ok {
		v.from, v.until = min(from, timeout), until
	}
	if v.seen > 0 {
		v.from = min(v.from, v.seen)
	}
	first := l.oldest().Add(v.from)
	was := v.expected
	if v.expected = !now.Before(first); !v.expected {
		v.judgeAt = first
		return false
	}
	if v.judgeAt = now.Add(interval); !was {
		v.since = now
	}
	return true
}
