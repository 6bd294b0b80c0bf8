package batcher

import (
	"context"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"zecpower/apiclient"
)

// testBudget drives a budget as an account does.
type testBudget struct {
	*budget
	waited time.Duration
}

func newTestBudget(perSecond float64, burst, inFlight int) *testBudget {
	return &testBudget{budget: newBudget(Limits{
		RequestsPerSecond: perSecond, Burst: burst, MaxInFlight: inFlight,
		Backoff: Backoff{Initial: 500 * time.Millisecond, Max: 30 * time.Second},
	}, unheard, newRand(1))}
}

// unheard are budget events without a listener.
var unheard = budgetEvents{func(*apiclient.Error) {}, func(time.Duration) {}, func(time.Time) {}}

// actionOf is the API action of a priority's requests in these tests.
func actionOf(p Priority) string {
	if p == PriorityStart {
		return apiclient.ActionStartInstances
	}
	return apiclient.ActionDescribeInstancesStatus
}

// failure is a request that the API did not serve.
func failure() *apiclient.Error { return &apiclient.Error{Class: apiclient.ClassTransient} }

// demand is that of requests which begin to wait now.
func (b *testBudget) demand(waiting ...Priority) demand {
	var d demand
	for _, p := range waiting {
		d.since[p], d.actions[p] = time.Now(), []string{actionOf(p)}
	}
	return d
}

// testToken is a request that has left.
type testToken struct {
	*token
	priority Priority
}

// done returns whether the refusal of the credentials is final.
func (t testToken) done(e *apiclient.Error) (denied bool) { return t.token.done(time.Now(), e).denied }

// leaves waits until one of the requests that wait may go, and lets it.
func (b *testBudget) leaves(tb testing.TB, waiting ...Priority) testToken {
	tb.Helper()
	return b.leavesOf(tb, b.demand(waiting...))
}

func (b *testBudget) leavesOf(tb testing.TB, d demand) testToken {
	tb.Helper()
	began := time.Now()
	for {
		now := time.Now()
		p, action, ok, at := b.choose(now, d)
		if ok {
			b.waited += now.Sub(began)
			return testToken{b.leave(now, p, action, d), p}
		}
		if at.IsZero() {
			tb.Fatal("nothing may leave before a reply")
		}
		time.Sleep(at.Sub(now))
	}
}

// Every window of every length: an exact bucket, moved with the ceilings, never
// runs dry.
func TestBudgetIsNeverExceededAlsoWhenItMoves(t *testing.T) {
	for seed := range uint64(30) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			perSecond, burst := 10.0, 10
			b := newTestBudget(perSecond, burst, 4)
			tokens, last := float64(burst), time.Now()
			refill := func() {
				now := time.Now()
				tokens, last = min(float64(burst), tokens+perSecond*now.Sub(last).Seconds()), now
			}
			for range 400 {
				if r.IntN(20) == 0 {
					refill()
					perSecond, burst = 1+40*r.Float64(), 1+r.IntN(30)
					tokens = min(tokens, float64(burst))
					b.limit(time.Now(), Limits{perSecond, burst, 1 + r.IntN(8), Backoff{Initial: time.Second, Max: time.Minute}})
				}
				p := b.leaves(t, Priority(r.IntN(int(priorities))))
				refill()
				if tokens--; tokens < -1e-3 {
					t.Fatalf("seed %d: a request left %.3f requests too early", seed, -tokens)
				}
				if r.IntN(5) == 0 {
					time.Sleep(time.Duration(r.IntN(2000)) * time.Millisecond)
				}
				var e *apiclient.Error
				if r.IntN(30) == 0 {
					e = &apiclient.Error{Class: apiclient.ClassThrottled}
				}
				p.done(e)
			}
		})
	}
}

func TestBudgetBoundsWhatIsInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newTestBudget(1000, 100, 3)
		var sent []testToken
		for range 3 {
			sent = append(sent, b.leaves(t, PriorityStart))
		}
		if _, _, ok, at := b.choose(time.Now(), b.demand(PriorityStart)); ok || !at.IsZero() {
			t.Errorf("a fourth may leave: %v, or at %s", ok, at)
		}
		sent[0].done(nil)
		b.leaves(t, PriorityStart)
		if b.inFlight != 3 {
			t.Errorf("%d in flight, want 3", b.inFlight)
		}
	})
}

// A reply that says no stops what waits, though the bucket is full.
func TestNothingLeavesIntoABadReply(t *testing.T) {
	for name, e := range map[string]*apiclient.Error{
		"a pause":             {Class: apiclient.ClassThrottled, RetryAfter: time.Second},
		"an API that is down": {Class: apiclient.ClassTransient},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := newTestBudget(20, 8, 8)
			var sent []testToken
			for range breakerFailures {
				sent = append(sent, b.leaves(t, PriorityStart))
			}
			for _, p := range sent {
				p.done(e)
			}
			if _, _, ok, _ := b.choose(time.Now(), b.demand(PriorityStart)); ok {
				t.Errorf("a request left into %s", name)
			}
			asked := time.Now()
			b.leaves(t, PriorityStart).done(nil)
			if waited := time.Since(asked); waited <= 0 || waited > time.Second {
				t.Errorf("after %s the next request left after %s", name, waited)
			}
		})
	}
}

// With starts, describes and polls all waiting, each lower priority gets its share.
func TestNoPriorityStarves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newTestBudget(10, 1, 1)
		counts := [priorities]int{}
		d := b.demand(PriorityStart, PriorityDiagnose, PriorityPoll)
		for range 1000 {
			tok := b.leavesOf(t, d)
			counts[tok.priority]++
			d.since[tok.priority] = time.Now()
			tok.done(nil)
		}
		if counts[PriorityStart] < 950 || counts[PriorityDiagnose] < 15 || counts[PriorityPoll] < 15 {
			t.Errorf("starts, describes, polls: %v", counts)
		}
	})
}

func TestThrottledOnceIsCutOnceHoweverManyRepliesSaySo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newTestBudget(20, 8, 8)
		var granted []testToken
		for range 8 {
			granted = append(granted, b.leaves(t, PriorityStart))
		}
		for _, p := range granted {
			p.done(&apiclient.Error{Class: apiclient.ClassThrottled, RetryAfter: 3 * time.Second})
		}
		// Nothing was served, so half of 20 is the plateau, and 70 % of that the beginning.
		if rate := b.rate(time.Now(), apiclient.ActionStartInstances); rate != 7 {
			t.Errorf("rate %g", rate)
		}
		asked := time.Now()
		b.leaves(t, PriorityStart)
		if waited := time.Since(asked); waited < 3*time.Second {
			t.Errorf("the next request left after %s, Retry-After was 3 s", waited)
		}
	})
}

// A throttle and its Retry-After slow their action alone.
func TestThrottledStartsSlowNoDescribe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newTestBudget(20, 8, 8)
		b.leaves(t, PriorityStart).done(&apiclient.Error{Class: apiclient.ClassThrottled, RetryAfter: 9 * time.Second})
		asked := time.Now()
		for range 100 { // at 20 a second
			tok := b.leaves(t, PriorityStart, PriorityPoll)
			tok.done(nil)
			if tok.priority != PriorityPoll {
				t.Fatalf("a start left %s after Retry-After: 9", time.Since(asked))
			}
		}
		if took := time.Since(asked); took > 5*time.Second {
			t.Errorf("100 describes took %s at 20 a second", took)
		}
		if rate := b.rate(time.Now(), apiclient.ActionDescribeInstancesStatus); rate != 20 {
			t.Errorf("describes at %g a second after a throttled start", rate)
		}
		if tok := b.leaves(t, PriorityStart); time.Since(asked) < 9*time.Second || tok.priority != PriorityStart {
			t.Errorf("the next start left after %s, Retry-After was 9 s", time.Since(asked))
		}
	})
}

