package batcher

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"zecpower/apiclient"
)

func newTestBudget(t *testing.T, perSecond float64, burst, inFlight int) *Budget {
	t.Helper()
	b, err := NewBudget(BudgetConfig{
		RequestsPerSecond: perSecond, Burst: burst, MaxInFlight: inFlight, Seed: 1,
		Backoff: Backoff{Initial: 500 * time.Millisecond, Max: 30 * time.Second},
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// actionOf is the API action of a priority's requests in these tests.
func actionOf(p Priority) string {
	if p == PriorityStart {
		return apiclient.ActionStartInstances
	}
	return apiclient.ActionDescribeInstancesStatus
}

// failure is a request that the API did not serve.
func failure() *apiclient.Error { return &apiclient.Error{Class: apiclient.ClassTransient} }

// leaves waits until one request may go, and lets it.
func leaves(b *Budget, p Priority) *token {
	for {
		if tok := <-b.ask(p, actionOf(p)).granted; tok.leave() {
			return tok
		}
	}
}

// Every window of every length: an exact bucket, moved with the ceilings, never
// runs dry.
func TestBudgetIsNeverExceededAlsoWhenItMoves(t *testing.T) {
	for seed := range uint64(30) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			perSecond, burst := 10.0, 10
			b := newTestBudget(t, perSecond, burst, 4)
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
					if err := b.SetLimits(Limits{perSecond, burst, 1 + r.IntN(8), Backoff{Initial: time.Second, Max: time.Minute}}); err != nil {
						t.Fatal(err)
					}
				}
				p := leaves(b, Priority(r.IntN(int(priorities))))
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
		b := newTestBudget(t, 1000, 100, 3)
		var waiters []*waiter
		for range 5 {
			waiters = append(waiters, b.ask(PriorityStart, actionOf(PriorityStart)))
		}
		granted := func() (n int) {
			for _, tk := range waiters {
				n += len(tk.granted)
			}
			return n
		}
		if granted() != 3 {
			t.Errorf("%d in flight, want 3", granted())
		}
		(<-waiters[0].granted).withdraw()
		b.cancel(waiters[1]) // granted already: the place is free again
		if granted() != 3 {
			t.Errorf("%d granted after two were given back, want 3 (one of them taken over)", granted())
		}
	})
}

func TestPermitThatIsGivenBackCostsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newTestBudget(t, 1, 1, 8)
		for range 100 {
			(<-b.ask(PriorityPoll, actionOf(PriorityPoll)).granted).withdraw()
		}
		asked := time.Now()
		leaves(b, PriorityStart)
		if waited := time.Since(asked); waited != 0 {
			t.Errorf("the next request left after %s, the bucket was full", waited)
		}
	})
}

// A tok may lie with its holder for a while; what the API says meanwhile holds.
func TestPermitInHandDoesNotOutliveABadReply(t *testing.T) {
	for name, e := range map[string]*apiclient.Error{
		"a pause":             {Class: apiclient.ClassThrottled, RetryAfter: time.Second},
		"an API that is down": {Class: apiclient.ClassTransient},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := newTestBudget(t, 20, 8, 8)
			var sent []*token
			for range breakerFailures {
				sent = append(sent, leaves(b, PriorityStart))
			}
			inHand := <-b.ask(PriorityStart, actionOf(PriorityStart)).granted
			for _, p := range sent {
				p.done(e)
			}
			if inHand.leave() {
				t.Errorf("a request left into %s", name)
			}
			asked := time.Now()
			leaves(b, PriorityStart).done(nil)
			if waited := time.Since(asked); waited <= 0 || waited > time.Second {
				t.Errorf("after %s the next request left after %s", name, waited)
			}
		})
	}
}

// With starts, describes and polls all waiting, each lower priority gets its share.
func TestNoPriorityStarves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newTestBudget(t, 10, 1, 1)
		counts := [priorities]int{}
		var waiters [priorities]*waiter
		for range 1000 {
			for p := range priorities {
				if waiters[p] == nil {
					waiters[p] = b.ask(p, actionOf(p))
				}
			}
			var got *token
			var of Priority
			select {
			case got = <-waiters[PriorityStart].granted:
				of = PriorityStart
			case got = <-waiters[PriorityDiagnose].granted:
				of = PriorityDiagnose
			case got = <-waiters[PriorityPoll].granted:
				of = PriorityPoll
			}
			got.leave()
			counts[of]++
			waiters[of] = nil
			got.done(nil)
		}
		if counts[PriorityStart] < 950 || counts[PriorityDiagnose] < 15 || counts[PriorityPoll] < 15 {
			t.Errorf("starts, describes, polls: %v", counts)
		}
	})
}

