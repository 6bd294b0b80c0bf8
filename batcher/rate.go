package batcher

import (
	"math"
	"time"
)

// The constants of the adaptive rate were found by trying some thousand settings
// against limits that move, at random times and to random rates; what these
// achieve is printed by BenchmarkBudgetAgainstMovingLimit.
const (
	// rateWindow is how often the rate climbs, and so the time scale of everything here.
	rateWindow = 500 * time.Millisecond
	// ratePatience is how many windows a climb waits for a reply that shows whether
	// the present rate works, while there are requests that could bring one.
	ratePatience = 4
	// rateHold and rateTopHold bound how many windows the rate stays at what works
	// before it probes for more. rateTopHold is for a rate at the ceiling, and
	// rateHoldBend how the rate's share of the ceiling counts below it. Near it
	// little is lost by not probing; far below it a limit that has moved up is
	// worth finding soon.
	rateHold, rateTopHold, rateHoldBend = 4, 60, 0.75
	// rateCut is taken off a rate that used to work and was throttled.
	rateCut = 0.05
	// rateFirst and rateFirstOfRate bound the first step of a probe, as a share of
	// the ceiling and of the rate that works. rateFirstWhenLost is the first step
	// where the limit is unknown, as a share of the rate that was throttled.
	rateFirst, rateFirstOfRate, rateFirstWhenLost = 0.036, 0.047, 0.2
	// rateGrowth is how much longer each step of a probe is than the one before.
	rateGrowth = 1.9
	// rateTopStep bounds a step, as a share of the rate and of the ceiling.
	rateTopStep = 0.28
	// rateFloor is the slowest rate, in requests a second: one every 10 s still notices recovery.
	rateFloor = 0.1
)

// adaptiveRate estimates the rate that the account's hidden limit allows, from
// throttled replies alone. It halves at a throttle, goes back to the last rate
// that worked, stays there for a while, then probes for more in steps that start
// small and grow, because a limit that is not met again has moved. Halving is
// TCP's; the quick return and the slow walk past it follow CUBIC (RFC 9438,
// section 4.1). Pure: time is a parameter. Rates are in requests a second.
type adaptiveRate struct {
	ceiling float64 // configured; never exceeded
	present float64
	works   float64 // where to return to after halving: the best rate that worked; 0 before the first throttle

	step float64 // last step of the probe; 0 while there is none
	hold int     // windows to stay before probing
	held int     // of them, those that are over
	// doubted: what used to work was throttled once. lost: it was again, or
	// never known; the limit is searched by halving.
	doubted, lost bool

	since     time.Time // when the present window began
	asked     bool      // a request left at the present rate
	confirmed bool      // one of them was answered, and not throttled
	waited    int       // windows that passed without such a reply
}

func newAdaptiveRate(ceiling float64) adaptiveRate {
	return adaptiveRate{ceiling: ceiling, present: ceiling}
}

// left notes that a request leaves at the present rate.
func (r *adaptiveRate) left() { r.asked = true }

// answered notes a reply that was not throttled, to a request that left at rate.
func (r *adaptiveRate) answered(rate float64) { r.confirmed = r.confirmed || rate >= r.present }

// throttled halves. The caller calls it once for all the replies to requests that
// left before the last halving. rate is that at which the throttled request left,
// resume when the next one may leave at the earliest.
func (r *adaptiveRate) throttled(now, resume time.Time, rate float64) {
	rate = min(r.present, rate)
	switch {
	case r.step > 0:
		// A probe went one step too far: the limit lies within that step.
		r.foundLimit(rate)
	case r.works > 0 && !r.doubted && !r.lost:
		// What used to work was throttled, for the first time: that may be chance.
		// Return a little below it.
		r.works, r.doubted, r.hold = rate*(1-rateCut), true, rateHold
	default:
		// It was throttled twice, or nothing is known: the limit is far below. Stay
		// at half until that works, and count from when requests may leave again.
		r.works, r.lost, r.hold = rate/2, true, 1
		now = resume
	}
	r.step, r.held = 0, 0
	// Halve in any case: the bucket of the server is empty now, and has to refill.
	r.change(now, max(rate/2, min(rateFloor, r.ceiling)))
	r.works = max(r.works, r.present)
}

// foundLimit notes what a probe found: the limit lies within its last step.
func (r *adaptiveRate) foundLimit(rate float64) {
	last := r.step
	if rate < r.present {
		last /= rateGrowth // the reply is to a request of the step before
	}
	r.hold = max(rateHold, int(rateTopHold*math.Pow(rate/r.ceiling, rateHoldBend)))
	r.works = rate - last
	r.doubted, r.lost = false, false
}

func (r *adaptiveRate) change(now time.Time, rate float64) {
	r.present, r.since = rate, now
	r.asked, r.confirmed, r.waited = false, false, 0
}

// advance climbs by one step for each whole window since the last one, as long as
// no reply to the present rate is awaited.
func (r *adaptiveRate) advance(now time.Time) {
	for r.present < r.ceiling && now.Sub(r.since) >= rateWindow {
		r.since = r.since.Add(rateWindow)
		// Requests left at this rate and none was answered: climbing on would be
		// blind. After ratePatience windows it is better than standing still.
		if r.asked && !r.confirmed && r.waited < ratePatience {
			r.waited++
			continue
		}
		r.climb()
	}
}

func (r *adaptiveRate) climb() {
	switch {
	case r.present < r.works:
		// Halved: back at once to what worked.
		r.change(r.since, r.works)
	case r.held < r.hold:
		// Stay there. Once it has worked for a while, one throttle is chance again.
		if r.held++; r.held == rateHold {
			r.doubted = false
		}
	default:
		// Then probe for more, in growing steps.
		r.step = r.nextStep()
		r.change(r.since, min(r.ceiling, r.present+r.step))
	}
}

// nextStep grows from the first step of a probe, within rateTopStep.
func (r *adaptiveRate) nextStep() float64 {
	first := min(r.ceiling*rateFirst, r.works*rateFirstOfRate)
	if r.lost {
		first = max(first, 2*r.works*rateFirstWhenLost) // twice works is what was throttled
	}
	return min(max(rateGrowth*r.step, first), r.ceiling*rateTopStep, max(r.present*rateTopStep, first))
}

// limit moves the ceiling, as a reload does.
func (r *adaptiveRate) limit(ceiling float64) {
	if r.present == r.ceiling {
		r.present = ceiling
	}
	r.ceiling = ceiling
	r.present = min(r.present, ceiling)
	r.works = min(r.works, ceiling)
}
