package batcher

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"zecpower/apiclient"
	"zecpower/internal/event"
	"zecpower/internal/power"
)

// A server may apply a request long after it arrived: what counts for a lagging
// describe is when the reply was given up, not when the request left.
func TestStartAppliedLateInARequestThatHangsIsNeverSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newFakeAPI(fleet(10))
		var shownFrom time.Time
		api.onStart = func(_ int, ids []string) ([]string, error, bool) {
			for _, id := range ids {
				api.boot(id)
			}
			shownFrom = time.Now().Add(4 * time.Second)
			return nil, lostReply(), true
		}
		api.onStatus = func(_ int, ids []string) (apiclient.StatusPage, error, bool) {
			return allIn(ids, apiclient.StateStopped), nil, time.Now().Before(shownFrom)
		}
		b := newTestAccount(t, slowStarts{api, 29 * time.Second})
		api.startAll(t, b, "10 started", 1)
	})
}

// Somebody else's start that fails is no failed attempt of this run.
func TestFallenBackBootOfSomebodyElseUsesNoAttemptUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newFakeAPI(fleet(1))
		api.states["i-000000"] = apiclient.StateBooting
		api.bootAt["i-000000"] = time.Now().Add(time.Hour)
		api.turns("i-000000", apiclient.StateStopped, time.Now().Add(20*time.Second))
		b := newTestAccount(t, api)
		b.settings.Attempts = 1
		api.startAll(t, b, "1 started", 2)
	})
}

// The first boot failed, the reply to the second start was lost: the boot took
// from the second one, whether or not a describe saw it on its way.
func TestBootDurationOfALostStartBeginsWithThatStart(t *testing.T) {
	for name, boot := range map[string]time.Duration{"seen on its way": 12 * time.Second, "never seen on its way": time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api := newFakeAPI(fleet(1))
				api.bootTime = time.Minute
				var second time.Time
				api.onStart = func(n int, ids []string) ([]string, error, bool) {
					if n == 1 {
						return nil, nil, false
					}
					second, api.bootTime = time.Now(), boot
					api.boot(ids[0])
					return nil, lostReply(), true
				}
				api.onStatus = func(int, []string) (apiclient.StatusPage, error, bool) {
					if len(api.starts) == 1 && !time.Now().Before(api.bootAt["i-000000"]) {
						api.states["i-000000"] = apiclient.StateStopped
					}
					return apiclient.StatusPage{}, nil, false
				}
				report := newTestAccount(t, api).Run(t.Context(), startRun(fleet(1)))
				r := report.Groups[0].Results[0]
				if want := r.ReachedAt.Sub(second) + api.latency; r.Outcome != power.OutcomeStarted || r.BootDuration != want {
					t.Errorf("%s in %s, want %s", r.Outcome, r.BootDuration, want)
				}
			})
		})
	}
}

// slowStarts holds each start back before the server sees it.
type slowStarts struct {
	*fakeAPI
	delay time.Duration
}

func (s slowStarts) StartInstances(ctx context.Context, ids []string) (apiclient.PowerReply, error) {
	time.Sleep(s.delay)
	return s.fakeAPI.StartInstances(ctx, ids)
}

// A slow listener holds a run up while the budget goes on: requests must not pile up meanwhile and
// leave at once.
func TestCeilingHoldsThoughAListenerIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ids := fleet(3000)
		api := newFakeAPI(ids)
		api.onStart = func(n int, ids []string) ([]string, error, bool) { return ids[:1], nil, n%2 == 0 }
		cfg := testConfig(api, 2)
		cfg.Burst = 1
		b := newAccountOf(t, cfg)
		b.cfg.Emit = func(e event.Event) {
			switch e.(type) {
			case event.Accepted, event.Final:
				time.Sleep(3 * time.Second)
			}
		}
		b.Run(t.Context(), startRun(ids))
		sent := append(slices.Clone(api.startTimes), api.describeArrivals...)
		slices.SortFunc(sent, time.Time.Compare)
		for k := range sent[1:] {
			if gap := sent[k+1].Sub(sent[k]); gap < 499*time.Millisecond {
				t.Fatalf("requests %d and %d of %d left %s apart; the budget is 2 a second, burst 1", k, k+1, len(sent), gap)
			}
		}
	})
}
