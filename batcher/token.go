package batcher

import (
	"slices"
	"time"

	"zecpower/apiclient"
)

// waiter is one place in the queue for the budget. granted yields one token.
type waiter struct {
	granted  chan *token
	priority Priority
	action   string // the API's name
	asked    time.Time
}

// token lets one request out. Its holder calls leave when it is about to send
// and, where that is granted, done exactly once; or withdraw instead of both.
type token struct {
	budget          *Budget
	action          string
	serial          int     // of the request, once it left
	rate            float64 // at which it left, in requests a second
	epoch           int
	probe           bool // of an API that is down
	credentialProbe bool
}

// ask queues for one token.
func (b *Budget) ask(p Priority, action string) *waiter {
	w := &waiter{granted: make(chan *token, 1), priority: p, action: action, asked: time.Now()}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting[p] = append(b.waiting[p], w)
	b.dispatch()
	return w
}

// cancel leaves the queue; a token that was already granted goes back.
func (b *Budget) cancel(w *waiter) {
	b.mu.Lock()
	i := slices.Index(b.waiting[w.priority], w)
	if i >= 0 {
		b.waiting[w.priority] = without(b.waiting[w.priority], i)
		b.dispatch() // it may have been the last that wanted a probe
	}
	b.mu.Unlock()
	if i >= 0 {
		return
	}
	select {
	case t := <-w.granted:
		t.withdraw()
	default:
	}
}

// leave spends one of the bucket's tokens and reports whether the request may
// go. It may not where the account slowed down or paused while the token lay
// with its holder; the token is given back then. The bucket is charged here and
// not when the token is granted: a holder that is slow to receive several would
// send them at once.
func (t *token) leave() bool {
	b := t.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	defer b.dispatch()
	now := time.Now()
	b.climb(now)
	b.held--
	shut := b.breaker.tripped() && !t.probe || b.credentials.active() && !t.credentialProbe
	if shut || now.Before(b.pausedUntil) || !b.limiter.AllowN(now, 1) {
		b.giveBack(t)
		return false
	}
	b.serial++
	b.rate.left()
	t.serial, t.rate = b.serial, b.rate.present
	return true
}

// withdraw gives the token back unused.
func (t *token) withdraw() {
	b := t.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	b.held--
	b.giveBack(t)
	b.dispatch()
}

func (b *Budget) giveBack(t *token) {
	b.breaker.withdrawn(t.probe)
	b.credentials.withdrawn(t.credentialProbe)
	b.inFlight--
}

// done notes how the request went; e is nil where it went well. It reports
// whether the request was a refusal of the credentials that is final.
func (t *token) done(e *apiclient.Error) (denied bool) {
	b := t.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	defer b.dispatch()
	now := time.Now()
	b.inFlight--
	if e == nil || e.FromAPI() {
		b.reached(now)
	}
	switch {
	case e == nil:
		b.answered(now, t, true)
		b.rate.answered(t.rate)
	case e.Class == apiclient.ClassThrottled:
		// A station on the way may throttle, too: that says nothing of the
		// credentials, and one that blocks this host goes on with that.
		if e.FromAPI() || !b.breaker.blocked() {
			b.answered(now, t, e.FromAPI())
		} else {
			b.breaker.failed(now, e, t.epoch, t.probe, b.rng)
		}
		b.credentials.withdrawn(t.credentialProbe)
		b.throttled(now, t, e.RetryAfter)
	case e.Class == apiclient.ClassCredentials:
		b.answered(now, t, false)
		b.rate.answered(t.rate)
		if denied = b.credentials.refused(now, t.action, e.ClockSkew != 0, t.credentialProbe, b.rng); denied {
			b.denial = e
			close(b.denied)
			b.denied = make(chan struct{})
		}
	case keyAccepted(e):
		b.answered(now, t, true)
		b.rate.answered(t.rate)
	default:
		b.failed(now, t, e)
	}
	return denied
}

// keyAccepted reports whether the API accepted the credentials of a request: it
// served it, or refused it for another reason. e is nil where it went well.
func keyAccepted(e *apiclient.Error) bool {
	if e == nil {
		return true
	}
	switch e.Class {
	case apiclient.ClassInstance, apiclient.ClassUnknown, apiclient.ClassRequest:
		return e.FromAPI()
	}
	return false
}

// reached notes a reply of the API itself, be it good or bad.
func (b *Budget) reached(now time.Time) {
	if lasted := b.breaker.reached(now); lasted > 0 && b.cfg.OnBlocked != nil {
		b.call(func() { b.cfg.OnBlocked(nil, lasted) })
	}
}

// answered notes a request that the API served or refused; accepted says that it
// accepted the credentials.
func (b *Budget) answered(now time.Time, t *token, accepted bool) {
	if b.breaker.answered(t.probe) {
		close(b.recovered)
		b.recovered = make(chan struct{})
	}
	if !accepted {
		return
	}
	b.credentials.answered(t.action, t.credentialProbe)
	if b.cfg.OnAccepted != nil {
		b.call(func() { b.cfg.OnAccepted(now) })
	}
}

// failed notes a request without an answer of the API.
func (b *Budget) failed(now time.Time, t *token, e *apiclient.Error) {
	b.credentials.withdrawn(t.credentialProbe)
	blocked := b.breaker.failed(now, e, t.epoch, t.probe, b.rng)
	if blocked && b.cfg.OnBlocked != nil {
		b.call(func() { b.cfg.OnBlocked(e, 0) })
	}
	b.pause(now, e.RetryAfter)
}
