package batcher

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"golang.org/x/time/rate"

	"zecpower/apiclient"
)

// Priority orders the requests of an account.
type Priority int

// The priorities. A start or stop goes before a describe that decides what to send, and that before
// a describe that merely verifies.
const (
	PriorityStart Priority = iota
	PriorityDiagnose
	PriorityPoll
	priorities
)

// lowShare keeps lower priorities from starving: of so many requests at least one goes past the
// highest priority. 1 in 25 leaves starts 96 % of the rate.
const lowShare = 25

// Limits bound what one account sends, all actions and runs together.
type Limits struct {
	// RequestsPerSecond and Burst are the ceiling of a token bucket: in any window of t seconds at
	// most Burst + t × RequestsPerSecond requests leave.
	RequestsPerSecond float64 // over 0
	Burst             int     // at least 1
	// MaxInFlight bounds the requests that await a reply. At least 1.
	MaxInFlight int
	// Backoff paces the retries of a request, and the probes while the API is down or refuses the
	// credentials.
	Backoff Backoff
}

func (l Limits) validate() error {
	if !(l.RequestsPerSecond > 0) || math.IsInf(l.RequestsPerSecond, 0) || l.Burst < 1 || l.MaxInFlight < 1 {
		return fmt.Errorf("budget: %g requests a second, burst %d, %d in flight: each must be over 0", l.RequestsPerSecond, l.Burst, l.MaxInFlight)
	}
	return l.Backoff.validate()
}

// budgetEvents are the functions that a budget calls. A nil one is not called.
type budgetEvents struct {
	onThrottle func(rate float64, pause time.Duration)
	onBlocked  func(e *apiclient.Error, lasted time.Duration)
	onAccepted func(now time.Time)
}

// budget decides when a request may leave: under the configured ceiling, under the limit that
// throttled replies show, and one at a time while the API is down or refuses the credentials. It
// belongs to its account, reads no clock and waits for nothing.
type budget struct {
	events      budgetEvents
	limiter     *rate.Limiter
	burst       int
	maxInFlight int
	rate        adaptiveRate
	breaker     breaker
	credentials credentialPause
	rng         *rand.Rand
	high        int // requests since one last went past the highest priority
	inFlight    int
	slowedAt    int       // serial of the last request before the last slowing down
	serial      int       // counts requests
	pausedUntil time.Time // Retry-After
}

func newBudget(l Limits, events budgetEvents, rng *rand.Rand) *budget {
	return &budget{
		events:      events,
		limiter:     rate.NewLimiter(rate.Limit(l.RequestsPerSecond), l.Burst),
		burst:       l.Burst,
		maxInFlight: l.MaxInFlight,
		rate:        newAdaptiveRate(l.RequestsPerSecond),
		breaker:     breaker{backoff: l.Backoff},
		credentials: credentialPause{backoff: l.Backoff},
		rng:         rng,
	}
}

func newRand(seed uint64) *rand.Rand {
	if seed == 0 {
		seed = rand.Uint64()
	}
	return rand.New(rand.NewPCG(seed, seed)) //nolint:gosec // jitter, not a secret
}

// limit moves the ceilings and the backoff, as a reload does. What is spent stays spent, so the new
// ceiling holds from the first request on.
func (b *budget) limit(now time.Time, l Limits) {
	b.burst, b.maxInFlight = l.Burst, l.MaxInFlight
	b.breaker.backoff, b.credentials.backoff = l.Backoff, l.Backoff
	b.rate.limit(l.RequestsPerSecond)
	b.applyRate(now)
}

// newCredentials forgets what replies said of the credentials before.
func (b *budget) newCredentials() {
	b.credentials.accepted = false
	b.credentials.lift()
}

// throttled slows the account down, once for all the requests that left before the last slowing
// down: they say nothing about the new rate.
func (b *budget) throttled(now time.Time, t *token, retryAfter time.Duration) {
	b.pause(now, retryAfter)
	if t.serial <= b.slowedAt {
		return
	}
	b.slowedAt = b.serial
	b.climb(now)
	b.rate.throttled(now, b.resume(now), t.rate)
	b.applyRate(now)
	if b.events.onThrottle != nil {
		b.events.onThrottle(b.rate.present, retryAfter)
	}
}

