package batcher

import (
	"math/rand/v2"
	"time"

	"zecpower/apiclient"
)

const (
	// breakerFailures is how many requests in a row must fail before the API counts as down.
	breakerFailures = 4
	// blockedAfter is how long every reply must be a 4xx without the API's
	// envelope before the account counts as blocked.
	blockedAfter = time.Minute
	// blockedIdle is how long two such replies may be apart and still be one row: an account that
	// rests all night proves nothing by its first page of the morning.
	blockedIdle = 15 * time.Minute
	// blockedProbe is the pause between two probes while the account is blocked:
	// only an administrator of the network in between can change that.
	blockedProbe = 30 * time.Second
)

// breaker is the circuit breaker of one account, shared by all its runs. While
// requests succeed it lets everything pass. After breakerFailures failures in a
// row, or at the first reply that says that this host is blocked, it trips: one
// probe at a time, with growing pauses, until the API itself answers. Pure: time
// and chance are parameters.
type breaker struct {
	backoff  Backoff
	failures int // in a row, of requests that left in this epoch
	epoch    int // counts recoveries: a reply to a request from before one must not trip it again
	probes   int // failed probes since it tripped
	probing  bool
	next     time.Time // no probe before this; zero while it has not tripped

	blockedSince time.Time // zero: not blocked
	foreignSince time.Time // first of the present row of 4xx replies without the envelope; zero: none
	foreignLast  time.Time // the newest of them
}

func (b *breaker) tripped() bool { return b.failures >= breakerFailures }

func (b *breaker) blocked() bool { return !b.blockedSince.IsZero() }

// admits reports whether a request may leave now; at is when to ask again, zero
// where only a reply changes that.
func (b *breaker) admits(now time.Time) (ok bool, at time.Time) {
	switch {
	case !b.tripped():
		return true, time.Time{}
	case b.probing:
		return false, time.Time{}
	case now.Before(b.next):
		return false, b.next
	}
	return true, time.Time{}
}

// leave notes that a request leaves, and returns the epoch that its reply must name.
func (b *breaker) leave() (epoch int, probe bool) {
	if b.tripped() {
		b.probing = true
		return b.epoch, true
	}
	return b.epoch, false
}

// failed notes a request that the API did not serve. It reports whether that
// made the account count as blocked.
func (b *breaker) failed(now time.Time, e *apiclient.Error, epoch int, probe bool, rng *rand.Rand) (blocked bool) {
	if probe {
		b.probing = false
	}
	// A reply to a request from before the last recovery, and one to a request
	// that left before the breaker tripped, say nothing new.
	if epoch != b.epoch || b.tripped() && !probe && e.Class != apiclient.ClassBlocked {
		return false
	}
	was := b.blocked()
	b.judgeBlocked(now, e)
	b.failures++
	if b.blocked() {
		b.failures = max(b.failures, breakerFailures)
		b.next = now.Add(blockedProbe)
		return !was
	}
	if b.tripped() {
		b.next = now.Add(halfFixed(b.backoff.ceiling(b.probes), rng))
		b.probes++
	}
	return false
}

// judgeBlocked decides whether the account is blocked: at once where the reply
// says so, and after blockedAfter in which every reply was a 4xx of a station on
// the way. A failure without any reply neither begins nor ends such a row.
func (b *breaker) judgeBlocked(now time.Time, e *apiclient.Error) {
	foreign := e.HTTPStatus/100 == 4 && !e.FromAPI()
	switch {
	case foreign && (b.foreignSince.IsZero() || now.Sub(b.foreignLast) >= blockedIdle):
		b.foreignSince = now // the first, or the first after an idle time that proves nothing
	case !foreign && e.HTTPStatus != 0:
		b.foreignSince = time.Time{}
	}
	if foreign {
		b.foreignLast = now
	}
	long := foreign && now.Sub(b.foreignSince) >= blockedAfter
	if !b.blocked() && (e.Class == apiclient.ClassBlocked || long) {
		b.blockedSince = now
	}
}

// reached notes a reply of the API itself, be it good or bad. It returns for how
// long the account had been blocked, 0 where it was not.
func (b *breaker) reached(now time.Time) (blockedFor time.Duration) {
	if b.blocked() {
		blockedFor = max(now.Sub(b.blockedSince), 1)
	}
	b.blockedSince, b.foreignSince = time.Time{}, time.Time{}
	return blockedFor
}

// answered notes a request that the API served or refused. It reports whether
// that ended an outage.
func (b *breaker) answered(probe bool) (recovered bool) {
	if probe {
		b.probing = false
	}
	recovered = b.tripped()
	b.failures, b.probes, b.next = 0, 0, time.Time{}
	if recovered {
		b.epoch++
	}
	return recovered
}
