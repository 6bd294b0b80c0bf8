package batcher

import (
	"math/rand/v2"
	"time"
)

// gateFailures is how many requests in a row must fail before the API counts as down.
const gateFailures = 4

// gate is the joint caution of all runs while the API is down. Open, it lets
// everything pass. After gateFailures failures in a row it closes: one probe at
// a time, with growing pauses, until a reply of any kind shows that the API is
// back. Pure: time and chance are handed in.
type gate struct {
	backoff  Backoff
	failures int // in a row, of requests that left in this epoch
	epoch    int // counts openings, so that a reply to a request from before one does not close it again
	probes   int // failed probes since it closed
	probing  bool
	next     time.Time // no probe before this; zero while open
}

func (g *gate) closed() bool { return g.failures >= gateFailures }

// admits reports whether a request may leave now; at is when to ask again, zero
// where only a reply changes that.
func (g *gate) admits(now time.Time) (ok bool, at time.Time) {
	switch {
	case !g.closed():
		return true, time.Time{}
	case g.probing:
		return false, time.Time{}
	case now.Before(g.next):
		return false, g.next
	}
	return true, time.Time{}
}

// leave notes that a request leaves, and returns the epoch that its reply must name.
func (g *gate) leave() (epoch int, probe bool) {
	if g.closed() {
		g.probing = true
		return g.epoch, true
	}
	return g.epoch, false
}

// failed notes a request that got no answer worth the name.
func (g *gate) failed(now time.Time, epoch int, probe bool, rng *rand.Rand) {
	if probe {
		g.probing = false
	}
	if epoch != g.epoch || (g.closed() && !probe) {
		return
	}
	g.failures++
	if !g.closed() {
		return
	}
	// Half of the pause is fixed: a probe that draws 0 would be no pause at all.
	pause := g.backoff.ceiling(g.probes) / 2
	g.next = now.Add(pause + time.Duration(rng.Int64N(int64(pause)+1)))
	g.probes++
}

// answered notes any reply of the API itself; it reports whether that opened the gate.
func (g *gate) answered(probe bool) (opened bool) {
	if probe {
		g.probing = false
	}
	opened = g.closed()
	g.failures, g.probes, g.next = 0, 0, time.Time{}
	if opened {
		g.epoch++
	}
	return opened
}

// withdrawn notes a request that was let out but never sent.
func (g *gate) withdrawn(probe bool) {
	if probe {
		g.probing = false
	}
}
