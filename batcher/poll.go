package batcher

import "time"

// polled is an instance to describe again, and when something was last known of it.
type polled struct {
	visit
	since time.Time
}

// pollList is a queue of instances on their way, the one that was left alone longest first. When
// each is due follows from the interval of the moment.
type pollList struct{ list []polled }

func (l *pollList) add(w *work, now time.Time) {
	w.move(inPolls, nil)
	l.list = append(l.list, polled{w.visit(), now})
}

// prune drops what is no longer polled from the front.
func (l *pollList) prune() {
	for len(l.list) > 0 && l.list[0].stale() {
		l.list[0] = polled{}
		l.list = l.list[1:]
	}
}

// due is when the next describe is due; ok is false where nothing is polled.
func (l *pollList) due(interval time.Duration) (at time.Time, ok bool) {
	l.prune()
	if len(l.list) == 0 {
		return time.Time{}, false
	}
	return l.list[0].since.Add(interval), true
}

// take removes up to size instances that are due by the given time.
func (l *pollList) take(by time.Time, interval time.Duration, size int) (works []*work) {
	for l.prune(); len(l.list) > 0 && len(works) < size && !l.list[0].since.Add(interval).After(by); l.prune() {
		works = append(works, l.list[0].work)
		l.list[0] = polled{}
		l.list = l.list[1:]
	}
	return works
}
