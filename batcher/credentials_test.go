package batcher

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"zecpower/apiclient"
	"zecpower/internal/power"
)

// pauseStory drives a credentialPause by hand.
type pauseStory struct {
	credentialPause
	now time.Time
	rng *rand.Rand
}

const start, describe = apiclient.ActionStartInstances, apiclient.ActionDescribeInstancesStatus

func newPause() *pauseStory {
	return &pauseStory{
		credentialPause: credentialPause{backoff: Backoff{Initial: time.Second, Max: 30 * time.Second}},
		now:             time.Now(), rng: rand.New(rand.NewPCG(1, 1)),
	}
}

// probe waits for the next probe, lets it out and has it refused.
func (p *pauseStory) probe(t *testing.T, skewed bool) (final bool) {
	t.Helper()
	ok, at := p.admits(p.now, true)
	if ok || !at.After(p.now) {
		t.Fatal("no pause before a probe")
	}
	p.now = at
	if ok, _ := p.admits(p.now, true); !ok || !p.leave() {
		t.Fatal("no probe after the pause")
	}
	if ok, at := p.admits(p.now, true); ok || !at.IsZero() {
		t.Fatal("two probes at once")
	}
	return p.refused(p.now, start, skewed, true, p.rng)
}

func TestCredentialsAreFinalAfterThreeRefusalsOverHalfAMinute(t *testing.T) {
	for _, skewed := range []bool{false, true} {
		p := newPause()
		p.refused(p.now, start, skewed, false, p.rng)
		begun, refusals := p.now, 1
		for range 50 {
			before := p.credentialPause
			if p.refused(p.now, start, skewed, false, p.rng); p.credentialPause != before {
				t.Fatal("a request that left before the pause counts")
			}
			refusals++
			if p.probe(t, skewed) {
				break
			}
			if !p.active() {
				t.Fatal("the pause ended without an answer")
			}
		}
		if final := !p.active(); final == skewed {
			t.Errorf("clock off %v: final %v after %d refusals", skewed, final, refusals)
		}
		if span := p.now.Sub(begun); !skewed && (span < credentialSpan || span > 2*credentialSpan || refusals > 8) {
			t.Errorf("final after %s and %d refusals", span, refusals)
		}
	}
}

func TestCredentialPauseEndsByAnAnswerForTheRefusedAction(t *testing.T) {
	p := newPause()
	p.refused(p.now, start, false, false, p.rng)
	if p.answered(describe, false); !p.active() || !p.accepted {
		t.Error("a describe that left before ended the pause of starts, or was not noted")
	}
	if p.answered(start, false); p.active() {
		t.Error("a start that left before and was accepted did not end it")
	}
	p.refused(p.now, start, false, false, p.rng)
	p.now = p.next
	p.leave()
	if p.withdrawn(true); !p.active() {
		t.Error("a probe that was not sent ended the pause")
	}
	if ok, _ := p.admits(p.now, true); !ok || !p.leave() {
		t.Error("no probe after one that was not sent")
	}
	if p.answered(start, true); p.active() {
		t.Error("an accepted probe did not end the pause")
	}
}

// No run asks for the refused action any more: the others must not wait for ever.
func TestCredentialPauseThatNoRunProbesEnds(t *testing.T) {
	p := newPause()
	p.refused(p.now, start, false, false, p.rng)
	p.now = p.next
	ok, at := p.admits(p.now, false)
	if ok || at.Sub(p.now) != credentialGrace {
		t.Fatalf("admitted %v, asked again after %s", ok, at.Sub(p.now))
	}
	if ok, _ := p.admits(at, false); !ok || p.active() || p.leave() {
		t.Error("the pause did not end")
	}
}

// The only run that starts is cancelled while the starts are refused. The
// describes of another run wait no longer than the pause that was under way.
func TestCredentialPauseDoesNotOutliveItsRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newFakeAPI(fleet(100))
		api.onStart = func(int, []string) ([]string, error, bool) { return nil, noRight(), true }
		other := newFakeAPI([]string{"j-1"})
		other.boot("j-1")
		a := newTestAccount(t, routed{api, other})
		var beside sync.WaitGroup
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		beside.Go(func() {
			if got := listing(a.Run(ctx, startRun(fleet(100)))); got != "100 cancelled" {
				t.Errorf("the starts: %s", got)
			}
		})
		time.Sleep(time.Second)
		r := startRun([]string{"j-1"})
		r.Resumed = true
		begun := time.Now()
		if got := listing(a.Run(t.Context(), r)); got != "1 already_running" || time.Since(begun) > 25*time.Second {
			t.Errorf("the describes: %s after %s", got, time.Since(begun))
		}
		beside.Wait()
		checkIdle(t, a)
		if a.budget.credentials.active() {
			t.Errorf("paused by %q after both runs", a.budget.credentials.action)
		}
	})
}

