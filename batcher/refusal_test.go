package batcher

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"zecpower/apiclient"
	"zecpower/internal/event"
	"zecpower/internal/power"
)

const outOfStock apiclient.Code = "RESOURCE_INSUFFICIENT_PRODUCT_SOLD_OUT"

// soldOutReply refuses with a code that is not documented.
func soldOutReply() *apiclient.Error { return refusal(apiclient.ClassUnknown, 403, outOfStock) }

// noRight refuses the credentials, as for an instance that the key has no right to.
func noRight() *apiclient.Error {
	return refusal(apiclient.ClassCredentials, 403, "AUTHFAILURE_UNAUTHORIZED_OPERATION")
}

// foreign is a page of a station on the way.
func foreign(status int) *apiclient.Error {
	return &apiclient.Error{Action: apiclient.ActionStartInstances, Class: apiclient.ClassTransient, HTTPStatus: status}
}

// alarms counts the events about a final refusal of the credentials.
type alarms struct{ n int }

func (a *alarms) emit(e event.Event) {
	if _, ok := e.(event.CredentialsRejected); ok {
		a.n++
	}
}

// bootingBeside makes the first hundred of a fleet boot for an hour, from a run
// that is resumed: so describes succeed all the time.
func bootingBeside(api *fakeAPI, ids []string) Run {
	r := startRun(ids)
	r.Resumed = true
	r.Groups[0].Attempted = map[string]int{}
	for _, id := range ids[:100] {
		r.Groups[0].Attempted[id] = 1
		api.states[id], api.bootAt[id] = apiclient.StateBooting, time.Now().Add(time.Hour)
	}
	return r
}

// Each single id of a trial, or of an account that refuses all, is lost or meets a
// station on the way, while describes go well: they wait between two tries.
func TestLoneIDsThatBringNoWordBackOff(t *testing.T) {
	for _, trial := range []bool{true, false} {
		for name, e := range map[string]*apiclient.Error{"a page with 404": foreign(404), "a lost reply": lostReply()} {
			t.Run(fmt.Sprintf("%s/trial=%v", name, trial), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ids := fleet(1100)
					api := newFakeAPI(ids)
					r := bootingBeside(api, ids)
					begun := time.Now()
					trouble, back := 20*time.Second, 5*time.Minute
					tries := 0
					api.onStart = func(_ int, asked []string) ([]string, error, bool) {
						since := time.Since(begun)
						switch {
						case since > back:
							return nil, nil, false
						case since > trouble || trial && len(asked) == 1:
							tries++
							return nil, e, true
						}
						return nil, soldOutReply(), true
					}
					report := newTestAccount(t, api).Run(t.Context(), r)
					if got := listing(report); got != "100 boot_timeout, 1000 started" {
						t.Errorf("outcomes: %s", got)
					}
					if tries > 60 {
						t.Errorf("%d single starts in five minutes", tries)
					}
				})
			})
		}
	}
}

// All instances of a run are refused for their own sake, so the refusal passes for the account's. Those
// of a run that comes later are tried, too, and not held back by it.
func TestARunThatComesDuringTheAccountsRefusalIsTried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ids := fleet(104)
		api := newFakeAPI(ids)
		sick := ids[:4]
		api.onStart = func(_ int, asked []string) ([]string, error, bool) {
			if slices.ContainsFunc(asked, func(id string) bool { return slices.Contains(sick, id) }) {
				return nil, soldOutReply(), true
			}
			return nil, nil, false
		}
		a := newTestAccount(t, api)
		first, second := startRun(sick), startRun(ids)
		first.RunID, second.RunID = "first", "second"
		var runs sync.WaitGroup
		runs.Go(func() { a.Run(t.Context(), first) })
		time.Sleep(2 * time.Minute)
		begun := time.Now()
		if got := listing(a.Run(t.Context(), second)); got != "4 rejected, 100 started" {
			t.Errorf("outcomes: %s", got)
		}
		runs.Wait()
		if up := api.startTimes[len(api.startTimes)-1].Sub(begun); up > 10*time.Minute {
			t.Errorf("the last start came after %s", up)
		}
		for _, id := range ids[4:] {
			if api.states[id] != apiclient.StateRunning {
				t.Fatalf("%s is %s", id, api.states[id])
			}
		}
	})
}