func TestThrottledOnceIsHalvedOnceHoweverManyRepliesSaySo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newTestBudget(t, 20, 8, 8)
		notified := 0
		b.cfg.OnThrottle = func(float64, time.Duration) { notified++ }
		var granted []*token
		for range 8 {
			granted = append(granted, leaves(b, PriorityStart))
		}
		for _, p := range granted {
			p.done(&apiclient.Error{Class: apiclient.ClassThrottled, RetryAfter: 3 * time.Second})
		}
		if b.Rate() != 10 || notified != 1 {
			t.Errorf("rate %g after being notified %d times", b.Rate(), notified)
		}
		asked := time.Now()
		<-b.ask(PriorityStart, actionOf(PriorityStart)).granted
		if waited := time.Since(asked); waited < 3*time.Second {
			t.Errorf("the next request left after %s, Retry-After was 3 s", waited)
		}
	})
}

func TestRetryAfterOfA503PausesTheAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newTestBudget(t, 20, 8, 8)
		leaves(b, PriorityStart).done(&apiclient.Error{Class: apiclient.ClassTransient, RetryAfter: 9 * time.Second})
		asked := time.Now()
		<-b.ask(PriorityStart, actionOf(PriorityStart)).granted
		if waited := time.Since(asked); waited != 9*time.Second {
			t.Errorf("the next request left after %s, want 9 s", waited)
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
func down(b *Budget) {
	for range breakerFailures {
		leaves(b, PriorityStart).done(&apiclient.Error{Class: apiclient.ClassTransient})
	}
}

// A describe changes nothing, so it is what an API that may be back is tried with.
func TestProbeIsADescribeWhereOneWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newTestBudget(t, 20, 8, 8)
		down(b)
		start, describe := b.ask(PriorityStart, actionOf(PriorityStart)), b.ask(PriorityDiagnose, actionOf(PriorityDiagnose))
		select {
		case <-describe.granted:
		case <-start.granted:
			t.Error("a start went out as the probe")
		}
	})
}

// An API that says "too many" is there.
func TestThrottledReplyEndsAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newTestBudget(t, 20, 8, 8)
		down(b)
		if !b.Down() {
			t.Fatal("not down after as many failures as it takes")
		}
		leaves(b, PriorityPoll).done(&apiclient.Error{Class: apiclient.ClassThrottled})
		if b.Down() {
			t.Error("still down")
		}
	})
}

func TestWaitForTheBudgetIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newTestBudget(t, 1, 1, 8)
		for range 4 {
			leaves(b, PriorityStart).done(nil)
		}
		if waited := b.Waited().Round(time.Millisecond); waited != 3*time.Second {
			t.Errorf("waited %s, want 3 s: the first had a token, the others one second each", waited)
		}
	})
}

// The configuration takes any rate above 0: the time between two requests must
// not run over and become none.
func TestNoRateIsTooLowToBeKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, perSecond := range []float64{1e-6, 1e-12, 5e-324} {
			b := newTestBudget(t, perSecond, 1, 8)
			leaves(b, PriorityStart).done(nil)
			second := b.ask(PriorityStart, actionOf(PriorityStart))
			w, at := b.mayLeave(time.Now())
			if wait := time.Until(at); w != nil || wait < 24*time.Hour {
				t.Errorf("at %g a second the next request may leave after %s", perSecond, wait)
			}
			b.cancel(second)
		}
		plan := PlanRun(startRun(fleet(1000)), 100, 1e-12, 1)
		if plan.AtLeast < 24*time.Hour {
			t.Errorf("the plan takes %s", plan.AtLeast)
		}
	})
}

func TestNewCredentialsBeginAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newTestBudget(t, 1000, 10, 4)
		refuse := func() (denied bool) {
			return leaves(b, PriorityStart).done(&apiclient.Error{
				Action: apiclient.ActionStartInstances, Class: apiclient.ClassCredentials, Code: apiclient.CodeSignatureFailure, HTTPStatus: 401,
			})
		}
		leaves(b, PriorityPoll).done(nil)
		if !b.CredentialsAccepted() {
			t.Error("an accepted reply does not count")
		}
		for range 10 { // the pauses between them grow to half a minute
			if refuse() {
				break
			}
		}
		refuse()
		waiting := b.ask(PriorityPoll, actionOf(PriorityPoll))
		synctest.Wait()
		select {
		case <-waiting.granted:
			t.Fatal("a request leaves while the credentials are refused")
		default:
		}
		b.NewCredentials()
		if b.CredentialsAccepted() || b.pausedBy() != "" {
			t.Errorf("accepted %v, paused by %q: what replies said of the old key is taken for the new one's", b.CredentialsAccepted(), b.pausedBy())
		}
		before := time.Now()
		if tok := <-waiting.granted; !tok.leave() || time.Since(before) > 0 {
			t.Error("what waited for the old key does not leave at once")
		} else {
			tok.done(nil)
		}
		// The refusals of the old key do not count for the new one.
		refuse()
		if refuse() {
			t.Error("a second refusal of the new key is final")
		}
	})
}