// resume is when the next request may leave at the earliest.
func (b *budget) resume(now time.Time) time.Time {
	if b.pausedUntil.After(now) {
		return b.pausedUntil
	}
	return now
}

func (b *budget) pause(now time.Time, d time.Duration) {
	if until := now.Add(d); d > 0 && until.After(b.pausedUntil) {
		b.pausedUntil = until
	}
}

// climb lets the rate follow the clock.
func (b *budget) climb(now time.Time) {
	before := b.rate.present
	b.rate.advance(now)
	if b.rate.present != before {
		b.applyRate(now)
	}
}

// applyRate passes the present rate to the limiter. Below the ceiling there is no burst: how much
// the account's own bucket holds is unknown, and what a pause saves up would run into the limit at
// once.
func (b *budget) applyRate(now time.Time) {
	burst := 1
	if b.rate.present == b.rate.ceiling {
		burst = b.burst
	}
	b.limiter.SetLimitAt(now, rate.Limit(b.rate.present))
	b.limiter.SetBurstAt(now, burst)
}

// demand is what waits for a budget.
type demand struct {
	// since is when each priority began to wait; zero: nothing of it waits.
	since [priorities]time.Time
	// offers reports whether a request of an API action waits at a priority.
	offers func(p Priority, action string) bool
}

func (d demand) any() bool {
	for _, since := range d.since {
		if !since.IsZero() {
			return true
		}
	}
	return false
}

// wants reports whether a request of an action waits.
func (d demand) wants(action string) bool {
	for p, since := range d.since {
		if !since.IsZero() && d.offers(Priority(p), action) {
			return true
		}
	}
	return false
}

// choose returns the priority whose request may leave now, and the API action that it must have;
// empty: any. Where none may, at is when to ask again, zero where a reply or new work will change
// the answer.
func (b *budget) choose(now time.Time, d demand) (p Priority, action string, ok bool, at time.Time) {
	b.climb(now)
	if b.inFlight >= b.maxInFlight || !d.any() {
		return 0, "", false, time.Time{}
	}
	// While the API is down, one probe at a time.
	if ok, at := b.breaker.admits(now); !ok {
		return 0, "", false, at
	}
	// While it refuses the credentials, one probe of the refused action at a time.
	if ok, at := b.credentials.admits(now, b.credentials.active() && d.wants(b.credentials.action)); !ok {
		return 0, "", false, at
	}
	if now.Before(b.pausedUntil) {
		return 0, "", false, b.pausedUntil
	}
	if missing := 1 - b.limiter.TokensAt(now); missing > 0 {
		return 0, "", false, now.Add(max(spread(missing, b.rate.present), time.Microsecond))
	}
	action = b.credentials.action
	for _, p := range b.order(d) {
		if !d.since[p].IsZero() && (action == "" || d.offers(p, action)) {
			return p, action, true, time.Time{}
		}
	}
	return 0, "", false, time.Time{}
}

// spread is how long so many requests take at a rate, rounded up: woken a nanosecond early, a bucket
// would not be full yet. It ends at a year, so that no rate, however low, overflows.
func spread(requests, perSecond float64) time.Duration {
	const year = 365 * 24 * time.Hour
	return time.Duration(min(math.Ceil(requests/perSecond*float64(time.Second)), float64(year)))
}

// order lists the priorities as they may go now: the highest first, with a small share for the rest.
// As a probe a describe goes first, since it changes nothing if its reply is lost.
func (b *budget) order(d demand) [priorities]Priority {
	switch {
	case b.breaker.tripped():
		return [priorities]Priority{PriorityDiagnose, PriorityPoll, PriorityStart}
	case b.high >= lowShare-1 && pollsWaitLonger(d):
		return [priorities]Priority{PriorityPoll, PriorityDiagnose, PriorityStart}
	case b.high >= lowShare-1:
		return [priorities]Priority{PriorityDiagnose, PriorityPoll, PriorityStart}
	}
	return [priorities]Priority{PriorityStart, PriorityDiagnose, PriorityPoll}
}

