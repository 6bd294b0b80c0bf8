package calendar

import "fmt"

// countingEvents chooses the events that count.
//
// A file may hold several versions of an event: of those with one UID and RECURRENCE-ID the highest
// SEQUENCE counts, and a cancelled one of it removes what the lower ones gave. Events of the same
// SEQUENCE all count, because some programs give all their events one UID. An event with a
// RECURRENCE-ID stands for one occurrence of the event with its UID, also where it is cancelled.
func countingEvents(events []*event) []*event {
	v := newVersions(events)
	var counting []*event
	for _, e := range events {
		if !v.counts(e) {
			continue
		}
		if e.replaces == nil && e.uid != "" {
			e.without = v.replaced[e.uid]
		}
		counting = append(counting, e)
	}
	return counting
}

// versions is what the events of a file say about each other.
type versions struct {
	highest  map[string]int     // SEQUENCE by version
	replaced map[string][]stamp // by UID: the occurrences that other events stand for
	ended    map[string]bool    // version and start of the cancelled events of the highest SEQUENCE
	removed  map[string]int     // by UID of a series cancelled as a whole: its SEQUENCE and 1
}

func newVersions(events []*event) versions {
	v := versions{make(map[string]int), make(map[string][]stamp), make(map[string]bool), make(map[string]int)}
	for _, e := range events {
		if e.uid == "" {
			continue
		}
		if n, again := v.highest[e.version()]; !again || e.sequence > n {
			v.highest[e.version()] = e.sequence
		}
		if e.replaces != nil {
			v.replaced[e.uid] = append(v.replaced[e.uid], *e.replaces)
		}
	}
	for _, e := range events {
		if e.uid == "" || !e.cancelled || e.sequence < v.highest[e.version()] {
			continue
		}
		v.ended[e.version()+e.start.key()] = true
		if e.replaces == nil {
			v.removed[e.uid] = max(v.removed[e.uid], e.sequence+1)
		}
	}
	return v
}

func (v versions) counts(e *event) bool {
	switch {
	case e.cancelled:
		return false
	case e.uid == "":
		return true
	case e.sequence < v.highest[e.version()], v.ended[e.version()+e.start.key()]:
		return false
	}
	return e.replaces == nil || e.sequence >= v.removed[e.uid]
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