// The key has no right to the first, or the last, of the three that are sent alone to
// find out about another code. It must not pass for a key that is refused.
func TestTrialOfAnInstanceWithoutRightsIsNoRefusedKey(t *testing.T) {
	for _, tc := range []struct {
		without int
		soldOut []int
		want    string
	}{
		{0, []int{42}, "2 rejected, 98 started"},
		{50, []int{0, 99}, "3 rejected, 97 started"},
	} {
		synctest.Test(t, func(t *testing.T) {
			ids := fleet(100)
			api := newFakeAPI(ids)
			api.onStart = func(_ int, asked []string) ([]string, error, bool) {
				for _, k := range tc.soldOut {
					if slices.Contains(asked, ids[k]) {
						return nil, soldOutReply(), true
					}
				}
				return nil, noRight(), slices.Contains(asked, ids[tc.without])
			}
			b := newTestAccount(t, api)
			heard := &alarms{}
			b.cfg.Emit = heard.emit
			if got := listing(b.Run(t.Context(), startRun(ids))); got != tc.want || heard.n != 0 {
				t.Errorf("%s, notified %d times of refused credentials", got, heard.n)
			}
		})
	}
}

// One without rights, the other one sold out: the refusal of the second has
// accepted the credentials.
func TestRefusalForAnotherReasonAcceptsTheCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ids := fleet(2)
		api := newFakeAPI(ids)
		api.onStart = func(_ int, asked []string) ([]string, error, bool) {
			if slices.Contains(asked, ids[0]) {
				return nil, noRight(), true
			}
			return nil, soldOutReply(), true
		}
		b := newTestAccount(t, api)
		heard := &alarms{}
		b.cfg.Emit = heard.emit
		if got := listing(b.Run(t.Context(), startRun(ids))); got != "2 rejected" || heard.n != 0 {
			t.Errorf("%s, notified %d times of refused credentials", got, heard.n)
		}
	})
}

// A flaky 401 at the beginning, accepted since. When the key is revoked later,
// that is a refusal of the key and not of these ids.
func TestKeyThatIsRevokedAfterAFlakyRefusalIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ids := fleet(50)
		api := newFakeAPI(ids)
		api.bootTime = time.Hour
		begun := time.Now()
		describes := 0
		api.onStart = func(n int, _ []string) ([]string, error, bool) { return nil, noRight(), n == 1 }
		api.onStatus = func(n int, _ []string) (apiclient.StatusPage, error, bool) {
			e := noRight()
			e.Action = apiclient.ActionDescribeInstancesStatus
			revoked := time.Since(begun) > time.Minute
			if revoked {
				describes++
			}
			return apiclient.StatusPage{}, e, n == 1 || revoked
		}
		b := newTestAccount(t, api)
		heard := &alarms{}
		b.cfg.Emit = heard.emit
		r := startRun(ids)
		r.Deadline = time.Now().Add(20 * time.Minute)
		if got := listing(b.Run(t.Context(), r)); got != "50 api_error" || heard.n != 1 {
			t.Errorf("%s, notified %d times of refused credentials, want once", got, heard.n)
		}
		if describes > 150 {
			t.Errorf("%d describes with a key that is revoked", describes)
		}
	})
}

// The key may start everything, and may not describe one instance.
func TestInstanceThatMayNotBeDescribedKeepsNoOtherOff(t *testing.T) {
	for _, at := range []int{0, 42} {
		synctest.Test(t, func(t *testing.T) {
			ids := fleet(100)
			api := newFakeAPI(ids)
			api.onStatus = func(_ int, asked []string) (apiclient.StatusPage, error, bool) {
				e := noRight()
				e.Action = apiclient.ActionDescribeInstancesStatus
				return apiclient.StatusPage{}, e, slices.Contains(asked, ids[at])
			}
			b := newTestAccount(t, api)
			heard := &alarms{}
			b.cfg.Emit = heard.emit
			if got := listing(b.Run(t.Context(), startRun(ids))); got != "1 api_error, 99 started" || heard.n != 0 {
				t.Errorf("%s, notified %d times of refused credentials", got, heard.n)
			}
			if len(api.describes) > 200 {
				t.Errorf("%d describes", len(api.describes))
			}
		})
	}
}

