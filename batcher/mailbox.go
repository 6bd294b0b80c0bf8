package batcher

import (
	"sync"

	"zecpower/internal/event"
)

// mailbox passes what an account does for a run to the goroutine that waits for the run, which emits
// it. Adding never waits, so a slow listener holds up neither the account nor another run.
type mailbox struct {
	wake chan struct{} // holds a value while something is in the box; capacity 1

	mu       sync.Mutex // guards all below
	events   []event.Event
	progress *event.Progress // the newest; nil: none since the last take
	ended    bool            // nothing more will come
}

func newMailbox() *mailbox { return &mailbox{wake: make(chan struct{}, 1)} }

func (m *mailbox) put(change func()) {
	m.mu.Lock()
	change()
	m.mu.Unlock()
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

func (m *mailbox) add(e event.Event) { m.put(func() { m.events = append(m.events, e) }) }

// progressed replaces what was said of the progress before.
func (m *mailbox) progressed(p event.Progress) { m.put(func() { m.progress = &p }) }

func (m *mailbox) end() { m.put(func() { m.ended = true }) }

// take empties the box. The last that it returns before ended is true is all that there was.
func (m *mailbox) take() (events []event.Event, progress *event.Progress, ended bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	events, progress, ended = m.events, m.progress, m.ended
	m.events, m.progress = nil, nil
	return events, progress, ended
}
