package run

import (
	"context"
	"crypto/rand"
	"maps"
	"slices"
	"sync"
	"time"

	"zecpower/internal/event"
	"zecpower/internal/power"
	"zecpower/internal/store"
)

const (
	// writePause follows a write that the store did not take. It is doubled after each further one,
	// up to writePauseMax.
	writePause    = time.Second
	writePauseMax = 15 * time.Second
	// maxFacts is how many instances one write has at most, about 2 MB. A write that comes in
	// between waits no longer than for that.
	maxFacts = 20_000
)

// Outbox takes what runs have done and writes it to the store, in a goroutine of its own. While the
// store is slow, facts merge: an instance has one entry in what waits, and one in what is being written, so
// that the outbox never holds more than twice the instances of the runs. A crash loses what was not
// written: a lost acceptance costs a describe, a lost outcome is found again.
//
// It listens to the accounts. It is safe for concurrent use.
type Outbox struct {
	record func(ctx context.Context, facts []store.Facts) error
	emit   func(event.Event)
	wake   chan struct{} // holds a value while something waits; capacity 1
	quit   chan struct{} // closed by Close
	done   chan struct{} // closed when the goroutine has ended

	mu      sync.Mutex // guards all below
	pending map[place]*facts
	closed  bool
}

// place is one group of one run.
type place struct{ runID, group string }

// facts are what is new of one group of a run, by instance.
type facts struct {
	requests  int
	instances map[string]*fact
}

// fact is what is new of one instance.
type fact struct {
	accepted int                   // requests
	final    *power.InstanceResult // nil: it has no outcome yet
}

// NewOutbox begins an outbox that writes with record, a store's RecordProgress. emit receives a
// StoreFailed for each write that was not, or perhaps not, made; it is tried again. Close ends it.
func NewOutbox(record func(ctx context.Context, facts []store.Facts) error, emit func(event.Event)) *Outbox {
	o := &Outbox{
		record: record, emit: emit, wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{}),
		pending: map[place]*facts{},
	}
	go o.run()
	return o
}

// Receive implements event.Listener.
func (o *Outbox) Receive(e event.Event) {
	switch e := e.(type) {
	case event.Accepted:
		o.add(e.Run.ID, e.Group, func(f *facts) {
			f.requests++
			for _, id := range e.IDs {
				f.of(id).accepted++
			}
		})
	case event.Final:
		o.add(e.Run.ID, e.Group, func(f *facts) {
			for _, r := range e.Results {
				f.of(r.InstanceID).final = &r
			}
		})
	}
}

func (f *facts) of(id string) *fact {
	if f.instances[id] == nil {
		f.instances[id] = &fact{}
	}
	return f.instances[id]
}

func (o *Outbox) add(runID, group string, change func(*facts)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	at := place{runID, group}
	if o.pending[at] == nil {
		o.pending[at] = &facts{instances: map[string]*fact{}}
	}
	change(o.pending[at])
	select {
	case o.wake <- struct{}{}:
	default: // it is awake already
	}
}

// Close writes what is left, once, and ends the outbox. It may be called twice.
func (o *Outbox) Close() error {
	o.mu.Lock()
	first := !o.closed
	o.closed = true
	o.mu.Unlock()
	if first {
		close(o.quit)
	}
	<-o.done
	return nil
}

// run writes what waits until quit, then once more.
func (o *Outbox) run() {
	defer close(o.done)
	for {
		select {
		case <-o.wake:
			o.write()
		case <-o.quit:
			o.write()
			return
		}
	}
}

// write writes what waits. What the store does not take is tried again, unchanged, before anything
// newer: it may be written already, and counts once only under its key. After quit nothing is tried
// again.
func (o *Outbox) write() {
	for _, part := range o.take() {
		for pause := writePause; ; pause = min(2*pause, writePauseMax) {
			err := o.record(context.Background(), part)
			if err == nil {
				break
			}
			o.emit(event.StoreFailed{Op: "record progress", Err: err})
			select {
			case <-o.quit:
				return
			case <-time.After(pause):
			}
		}
	}
}

// take removes what waits and returns it in writes of at most maxFacts instances.
func (o *Outbox) take() (parts [][]store.Facts) {
	o.mu.Lock()
	pending := o.pending
	o.pending = map[place]*facts{}
	o.mu.Unlock()

	var part []store.Facts
	size := 0
	for at, f := range pending {
		for rest := slices.Collect(maps.Keys(f.instances)); ; {
			n := min(len(rest), maxFacts-size)
			part = append(part, f.some(at, rest[:n]))
			f.requests = 0 // they count once
			if size += n; size == maxFacts {
				parts, part, size = append(parts, part), nil, 0
			}
			if rest = rest[n:]; len(rest) == 0 {
				break
			}
		}
	}
	if len(part) > 0 {
		parts = append(parts, part)
	}
	return parts
}

// some are the facts about ids.
func (f *facts) some(at place, ids []string) store.Facts {
	out := store.Facts{RunID: at.runID, Group: at.group, Key: rand.Text(), Requests: f.requests}
	for _, id := range ids {
		in := f.instances[id]
		for range in.accepted {
			out.Accepted = append(out.Accepted, id)
		}
		if in.final != nil {
			out.Final = append(out.Final, *in.final)
		}
	}
	return out
}