// The API refuses each whole describe for one id that went away while it booted.
// Its halves do not join again.
func TestRefusedPollIsDividedDownToTheOneID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ids := fleet(100)
		api := newFakeAPI(ids)
		api.onStatus = func(_ int, asked []string) (apiclient.StatusPage, error, bool) {
			e := refusal(apiclient.ClassInstance, 404, apiclient.CodeInstanceNotFound)
			return apiclient.StatusPage{}, e, slices.Contains(asked, ids[42])
		}
		report := newTestAccount(t, api).Run(t.Context(), startRun(ids))
		if got := listing(report); got != "1 api_error, 99 started" || len(api.describes) > 200 {
			t.Errorf("%s with %d describes", got, len(api.describes))
		}
	})
}

// A key that may stop and may not start: the run that stops is not concerned.
func TestRefusedStartDoesNotEndTheStopsOfAnotherRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ids, running := fleet(100), []string{"j-1", "j-2"}
		api := newFakeAPI(ids)
		api.onStart = func(int, []string) ([]string, error, bool) { return nil, noRight(), true }
		stopAPI := newFakeAPI(running)
		stopAPI.states["j-1"], stopAPI.states["j-2"] = apiclient.StateRunning, apiclient.StateImaging
		stopAPI.turns("j-2", apiclient.StateRunning, time.Now().Add(2*time.Minute))
		a := newTestAccount(t, routed{api, stopsLikeTheAPI{stopAPI}})
		var beside sync.WaitGroup
		beside.Go(func() {
			if got := listing(a.Run(t.Context(), startRun(ids))); got != "100 auth" {
				t.Errorf("the starts: %s", got)
			}
		})
		r := startRun(running)
		r.Action = power.ActionStop
		if got := listing(a.Run(t.Context(), r)); got != "2 stopped" {
			t.Errorf("the stops: %s", got)
		}
		beside.Wait()
	})
}

// Describes are refused until the deadline: those whose turn never came end for
// the same reason as the others.
func TestDeadlineWhileDescribesAreRefusedBlamesTheCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ids := fleet(3000)
		api := newFakeAPI(ids)
		api.onStatus = func(int, []string) (apiclient.StatusPage, error, bool) {
			e := noRight()
			e.Action, e.ClockSkew = apiclient.ActionDescribeInstancesStatus, time.Hour
			return apiclient.StatusPage{}, e, true
		}
		r := startRun(ids)
		r.Resumed = true
		r.Deadline = time.Now().Add(5 * time.Minute)
		if got := listing(newTestAccount(t, api).Run(t.Context(), r)); got != "3000 auth" {
			t.Errorf("outcomes: %s", got)
		}
	})
}

// A refusal of the account does not explain an instance that was never ready.
func TestBusyInstanceOfARefusedAccountIsInAWrongState(t *testing.T) {
	for name, e := range map[string]*apiclient.Error{"sold out": soldOutReply(), "a clock that is off": noRight()} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ids := fleet(20)
				api := newFakeAPI(ids)
				api.states[ids[7]] = apiclient.StateImaging
				if e.Class == apiclient.ClassCredentials {
					e.ClockSkew = time.Hour
				}
				api.onStart = func(int, []string) ([]string, error, bool) { return nil, e, true }
				r := startRun(ids)
				r.Resumed = true
				want := map[apiclient.Class]string{apiclient.ClassUnknown: "19 rejected, 1 wrong_state", apiclient.ClassCredentials: "19 auth, 1 wrong_state"}[e.Class]
				if got := listing(newTestAccount(t, api).Run(t.Context(), r)); got != want {
					t.Errorf("outcomes: %s, want %s", got, want)
				}
			})
		})
	}
}

// While the account is blocked, a station on the way that says "too many" is one
// more refused probe.
func TestBlockedAccountThatIsThrottledByAStationIsProbedAsRarely(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newFakeAPI(fleet(3000))
		api.onStart = func(n int, _ []string) ([]string, error, bool) {
			if n == 1 {
				return nil, &apiclient.Error{Class: apiclient.ClassBlocked, HTTPStatus: 451}, true
			}
			return nil, refusal(apiclient.ClassThrottled, 429, ""), true
		}
		r := startRun(fleet(3000))
		r.Deadline = time.Now().Add(10 * time.Minute)
		if got := listing(newTestAccount(t, api).Run(t.Context(), r)); got != "3000 blocked" || len(api.starts) > 30 {
			t.Errorf("%s with %d starts", got, len(api.starts))
		}
	})
}

