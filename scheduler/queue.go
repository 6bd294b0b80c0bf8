package scheduler

import (
	"container/heap"
	"time"
)

// queue is a heap of entries by their wake time. A round visits only the entries whose time has
// come, not all of thousands. It implements heap.Interface; the goroutine of Loop.Run owns it, and
// changes it under Loop.mu.
//
// An entry that needs no round is not in it. After a change of an entry's wake time the owner calls
// place, or rebuildQueue after many changes.
type queue struct{ entries []*entry }

// Len is part of heap.Interface.
func (q *queue) Len() int { return len(q.entries) }

// Less is part of heap.Interface.
func (q *queue) Less(i, j int) bool {
	x, _ := q.entries[i].wakeAt()
	y, _ := q.entries[j].wakeAt()
	return x.Before(y)
}

// Swap is part of heap.Interface.
func (q *queue) Swap(i, j int) {
	q.entries[i], q.entries[j] = q.entries[j], q.entries[i]
	q.entries[i].index, q.entries[j].index = i, j
}

// Push is part of heap.Interface.
func (q *queue) Push(x any) {
	e := x.(*entry)
	e.index = len(q.entries)
	q.entries = append(q.entries, e)
}

// Pop is part of heap.Interface.
func (q *queue) Pop() any {
	e := q.entries[len(q.entries)-1]
	q.entries[len(q.entries)-1] = nil
	q.entries = q.entries[:len(q.entries)-1]
	e.index = -1
	return e
}

// place moves e to where its wake time belongs, adds it, or removes it where it has no wake time.
func (q *queue) place(e *entry) {
	_, wakes := e.wakeAt()
	switch {
	case wakes && e.index < 0:
		heap.Push(q, e)
	case wakes:
		heap.Fix(q, e.index)
	case e.index >= 0:
		heap.Remove(q, e.index)
	}
}

// first returns the earliest wake time; false: the queue is empty.
func (q *queue) first() (time.Time, bool) {
	if len(q.entries) == 0 {
		return time.Time{}, false
	}
	return q.entries[0].wakeAt()
}

// popDue removes and returns the entries whose wake time is now or earlier, earliest first.
func (q *queue) popDue(now time.Time) []*entry {
	var due []*entry
	for len(q.entries) > 0 {
		if at, _ := q.entries[0].wakeAt(); at.After(now) {
			break
		}
		due = append(due, heap.Pop(q).(*entry))
	}
	return due
}

// rebuildQueue makes the queue anew from all entries. The caller holds mu.
func (l *Loop) rebuildQueue() {
	for _, e := range l.queue.entries {
		e.index = -1
	}
	l.queue.entries = l.queue.entries[:0]
	for _, e := range l.entries {
		l.queue.place(e)
	}
}