// Polls that are slowed down do not lose their share to the starts that leave meanwhile.
func TestShareOfSlowedPollsWaitsForThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newTestBudget(50, 1, 1)
		b.leaves(t, PriorityPoll).done(&apiclient.Error{Class: apiclient.ClassThrottled, RetryAfter: 2 * time.Second})
		d := b.demand(PriorityStart, PriorityPoll)
		for began := time.Now(); ; {
			tok := b.leavesOf(t, d)
			tok.done(nil)
			if tok.priority != PriorityPoll {
				continue
			}
			if late := time.Since(began) - 2*time.Second; late > 50*time.Millisecond {
				t.Errorf("the poll left %s after its pause", late)
			}
			return
		}
	})
}

func TestRetryAfterOfA503PausesTheAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newTestBudget(20, 8, 8)
		b.leaves(t, PriorityStart).done(&apiclient.Error{Class: apiclient.ClassTransient, RetryAfter: 9 * time.Second})
		asked := time.Now()
		b.leaves(t, PriorityStart)
		if waited := time.Since(asked); waited != 9*time.Second {
			t.Errorf("the next request left after %s, want 9 s", waited)
		}
	})
}

// A key may lack the right to list the account alone: that is no refusal of describes.
func TestPageRefusedForItsCredentialsPausesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newTestBudget(20, 8, 8)
		accepted := false
		b.events.accepted = func(time.Time) { accepted = true }
		tok := b.leaves(t, PriorityPoll)
		tok.page = true
		denied := tok.done(&apiclient.Error{Class: apiclient.ClassCredentials, HTTPStatus: 403, Code: "AUTHFAILURE_UNAUTHORIZED_OPERATION"})
		if denied || b.credentials.active() || accepted || b.credentials.accepted {
			t.Errorf("denied %v, paused %v, accepted %v", denied, b.credentials.active(), accepted)
		}
	})
}

// The story of an outage, as the breaker sees it.
func TestBreakerProbesOneAtATimeWithGrowingPauses(t *testing.T) {
	now := time.Now()
	rng := rand.New(rand.NewPCG(1, 1))
	g := breaker{backoff: Backoff{Initial: time.Second, Max: 30 * time.Second}}
	early, _ := g.leave() // a request that will hang until the end of the story
	for k := range breakerFailures {
		if g.tripped() {
			t.Fatalf("closed after %d failures", k)
		}
		epoch, probe := g.leave()
		g.failed(now, failure(), epoch, probe, rng)
	}
	longest := time.Duration(0)
	for range 20 {
		ok, at := g.admits(now)
		if ok || !at.After(now) {
			t.Fatal("no pause before a probe")
		}
		if pause := at.Sub(now); pause > 30*time.Second {
			t.Fatalf("a pause of %s", pause)
		} else if pause > longest {
			longest = pause
		}
		now = at
		if ok, _ := g.admits(now); !ok {
			t.Fatal("no probe after the pause")
		}
		epoch, probe := g.leave()
		if ok, at := g.admits(now); ok || !at.IsZero() || !probe {
			t.Fatal("two probes at once")
		}
		g.failed(now, failure(), epoch, probe, rng)
	}
	if longest < 15*time.Second {
		t.Errorf("the pauses grew to %s only", longest)
	}
	now = now.Add(time.Minute)
	_, probe := g.leave()
	if !g.answered(probe) || g.tripped() {
		t.Error("an answer does not open it")
	}
	for range 10 { // replies from before say nothing about now
		g.failed(now, failure(), early, false, rng)
	}
	if g.tripped() {
		t.Error("requests from before the opening closed it again")
	}
}

func TestBackoffStaysWithinItsBounds(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	b := Backoff{Initial: 500 * time.Millisecond, Max: 30 * time.Second}
	for n := range 100 {
		if d := b.delay(n, rng); d < 0 || d > b.Max || d > b.Initial<<min(n, 10) {
			t.Errorf("retry %d after %s", n, d)
		}
	}
	for _, bad := range []Backoff{{}, {Initial: 2, Max: 1}, {Initial: -1, Max: 1}} {
		if bad.validate() == nil {
			t.Errorf("%+v is accepted", bad)
		}
	}
}

