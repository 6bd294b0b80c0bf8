package batcher

import (
	"time"

	"zecpower/apiclient"
)

// ticket is one place in the queue. granted yields one permit.
type ticket struct {
	granted  chan *permit
	priority Priority
	asked    time.Time
}

// permit lets one request out. Its holder calls leave when it is about to send
// and, where that is granted, done exactly once; or withdraw instead of both.
type permit struct {
	budget *Budget
	serial int     // of the request, once it left
	rate   float64 // at which it left, in requests a second
	epoch  int
	probe  bool
}

// ask queues for one permit.
func (b *Budget) ask(p Priority) *ticket {
	t := &ticket{granted: make(chan *permit, 1), priority: p, asked: time.Now()}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting[p] = append(b.waiting[p], t)
	b.dispatch()
	return t
}

// cancel leaves the queue; a permit that was already granted goes back.
func (b *Budget) cancel(t *ticket) {
	b.mu.Lock()
	queue := b.waiting[t.priority]
	for i, other := range queue {
		if other == t {
			b.waiting[t.priority] = append(queue[:i:i], queue[i+1:]...)
			b.mu.Unlock()
			return
		}
	}
	b.mu.Unlock()
	select {
	case p := <-t.granted:
		p.withdraw()
	default:
	}
}

// leave spends the permit's token and reports whether the request may go. It
// may not where the account slowed down while the permit lay with its holder;
// the permit is given back then. Tokens are spent here and not when a permit is
// granted: a holder that is slow to take several up would send them at once.
func (p *permit) leave() bool {
	b := p.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	defer b.dispatch()
	now := time.Now()
	b.climb(now)
	b.held--
	shut := b.gate.closed() && !p.probe
	if shut || now.Before(b.pausedUntil) || !b.limiter.AllowN(now, 1) {
		b.giveBack(p)
		return false
	}
	b.serial++
	b.pace.left()
	p.serial, p.rate = b.serial, b.pace.rate
	return true
}

// withdraw gives the permit back unused, its token with it.
func (p *permit) withdraw() {
	b := p.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	b.held--
	b.giveBack(p)
	b.dispatch()
}

func (b *Budget) giveBack(p *permit) {
	b.gate.withdrawn(p.probe)
	b.inFlight--
}

// done tells how the request went; e is nil where it went well.
func (p *permit) done(e *apiclient.Error) {
	b := p.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	b.inFlight--
	switch {
	case e != nil && (e.Class == apiclient.ClassTransient || e.Class == apiclient.ClassAmbiguous):
		b.gate.failed(now, p.epoch, p.probe, b.rng)
		b.pause(now, e.RetryAfter)
	case e != nil && e.Class == apiclient.ClassThrottled:
		b.answered(p)
		b.throttled(now, p, e.RetryAfter)
	default:
		b.answered(p)
		b.pace.answered(p.rate)
	}
	b.dispatch()
}
