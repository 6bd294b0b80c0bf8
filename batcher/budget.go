package batcher

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"zecpower/apiclient"
)

// Priority orders the requests that wait for the budget.
type Priority int

// The priorities. A start or stop goes before a describe that decides what to
// send, and that before a describe that merely verifies.
const (
	PriorityStart Priority = iota
	PriorityDiagnose
	PriorityPoll
	priorities
)

// lowShare keeps lower priorities from starving: of so many tokens at least one
// goes past the highest priority. 1 in 25 leaves starts 96 % of the rate.
const lowShare = 25

// BudgetConfig bounds what one account sends, all actions and runs together.
type BudgetConfig struct {
	// RequestsPerSecond and Burst are the ceiling of a token bucket: in any
	// window of t seconds at most Burst + t × RequestsPerSecond requests leave.
	RequestsPerSecond float64 // over 0
	Burst             int     // at least 1
	// MaxInFlight bounds the requests that await a reply. At least 1.
	MaxInFlight int
	// Backoff paces the probes while the API is down, or refuses the credentials.
	Backoff Backoff
	// OnThrottle is called at each slowing down, once however many replies said
	// so: the new rate a second, and the pause that the API asked for. OnBlocked
	// is called when the network in front of the API begins to refuse this host
	// (with the reply), and when that ends (with nil and how long it lasted).
	// Neither must call the Budget; a panic in them goes to OnPanic. nil is fine.
	OnThrottle func(rate float64, pause time.Duration)
	OnBlocked  func(e *apiclient.Error, lasted time.Duration)
	// OnAccepted is called at each reply that accepted the credentials. As above.
	OnAccepted func(now time.Time)
	// OnPanic receives the panics of the functions above. nil drops them.
	OnPanic func(*PanicError)
	// Seed makes the jitter repeatable; 0 draws one.
	Seed uint64
}

func (c BudgetConfig) validate() error {
	if !(c.RequestsPerSecond > 0) || math.IsInf(c.RequestsPerSecond, 0) || c.Burst < 1 || c.MaxInFlight < 1 {
		return fmt.Errorf("budget: %g requests a second, burst %d, %d in flight: each must be over 0", c.RequestsPerSecond, c.Burst, c.MaxInFlight)
	}
	return c.Backoff.validate()
}

// Budget decides when a request may leave: under the configured ceiling, under
// the limit that throttled replies show, one at a time while the API is down or
// refuses the credentials, and in order of priority. It is safe for concurrent
// use and has no goroutine.
type Budget struct {
	cfg BudgetConfig // its functions; the limits below move

	mu          sync.Mutex // guards all below
	limiter     *rate.Limiter
	burst       int
	maxInFlight int
	rate        adaptiveRate
	breaker     breaker
	credentials credentialPause
	rng         *rand.Rand
	waiting     [priorities][]*waiter
	high        int // tokens since one last went past the highest priority
	inFlight    int
	held        int       // of them, tokens whose request has not left; one of the bucket's is kept for each
	slowedAt    int       // serial of the last request before the last slowing down
	serial      int       // counts requests
	pausedUntil time.Time // Retry-After
	timer       *time.Timer
	waited      time.Duration
	recovered   chan struct{} // closed when an outage ends
	denied      chan struct{} // closed when a refusal of the credentials is final
	denial      *apiclient.Error
}

// NewBudget checks cfg and returns a Budget.
func NewBudget(cfg BudgetConfig) (*Budget, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	return &Budget{
		cfg:         cfg,
		limiter:     rate.NewLimiter(rate.Limit(cfg.RequestsPerSecond), cfg.Burst),
		burst:       cfg.Burst,
		maxInFlight: cfg.MaxInFlight,
		rate:        newAdaptiveRate(cfg.RequestsPerSecond),
		breaker:     breaker{backoff: cfg.Backoff},
		credentials: credentialPause{backoff: cfg.Backoff},
		rng:         newRand(cfg.Seed),
		recovered:   make(chan struct{}),
		denied:      make(chan struct{}),
	}, nil
}

func newRand(seed uint64) *rand.Rand {
	if seed == 0 {
		seed = rand.Uint64()
	}
	return rand.New(rand.NewPCG(seed, seed)) //nolint:gosec // jitter, not a secret
}

// Limits are the parts of a BudgetConfig that a reload may move.
type Limits struct {
	RequestsPerSecond float64
	Burst             int
	MaxInFlight       int
	Backoff           Backoff
}