// The probe fell due between two readings of the clock: the run must still wake.
func TestProbeThatJustFellDueWakesTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newTestAccount(t, newFakeAPI(nil))
		now := time.Now()
		a.lanes[laneStart].refusals = unknownRefusals{state: refusalAccount, ids: hold(testWorks(a, fleet(3))), next: now}
		if at := a.dispatch(now); len(a.inFlight) != 1 {
			t.Fatalf("nothing is sent until %s", at)
		}
		<-a.replies
	})
}

// A state that is neither on the way nor ready does not keep an accepted
// instance open past its timeout.
func TestAcceptedInstanceInAnUnknownStateEndsAtItsTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newFakeAPI(fleet(1))
		api.onStatus = func(_ int, asked []string) (apiclient.StatusPage, error, bool) {
			return allIn(asked, "POWERING_ON"), nil, true
		}
		begun := time.Now()
		report := newTestAccount(t, api).Run(t.Context(), startRun(fleet(1)))
		if took := time.Since(begun); listing(report) != "1 boot_timeout" || took > 11*time.Minute {
			t.Errorf("%s after %s", listing(report), took)
		}
	})
}

// One of the three single ids is lost: another takes its place, and the account's
// refusal is still found out.
func TestLostTrialOfARefusedAccountCausesNoStorm(t *testing.T) {
	for lost := 1; lost <= 3; lost++ {
		synctest.Test(t, func(t *testing.T) {
			ids := fleet(1000)
			api := newFakeAPI(ids)
			begun := time.Now()
			refused, single := 0, 0
			api.onStart = func(_ int, asked []string) ([]string, error, bool) {
				if time.Since(begun) > 5*time.Minute {
					return nil, nil, false
				}
				refused++
				if len(asked) == 1 {
					if single++; single == lost {
						return nil, lostReply(), true
					}
				}
				return nil, soldOutReply(), true
			}
			if got := listing(newTestAccount(t, api).Run(t.Context(), startRun(ids))); got != "1000 started" {
				t.Errorf("outcomes: %s", got)
			}
			if refused > 40 {
				t.Errorf("the single id %d is lost: %d starts while all were refused", lost, refused)
			}
		})
	}
}

// All is sold out, instance by instance: so a request whose first id does not exist
// is refused with a documented code. That is no acceptance, whether the id is one of the
// three or a probe later on.
func TestMissingIDsDoNotEndTheAccountsRefusal(t *testing.T) {
	for name, missing := range map[string]func(i int) bool{
		"the last":      func(i int) bool { return i == 299 },
		"the second":    func(i int) bool { return i == 1 },
		"every seventh": func(i int) bool { return i%7 == 1 },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ids := fleet(300)
				api := newFakeAPI(ids)
				gone := 0
				for i, id := range ids {
					if missing(i) {
						delete(api.states, id)
						gone++
					}
				}
				begun := time.Now()
				refused := 0
				api.onStart = func(n int, asked []string) ([]string, error, bool) {
					down := time.Since(begun) < 5*time.Minute
					if down {
						refused++
					}
					if _, there := api.states[asked[0]]; there && down {
						return nil, soldOutReply(), true
					}
					return api.rejectBad(n, asked)
				}
				if got, want := listing(newTestAccount(t, api).Run(t.Context(), startRun(ids))), fmt.Sprintf("%d not_found, %d started", gone, len(ids)-gone); got != want {
					t.Errorf("outcomes: %s, want %s", got, want)
				}
				if refused > 40+gone {
					t.Errorf("%d starts while all were refused", refused)
				}
			})
		})
	}
}

// Nearly all are RUNNING, and one is sold out. The single ids are no way to
// describe a fleet.
func TestTrialAmongRunningInstancesEndsSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ids := fleet(1000)
		api := newFakeAPI(ids)
		for _, id := range ids[5:] {
			api.states[id] = apiclient.StateRunning
		}
		api.onStart = func(n int, asked []string) ([]string, error, bool) {
			if asked[0] == ids[0] {
				return nil, soldOutReply(), true
			}
			return api.rejectBad(n, asked)
		}
		report := newTestAccount(t, api).Run(t.Context(), startRun(ids))
		if got := listing(report); got != "995 already_running, 1 rejected, 4 started" || len(api.starts) > 50 {
			t.Errorf("%s with %d starts", got, len(api.starts))
		}
	})
}

