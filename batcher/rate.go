package batcher

import (
	"math"
	"time"

	"golang.org/x/time/rate"
)

const (
	// rateCut is what a throttle leaves of the plateau: beta of RFC 9438.
	rateCut = 0.7
	// rateCurve is how steeply the rate climbs, in requests a second per s³: C of RFC 9438, with a value
	// of our own. At 20 a second a cut is made good within 2 s, and 35 a second more are found within
	// 3.3 s after that.
	rateCurve = 1.0
	// rateProof is how many requests must be served before the rate climbs past its plateau: where
	// only one a second is allowed, time alone proves nothing.
	rateProof = 5
	// rateIdle is after how long without a request the count of those served begins anew, and an
	// estimate that has reached the ceiling is dropped.
	rateIdle = 10 * time.Second
	// rateFloor is the slowest rate, in requests a second: one every 2 s still notices recovery. Under a
	// ceiling as low as that it is rateCut of the ceiling.
	rateFloor = 0.5
	// rateStep is how often a climbing rate is computed anew.
	rateStep = 100 * time.Millisecond
)

// adaptiveRate estimates the rate that the API allows for one action, from its throttled replies
// alone. A throttle cuts it to 70 % at once. Then it follows CUBIC (RFC 9438, sections 4.2 and 4.6):
// back to a plateau quickly, slowly past it, then ever faster, because a limit that is not met again
// has moved. Where CUBIC's plateau is the rate that was throttled, ours is midway between that and
// what was served since the throttle before, which is the limit where a token bucket kept it (that
// measure is TCP Westwood's: S. Mascolo and others, MobiCom 2001). Pure: time is a parameter. Rates
// are in requests a second.
type adaptiveRate struct {
	ceiling float64 // configured; never exceeded
	// bucket is filled at the present rate and holds one request: how much the API's own bucket holds
	// is unknown, and what a pause saves up would run into its limit at once. nil: there is no
	// estimate, and the ceiling alone holds.
	bucket  *rate.Limiter
	present float64
	// After a throttle the rate begins at bottom at the time began, and levels out at plateau.
	bottom, plateau float64
	began           time.Time
	// served counts the requests that were served since the last cut, or the end of an idle time.
	served      int
	since, last time.Time // when that count began, and when the last request left

	pausedUntil time.Time // Retry-After
	cutAt       int       // serial of the last request before the last cut
}

func newAdaptiveRate(ceiling float64) *adaptiveRate {
	return &adaptiveRate{ceiling: ceiling, present: ceiling}
}

// leave notes that a request leaves.
func (r *adaptiveRate) leave(now time.Time) {
	if now.Sub(r.last) > rateIdle {
		r.served, r.since = 0, now
		if r.present == r.ceiling {
			r.bucket = nil // sooner, all that the account's bucket has saved up would leave at once
		}
	}
	r.last = now
	if r.bucket != nil {
		r.bucket.AllowN(now, 1)
	}
}

// answered notes a reply that was not throttled.
func (r *adaptiveRate) answered() { r.served++ }

// pause keeps the action from being sent for as long as a Retry-After says.
func (r *adaptiveRate) pause(now time.Time, d time.Duration) {
	if until := now.Add(d); until.After(r.pausedUntil) {
		r.pausedUntil = until
	}
}

// throttled cuts the rate, once for all the requests that left before the last cut: they say nothing
// about the new rate. serial is that of the throttled request, which left at the rate left; last is
// that of the newest request of the account. It reports whether it cut.
func (r *adaptiveRate) throttled(now time.Time, serial, last int, left float64) bool {
	if serial <= r.cutAt {
		return false
	}
	r.climb(now)
	// 1. The limit lies between what was served and what was sent. The middle is right soon, whichever
	// of the two is nearer: served is where the API's bucket saves up what a cut leaves unused, sent is
	// where that is lost.
	sent := min(r.present, left)
	served := min(sent, float64(r.served)/max(now.Sub(r.since), time.Millisecond).Seconds())
	r.plateau = (sent + served) / 2
	r.bottom = max(r.plateau*rateCut, min(rateFloor, r.ceiling*rateCut))
	r.plateau = max(r.plateau, r.bottom)
	// 2. The time of the curve counts from when requests may leave again.
	r.cutAt, r.began = last, now
	if r.pausedUntil.After(now) {
		r.began = r.pausedUntil
	}
	r.served, r.since = 0, r.began
	// 3. The API's bucket is empty now, so ours begins empty, too.
	r.present, r.bucket = r.bottom, rate.NewLimiter(rate.Limit(r.bottom), 1)
	r.bucket.AllowN(now, 1)
	return true
}

// climb lets the rate follow the clock.
func (r *adaptiveRate) climb(now time.Time) {
	if r.bucket == nil {
		r.present = r.ceiling
		return
	}
	// 1. The curve is level that long after it began.
	level := time.Duration(math.Cbrt((r.plateau-r.bottom)/rateCurve) * float64(time.Second))
	climbed := now.Sub(r.began)
	// 2. Past that, time counts only once enough was served.
	if climbed > level && r.served < rateProof {
		climbed, r.began = level, now.Add(-level)
	}
	// 3. The ceiling cuts the curve off.
	t := (climbed.Truncate(rateStep) - level).Seconds()
	r.present = min(max(r.bottom, r.plateau+rateCurve*t*t*t), r.ceiling)
	r.bucket.SetLimitAt(now, rate.Limit(r.present))
}

// opens is when the next request may leave, at now or later; it is to be asked again then.
func (r *adaptiveRate) opens(now time.Time) time.Time {
	r.climb(now)
	if now.Before(r.pausedUntil) {
		return r.pausedUntil
	}
	if r.bucket == nil {
		return now
	}
	at := hasToken(r.bucket, now)
	if latest := now.Add(rateStep); at.After(latest) {
		return latest // the rate may be higher by then
	}
	return at
}

// limit moves the ceiling, as a reload does.
func (r *adaptiveRate) limit(now time.Time, ceiling float64) {
	r.ceiling = ceiling
	r.climb(now)
}
