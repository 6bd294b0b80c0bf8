package event

import (
	"sync"
	"time"
)

const (
	// queueLimit bounds what waits for a stuck listener: events, and results in them.
	queueLimit = 20_000
	// queueClose is how long Close waits for a stuck listener.
	queueClose = time.Second
)

// Queue passes events to a listener that may be slow, from a goroutine of its own that ends when
// nothing waits. It is safe for concurrent use.
type Queue struct {
	listener Listener

	mu      sync.Mutex // guards all below
	waiting []Event
	size    int           // of waiting: an event counts 1, and each of its results
	dropped int           // results that were dropped and not reported yet
	idle    chan struct{} // closed when the goroutine ends; nil: there is none
}

// NewQueue makes a Queue before a listener. A panic of the listener loses that event alone.
func NewQueue(l Listener) *Queue { return &Queue{listener: l} }

// Receive implements Listener. It never waits.
func (q *Queue) Receive(e Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.admit(e) {
		return
	}
	if q.idle == nil {
		q.idle = make(chan struct{})
		go q.drain()
	}
}

// admit adds e, in place of an older progress of the same run and account where there is one, or
// drops it.
func (q *Queue) admit(e Event) bool {
	switch e := e.(type) {
	case Progressed:
		for i, w := range q.waiting {
			if old, ok := w.(Progressed); ok && old.Run.ID == e.Run.ID && old.Account == e.Account {
				q.waiting[i] = e
				return true
			}
		}
		if q.size >= queueLimit/2 {
			return false
		}
	case Final:
		if q.size >= queueLimit {
			q.dropped += len(e.Results)
			return false
		}
	}
	q.waiting = append(q.waiting, e)
	q.size += weight(e)
	return true
}

func weight(e Event) int {
	if f, ok := e.(Final); ok {
		return 1 + len(f.Results)
	}
	return 1
}

// drain passes on what waits until nothing does.
func (q *Queue) drain() {
	for {
		e, ok := q.next()
		if !ok {
			return
		}
		pass(q.listener, e)
	}
}

// next takes the first event. Once the listener has caught up, it says what was dropped.
func (q *Queue) next() (Event, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 && q.dropped > 0 {
		e := Dropped{Results: q.dropped}
		q.dropped = 0
		return e, true
	}
	if len(q.waiting) == 0 {
		close(q.idle)
		q.idle = nil
		return nil, false
	}
	e := q.waiting[0]
	q.waiting[0] = nil
	q.waiting = q.waiting[1:]
	q.size -= weight(e)
	return e, true
}

// pass calls the listener. Its panic has no emitter any more that it could cost something.
func pass(l Listener, e Event) {
	defer func() { _ = recover() }()
	l.Receive(e)
}

// Close waits until the listener has all that waits, or for a second where it is stuck.
func (q *Queue) Close() {
	q.mu.Lock()
	idle := q.idle
	q.mu.Unlock()
	if idle == nil {
		return
	}
	select {
	case <-idle:
	case <-time.After(queueClose):
	}
}

// Dropped says that a stuck listener has missed outcomes of single instances. Only a Queue makes it.
type Dropped struct {
	silent
	Results int
}