// The row of pages that makes an account blocked ends by any reply that is none.
func TestBreakerCountsAsBlockedOnlyByAMinuteOfPages(t *testing.T) {
	const minute = time.Minute + time.Second
	for name, between := range map[string]func(b *breaker, now time.Time, rng *rand.Rand){
		"a 502 of a gateway": func(b *breaker, now time.Time, rng *rand.Rand) {
			b.failed(now, &apiclient.Error{Class: apiclient.ClassTransient, HTTPStatus: 502}, b.epoch, true, rng)
		},
		"a reply of the API": func(b *breaker, now time.Time, _ *rand.Rand) { b.reached(now) },
		"a lost connection": func(b *breaker, now time.Time, rng *rand.Rand) {
			b.failed(now, &apiclient.Error{Class: apiclient.ClassTransient}, b.epoch, true, rng)
		},
	} {
		b := breaker{backoff: Backoff{Initial: time.Second, Max: 30 * time.Second}}
		rng := rand.New(rand.NewPCG(1, 1))
		now := time.Now()
		b.failed(now, foreign(403), b.epoch, true, rng)
		between(&b, now.Add(30*time.Second), rng)
		blocked := b.failed(now.Add(minute), foreign(403), b.epoch, true, rng)
		if want := name == "a lost connection"; blocked != want || b.blocked() != want {
			t.Errorf("after %s blocked is %v", name, blocked)
		}
		if again := b.failed(now.Add(2*minute), foreign(403), b.epoch, true, rng); again && blocked {
			t.Error("blocked was notified twice")
		}
		if lasted := b.reached(now.Add(3 * minute)); b.blocked() || blocked && lasted != 2*minute {
			t.Errorf("a reply of the API leaves blocked %v, which lasted %s", b.blocked(), lasted)
		}
	}
}

// The three that were tried are sold out for good, the others for a minute: each
// probe names another id, so the first acceptance is not missed.
func TestProbesOfARefusedAccountNameAnotherIDEachTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ids := fleet(100)
		api := newFakeAPI(ids)
		begun := time.Now()
		api.onStart = func(_ int, asked []string) ([]string, error, bool) {
			bad := time.Since(begun) < time.Minute
			for _, k := range []int{0, 50, 99} {
				bad = bad || slices.Contains(asked, ids[k])
			}
			return nil, soldOutReply(), bad
		}
		report := newTestAccount(t, api).Run(t.Context(), startRun(ids))
		if got := listing(report); got != "3 rejected, 97 started" || time.Since(begun) > 5*time.Minute {
			t.Errorf("%s after %s", got, time.Since(begun))
		}
	})
}

// A group that is sold out as a whole must not hide that another one is served.
func TestProbesOfARefusedAccountGoOverItsGroups(t *testing.T) {
	r := startRun(fleet(3))
	r.Groups = append(r.Groups, Group{Name: "db", IDs: []string{"j-1"}}, Group{Name: "app", IDs: []string{"k-1", "k-2"}})
	x := newTestAccount(t, newFakeAPI(nil)).newRun(r)
	var works []*work
	for _, i := range []int{5, 2, 1, 0, 3, 4} {
		works = append(works, &work{runs: []ref{{x, i}}, order: i})
	}
	var got []int
	for _, w := range inTurn(works) {
		got = append(got, w.order)
	}
	if !slices.Equal(got, []int{0, 3, 4, 1, 5, 2}) {
		t.Errorf("in turn: %v", got)
	}
}

// A code that was one instance's becomes the account's in the middle of a run.
func TestKnownCodeThatBecomesTheAccountsCausesNoStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ids := fleet(5000)
		api := newFakeAPI(ids)
		begun := time.Now()
		refused := 0
		api.onStart = func(_ int, asked []string) ([]string, error, bool) {
			since := time.Since(begun)
			all := since > 3*time.Second && since < 3*time.Minute
			if all {
				refused++
			}
			return nil, soldOutReply(), all || slices.Contains(asked, ids[0])
		}
		report := newTestAccount(t, api).Run(t.Context(), startRun(ids))
		if got := listing(report); got != "1 rejected, 4999 started" || refused > 60 {
			t.Errorf("%s with %d starts while all were refused", got, refused)
		}
	})
}