// SetLimits moves the ceilings and the backoff, as a reload does. Tokens spent
// stay spent, so the new ceiling holds from the first request on.
func (b *Budget) SetLimits(l Limits) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := (BudgetConfig{RequestsPerSecond: l.RequestsPerSecond, Burst: l.Burst, MaxInFlight: l.MaxInFlight, Backoff: l.Backoff}).validate(); err != nil {
		return err
	}
	b.burst, b.maxInFlight = l.Burst, l.MaxInFlight
	b.breaker.backoff, b.credentials.backoff = l.Backoff, l.Backoff
	b.rate.limit(l.RequestsPerSecond)
	b.applyRate(time.Now())
	b.dispatch()
	return nil
}

// Rate is the present rate in requests a second, at most the configured one.
func (b *Budget) Rate() float64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.climb(time.Now())
	return b.rate.present
}

// Waited is the time that requests have spent waiting for the budget, all together.
func (b *Budget) Waited() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.waited
}

// Down reports whether the API counts as down: one probe at a time is sent.
func (b *Budget) Down() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.breaker.tripped()
}

// Blocked reports whether the network in front of the API refuses this host.
func (b *Budget) Blocked() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.breaker.blocked()
}

// CredentialsAccepted reports whether a reply of the API has accepted the
// credentials since the Budget was made.
func (b *Budget) CredentialsAccepted() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.credentials.accepted
}

// NewCredentials notes that other credentials are in use from now on: what replies
// said of those before is forgotten, and what waited because they were refused may
// leave.
func (b *Budget) NewCredentials() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.credentials.accepted = false
	b.credentials.lift()
	b.dispatch()
}

// pausedBy is the action whose credentials are refused at present, "" for none.
func (b *Budget) pausedBy() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.credentials.action
}

// Recovered is closed when the API answers again after it was down.
func (b *Budget) Recovered() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.recovered
}

// Denied is closed when a refusal of the credentials is final; Denial is then
// the refusal. A run asks for the channel anew after each.
func (b *Budget) Denied() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.denied
}

// Denial is the last final refusal of the credentials, nil where there was none.
func (b *Budget) Denial() *apiclient.Error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.denial
}

// throttled slows the account down, once for all the requests that left before
// the last slowing down: they say nothing about the new rate.
func (b *Budget) throttled(now time.Time, t *token, retryAfter time.Duration) {
	b.pause(now, retryAfter)
	if t.serial <= b.slowedAt {
		return
	}
	b.slowedAt = b.serial
	b.climb(now)
	b.rate.throttled(now, b.resume(now), t.rate)
	b.applyRate(now)
	if b.cfg.OnThrottle != nil {
		b.call(func() { b.cfg.OnThrottle(b.rate.present, retryAfter) })
	}
}

// call guards the account against a panic in a function of the caller's.
func (b *Budget) call(f func()) {
	if p := catch("a function of the budget's owner", f); p != nil && b.cfg.OnPanic != nil {
		_ = catch("OnPanic", func() { b.cfg.OnPanic(p) }) // nothing is left to report it to
	}
}

// resume is when the next request may leave at the earliest.
func (b *Budget) resume(now time.Time) time.Time {
	if b.pausedUntil.After(now) {
		return b.pausedUntil
	}
	return now
}

func (b *Budget) pause(now time.Time, d time.Duration) {
	if until := now.Add(d); d > 0 && until.After(b.pausedUntil) {
		b.pausedUntil = until
	}
}

// climb lets the rate follow the clock.
func (b *Budget) climb(now time.Time) {
	before := b.rate.present
	b.rate.advance(now)
	if b.rate.present != before {
		b.applyRate(now)
	}
}

// applyRate passes the present rate to the limiter. Below the ceiling there is
// no burst: how much the account's own bucket holds is unknown, and what a pause
// saves up would run into the limit at once.
func (b *Budget) applyRate(now time.Time) {
	burst := 1
	if b.rate.present == b.rate.ceiling {
		burst = b.burst
	}
	b.limiter.SetLimitAt(now, rate.Limit(b.rate.present))
	b.limiter.SetBurstAt(now, burst)
}

// dispatch grants what may leave now and sets the timer for what comes next.
// It is called with mu held after everything that may change the answer.
func (b *Budget) dispatch() {
	for {
		now := time.Now()
		b.climb(now)
		w, next := b.mayLeave(now)
		if w == nil {
			b.wakeAt(now, next)
			return
		}
		b.grant(now, w)
	}
}

