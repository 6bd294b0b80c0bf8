package batcher

import "time"

// The steps of a pace, found by trying them against limits that move; the
// benchmark BenchmarkBudgetAgainstMovingLimit prints what they achieve.
const (
	// paceWindow is how often a pace climbs, and so the time scale of everything here.
	paceWindow = time.Second
	// paceRecover is how much of the last known limit is taken back quickly.
	paceRecover = 0.95
	// paceFirstStep is the first step beyond it, as a share of the known limit. Steps double.
	paceFirstStep = 0.01
	// paceTopStep bounds a step, as a share of the ceiling.
	paceTopStep = 0.125
	// paceFloor is the slowest pace, in requests a second: one every 10 s still notices recovery.
	paceFloor = 0.1
)

// pace estimates the rate that the account's hidden limit allows, from
// throttled replies alone. It halves at a throttle and climbs back in additive
// steps: half-way steps up to just below the rate that was throttled, then steps
// that start small and double, because a limit that is not met again has moved.
// (Halving is TCP's; the quick return to near the last known limit and the slow
// walk past it follow CUBIC, RFC 9438, section 4.1.) Pure: time is handed in.
type pace struct {
	ceiling float64 // configured; never exceeded
	rate    float64 // present
	known   float64 // the rate at which a throttle was last met; 0 when none was
	step    float64 // next step beyond known
	since   time.Time
}

func newPace(ceiling float64) pace { return pace{ceiling: ceiling, rate: ceiling} }

// throttled halves the rate. The caller calls it once for all the replies to
// requests that left before the last halving.
func (p *pace) throttled(now time.Time) {
	p.known = p.rate
	p.rate = max(p.rate/2, min(paceFloor, p.ceiling))
	p.step = 0
	p.since = now
}

// advance climbs by one step for each whole window since the last one.
func (p *pace) advance(now time.Time) {
	for p.rate < p.ceiling && now.Sub(p.since) >= paceWindow {
		p.since = p.since.Add(paceWindow)
		p.climb()
	}
}

func (p *pace) climb() {
	if shy := p.known * paceRecover; p.rate < shy {
		p.rate = min(shy, p.rate+p.known/2)
		return
	}
	p.step = min(max(2*p.step, p.known*paceFirstStep), p.ceiling*paceTopStep)
	p.rate = min(p.ceiling, p.rate+p.step)
}

// limit moves the ceiling, as a reload does.
func (p *pace) limit(ceiling float64) {
	if p.rate == p.ceiling {
		p.rate = ceiling
	}
	p.ceiling = ceiling
	p.rate = min(p.rate, ceiling)
}