// All that wait were lost as probes of the account: once they are described, they are
// probes again.
func TestProbesOfARefusedAccountThatAreAllLostAreMadeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newFakeAPI(fleet(3))
		api.onStart = func(n int, _ []string) ([]string, error, bool) {
			switch {
			case n <= 4: // the chunk, and each of the three
				return nil, soldOutReply(), true
			case n <= 7:
				return nil, lostReply(), true
			}
			return nil, nil, false
		}
		begun := time.Now()
		report := newTestAccount(t, api).Run(t.Context(), startRun(fleet(3)))
		if got := listing(report); got != "3 started" || time.Since(begun) > 2*time.Minute {
			t.Errorf("%s after %s", got, time.Since(begun))
		}
	})
}

// slowFor answers the starts that it knows after a time of their own.
type slowFor struct {
	*fakeAPI
	takes map[int]time.Duration // by the number of ids
}

func (s slowFor) StartInstances(ctx context.Context, ids []string) (apiclient.PowerReply, error) {
	time.Sleep(s.takes[len(ids)])
	return s.fakeAPI.StartInstances(ctx, ids)
}

// While a single id is in flight, another request is accepted and ends the trial.
// The single id then meets a page, and must not be lost.
func TestTrialThatOutlivesItsQuestionIsSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ids := fleet(150)
		api := newFakeAPI(ids)
		paged := false
		api.onStart = func(n int, asked []string) ([]string, error, bool) {
			switch {
			case len(asked) == 100 && n <= 2:
				return nil, soldOutReply(), true
			case len(asked) == 1 && !paged:
				paged = true
				return nil, foreign(404), true
			}
			return nil, nil, false
		}
		begun := time.Now()
		report := newTestAccount(t, slowFor{api, map[int]time.Duration{50: time.Second, 1: 2 * time.Second}}).Run(t.Context(), startRun(ids))
		if got := listing(report); got != "150 started" || !paged || time.Since(begun) > 2*time.Minute {
			t.Errorf("%s after %s, a page %v", got, time.Since(begun), paged)
		}
	})
}

// An operator who waits learns at once that nothing can arrive; a schedule goes on, since the
// network may come back before its deadline.
func TestRunByHandEndsWhereTheAPIIsNeverReached(t *testing.T) {
	lost := &apiclient.Error{
		Action: apiclient.ActionStartInstances, Class: apiclient.ClassTransient,
		Err: &net.DNSError{Err: "no such host", Name: "console.example", IsNotFound: true},
	}
	for name, tc := range map[string]struct {
		byHand bool
		reply  int // the nth request is answered; 0: none
		most   time.Duration
		want   string
	}{
		"by hand":                     {true, 0, 10 * time.Second, "500 api_error"},
		"by hand, but reached before": {true, 2, time.Hour, "400 api_error, 100 started"},
		"by a schedule":               {false, 0, time.Hour, "500 api_error"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api := newFakeAPI(fleet(500))
				api.onStart = func(n int, _ []string) ([]string, error, bool) { return nil, lost, n != tc.reply }
				r := startRun(fleet(500))
				r.FirstContact = tc.byHand
				begun := time.Now()
				report := newTestAccount(t, api).Run(t.Context(), r)
				if got := listing(report); got != tc.want {
					t.Errorf("outcomes: %s, want %s", got, tc.want)
				}
				early := time.Since(begun) < 30*time.Minute
				if early != (tc.most < time.Hour) || early != strings.Contains(report.Err, "never reached") {
					t.Errorf("it took %s, and says %q", time.Since(begun), report.Err)
				}
			})
		})
	}
}

func TestPageOfYesterdayDoesNotBlockTheMorning(t *testing.T) {
	now := time.Now()
	rng := rand.New(rand.NewPCG(1, 1))
	b := breaker{backoff: Backoff{Initial: time.Second, Max: 30 * time.Second}}
	b.failed(now, foreign(403), b.epoch, false, rng)
	now = now.Add(20 * time.Hour)
	if b.failed(now, foreign(403), b.epoch, false, rng) || b.blocked() {
		t.Error("one page in the morning counts as a minute of them")
	}
	if !b.failed(now.Add(time.Minute), foreign(403), b.epoch, false, rng) {
		t.Error("a minute of pages does not count")
	}
}