// mayLeave takes the waiter out of the queue whose request may leave now. Where
// there is none, at is when to ask again, zero where a reply or a new waiter
// will change the answer.
func (b *Budget) mayLeave(now time.Time) (w *waiter, at time.Time) {
	if b.inFlight >= b.maxInFlight || !b.anyWaiting() {
		return nil, time.Time{}
	}
	// While the API is down, one probe at a time.
	if ok, at := b.breaker.admits(now); !ok {
		return nil, at
	}
	// While it refuses the credentials, one probe of the refused action at a time.
	if ok, at := b.credentials.admits(now, b.wanted(b.credentials.action)); !ok {
		return nil, at
	}
	action := b.credentials.action
	if now.Before(b.pausedUntil) {
		return nil, b.pausedUntil
	}
	if b.held > 0 && b.held >= b.limiter.Burst() {
		return nil, time.Time{} // waiting fills the bucket no further: the holders must move
	}
	if missing := float64(b.held+1) - b.limiter.TokensAt(now); missing > 0 {
		return nil, now.Add(max(spread(missing, b.rate.present), time.Microsecond))
	}
	return b.pick(action), time.Time{}
}

// wanted reports whether a request of an action waits.
func (b *Budget) wanted(action string) bool {
	for _, queue := range b.waiting {
		if slices.ContainsFunc(queue, func(w *waiter) bool { return w.action == action }) {
			return true
		}
	}
	return false
}

// spread is how long so many requests take at a rate, rounded up: woken a
// nanosecond early, a bucket would not be full yet. It ends at a year, so that
// no rate, however low, overflows.
func spread(requests, perSecond float64) time.Duration {
	const year = 365 * 24 * time.Hour
	return time.Duration(min(math.Ceil(requests/perSecond*float64(time.Second)), float64(year)))
}

func (b *Budget) anyWaiting() bool {
	for _, queue := range b.waiting {
		if len(queue) > 0 {
			return true
		}
	}
	return false
}

// pick takes the next waiter: by priority, with a small share for the rest. As a
// probe a describe goes first, since it changes nothing if its reply is lost.
// action limits the choice to requests of that action; "" does not.
func (b *Budget) pick(action string) *waiter {
	order := [priorities]Priority{PriorityStart, PriorityDiagnose, PriorityPoll}
	switch {
	case b.breaker.tripped():
		order = [priorities]Priority{PriorityDiagnose, PriorityPoll, PriorityStart}
	case b.high >= lowShare-1 && b.pollsWaitLonger():
		order = [priorities]Priority{PriorityPoll, PriorityDiagnose, PriorityStart}
	case b.high >= lowShare-1:
		order = [priorities]Priority{PriorityDiagnose, PriorityPoll, PriorityStart}
	}
	for _, p := range order {
		for i, w := range b.waiting[p] {
			if action == "" || w.action == action {
				b.waiting[p] = without(b.waiting[p], i)
				b.countShare(p)
				return w
			}
		}
	}
	panic("batcher: a token without a waiter")
}

// without removes the waiter at i; the first, the usual case, without copying.
func without(queue []*waiter, i int) []*waiter {
	if i == 0 {
		return queue[1:]
	}
	return append(queue[:i:i], queue[i+1:]...)
}

// pollsWaitLonger decides between the lower priorities when one of them has its
// share: by age, so that neither starves for the other.
func (b *Budget) pollsWaitLonger() bool {
	polls, diagnoses := b.waiting[PriorityPoll], b.waiting[PriorityDiagnose]
	return len(polls) > 0 && (len(diagnoses) == 0 || polls[0].asked.Before(diagnoses[0].asked))
}

// countShare counts the tokens in a row that went past a lower priority that
// waited, for lowShare.
func (b *Budget) countShare(p Priority) {
	passed := false
	for _, queue := range b.waiting[p+1:] {
		passed = passed || len(queue) > 0
	}
	if passed && b.high < lowShare-1 {
		b.high++
	} else {
		b.high = 0
	}
}

func (b *Budget) grant(now time.Time, w *waiter) {
	b.inFlight++
	b.held++
	b.waited += now.Sub(w.asked)
	t := &token{budget: b, action: w.action}
	t.epoch, t.probe = b.breaker.leave()
	t.credentialProbe = b.credentials.leave()
	w.granted <- t
}

func (b *Budget) wakeAt(now, at time.Time) {
	if b.timer != nil {
		b.timer.Stop()
	}
	if at.IsZero() {
		return
	}
	b.timer = time.AfterFunc(at.Sub(now), func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.dispatch()
	})
}