// down makes the API count as down.
func down(tb testing.TB, b *testBudget) {
	for range breakerFailures {
		b.leaves(tb, PriorityStart).done(&apiclient.Error{Class: apiclient.ClassTransient})
	}
}

// A describe changes nothing, so it is what an API that may be back is tried with.
func TestProbeIsADescribeWhereOneWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newTestBudget(20, 8, 8)
		down(t, b)
		if tok := b.leaves(t, PriorityStart, PriorityDiagnose); tok.priority != PriorityDiagnose {
			t.Error("a start went out as the probe")
		}
	})
}

// An API that says "too many" is there.
func TestThrottledReplyEndsAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newTestBudget(20, 8, 8)
		down(t, b)
		if !b.breaker.tripped() {
			t.Fatal("not down after as many failures as it takes")
		}
		b.leaves(t, PriorityPoll).done(&apiclient.Error{Class: apiclient.ClassThrottled})
		if b.breaker.tripped() {
			t.Error("still down")
		}
	})
}

func TestWaitForTheBudgetIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig(newFakeAPI(fleet(400)), 1)
		cfg.Burst, cfg.PollInterval = 1, time.Minute
		a := newAccountOf(t, cfg)
		ctx, cancel := context.WithTimeout(t.Context(), 3500*time.Millisecond)
		defer cancel()
		a.Run(ctx, startRun(fleet(400)))
		if waited := a.Waited().Round(time.Millisecond); waited != 3*time.Second {
			t.Errorf("waited %s, want 3 s: the first had a token, the others one second each", waited)
		}
	})
}

// The configuration takes any rate above 0: the time between two requests must
// not run over and become none.
func TestNoRateIsTooLowToBeKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, perSecond := range []float64{1e-6, 1e-12, 5e-324} {
			b := newTestBudget(perSecond, 1, 8)
			b.leaves(t, PriorityStart).done(nil)
			_, _, ok, at := b.choose(time.Now(), b.demand(PriorityStart))
			if wait := time.Until(at); ok || wait < 24*time.Hour {
				t.Errorf("at %g a second the next request may leave after %s", perSecond, wait)
			}
		}
		plan := PlanRun(startRun(fleet(1000)), 100, 1e-12, 1)
		if plan.AtLeast < 24*time.Hour {
			t.Errorf("the plan takes %s", plan.AtLeast)
		}
	})
}

func TestNewCredentialsBeginAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newTestBudget(1000, 10, 4)
		refuse := func() (denied bool) {
			return b.leaves(t, PriorityStart).done(&apiclient.Error{
				Action: apiclient.ActionStartInstances, Class: apiclient.ClassCredentials, Code: apiclient.CodeSignatureFailure, HTTPStatus: 401,
			})
		}
		b.leaves(t, PriorityPoll).done(nil)
		if !b.credentials.accepted {
			t.Error("an accepted reply does not count")
		}
		for range 10 { // the pauses between them grow to half a minute
			if refuse() {
				break
			}
		}
		refuse()
		if _, _, ok, _ := b.choose(time.Now(), b.demand(PriorityPoll)); ok {
			t.Fatal("a request leaves while the credentials are refused")
		}
		b.newCredentials()
		if b.credentials.accepted || b.credentials.active() {
			t.Errorf("accepted %v, paused by %q: what replies said of the old key is taken for the new one's", b.credentials.accepted, b.credentials.action)
		}
		before := time.Now()
		tok := b.leaves(t, PriorityPoll)
		if time.Since(before) > 0 {
			t.Error("what waited for the old key does not leave at once")
		}
		tok.done(nil)
		// The refusals of the old key do not count for the new one.
		refuse()
		if refuse() {
			t.Error("a second refusal of the new key is final")
		}
	})
}