// By hand, with a key that nothing has seen accepted: the first refusal ends the run.
// Where it was accepted before, it is one flaky node.
func TestCredentialsOfAnUnprovenKeyEndAtTheFirstRefusal(t *testing.T) {
	for _, proven := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			api := newFakeAPI(fleet(100))
			refused := 1
			if proven {
				refused = 2
			}
			api.onStart = func(n int, _ []string) ([]string, error, bool) { return nil, noRight(), n == refused }
			b := newTestAccount(t, api)
			if proven {
				b.Run(t.Context(), startRun(fleet(1)))
			}
			r := startRun(fleet(100)[1:])
			r.UnprovenKey = true
			want := map[bool]string{false: "99 auth", true: "99 started"}[proven]
			if got := listing(b.Run(t.Context(), r)); got != want || b.CredentialsAccepted() != proven {
				t.Errorf("proven %v: %s", proven, got)
			}
		})
	}
}

// A final refusal ends what is held for a trial, too, and what fell back; what
// was accepted is described on.
func TestCredentialsThatAreFinalEndAllThatWaits(t *testing.T) {
	for sold := range 10 {
		finalAfterSoldOut(t, sold)
	}
}

// finalAfterSoldOut refuses so many starts for another reason before: the run is
// then in some state of finding out whom that concerns.
func finalAfterSoldOut(t *testing.T, sold int) {
	synctest.Test(t, func(t *testing.T) {
		ids := fleet(500)
		api := newFakeAPI(ids)
		api.bootTime = 5 * time.Minute
		r := startRun(ids)
		r.Groups[0].Attempted = map[string]int{ids[0]: 1, ids[1]: 1}
		r.Resumed = true
		api.boot(ids[1])
		refused := 0
		api.onStart = func(n int, _ []string) ([]string, error, bool) {
			refused++
			if n <= sold {
				return nil, soldOutReply(), true
			}
			return nil, noRight(), true
		}
		b := newTestAccount(t, api)
		heard := &alarms{}
		b.cfg.Emit = heard.emit
		begun := time.Now()
		if got := listing(b.Run(t.Context(), r)); got != "499 auth, 1 started" || heard.n != 1 {
			t.Errorf("after %d: %s, notified %d times", sold, got, heard.n)
		}
		if took := time.Since(begun); took > 6*time.Minute || refused > 30 {
			t.Errorf("%d starts, %s", refused, took)
		}
	})
}

// The key is revoked: what one run finds out about describes ends the starts of
// the other.
func TestCredentialsThatAreFinalForDescribesEndEachRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		booting := newFakeAPI([]string{"j-1"})
		booting.bootTime = time.Hour
		booting.onStatus = func(int, []string) (apiclient.StatusPage, error, bool) {
			return apiclient.StatusPage{}, &apiclient.Error{
				Action: describe, Class: apiclient.ClassCredentials, HTTPStatus: 401, Code: apiclient.CodeSignatureFailure,
			}, true
		}
		api := newFakeAPI(fleet(100))
		a := newTestAccount(t, routed{api, booting})
		var beside sync.WaitGroup
		beside.Go(func() { a.Run(t.Context(), startRun([]string{"j-1"})) })
		time.Sleep(7 * time.Second) // the describes are refused by now
		if got := listing(a.Run(t.Context(), startRun(fleet(100)))); got != "100 auth" {
			t.Errorf("outcomes: %s", got)
		}
		beside.Wait()
	})
}

