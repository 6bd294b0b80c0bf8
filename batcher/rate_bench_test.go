package batcher

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"zecpower/apiclient"
)

// movingLimit is a server's token bucket whose rate changes with time, or one for each action.
type movingLimit struct {
	stages     []limitStage
	burst      float64 // of the bucket; 0 means the rate of the stage
	latency    time.Duration
	retryAfter bool
	perAction  bool
	tokens     float64 // in each bucket at first

	mu      sync.Mutex // guards all below
	began   time.Time
	buckets map[string]*serverBucket
	asked   int
	refused int
	// accepted counts by the stage in which a request arrived.
	accepted []int

	paused      float64
	pausedUntil time.Time
}

type limitStage struct {
	rate  float64
	lasts time.Duration
}

type serverBucket struct {
	tokens float64
	last   time.Time
}

// at gives the stage at a time, and the allowance up to then: rates alone.
func (m *movingLimit) at(now time.Time) (stage int, allowed float64) {
	left := now.Sub(m.began)
	for k, s := range m.stages {
		stage = k
		allowed += s.rate * min(left, s.lasts).Seconds()
		if left -= s.lasts; left <= 0 {
			break
		}
	}
	return stage, allowed
}

// bucket is that of an action.
func (m *movingLimit) bucket(action string) *serverBucket {
	if !m.perAction {
		action = ""
	}
	b := m.buckets[action]
	if b == nil {
		b = &serverBucket{m.tokens, m.began}
		m.buckets[action] = b
	}
	return b
}

// ask judges one request at the moment it arrives.
func (m *movingLimit) ask(action string) *apiclient.Error {
	m.mu.Lock()
	defer m.mu.Unlock()
	now, b := time.Now(), m.bucket(action)
	stage, allowed := m.at(now)
	_, before := m.at(b.last)
	rate, size := m.stages[stage].rate, m.burst
	if size == 0 {
		size = rate
	}
	b.tokens, b.last = min(size, b.tokens+allowed-before), now
	m.asked++
	if b.tokens >= 1-1e-9 {
		b.tokens--
		m.accepted[stage]++
		return nil
	}
	m.refused++
	e := &apiclient.Error{Class: apiclient.ClassThrottled}
	if m.retryAfter { // whole seconds, rounded up, as the header has it
		e.RetryAfter = max(time.Second, time.Duration((1-b.tokens)/rate*float64(time.Second)).Round(time.Second))
		m.pause(now, now.Add(m.latency+e.RetryAfter), rate)
	}
	return e
}

// pause notes what the rate allows while a client that honours it keeps still.
func (m *movingLimit) pause(now, until time.Time, rate float64) {
	from := now.Add(m.latency)
	if m.pausedUntil.After(from) {
		from = m.pausedUntil
	}
	if until.After(from) {
		m.paused += rate * until.Sub(from).Seconds()
		m.pausedUntil = until
	}
}

// client decides when a request may leave.
type client interface {
	// send lets a request of one of the actions that wait leave, where one may: done receives its
	// reply. Else done is nil, and at is when to ask again; zero: after a reply.
	send(now time.Time, waiting []Priority) (action string, done func(*apiclient.Error), at time.Time)
}

func (b *testBudget) send(now time.Time, waiting []Priority) (action string, done func(*apiclient.Error), at time.Time) {
	d := b.demand(waiting...)
	p, action, ok, at := b.choose(now, d)
	if !ok {
		return "", nil, at
	}
	t := testToken{b.leave(now, p, action, d), p}
	return action, func(e *apiclient.Error) { t.done(e) }, time.Time{}
}

// drive sends as fast as a client lets until the stages are over, and returns how well that went.
func (m *movingLimit) drive(c client, waiting ...Priority) movingFigures {
	m.began, m.buckets, m.accepted = time.Now(), map[string]*serverBucket{}, make([]int, len(m.stages))
	var total time.Duration
	for _, s := range m.stages {
		total += s.lasts
	}
	end := m.began.Add(total)
	type answer struct {
		done func(*apiclient.Error)
		err  *apiclient.Error
	}
	answers := make(chan answer)
	flying := 0
	for now := time.Now(); now.Before(end); now = time.Now() {
		action, done, at := c.send(now, waiting)
		if done != nil {
			flying++
			go func() {
				e := m.ask(action)
				time.Sleep(m.latency)
				answers <- answer{done, e}
			}()
			continue
		}
		if at.IsZero() || at.After(end) {
			at = end
		}
		select {
		case a := <-answers:
			flying--
			a.done(a.err)
		case <-time.After(at.Sub(now)):
		}
	}
	for range flying {
		a := <-answers
		a.done(a.err)
	}
	return m.figures()
}

