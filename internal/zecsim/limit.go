package zecsim

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// RetryAfter says whether and how a throttled reply names a time to wait.
type RetryAfter string

// The forms of the header.
const (
	RetryAfterNone    RetryAfter = ""
	RetryAfterSeconds RetryAfter = "seconds"
	RetryAfterDate    RetryAfter = "date"
)

// noRefillWait is what Retry-After says while nothing refills the bucket.
const noRefillWait = time.Minute

// Limit is a rate limit on the server: a token bucket over all requests of the account, or over
// those of one action. A request must pass both. Where it does not, it is refused with
// REQUEST_LIMIT_EXCEEDED and uses up no token of either.
type Limit struct {
	Rate  float64 // requests a second, above 0
	Burst float64 // size of the bucket, at least 1; 0 means the larger of Rate and 1
	// Statuses are the HTTP statuses of a refusal, picked at random; none means 429.
	Statuses   []int
	RetryAfter RetryAfter
	// Changes move the limit as time goes by, in the order of After.
	Changes []LimitChange
}

// LimitChange sets the limit from After the simulator's beginning on. A rate of 0 lets nothing more
// in; a burst of 0 keeps the bucket's size.
type LimitChange struct {
	After time.Duration
	Rate  float64
	Burst float64
}

func (l *Limit) validate() error {
	if l == nil {
		return nil
	}
	var errs []error
	if !(l.Rate > 0 && l.Rate <= 1e6) {
		errs = append(errs, fmt.Errorf("limit: rate %v: use more than 0, up to 1e6, or no limit", l.Rate))
	}
	errs = append(errs, validBurst(l.Burst))
	for _, s := range l.Statuses {
		if s < 400 || s > 499 {
			errs = append(errs, fmt.Errorf("limit: status %d: use 429 or another 4xx", s))
		}
	}
	if l.RetryAfter != RetryAfterNone && l.RetryAfter != RetryAfterSeconds && l.RetryAfter != RetryAfterDate {
		errs = append(errs, fmt.Errorf("limit: retry after %q: use %s, %s or nothing", l.RetryAfter, RetryAfterSeconds, RetryAfterDate))
	}
	last := time.Duration(0)
	for _, c := range l.Changes {
		if !(c.Rate >= 0 && c.Rate <= 1e6) || c.After < last || c.After > maxDuration {
			errs = append(errs, fmt.Errorf("limit: change after %s to %v: use rates of 0 to 1e6, in the order of time", c.After, c.Rate))
		}
		last = max(last, c.After)
		errs = append(errs, validBurst(c.Burst))
	}
	return errors.Join(errs...)
}

func validBurst(b float64) error {
	if b != 0 && !(b >= 1 && b <= 1e6) {
		return fmt.Errorf("limit: burst %v: use 1 to 1e6, or 0 for the default", b)
	}
	return nil
}

// bucket is a limit at work. Its owner guards it.
type bucket struct {
	limit  *Limit
	stages []LimitChange // stages[0] begins at 0; bursts filled in
	tokens float64
	at     time.Duration
}

// newBucket starts full. l may be nil: then nothing is limited.
func newBucket(l *Limit) *bucket {
	if l == nil {
		return nil
	}
	first := LimitChange{Rate: l.Rate, Burst: or(l.Burst, max(l.Rate, 1))}
	b := &bucket{limit: l, stages: []LimitChange{first}, tokens: first.Burst}
	for _, c := range l.Changes {
		c.Burst = or(c.Burst, b.stages[len(b.stages)-1].Burst)
		b.stages = append(b.stages, c)
	}
	return b
}

func newBuckets(limits map[string]*Limit) map[string]*bucket {
	buckets := map[string]*bucket{}
	for action, l := range limits {
		buckets[action] = newBucket(l)
	}
	return buckets
}

// takeToken takes a token of each bucket if all have one. Else it takes none, and returns the
// bucket that is empty for longest and how long that is. Buckets may be nil.
func takeToken(at time.Duration, buckets ...*bucket) (over *bucket, wait time.Duration) {
	for _, b := range buckets {
		if b == nil {
			continue
		}
		if ok, w := b.ready(at); !ok && (over == nil || w > wait) {
			over, wait = b, w
		}
	}
	for _, b := range buckets {
		if over == nil && b != nil {
			b.tokens = max(b.tokens-1, 0)
		}
	}
	return over, wait
}

// ready says whether there is a token, and else how long until there is one.
func (b *bucket) ready(at time.Duration) (ok bool, wait time.Duration) {
	b.refill(at)
	// Sums of fractions fall a hair short of 1 at the very moment a token is due.
	if b.tokens >= 1-1e-9 {
		return true, 0
	}
	rate := b.stages[b.stage(at)].Rate
	if rate == 0 {
		return false, noRefillWait
	}
	return false, time.Duration((1 - b.tokens) / rate * float64(time.Second))
}

// stage is the index of what applies at a time.
func (b *bucket) stage(at time.Duration) int {
	i, _ := slices.BinarySearchFunc(b.stages, at, func(c LimitChange, at time.Duration) int {
		if c.After <= at {
			return -1
		}
		return 1
	})
	return max(i-1, 0)
}

// refill adds what each stage since the last call gives, never above its burst.
func (b *bucket) refill(at time.Duration) {
	for i := b.stage(b.at); b.at < at; i++ {
		end := at
		if i+1 < len(b.stages) {
			end = min(at, b.stages[i+1].After)
		}
		gained := b.stages[i].Rate * (end - b.at).Seconds()
		b.tokens, b.at = min(b.tokens+gained, b.stages[i].Burst), end
	}
}

// allowed is how many requests may pass between two times where each bucket gives what its rate
// gives, bursts left out: at any moment the lowest rate counts. Buckets may be nil.
func allowed(from, to time.Duration, buckets ...*bucket) float64 {
	// Between two neighbours of these times no rate changes.
	edges := []time.Duration{from, to}
	for _, b := range buckets {
		if b == nil {
			continue
		}
		for _, stage := range b.stages {
			if stage.After > from && stage.After < to {
				edges = append(edges, stage.After)
			}
		}
	}
	slices.Sort(edges)
	total := 0.0
	for i, begin := range edges[:len(edges)-1] {
		rate := math.Inf(1)
		for _, b := range buckets {
			if b != nil {
				rate = min(rate, b.stages[b.stage(begin)].Rate)
			}
		}
		if math.IsInf(rate, 1) {
			return rate
		}
		total += rate * (edges[i+1] - begin).Seconds()
	}
	return total
}

// status picks the HTTP status of a refusal.
func (l *Limit) status(rng *rand.Rand) int {
	if len(l.Statuses) == 0 {
		return http.StatusTooManyRequests
	}
	return l.Statuses[rng.IntN(len(l.Statuses))]
}

// retryAfter is the header's value, empty where there is none.
func (l *Limit) retryAfter(wait time.Duration, serverNow time.Time) string {
	switch l.RetryAfter {
	case RetryAfterSeconds:
		return strconv.FormatInt(max(1, int64(math.Ceil(wait.Seconds()))), 10)
	case RetryAfterDate:
		// The format cuts fractions off, which would name a moment too early.
		return serverNow.Add(wait + time.Second).UTC().Format(http.TimeFormat)
	}
	return ""
}
