package batcher

import (
	"math"
	"time"
)

// The steps of a pace, found by trying some thousand settings against limits
// that move, at random times and to random rates; what these achieve is printed
// by BenchmarkBudgetAgainstMovingLimit.
const (
	// paceWindow is how often a pace climbs, and so the time scale of everything here.
	paceWindow = 500 * time.Millisecond
	// pacePatience is how many windows a climb waits for word of whether the
	// present rate works, while there are requests that could tell.
	pacePatience = 4
	// paceHold and paceTopHold bound how many windows a pace stays at what works
	// before it probes for more; paceTopHold is for a rate at the ceiling, and
	// paceHoldBend how the rate's share of the ceiling counts below it. Near it
	// little is lost by not probing, far below it a limit that has moved up is
	// worth finding soon.
	paceHold, paceTopHold, paceHoldBend = 4, 60, 0.75
	// paceCut is taken off a rate that used to work and was throttled.
	paceCut = 0.05
	// paceFirst and paceFirstOfRate bound the first step of a probe, as a share of
	// the ceiling and of the rate that works. paceFirstWhenLost is that where the
	// limit is lost sight of, as a share of the rate that was throttled.
	paceFirst, paceFirstOfRate, paceFirstWhenLost = 0.036, 0.047, 0.2
	// paceGrowth is how much longer each step of a probe is than the one before.
	paceGrowth = 1.9
	// paceTopStep bounds a step, as a share of the rate and of the ceiling.
	paceTopStep = 0.28
	// paceFloor is the slowest pace, in requests a second: one every 10 s still notices recovery.
	paceFloor = 0.1
)

// pace estimates the rate that the account's hidden limit allows, from
// throttled replies alone. It halves at a throttle, goes back to the last rate
// that worked, stays there for a while, then probes for more in additive steps
// that start small and grow, because a limit that is not met again has moved.
// (Halving is TCP's; the quick return and the slow walk past it follow CUBIC,
// RFC 9438, section 4.1.) Pure: time is handed in.
type pace struct {
	ceiling float64 // configured; never exceeded
	rate    float64 // present
	works   float64 // where to return to after halving: the best rate that worked; 0 before the first throttle

	step float64 // last step of the probe; 0 while there is none
	hold int     // windows to stay before probing
	held int     // of them, those that are over
	// doubted: what used to work was throttled once. lost: it was again, or
	// never known; the limit is looked for by halving.
	doubted, lost bool

	since     time.Time // when the present window began
	asked     bool      // a request left at the present rate
	confirmed bool      // one of them was answered, and not throttled
	waited    int       // windows that passed without such an answer
}

func newPace(ceiling float64) pace { return pace{ceiling: ceiling, rate: ceiling} }

// left notes that a request leaves at the present rate.
func (p *pace) left() { p.asked = true }

// answered notes a reply that was not throttled, to a request that left at rate.
func (p *pace) answered(rate float64) { p.confirmed = p.confirmed || rate >= p.rate }

// throttled halves. The caller calls it once for all the replies to requests
// that left before the last halving. rate is that at which the throttled
// request left, resume when the next one may leave at the earliest.
func (p *pace) throttled(now, resume time.Time, rate float64) {
	rate = min(p.rate, rate)
	switch {
	case p.step > 0:
		p.foundLimit(rate)
	case p.works > 0 && !p.doubted && !p.lost:
		p.works, p.doubted, p.hold = rate*(1-paceCut), true, paceHold
	default: // the limit is far below: stay at half until that works
		p.works, p.lost, p.hold = rate/2, true, 1
		now = resume
	}
	p.step, p.held = 0, 0
	p.change(now, max(rate/2, min(paceFloor, p.ceiling)))
	p.works = max(p.works, p.rate)
}

// foundLimit takes what a probe found: the limit lies within its last step.
func (p *pace) foundLimit(rate float64) {
	last := p.step
	if rate < p.rate {
		last /= paceGrowth // throttled at the step before
	}
	p.hold = max(paceHold, int(paceTopHold*math.Pow(rate/p.ceiling, paceHoldBend)))
	p.works = rate - last
	p.doubted, p.lost = false, false
}

func (p *pace) change(now time.Time, rate float64) {
	p.rate, p.since = rate, now
	p.asked, p.confirmed, p.waited = false, false, 0
}

// advance climbs by one step for each whole window since the last one, as long
// as replies to the present rate are not awaited.
func (p *pace) advance(now time.Time) {
	for p.rate < p.ceiling && now.Sub(p.since) >= paceWindow {
		p.since = p.since.Add(paceWindow)
		if p.asked && !p.confirmed && p.waited < pacePatience {
			p.waited++
			continue
		}
		p.climb()
	}
}

func (p *pace) climb() {
	switch {
	case p.rate < p.works:
		p.change(p.since, p.works)
	case p.held < p.hold:
		if p.held++; p.held == paceHold {
			p.doubted = false
		}
	default:
		p.step = p.nextStep()
		p.change(p.since, min(p.ceiling, p.rate+p.step))
	}
}

func (p *pace) nextStep() float64 {
	first := min(p.ceiling*paceFirst, p.works*paceFirstOfRate)
	if p.lost {
		first = max(first, 2*p.works*paceFirstWhenLost)
	}
	return min(max(paceGrowth*p.step, first), p.ceiling*paceTopStep, max(p.rate*paceTopStep, first))
}

// limit moves the ceiling, as a reload does.
func (p *pace) limit(ceiling float64) {
	if p.rate == p.ceiling {
		p.rate = ceiling
	}
	p.ceiling = ceiling
	p.rate = min(p.rate, ceiling)
	p.works = min(p.works, ceiling)
}