// figures are what has become of the requests. A server that limits each action allows both together
// no more than the ceiling.
func (m *movingLimit) figures() movingFigures {
	f := movingFigures{throttled: float64(m.refused) / float64(m.asked)}
	accepted, allowed := 0.0, 0.0
	for k, s := range m.stages {
		rate := s.rate
		if m.perAction {
			rate = min(rate*float64(len(m.buckets)), movingCeiling)
		}
		n := float64(m.accepted[k])
		f.phases = append(f.phases, n/(rate*s.lasts.Seconds()))
		accepted, allowed = accepted+n, allowed+rate*s.lasts.Seconds()
	}
	f.used, f.usedOutsidePauses = accepted/allowed, accepted/(allowed-m.paused)
	return f
}

// movingCeiling is requests_per_second where a limit moves quickly.
const movingCeiling = 50

func newMovingBudget(ceiling float64) *testBudget { return newTestBudget(ceiling, int(ceiling), 64) }

type movingCase struct {
	name       string
	burst      float64
	latency    time.Duration
	retryAfter bool
	ceiling    float64
}

// movingCases are the accounts that the figures are given for.
func movingCases() []movingCase {
	var cases []movingCase
	for _, burst := range []float64{0, 1} {
		for _, latency := range []time.Duration{50 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond} {
			for _, retryAfter := range []bool{false, true} {
				for _, ceiling := range []float64{50, 100} {
					size := "rate"
					if burst > 0 {
						size = fmt.Sprint(burst)
					}
					cases = append(cases, movingCase{
						fmt.Sprintf("burst=%s/latency=%s/retryafter=%v/ceiling=%g", size, latency, retryAfter, ceiling), burst, latency, retryAfter, ceiling,
					})
				}
			}
		}
	}
	return cases
}

// movingFigures are shares of 1.
type movingFigures struct {
	used, usedOutsidePauses, throttled float64
	phases                             []float64 // used in each stage
}

func (c movingCase) run() movingFigures {
	limit := &movingLimit{
		stages: []limitStage{{20, 2 * time.Minute}, {5, 2 * time.Minute}, {40, 2 * time.Minute}},
		burst:  c.burst, latency: c.latency, retryAfter: c.retryAfter,
	}
	limit.tokens = 1
	return limit.drive(newMovingBudget(c.ceiling), PriorityStart)
}

// quickCase is a server whose limit moves every 18 s, and what is sent to it.
type quickCase struct {
	perAction bool
	latency   time.Duration
	waiting   []Priority // actions that always have something to send
}

func (c quickCase) String() string {
	server := "account"
	if c.perAction {
		server = "action"
	}
	return fmt.Sprintf("limits=%s/actions=%d/latency=%s", server, len(c.waiting), c.latency)
}

func quickCases() (cases []quickCase) {
	for _, perAction := range []bool{false, true} {
		for _, waiting := range [][]Priority{{PriorityStart}, {PriorityStart, PriorityPoll}} {
			for _, latency := range []time.Duration{50 * time.Millisecond, 100 * time.Millisecond, 200 * time.Millisecond} {
				cases = append(cases, quickCase{perAction, latency, waiting})
			}
		}
	}
	return cases
}

// quickFigures are those of several tries.
type quickFigures struct {
	leastUsed, leastPhase, meanPhase, throttled float64
}