// SetLimits while starts are refused: the pause goes on, and what waits is served.
func TestCredentialPauseSurvivesAReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newFakeAPI(fleet(300))
		begun := time.Now()
		refused := 0
		api.onStart = func(int, []string) ([]string, error, bool) {
			bad := time.Since(begun) < 20*time.Second
			if bad {
				refused++
			}
			return nil, noRight(), bad
		}
		b := newTestAccount(t, api)
		defer time.AfterFunc(3*time.Second, func() {
			s := b.settings
			s.Limits = Limits{20, 20, 16, Backoff{Initial: time.Second, Max: 10 * time.Second}}
			if err := b.Configure(s); err != nil {
				t.Error(err)
			}
		}).Stop()
		if got := listing(b.Run(t.Context(), startRun(fleet(300)))); got != "300 started" || refused > 15 {
			t.Errorf("%s with %d refused starts", got, refused)
		}
	})
}

// The rest of a poll of which one instance leaves as a probe is described next.
func TestPollThatMayNotLeaveIsNotLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newTestAccount(t, newFakeAPI(nil))
		works := testWorks(a, fleet(3))
		r := &request{priority: PriorityPoll}
		r.hold(works)
		if probe := a.probeOf(r); !slices.Equal(idsOf(probe.works), fleet(1)) {
			t.Errorf("the probe names %q", idsOf(probe.works))
		}
		if r := a.diagnose.pop(100); !slices.Equal(idsOf(r.works), fleet(3)[1:]) || r.priority != PriorityDiagnose {
			t.Errorf("%+v", r)
		}
	})
}

// The API was down while an account's refusal was probed every half minute: once
// it is back, the probe does not sleep that wait out.
func TestRecoveryCutsTheWaitOfASingleIDShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newTestAccount(t, newFakeAPI(nil))
		l := a.lanes[laneStart]
		l.refusals = unknownRefusals{state: refusalAccount, ids: hold(testWorks(a, fleet(3))), next: time.Now().Add(30 * time.Second)}
		a.hasten(time.Now())
		if wait := time.Until(l.refusals.next); wait > 5*time.Second {
			t.Errorf("the next probe is %s away", wait)
		}
	})
}

// What an instance was refused for is known to be the account's only while it
// waits for a start; the reason of the others is their own.
func TestUnsentIsWhatLacksARequestAlone(t *testing.T) {
	for _, tc := range []struct {
		in   instance
		want bool
	}{
		{instance{}, true},
		{instance{state: apiclient.StateStopped}, true},
		{instance{state: apiclient.StateImaging}, false},
		{instance{state: apiclient.StateBooting, stage: stageByOther}, false},
		{instance{state: apiclient.StateStopped, applied: appliedMaybe}, false},
	} {
		if got := tc.in.unsent(power.ActionStart); got != tc.want {
			t.Errorf("%+v: %v", tc.in, got)
		}
	}
}

// A probe of refused credentials that brings no word about them makes room for the next.
func TestCredentialProbeWithoutAWordMakesRoom(t *testing.T) {
	for name, e := range map[string]*apiclient.Error{
		"throttled":         refusal(apiclient.ClassThrottled, 429, ""),
		"a page":            foreign(404),
		"lost":              lostReply(),
		"refused once more": noRight(),
	} {
		synctest.Test(t, func(t *testing.T) {
			b := newTestBudget(20, 8, 8)
			b.leaves(t, PriorityStart).done(noRight())
			b.leaves(t, PriorityStart).done(e)
			began := time.Now()
			if tok := b.leaves(t, PriorityStart); !tok.credentialProbe {
				t.Errorf("%s: the pause is over", name)
			}
			if wait := time.Since(began); wait > time.Minute {
				t.Errorf("%s: no probe for %s after that", name, wait)
			}
		})
	}
}

// Once the credentials are refused nothing leaves but a probe after a pause.
func TestCredentialsRefusedStopWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newTestBudget(20, 8, 8)
		b.leaves(t, PriorityStart).done(noRight())
		if p, _, ok, _ := b.choose(time.Now(), b.demand(PriorityStart)); ok {
			t.Errorf("a request of priority %d left into the pause", p)
		}
	})
}

// A station that throttles says nothing about the credentials, as no page does.
func TestCredentialsAreNotAcceptedByAStationOnTheWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newTestBudget(20, 8, 8)
		for _, e := range []*apiclient.Error{refusal(apiclient.ClassThrottled, 429, ""), foreign(404), lostReply(), noRight()} {
			if b.leaves(t, PriorityStart).done(e); b.credentials.accepted {
				t.Errorf("accepted by %v", e)
			}
		}
		if b.leaves(t, PriorityStart).done(soldOutReply()); !b.credentials.accepted {
			t.Error("a refusal for another reason accepts them")
		}
	})
}
