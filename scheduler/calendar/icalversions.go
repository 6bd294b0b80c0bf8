package calendar

import (
	"fmt"
)

// countingEvents chooses the events that count.
//
// A file may hold several versions of an event: of those with one UID and RECURRENCE-ID the highest
// SEQUENCE counts, and a cancelled one of it removes what the lower ones gave. Events of the same
// SEQUENCE all count, because some programs give all their events one UID. An event with a
// RECURRENCE-ID stands for one occurrence of the event with its UID, also where it is cancelled.
func countingEvents(events []*event) []*event {
	highest := make(map[string]int)
	replaced := make(map[string][]stamp)
	removed := make(map[string]int) // by UID: the SEQUENCE of a series that was cancelled as a whole
	for _, e := range events {
		if e.uid == "" {
			continue
		}
		key := e.version()
		if n, again := highest[key]; !again || e.sequence > n {
			highest[key] = e.sequence
		}
		if e.replaces != nil {
			replaced[e.uid] = append(replaced[e.uid], *e.replaces)
		}
	}
	ended := make(map[string]bool) // versions and starts that a cancelled event of the highest SEQUENCE names
	for _, e := range events {
		if e.uid == "" || !e.cancelled || e.sequence < highest[e.version()] {
			continue
		}
		ended[e.version()+e.start.key()] = true
		if e.replaces == nil {
			removed[e.uid] = max(removed[e.uid], e.sequence+1)
		}
	}
	var counting []*event
	for _, e := range events {
		switch {
		case e.cancelled:
		case e.uid == "":
			counting = append(counting, e)
		case e.sequence < highest[e.version()], ended[e.version()+e.start.key()]:
		case e.replaces != nil && e.sequence < removed[e.uid]:
		default:
			if e.replaces == nil {
				e.without = replaced[e.uid]
			}
			counting = append(counting, e)
		}
	}
	return counting
}

// version is what the versions of one event have in common.
func (e *event) version() string {
	if e.replaces == nil {
		return e.uid
	}
	return e.uid + "\x00" + e.replaces.key()
}

// key is the same for two stamps of one moment.
func (s stamp) key() string {
	switch s.kind {
	case utcTime:
		return fmt.Sprint("at ", s.civil.Unix())
	case zonedTime:
		return fmt.Sprint("at ", instant(s.civil, s.zone).Unix())
	}
	return fmt.Sprint("on ", s.civil.Unix())
}