// run tries so often, each time with another burst, another full bucket of the server, and limits up
// to a tenth of a second apart.
func (c quickCase) run(tries int, newClient func(r *rand.Rand) client, inBubble func(func())) quickFigures {
	q := quickFigures{leastUsed: 1, leastPhase: 1}
	for seed := range tries {
		inBubble(func() {
			r := rand.New(rand.NewPCG(uint64(seed), 3)) //nolint:gosec // a try's number
			m := &movingLimit{latency: c.latency, perAction: c.perAction, tokens: 20 * r.Float64()}
			for _, limit := range []float64{20, 5, 40} {
				m.stages = append(m.stages, limitStage{limit, 18*time.Second + time.Duration(r.IntN(100))*time.Millisecond})
			}
			q.add(m.drive(newClient(r), c.waiting...), float64(tries))
		})
	}
	return q
}

func (q *quickFigures) add(f movingFigures, tries float64) {
	q.leastUsed = min(q.leastUsed, f.used)
	q.throttled += f.throttled / tries
	for _, used := range f.phases {
		q.leastPhase = min(q.leastPhase, used)
		q.meanPhase += min(1, used) / tries / float64(len(f.phases))
	}
}

// newQuickBudget is a budget under a ceiling that the limit stays below.
func newQuickBudget(r *rand.Rand) client { return newTestBudget(movingCeiling, 1+r.IntN(10), 64) }

// halving is the baseline: each action's rate is halved by a throttle, once for the requests that
// left before, and grows by one a second each second (AIMD, as TCP Reno has it).
type halving struct {
	rates map[string]*halvingRate
	sent  int
}

type halvingRate struct {
	rate  float64
	tick  time.Time // when it last grew
	next  time.Time // no request before this
	cutAt int
}

func newHalving(*rand.Rand) client { return &halving{rates: map[string]*halvingRate{}} }

func (h *halving) send(now time.Time, waiting []Priority) (action string, done func(*apiclient.Error), at time.Time) {
	for _, p := range waiting {
		r := h.rates[actionOf(p)]
		if r == nil {
			r = &halvingRate{rate: movingCeiling / float64(len(waiting)), tick: now, next: now}
			h.rates[actionOf(p)] = r
		}
		r.rate, r.tick = min(movingCeiling/float64(len(waiting)), r.rate+now.Sub(r.tick).Seconds()), now
		if now.Before(r.next) {
			at = earlier(at, r.next)
			continue
		}
		r.next = now.Add(spread(1, r.rate))
		h.sent++
		return actionOf(p), r.done(h, h.sent), time.Time{}
	}
	return "", nil, at
}

func (r *halvingRate) done(h *halving, serial int) func(*apiclient.Error) {
	return func(e *apiclient.Error) {
		if e != nil && serial > r.cutAt {
			r.rate, r.cutAt = r.rate/2, h.sent
		}
	}
}