// pollsWaitLonger decides between the lower priorities when one of them has its share: by age, so
// that neither starves for the other.
func pollsWaitLonger(d demand) bool {
	polls, diagnoses := d.since[PriorityPoll], d.since[PriorityDiagnose]
	return !polls.IsZero() && (diagnoses.IsZero() || polls.Before(diagnoses))
}

// countShare counts the requests in a row that went past a lower priority that waited, for lowShare.
func (b *budget) countShare(p Priority, d demand) {
	passed := false
	for _, since := range d.since[p+1:] {
		passed = passed || !since.IsZero()
	}
	if passed && b.high < lowShare-1 {
		b.high++
	} else {
		b.high = 0
	}
}

// token is one request that has left. done is called exactly once.
type token struct {
	budget          *budget
	action          string  // the API's name
	serial          int     // of the request
	rate            float64 // at which it left, in requests a second
	epoch           int
	probe           bool // of an API that is down
	credentialProbe bool
}

// leave lets a request of a priority that choose has returned leave now.
func (b *budget) leave(now time.Time, p Priority, action string, d demand) *token {
	b.countShare(p, d)
	b.limiter.AllowN(now, 1) // choose has seen that there is one
	b.inFlight++
	b.serial++
	b.rate.left()
	t := &token{budget: b, action: action, serial: b.serial, rate: b.rate.present}
	t.epoch, t.probe = b.breaker.leave()
	t.credentialProbe = b.credentials.leave()
	return t
}

// outcome is what a reply changed for the whole account.
type outcome struct {
	denied    bool // the refusal of the credentials is final
	recovered bool // the API answers again after it was down
}

// done notes how the request went; e is nil where it went well.
func (t *token) done(now time.Time, e *apiclient.Error) (o outcome) {
	b := t.budget
	b.inFlight--
	if e == nil || e.FromAPI() {
		b.reached(now)
	}
	switch {
	case e == nil:
		o.recovered = b.answered(now, t, true)
		b.rate.answered(t.rate)
	case e.Class == apiclient.ClassThrottled:
		// A station on the way may throttle, too: that says nothing of the credentials, and one that
		// blocks this host goes on with that.
		if e.FromAPI() || !b.breaker.blocked() {
			o.recovered = b.answered(now, t, e.FromAPI())
		} else {
			b.breaker.failed(now, e, t.epoch, t.probe, b.rng)
		}
		b.credentials.withdrawn(t.credentialProbe)
		b.throttled(now, t, e.RetryAfter)
	case e.Class == apiclient.ClassCredentials:
		o.recovered = b.answered(now, t, false)
		b.rate.answered(t.rate)
		o.denied = b.credentials.refused(now, t.action, e.ClockSkew != 0, t.credentialProbe, b.rng)
	case keyAccepted(e):
		o.recovered = b.answered(now, t, true)
		b.rate.answered(t.rate)
	default:
		b.failed(now, t, e)
	}
	return o
}

// keyAccepted reports whether the API accepted the credentials of a request: it served it, or
// refused it for another reason. e is nil where it went well.
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
func (b *budget) reached(now time.Time) {
	if lasted := b.breaker.reached(now); lasted > 0 && b.events.onBlocked != nil {
		b.events.onBlocked(nil, lasted)
	}
}

// answered notes a request that the API served or refused; accepted says that it accepted the
// credentials. It reports whether that ended an outage.
func (b *budget) answered(now time.Time, t *token, accepted bool) (recovered bool) {
	recovered = b.breaker.answered(t.probe)
	if !accepted {
		return recovered
	}
	b.credentials.answered(t.action, t.credentialProbe)
	if b.events.onAccepted != nil {
		b.events.onAccepted(now)
	}
	return recovered
}

// failed notes a request without an answer of the API.
func (b *budget) failed(now time.Time, t *token, e *apiclient.Error) {
	b.credentials.withdrawn(t.credentialProbe)
	blocked := b.breaker.failed(now, e, t.epoch, t.probe, b.rng)
	if blocked && b.events.onBlocked != nil {
		b.events.onBlocked(e, 0)
	}
	b.pause(now, e.RetryAfter)
}
