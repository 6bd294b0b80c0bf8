package batcher

import (
	"sync"
	"time"
)

// gatherWait is how long the first of several runs waits for the others at most.
const gatherWait = 10 * time.Millisecond

// Gathering lets several runs that begin together share their requests: none sends until all have
// come, or have failed to, and at most 10 ms after the first. Each run has it as Run.Gathering; for
// one that does not come, Leave is called instead. It is safe for concurrent use, and a nil one does
// nothing.
type Gathering struct {
	mu     sync.Mutex // guards all below
	absent int        // runs that have neither come nor left
	until  time.Time  // zero until the first has come
	wake   []func()   // of accounts that wait
}

// Gather makes a Gathering of n runs.
func Gather(n int) *Gathering { return &Gathering{absent: n} }

// Leave says that a run will not come.
func (g *Gathering) Leave() { g.arrive(time.Time{}) }

func (g *Gathering) arrive(now time.Time) {
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.absent--
	if g.until.IsZero() && !now.IsZero() {
		g.until = now.Add(gatherWait)
	}
	if g.absent <= 0 {
		for _, wake := range g.wake {
			wake()
		}
		g.wake = nil
	}
}

// open reports whether its runs may send. Where they may not, wake is called once they may, and at is
// when they may at the latest.
func (g *Gathering) open(now time.Time, wake func()) (ok bool, at time.Time) {
	if g == nil {
		return true, time.Time{}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.absent <= 0 || !now.Before(g.until) {
		return true, time.Time{}
	}
	g.wake = append(g.wake[:0], wake) // the account's own; asked again, it is the same
	return false, g.until
}

// gathers reports whether the run still waits for the others of its round.
func (x *run) gathers(now time.Time) bool {
	open, _ := x.run.Gathering.open(now, x.account.poke)
	return !open
}