// The limit of the server moves 20/s → 5/s → 40/s, 18 s each, under a ceiling of 50/s, its bucket
// holds a second's worth, and it sends no Retry-After. It limits the account or each action. Of 20
// tries: least-phase-% and mean-phase-% are the share of what the limit would have let in that was
// used in one phase, least-used-% that over all phases of a try, and throttled-% the mean share that
// was refused. phase-ratio and throttled-ratio compare the lowest phase and the throttled share with
// halving AIMD in the same tries.
//
//	go test ./batcher -run '^$' -bench MovingLimit -benchtime 1x
func BenchmarkBudgetAgainstMovingLimit(b *testing.B) {
	for _, c := range quickCases() {
		b.Run(c.String(), func(b *testing.B) {
			var ours, base quickFigures
			for b.Loop() {
				bubble := func(f func()) { inBubble(b, f) }
				ours, base = c.run(20, newQuickBudget, bubble), c.run(20, newHalving, bubble)
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(100*ours.leastPhase, "least-phase-%")
			b.ReportMetric(100*ours.meanPhase, "mean-phase-%")
			b.ReportMetric(100*ours.leastUsed, "least-used-%")
			b.ReportMetric(100*ours.throttled, "throttled-%")
			b.ReportMetric(ours.leastPhase/base.leastPhase, "phase-ratio")
			b.ReportMetric(ours.throttled/base.throttled, "throttled-ratio")
		})
	}
}

// The promise where the limit moves quickly, whether it is the account's or an action's: at least
// 90 % used over all and 85 % in each phase, fewer than 5 % throttled.
func TestBudgetFollowsALimitThatMovesQuickly(t *testing.T) {
	for _, c := range quickCases() {
		if c.latency == 100*time.Millisecond {
			continue // in between
		}
		t.Run(c.String(), func(t *testing.T) {
			f := c.run(6, newQuickBudget, func(f func()) { synctest.Test(t, func(*testing.T) { f() }) })
			t.Logf("%+v", f)
			most := 0.05
			if !c.perAction && len(c.waiting) > 1 {
				most = 0.1 // two that always have something to send throttle each other
			}
			if f.leastUsed < 0.9 || f.leastPhase < 0.85 || f.throttled >= most {
				t.Errorf("used at least %.1f %%, in one phase %.1f %%; %.1f %% throttled", 100*f.leastUsed, 100*f.leastPhase, 100*f.throttled)
			}
		})
	}
}

// inBubble runs f in virtual time; synctest wants a *testing.T, which a
// benchmark does not have.
func inBubble(tb testing.TB, f func()) {
	tb.Helper()
	done := testing.RunTests(func(string, string) (bool, error) { return true, nil }, []testing.InternalTest{{
		Name: "bubble", F: func(t *testing.T) { synctest.Test(t, func(*testing.T) { f() }) },
	}})
	if !done {
		tb.Fatal("the bubble failed")
	}
}

// A limit that moves every two minutes: at least 90 % used, fewer than 5 % throttled. A bucket of one
// request loses what a cut leaves unused, and each request that comes too early.
func TestBudgetFollowsAMovingLimit(t *testing.T) {
	for _, c := range movingCases() {
		if c.ceiling > 50 || c.latency > 200*time.Millisecond {
			continue // one such story hangs on a hair; see below
		}
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := c.run()
				if c.burst == 1 { // a bucket that cannot save up what a pause or a cut leaves unused
					f.hold(t, f.usedOutsidePauses, 0.8, 0.07)
					return
				}
				f.hold(t, f.used, 0.9, 0.05)
			})
		})
	}
}

func (f movingFigures) hold(t *testing.T, used, least, most float64) {
	t.Helper()
	if used < least || f.throttled >= most {
		t.Errorf("%.1f %% used, %.2f %% throttled; want at least %g and fewer than %g", 100*used, 100*f.throttled, 100*least, 100*most)
	}
}

// The same of the average of many stories, whose limits differ by a tenth and
// move at other times, also where word of them comes late or the ceiling is
// many times too high.
func TestBudgetFollowsLimitsThatMoveAtAnyTime(t *testing.T) {
	for _, c := range []movingCase{
		{latency: 50 * time.Millisecond, ceiling: 50},
		{latency: 200 * time.Millisecond, ceiling: 50},
		{latency: 500 * time.Millisecond, ceiling: 50},
		{latency: 50 * time.Millisecond, ceiling: 100},
		{latency: 200 * time.Millisecond, ceiling: 100},
	} {
		t.Run(fmt.Sprintf("latency=%s/ceiling=%g", c.latency, c.ceiling), func(t *testing.T) {
			const stories = 16
			var mean movingFigures
			for seed := range uint64(stories) {
				synctest.Test(t, func(t *testing.T) {
					f := c.story(seed).drive(newMovingBudget(c.ceiling), PriorityStart)
					mean.used += min(1, f.usedOutsidePauses) / stories
					mean.throttled += f.throttled / stories
				})
			}
			t.Logf("%.1f %% used, %.2f %% throttled", 100*mean.used, 100*mean.throttled)
			mean.hold(t, mean.used, 0.9, 0.05)
		})
	}
}

// story draws an account of the case's latency.
func (c movingCase) story(seed uint64) *movingLimit {
	r := rand.New(rand.NewPCG(seed, 1))
	stage := func(rate float64) limitStage {
		return limitStage{rate * (0.9 + 0.2*r.Float64()), time.Duration((100 + 40*r.Float64()) * float64(time.Second))}
	}
	m := &movingLimit{stages: []limitStage{stage(20), stage(5), stage(40)}, latency: c.latency, retryAfter: r.IntN(3) == 0, tokens: 1}
	if r.IntN(3) == 0 {
		m.burst = 1 + 10*r.Float64()
	}
	return m
}
