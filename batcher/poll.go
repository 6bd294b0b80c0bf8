package batcher

import "time"

// polled is an instance to describe again, and when something was last known of it.
type polled struct {
	instance int
	since    time.Time
}

// pollList is a queue of instances on their way, the one that was left alone
// longest first. When each is due follows from the interval of the moment.
type pollList struct{ list []polled }

func (l *pollList) add(i int, now time.Time) { l.list = append(l.list, polled{i, now}) }

// due is when the next describe is due; ok is false where nothing is polled.
func (l *pollList) due(interval time.Duration) (at time.Time, ok bool) {
	if len(l.list) == 0 {
		return time.Time{}, false
	}
	return l.list[0].since.Add(interval), true
}

// take removes up to size instances that are due by the given time.
func (l *pollList) take(by time.Time, interval time.Duration, size int) []int {
	n := 0
	for n < len(l.list) && n < size && !l.list[n].since.Add(interval).After(by) {
		n++
	}
	instances := make([]int, n)
	for k, p := range l.list[:n] {
		instances[k] = p.instance
	}
	l.list = l.list[n:]
	return instances
}
