package batcher

import (
	"sync"
	"time"
)

// gatherWait is how long the first of several runs waits for the others at most.
const gatherWait = 10 * time.Millisecond

// Gathering lets several runs that begin together share their requests: none sends until all have
// come, or have failed to, and at most 10 ms after the first. Each run has it as Run.Gathering, and
// its owner calls Arrive once the run is submitted to all of its accounts. For one that does not come,
// Leave is called instead. It is safe for concurrent use, and a nil one does nothing.
type Gathering struct {
	mu      sync.Mutex // guards all below
	absent  int        // runs that have neither come nor left
	until   time.Time  // zero until the first has come
	waiting map[*Account]bool
}

// Gather makes a Gathering of n runs.
func Gather(n int) *Gathering { return &Gathering{absent: n, waiting: map[*Account]bool{}} }

// Arrive says that a run has come.
func (g *Gathering) Arrive() { g.oneLess(time.Now()) }

// Leave says that a run will not come.
func (g *Gathering) Leave() { g.oneLess(time.Time{}) }

// oneLess notes that a run has come, at a time, or left. Accounts that wait look again once they may
// send, and when they learn until when they wait.
func (g *Gathering) oneLess(came time.Time) {
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.absent--
	first := g.until.IsZero() && !came.IsZero()
	if first {
		g.until = came.Add(gatherWait)
	}
	if g.absent > 0 && !first {
		return
	}
	for a := range g.waiting {
		a.poke()
	}
	clear(g.waiting)
}

// open reports whether its runs may send. Where they may not, a is woken once they may, and at is when
// they may at the latest; zero: a is woken before that is known.
func (g *Gathering) open(now time.Time, a *Account) (ok bool, at time.Time) {
	if g == nil {
		return true, time.Time{}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.absent <= 0 || !g.until.IsZero() && !now.Before(g.until) {
		return true, time.Time{}
	}
	g.waiting[a] = true
	return false, g.until
}

// gathers reports whether the run still waits for the others of its round, and until when at the
// latest.
func (x *run) gathers(now time.Time) (yes bool, until time.Time) {
	open, at := x.run.Gathering.open(now, x.account)
	return !open, at
}
