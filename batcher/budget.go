package batcher

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Priority orders the requests that wait for the budget.
type Priority int

// The priorities. A start goes before a look that decides what to send, and
// that before a look that merely verifies.
const (
	PriorityStart Priority = iota
	PriorityDiagnose
	PriorityPoll
	priorities
)

// lowShare keeps lower priorities alive: of so many permits at least one goes
// past the highest priority. 1 in 25 leaves starts 96 % of the rate.
const lowShare = 25

// BudgetConfig bounds what one account sends, all actions and runs together.
type BudgetConfig struct {
	// RequestsPerSecond and Burst are the ceiling of a token bucket: in any
	// window of t seconds at most Burst + t × RequestsPerSecond requests leave.
	RequestsPerSecond float64 // over 0
	Burst             int     // at least 1
	// MaxInFlight bounds the requests that await a reply. At least 1.
	MaxInFlight int
	// Backoff paces the probes while the API is down.
	Backoff Backoff
	// OnThrottle is told of each slowing down, once however many replies said
	// so: the new rate a second, and the pause that the API asked for. It must
	// not call the Budget. nil is fine.
	OnThrottle func(rate float64, pause time.Duration)
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
// the limit that throttled replies show, one at a time while the API is down,
// and in order of priority. It is safe for concurrent use and has no goroutine.
type Budget struct {
	onThrottle func(float64, time.Duration)

	mu          sync.Mutex // guards all below
	limiter     *rate.Limiter
	burst       int
	maxInFlight int
	pace        pace
	gate        gate
	rng         *rand.Rand
	waiting     [priorities][]*ticket
	high        int // permits since one last went past the highest priority
	inFlight    int
	held        int       // of them, permits whose request has not left; a token is kept for each
	halvedAt    int       // serial of the last request before the last halving
	serial      int       // counts requests
	pausedUntil time.Time // Retry-After
	timer       *time.Timer
	waited      time.Duration
	recovered   chan struct{} // closed when the gate opens
}

// NewBudget checks cfg and returns a Budget.
func NewBudget(cfg BudgetConfig) (*Budget, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	return &Budget{
		onThrottle:  cfg.OnThrottle,
		limiter:     rate.NewLimiter(rate.Limit(cfg.RequestsPerSecond), cfg.Burst),
		burst:       cfg.Burst,
		maxInFlight: cfg.MaxInFlight,
		pace:        newPace(cfg.RequestsPerSecond),
		gate:        gate{backoff: cfg.Backoff},
		rng:         newRand(cfg.Seed),
		recovered:   make(chan struct{}),
	}, nil
}

func newRand(seed uint64) *rand.Rand {
	if seed == 0 {
		seed = rand.Uint64()
	}
	return rand.New(rand.NewPCG(seed, seed)) //nolint:gosec // jitter, not a secret
}

// SetLimits moves the ceilings, as a reload does. Tokens spent stay spent, so
// the new ceiling holds from the first request on.
func (b *Budget) SetLimits(requestsPerSecond float64, burst, maxInFlight int) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := (BudgetConfig{RequestsPerSecond: requestsPerSecond, Burst: burst, MaxInFlight: maxInFlight, Backoff: b.gate.backoff}).validate(); err != nil {
		return err
	}
	b.burst, b.maxInFlight = burst, maxInFlight
	b.pace.limit(requestsPerSecond)
	b.applyRate(time.Now())
	b.dispatch()
	return nil
}

// Rate is the present rate in requests a second, at most the configured one.
func (b *Budget) Rate() float64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.climb(time.Now())
	return b.pace.rate
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
	return b.gate.closed()
}

// Recovered is closed when the API answers again after it was down.
func (b *Budget) Recovered() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.recovered
}

func (b *Budget) answered(p *permit) {
	if b.gate.answered(p.probe) {
		close(b.recovered)
		b.recovered = make(chan struct{})
	}
}

