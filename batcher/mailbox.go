package batcher

import (
	"sync"

	"zecpower/internal/power"
)

// mailbox passes what an account does for a run to the run's own goroutine, which calls observer and
// journal. Adding never waits, so a slow store or log holds up neither the account nor another run.
type mailbox struct {
	wake chan struct{} // holds a value while something is in the box; capacity 1

	mu       sync.Mutex // guards all below
	letters  []letter
	progress *Progress // the newest; nil: none since the last take
	ended    bool      // nothing more will come
}

// letter is one call of an observer or the journal.
type letter func(o Observer, j Journal)

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

func (m *mailbox) add(l letter) { m.put(func() { m.letters = append(m.letters, l) }) }

// progressed replaces what was said of the progress before.
func (m *mailbox) progressed(p Progress) { m.put(func() { m.progress = &p }) }

func (m *mailbox) end() { m.put(func() { m.ended = true }) }

// take empties the box. The last that it returns before ended is true is all that there was.
func (m *mailbox) take() (letters []letter, progress *Progress, ended bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	letters, progress, ended = m.letters, m.progress, m.ended
	m.letters, m.progress = nil, nil
	return letters, progress, ended
}

// finals is what became final of one group.
func finals(run RunInfo, group string, results []power.InstanceResult) letter {
	return func(o Observer, j Journal) {
		_ = j.Final(run.RunID, group, results) // reported by its owner; the run goes on
		o.Final(run, group, results)
	}
}

// attempts is what the API accepted of one group.
func attempts(run RunInfo, group string, ids []string) letter {
	return func(_ Observer, j Journal) { _ = j.Attempted(run.RunID, group, ids) } // as above
}
