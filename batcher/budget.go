package batcher

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
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

// budgetEvents are the functions that a budget calls.
type budgetEvents struct {
	blocked  func(e *apiclient.Error)       // the network in front of the API begins to refuse this host
	reached  func(blockedFor time.Duration) // the API answers again
	accepted func(now time.Time)            // a reply accepted the credentials
}

// budget decides when a request may leave: under the configured ceiling, which holds for all actions
// together, under the limit that throttled replies show of its own action, and one at a time while
// the API is down or refuses the credentials. It belongs to its account, reads no clock and waits for
// nothing.
type budget struct {
	events      budgetEvents
	limiter     *rate.Limiter
	maxInFlight int
	rates       map[string]*adaptiveRate // by API action
	breaker     breaker
	credentials credentialPause
	rng         *rand.Rand
	high        int // requests of the highest priority since one last went past it
	inFlight    int
	serial      int       // counts requests
	pausedUntil time.Time // Retry-After of an API that failed
}

func newBudget(l Limits, events budgetEvents, rng *rand.Rand) *budget {
	rates := map[string]*adaptiveRate{}
	for _, action := range APIActions() {
		rates[action] = newAdaptiveRate(l.RequestsPerSecond)
	}
	return &budget{
		events:      events,
		limiter:     rate.NewLimiter(rate.Limit(l.RequestsPerSecond), l.Burst),
		maxInFlight: l.MaxInFlight,
		rates:       rates,
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
	b.maxInFlight = l.MaxInFlight
	b.breaker.backoff, b.credentials.backoff = l.Backoff, l.Backoff
	b.limiter.SetLimitAt(now, rate.Limit(l.RequestsPerSecond))
	b.limiter.SetBurstAt(now, l.Burst)
	for _, r := range b.rates {
		r.limit(now, l.RequestsPerSecond)
	}
}

// rate is the present rate of an API action in requests a second, at most the ceiling.
func (b *budget) rate(now time.Time, action string) float64 {
	r := b.rates[action]
	r.climb(now)
	return r.present
}

// newCredentials forgets what replies said of the credentials before.
func (b *budget) newCredentials() {
	b.credentials.accepted = false
	b.credentials.lift()
}

// throttled slows the action of a request down, and no other.
func (b *budget) throttled(now time.Time, t *token, retryAfter time.Duration) {
	b.rates[t.action].pause(now, retryAfter)
	b.rates[t.action].throttled(now, t.serial, b.serial, t.rate)
}

// pause keeps everything back.
func (b *budget) pause(now time.Time, d time.Duration) {
	if until := now.Add(d); d > 0 && until.After(b.pausedUntil) {
		b.pausedUntil = until
	}
}

// demand is what waits for a budget.
type demand struct {
	// since is when each priority began to wait; zero: nothing of it waits.
	since [priorities]time.Time
	// actions are the API actions of what waits at each priority, the one whose turn it is first.
	actions [priorities][]string
}

// first is the highest priority at which something waits; priorities: nothing does.
func (d demand) first() Priority {
	for p, since := range d.since {
		if !since.IsZero() {
			return Priority(p)
		}
	}
	return priorities
}

// wants reports whether a request of an action waits.
func (d demand) wants(action string) bool {
	return slices.ContainsFunc(d.actions[:], func(at []string) bool { return slices.Contains(at, action) })
}

// choose returns the priority and the API action whose request may leave now. Where none may, at is
// when to ask again, zero where a reply or new work will change the answer.
func (b *budget) choose(now time.Time, d demand) (p Priority, action string, ok bool, at time.Time) {
	if b.inFlight >= b.maxInFlight || d.first() == priorities {
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
	if at := hasToken(b.limiter, now); at.After(now) {
		return 0, "", false, at
	}
	return b.admitted(now, d)
}

// admitted returns the first request that waits whose own action may be sent now.
func (b *budget) admitted(now time.Time, d demand) (p Priority, action string, ok bool, at time.Time) {
	for _, p := range b.order(d) {
		for _, action := range d.actions[p] {
			if only := b.credentials.action; only != "" && action != only {
				continue
			}
			opens := b.rates[action].opens(now)
			if !opens.After(now) {
				return p, action, true, time.Time{}
			}
			at = earlier(at, opens)
		}
	}
	return 0, "", false, at
}

// hasToken is when a bucket has a token for a request, at now or later.
func hasToken(bucket *rate.Limiter, now time.Time) time.Time {
	missing := 1 - bucket.TokensAt(now)
	if missing <= 0 {
		return now
	}
	return now.Add(max(spread(missing, float64(bucket.Limit())), time.Microsecond))
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
// Where the action of the lower one is slowed down, its share waits for it.
func (b *budget) countShare(p Priority, d demand) {
	passed := false
	for _, since := range d.since[p+1:] {
		passed = passed || !since.IsZero()
	}
	if passed && p == d.first() {
		b.high = min(b.high+1, lowShare-1)
	} else {
		b.high = 0
	}
}

// token is one request that has left. done is called exactly once.
type token struct {
	budget          *budget
	action          string  // the API's name
	serial          int     // of the request
	rate            float64 // of the action when it left, in requests a second
	epoch           int
	probe           bool // of an API that is down
	credentialProbe bool
	page            bool // a page of the account, for which a key may lack the right alone
}

// leave lets a request of a priority that choose has returned leave now.
func (b *budget) leave(now time.Time, p Priority, action string, d demand) *token {
	b.countShare(p, d)
	b.limiter.AllowN(now, 1) // choose has seen that there is one
	b.inFlight++
	b.serial++
	r := b.rates[action]
	r.leave(now)
	t := &token{budget: b, action: action, serial: b.serial, rate: r.present}
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
		b.rates[t.action].answered()
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
	case e.Class == apiclient.ClassCredentials && t.page:
		o.recovered = b.answered(now, t, false)
		b.rates[t.action].answered()
	case e.Class == apiclient.ClassCredentials:
		o.recovered = b.answered(now, t, false)
		b.rates[t.action].answered()
		o.denied = b.credentials.refused(now, t.action, e.ClockSkew != 0, t.credentialProbe, b.rng)
	case keyAccepted(e):
		o.recovered = b.answered(now, t, true)
		b.rates[t.action].answered()
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
	if lasted := b.breaker.reached(now); lasted > 0 {
		b.events.reached(lasted)
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
	b.events.accepted(now)
	return recovered
}

// failed notes a request without an answer of the API.
func (b *budget) failed(now time.Time, t *token, e *apiclient.Error) {
	b.credentials.withdrawn(t.credentialProbe)
	if b.breaker.failed(now, e, t.epoch, t.probe, b.rng) {
		b.events.blocked(e)
	}
	b.pause(now, e.RetryAfter)
}