// throttled slows the account down, once for all the requests that left before
// the last slowing down: they say nothing about the new rate.
func (b *Budget) throttled(now time.Time, p *permit, retryAfter time.Duration) {
	b.pause(now, retryAfter)
	if p.serial <= b.halvedAt {
		return
	}
	b.halvedAt = b.serial
	b.climb(now)
	b.pace.throttled(now, b.resume(now), p.rate)
	b.applyRate(now)
	if b.onThrottle != nil {
		b.onThrottle(b.pace.rate, retryAfter)
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

// climb lets the pace follow the clock.
func (b *Budget) climb(now time.Time) {
	before := b.pace.rate
	b.pace.advance(now)
	if b.pace.rate != before {
		b.applyRate(now)
	}
}

// applyRate hands the pace to the limiter. Below the ceiling there is no burst:
// nobody knows how much the account's own bucket holds, and what a pause saves
// up would run into the limit at once.
func (b *Budget) applyRate(now time.Time) {
	burst := 1
	if b.pace.rate == b.pace.ceiling {
		burst = b.burst
	}
	b.limiter.SetLimitAt(now, rate.Limit(b.pace.rate))
	b.limiter.SetBurstAt(now, burst)
}

// dispatch grants what may leave now and sets the timer for what comes next.
// It is called with mu held after everything that may change the answer.
func (b *Budget) dispatch() {
	for {
		now := time.Now()
		b.climb(now)
		next, ok := b.mayLeave(now)
		if !ok {
			b.wakeAt(now, next)
			return
		}
		b.grant(now, b.pick())
	}
}

// mayLeave reports whether one request may leave now; at is when to look again,
// zero where a reply or a new ticket will tell.
func (b *Budget) mayLeave(now time.Time) (at time.Time, ok bool) {
	if b.inFlight >= b.maxInFlight || !b.anyWaiting() {
		return time.Time{}, false
	}
	if ok, at := b.gate.admits(now); !ok {
		return at, false
	}
	if now.Before(b.pausedUntil) {
		return b.pausedUntil, false
	}
	if b.held > 0 && b.held >= b.limiter.Burst() {
		return time.Time{}, false // waiting fills the bucket no further: the holders must move
	}
	if missing := float64(b.held+1) - b.limiter.TokensAt(now); missing > 0 {
		return now.Add(max(spread(missing, b.pace.rate), time.Microsecond)), false
	}
	return time.Time{}, true
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

// pick takes the next ticket: by priority, with a small share for the rest. As
// a probe a look goes first, since it changes nothing if its reply is lost.
func (b *Budget) pick() *ticket {
	order := [priorities]Priority{PriorityStart, PriorityDiagnose, PriorityPoll}
	switch {
	case b.gate.closed():
		order = [priorities]Priority{PriorityDiagnose, PriorityPoll, PriorityStart}
	case b.high >= lowShare-1 && b.pollsWaitLonger():
		order = [priorities]Priority{PriorityPoll, PriorityDiagnose, PriorityStart}
	case b.high >= lowShare-1:
		order = [priorities]Priority{PriorityDiagnose, PriorityPoll, PriorityStart}
	}
	for _, p := range order {
		if queue := b.waiting[p]; len(queue) > 0 {
			b.waiting[p] = queue[1:]
			b.countShare(p)
			return queue[0]
		}
	}
	panic("batcher: a permit for nobody")
}

// pollsWaitLonger decides between the lower priorities when one of them has its
// share: by age, so that neither starves for the other.
func (b *Budget) pollsWaitLonger() bool {
	polls, looks := b.waiting[PriorityPoll], b.waiting[PriorityDiagnose]
	return len(polls) > 0 && (len(looks) == 0 || polls[0].asked.Before(looks[0].asked))
}

// countShare keeps the tally that lowShare speaks of: permits in a row that
// went past a lower priority that waited.
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

func (b *Budget) grant(now time.Time, t *ticket) {
	b.inFlight++
	b.held++
	b.waited += now.Sub(t.asked)
	epoch, probe := b.gate.leave()
	t.granted <- &permit{budget: b, epoch: epoch, probe: probe}
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
