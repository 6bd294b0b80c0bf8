package batcher

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"zecpower/apiclient"
	"zecpower/internal/power"
)

// refusal is a failed request of a class.
func refusal(class apiclient.Class, status int, code apiclient.Code) *apiclient.Error {
	return &apiclient.Error{Action: apiclient.ActionStartInstances, Class: class, HTTPStatus: status, Code: code, RequestID: "T9"}
}

func lostReply() *apiclient.Error {
	return &apiclient.Error{Action: apiclient.ActionStartInstances, Class: apiclient.ClassAmbiguous, MaybeApplied: true, Err: errors.New("connection reset")}
}

// listing counts a report's outcomes and reasons.
func listing(r power.Report) string {
	counts := map[string]int{}
	var keys []string
	for _, g := range r.Groups {
		for _, res := range g.Results {
			key := string(res.Outcome)
			if res.Reason != "" {
				key = string(res.Reason)
			}
			if counts[key] == 0 {
				keys = append(keys, key)
			}
			counts[key]++
		}
	}
	slices.Sort(keys)
	parts := make([]string, len(keys))
	for i, k := range keys {
		parts[i] = fmt.Sprintf("%d %s", counts[k], k)
	}
	return strings.Join(parts, ", ")
}

func TestEachClassHasItsAnswer(t *testing.T) {
	first := func(n int, e *apiclient.Error) func(int, []string) ([]string, error, bool) {
		return func(k int, _ []string) ([]string, error, bool) { return nil, e, k <= n }
	}
	always := math.MaxInt
	wait := refusal(apiclient.ClassThrottled, 429, apiclient.CodeRequestLimitExceeded)
	wait.RetryAfter = 20 * time.Second
	for name, tc := range map[string]struct {
		onStart func(int, []string) ([]string, error, bool)
		want    string
		starts  int // requests; 0 does not matter
		least   time.Duration
		most    time.Duration
	}{
		"throttled goes again":                     {first(3, refusal(apiclient.ClassThrottled, 429, "")), "100 started", 4, 0, time.Minute},
		"throttled does not use up attempts":       {first(20, refusal(apiclient.ClassThrottled, 400, apiclient.CodeRequestLimitExceeded)), "100 started", 21, 0, 10 * time.Minute},
		"Retry-After is honoured":                  {first(1, wait), "100 started", 2, 20 * time.Second, time.Minute},
		"throttled until the deadline":             {first(always, refusal(apiclient.ClassThrottled, 429, "")), "100 throttled", 0, 30 * time.Minute, 31 * time.Minute},
		"transient goes again":                     {first(3, refusal(apiclient.ClassTransient, 503, "")), "100 started", 4, 0, time.Minute},
		"transient until the deadline":             {first(always, refusal(apiclient.ClassTransient, 503, "")), "100 api_error", 0, 30 * time.Minute, 31 * time.Minute},
		"credentials are probed, then final":       {first(always, refusal(apiclient.ClassCredentials, 401, apiclient.CodeSignatureFailure)), "100 auth", 0, 30 * time.Second, time.Minute},
		"one refusal of the credentials is none":   {first(1, refusal(apiclient.ClassCredentials, 401, apiclient.CodeSignatureFailure)), "100 started", 3, 0, time.Minute},
		"refused as such ends the run":             {first(always, refusal(apiclient.ClassRequest, 0, "")), "100 invalid_request", 1, 0, 10 * time.Second},
		"lost before it arrived is sent once more": {first(1, lostReply()), "100 started", 2, 0, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api := newFakeAPI(fleet(100))
				api.onStart = tc.onStart
				begun := time.Now()
				report := newTestAccount(t, api).Run(t.Context(), startRun(fleet(100)))
				if got := listing(report); got != tc.want {
					t.Errorf("outcomes: %s, want %s", got, tc.want)
				}
				if tc.starts != 0 && len(api.starts) != tc.starts {
					t.Errorf("%d StartInstances, want %d", len(api.starts), tc.starts)
				}
				if took := time.Since(begun); took < tc.least || took > tc.most {
					t.Errorf("took %s, want %s to %s", took, tc.least, tc.most)
				}
			})
		})
	}
}

func TestLostReplyOfAnAppliedStartIsNeverSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newFakeAPI(fleet(100))
		api.onStart = func(_ int, ids []string) ([]string, error, bool) {
			for _, id := range ids {
				api.boot(id)
			}
			return nil, lostReply(), true
		}
		api.startAll(t, newTestAccount(t, api), "100 started", 1)
	})
}

// Found by simulation (seed 51): a describe that lags showed STOPPED right after
// a start whose reply was lost, and it was sent again while it was on its way.
func TestLaggingStateAfterALostReplyIsNotBelieved(t *testing.T) {
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
			if !time.Now().Before(shownFrom) {
				return apiclient.StatusPage{}, nil, false
			}
			return allIn(ids, apiclient.StateStopped), nil, true
		}
		api.startAll(t, newTestAccount(t, api), "10 started", 1)
	})
}

func allIn(ids []string, state apiclient.State) apiclient.StatusPage {
	page := apiclient.StatusPage{TotalCount: len(ids)}
	for _, id := range ids {
		page.Instances = append(page.Instances, apiclient.InstanceStatus{InstanceID: id, State: state})
	}
	return page
}

func TestBadIDsAreFoundInBothModes(t *testing.T) {
	states := map[int]apiclient.State{
		3: "", 17: apiclient.StateRecycle, 40: apiclient.StateRunning, 41: apiclient.StateBooting, 42: apiclient.StateCreateFailed, 99: "WEIRD",
	}
	for _, rejects := range []bool{true, false} {
		t.Run(fmt.Sprintf("rejects=%v", rejects), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ids := fleet(300)
				api := newFakeAPI(ids)
				for i, state := range states {
					api.states[ids[i]] = state
					if state == "" {
						delete(api.states, ids[i])
					}
				}
				if rejects {
					api.onStart = api.rejectBad
				}
				report := newTestAccount(t, api).Run(t.Context(), startRun(ids))
				if got, want := listing(report), "2 already_running, 1 not_found, 2 recycled, 294 started, 1 wrong_state"; got != want {
					t.Errorf("outcomes: %s, want %s", got, want)
				}
				if len(api.starts) > 4 { // one for each chunk, and what is left of the one with bad ids
					t.Errorf("%d StartInstances", len(api.starts))
				}
				for _, f := range report.Groups[0].Failures() {
					if f.InstanceID == ids[99] && f.State != "WEIRD" {
						t.Errorf("wrong_state without its state: %+v", f)
					}
				}
			})
		})
	}
}

// rejectBad refuses a request whole when one of its instances is not STOPPED.
func (f *fakeAPI) rejectBad(_ int, ids []string) ([]string, error, bool) {
	for _, id := range ids {
		switch state, ok := f.states[id]; {
		case !ok:
			return nil, refusal(apiclient.ClassInstance, 404, apiclient.CodeInstanceNotFound), true
		case state != apiclient.StateStopped:
			return nil, refusal(apiclient.ClassInstance, 403, apiclient.CodeInstanceNotStopped), true
		}
	}
	return nil, nil, false
}

func TestUnexplainedRefusalIsIsolatedDownToTheOneID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ids := fleet(100)
		api := newFakeAPI(ids)
		api.onStart = func(_ int, asked []string) ([]string, error, bool) {
			return nil, refusal(apiclient.ClassInstance, 403, "OPERATION_DENIED_INSTANCE_LOCKED"), slices.Contains(asked, ids[63])
		}
		report := newTestAccount(t, api).Run(t.Context(), startRun(ids))
		if got := listing(report); got != "1 rejected, 99 started" {
			t.Fatalf("outcomes: %s", got)
		}
		f := report.Groups[0].Failures()[0]
		if f.InstanceID != ids[63] || f.Code != "OPERATION_DENIED_INSTANCE_LOCKED" || f.State != string(apiclient.StateStopped) || f.RequestID != "T9" {
			t.Errorf("%+v", f)
		}
		if len(api.starts) > 20 {
			t.Errorf("%d StartInstances to find one id", len(api.starts))
		}
	})
}

// Found by simulation: a busy instance in the failed list used its attempt up
// before anybody had described it.
func TestRefusalOfABusyInstanceUsesNoAttemptUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newFakeAPI(fleet(1))
		api.states["i-000000"] = apiclient.StateStopping
		api.turns("i-000000", apiclient.StateStopped, time.Now().Add(20*time.Second))
		b := newTestAccount(t, api)
		b.settings.Attempts = 1
		api.startAll(t, b, "1 started", 2)
	})
}

// The same where it became free between the refusal and the describe.
func TestRefusalBeforeAnyLookIsNotFinal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newFakeAPI(fleet(1))
		api.onStart = func(n int, ids []string) ([]string, error, bool) { return ids, nil, n == 1 }
		b := newTestAccount(t, api)
		b.settings.Attempts = 1
		if got := listing(b.Run(t.Context(), startRun(fleet(1)))); got != "1 started" {
			t.Errorf("outcomes: %s", got)
		}
	})
}

func TestLaggingStateAfterAnAcceptedStartIsNoFailedBoot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newFakeAPI(fleet(10))
		shownFrom := time.Now().Add(8 * time.Second)
		api.onStatus = func(_ int, ids []string) (apiclient.StatusPage, error, bool) {
			return allIn(ids, apiclient.StateStopped), nil, time.Now().Before(shownFrom)
		}
		api.startAll(t, newTestAccount(t, api), "10 started", 1)
	})
}

// Found by simulation: absence in one describe was believed although the API had
// just taken a start for the instance.
func TestAbsenceRightAfterAnAcceptedStartNeedsASecondDescribe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newFakeAPI(fleet(3))
		api.onStatus = func(n int, _ []string) (apiclient.StatusPage, error, bool) {
			return apiclient.StatusPage{}, nil, n == 1
		}
		if got := listing(newTestAccount(t, api).Run(t.Context(), startRun(fleet(3)))); got != "3 started" {
			t.Errorf("outcomes: %s", got)
		}
	})
}

func TestIncompleteListIsNotBelieved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ids := fleet(50)
		api := newFakeAPI(ids)
		api.onStatus = func(n int, asked []string) (apiclient.StatusPage, error, bool) {
			if n > 4 {
				return apiclient.StatusPage{}, nil, false
			}
			page := api.page(asked)
			page.Instances = page.Instances[:len(page.Instances)/2] // totalCount still counts them all
			page.Instances = append(page.Instances, allIn([]string{"i-stray"}, apiclient.StateRunning).Instances...)
			return page, nil, true
		}
		if got := listing(newTestAccount(t, api).Run(t.Context(), startRun(ids))); got != "50 started" {
			t.Errorf("outcomes: %s", got)
		}
	})
}

func TestCredentialsStopWithTheRequestsInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newFakeAPI(fleet(5000))
		api.latency = time.Second
		api.onStart = func(int, []string) ([]string, error, bool) {
			return nil, refusal(apiclient.ClassCredentials, 401, apiclient.CodeSignatureFailure), true
		}
		report := newTestAccount(t, api).Run(t.Context(), startRun(fleet(5000)))
		if got := listing(report); got != "5000 auth" || len(api.starts) > 20 {
			t.Errorf("%s with %d StartInstances; at most 8 are in flight, then one probe at a time goes out", got, len(api.starts))
		}
	})
}

func TestDeadlineAndCancelEndTheRunWithinOneRequest(t *testing.T) {
	for name, end := range map[string]func(*Run) (context.Context, context.CancelFunc){
		"deadline": func(r *Run) (context.Context, context.CancelFunc) {
			r.Deadline = time.Now().Add(3 * time.Second)
			return context.WithCancel(context.Background())
		},
		"cancel": func(*Run) (context.Context, context.CancelFunc) {
			return context.WithTimeout(context.Background(), 3*time.Second)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api := newFakeAPI(fleet(20000))
				api.latency = 2 * time.Second
				r := startRun(fleet(20000))
				ctx, cancel := end(&r)
				defer cancel()
				begun := time.Now()
				report := newTestAccount(t, api).Run(ctx, r)
				if took := time.Since(begun); took > 5*time.Second {
					t.Errorf("took %s", took)
				}
				sent := len(api.starts)
				time.Sleep(time.Hour)
				if len(api.starts) != sent {
					t.Error("requests left after the end")
				}
				if name == "cancel" && listing(report) != "20000 cancelled" {
					t.Errorf("outcomes: %s", listing(report))
				}
			})
		})
	}
}

func TestDeadlineThatIsOverSendsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 20 {
			api := newFakeAPI(fleet(500))
			r := startRun(fleet(500))
			r.Deadline = time.Now()
			newTestAccount(t, api).Run(t.Context(), r)
			if len(api.starts) != 0 {
				t.Fatalf("%d requests left after the deadline", len(api.starts))
			}
		}
	})
}

func TestFallenBackBootsAreStartedAgainUpToAttempts(t *testing.T) {
	for fails, want := range map[int]string{1: "1 started", 2: "1 started", 3: "1 boot_failed"} {
		synctest.Test(t, func(t *testing.T) {
			api := newFakeAPI(fleet(1))
			api.onStatus = func(int, []string) (apiclient.StatusPage, error, bool) {
				if api.states["i-000000"] == apiclient.StateBooting && len(api.starts) <= fails && !time.Now().Before(api.bootAt["i-000000"]) {
					api.states["i-000000"] = apiclient.StateStopped
				}
				return apiclient.StatusPage{}, nil, false
			}
			report := newTestAccount(t, api).Run(t.Context(), startRun(fleet(1)))
			if got := listing(report); got != want || len(api.starts) > 3 {
				t.Errorf("%d failing boots: %s with %d starts, want %s", fails, got, len(api.starts), want)
			}
		})
	}
}

func TestBootTimeoutComesOnlyUponADescribe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newFakeAPI(fleet(2))
		api.bootTime = 11 * time.Minute // a minute longer than the limit, for which no one else can describe
		begun := time.Now()
		api.onStatus = func(int, []string) (apiclient.StatusPage, error, bool) {
			down := time.Since(begun) > 9*time.Minute && time.Since(begun) < 12*time.Minute
			return apiclient.StatusPage{}, refusal(apiclient.ClassTransient, 503, ""), down
		}
		if got := listing(newTestAccount(t, api).Run(t.Context(), startRun(fleet(2)))); got != "2 started" {
			t.Errorf("outcomes: %s", got)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		api := newFakeAPI(fleet(2))
		api.bootTime = time.Hour
		begun := time.Now()
		report := newTestAccount(t, api).Run(t.Context(), startRun(fleet(2)))
		if f := report.Groups[0].Failures(); len(f) != 2 || f[0].Reason != power.ReasonBootTimeout || f[0].State != string(apiclient.StateBooting) {
			t.Errorf("%+v", f)
		}
		if took := time.Since(begun); took < 10*time.Minute || took > 10*time.Minute+10*time.Second {
			t.Errorf("given up after %s, the boot timeout is 10 m", took)
		}
	})
}

func TestOutageOfAnyLengthCostsNoInstanceAndNoStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ids := fleet(2000)
		api := newFakeAPI(ids)
		begun, tried := time.Now(), 0
		back := begun.Add(20 * time.Minute)
		api.onStart = func(int, []string) ([]string, error, bool) {
			down := time.Now().Before(back) && time.Since(begun) > 500*time.Millisecond
			if down {
				tried++
			}
			return nil, refusal(apiclient.ClassTransient, 503, ""), down
		}
		api.onStatus = func(int, []string) (apiclient.StatusPage, error, bool) {
			down := time.Now().Before(back) && time.Since(begun) > 500*time.Millisecond
			if down {
				tried++
			}
			return apiclient.StatusPage{}, refusal(apiclient.ClassTransient, 503, ""), down
		}
		report := newTestAccount(t, api).Run(t.Context(), startRun(ids))
		if got := listing(report); got != "2000 started" {
			t.Errorf("outcomes: %s", got)
		}
		if tried > 100 { // 20 minutes of probes, half a minute apart at most, and those in flight
			t.Errorf("%d requests into an API that is down", tried)
		}
		// Full speed within one poll interval of the first success, which is a
		// probe at most 30 s after the API is back.
		last := slices.MaxFunc(api.startTimes, time.Time.Compare)
		if late := last.Sub(back); late > 30*time.Second+5*time.Second+2*time.Second {
			t.Errorf("the last start left %s after the API was back", late)
		}
	})
}

func TestDeadlineInAnOutageBlamesTheAPI(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newFakeAPI(fleet(3000))
		down := refusal(apiclient.ClassTransient, 503, "")
		api.onStart = func(int, []string) ([]string, error, bool) { return nil, down, true }
		api.onStatus = func(int, []string) (apiclient.StatusPage, error, bool) { return apiclient.StatusPage{}, down, true }
		if got := listing(newTestAccount(t, api).Run(t.Context(), startRun(fleet(3000)))); got != "3000 api_error" {
			t.Errorf("outcomes: %s", got)
		}
	})
}

func TestResumedRunSendsNothingThatIsThereAndKeepsItsCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ids := fleet(6)
		api := newFakeAPI(ids)
		api.states[ids[1]] = apiclient.StateRunning
		api.boot(ids[2])
		r := startRun(ids)
		r.Resumed = true
		r.Groups[0].Final = []power.InstanceResult{{InstanceID: ids[0], Outcome: power.OutcomeFailed, Reason: power.ReasonRecycled}}
		r.Groups[0].Attempted = map[string]int{ids[1]: 1, ids[2]: 1, ids[3]: 3}
		report := newTestAccount(t, api).Run(t.Context(), r)
		if got := listing(report); got != "1 boot_failed, 1 recycled, 4 started" {
			t.Errorf("outcomes: %s", got)
		}
		for _, asked := range api.starts {
			for _, id := range asked {
				if id != ids[4] && id != ids[5] {
					t.Errorf("%s was sent", id)
				}
			}
		}
	})
}

// What was in flight when the process died may have been applied, and a
// describe may lag: STOPPED right after the restart proves nothing.
func TestResumedRunDoesNotTrustItsFirstDescribe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ids := fleet(5)
		api := newFakeAPI(ids)
		shownFrom := time.Now().Add(4 * time.Second)
		for _, id := range ids {
			api.boot(id)
		}
		api.onStatus = func(_ int, asked []string) (apiclient.StatusPage, error, bool) {
			return allIn(asked, apiclient.StateStopped), nil, time.Now().Before(shownFrom)
		}
		r := startRun(ids)
		r.Resumed = true
		if newTestAccount(t, api).Run(t.Context(), r); len(api.starts) != 0 {
			t.Errorf("%d StartInstances for instances on their way", len(api.starts))
		}
	})
}

func TestIDInTwoGroupsIsWorkedOnOnceAndReportedTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ids := fleet(30)
		api := newFakeAPI(ids)
		r := startRun(nil)
		r.Groups = []Group{{Name: "a", IDs: append([]string{" " + ids[0] + " "}, ids[:20]...)}, {Name: "b", IDs: ids[10:]}, {Name: "c", Err: errors.New("gone")}}
		report := newTestAccount(t, api).Run(t.Context(), r)
		sent := map[string]int{}
		for _, asked := range api.starts {
			for _, id := range asked {
				sent[id]++
			}
		}
		a, b, c := report.Groups[0], report.Groups[1], report.Groups[2]
		if a.Total != 20 || a.Duplicates != 1 || a.Done != 20 || b.Total != 20 || b.Done != 20 || c.Err != "gone" || c.Result() != power.ResultFailed || report.Result() != power.ResultPartial {
			t.Errorf("%+v", report)
		}
		for id, n := range sent {
			if n != 1 {
				t.Errorf("%s was sent %d times", id, n)
			}
		}
	})
}

func TestEmptyGroupDoesNotMendAFailedRun(t *testing.T) {
	failed, empty := power.GroupReport{Total: 2, Failed: 2}, power.GroupReport{}
	for want, groups := range map[power.Result][]power.GroupReport{
		power.ResultFailed:  {empty, failed},
		power.ResultOK:      {empty},
		power.ResultPartial: {empty, failed, {Total: 1, Done: 1}},
	} {
		if got := (power.Report{Groups: groups}).Result(); got != want {
			t.Errorf("%+v: %s, want %s", groups, got, want)
		}
	}
}

func TestStopsAreVerifiedToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newFakeAPI(fleet(3))
		api.states["i-000000"], api.states["i-000001"] = apiclient.StateRunning, apiclient.StateRunning
		delete(api.states, "i-000002")
		r := startRun(fleet(3))
		r.Action = power.ActionStop
		if got := listing(newTestAccount(t, api).Run(t.Context(), r)); got != "3 stopped" {
			t.Errorf("outcomes: %s", got)
		}
	})
}

func TestLastStartLeavesInTimeThoughPollsRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 30000
		api := newFakeAPI(fleet(n))
		begun := time.Now()
		report := newTestAccount(t, api).Run(t.Context(), startRun(fleet(n)))
		if got := listing(report); got != "30000 started" || len(api.starts) != n/100 {
			t.Errorf("%s with %d StartInstances", got, len(api.starts))
		}
		limit := time.Duration(1.05 * n / 100 / 10 * float64(time.Second))
		if last := slices.MaxFunc(api.startTimes, time.Time.Compare).Sub(begun); last > limit {
			t.Errorf("the last start left after %s, want at most %s", last, limit)
		}
		early := 0
		for _, at := range api.describeTimes {
			if at.Before(slices.MaxFunc(api.startTimes, time.Time.Compare)) {
				early++
			}
		}
		if early < 5 {
			t.Errorf("%d polls while starts were waiting: they starve", early)
		}
	})
}

// A describe may be refused for itself as well; its code is then all there is to go by.
func TestRefusedDescribeIsReportedWithItsCode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newFakeAPI(fleet(100))
		api.onStatus = func(int, []string) (apiclient.StatusPage, error, bool) {
			return apiclient.StatusPage{}, refusal(apiclient.ClassUnknown, 400, "INVALID_PARAMETER"), true
		}
		report := newTestAccount(t, api).Run(t.Context(), startRun(fleet(100)))
		if got := listing(report); got != "100 api_error" || len(api.describes) > 150 {
			t.Fatalf("%s after %d describes, want all api_error after a few of them", got, len(api.describes))
		}
		for _, f := range report.Groups[0].Failures() {
			if f.Code != "INVALID_PARAMETER" || f.RequestID != "T9" {
				t.Fatalf("%+v", f)
			}
		}
	})
}

// Starts alone failed for minutes, so each waits half a minute between two
// tries. Once all of the API was down and is back, none sleeps that wait out.
func TestRecoveryCutsLongBackoffsShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ids := fleet(2100)
		api := newFakeAPI(ids)
		begun := time.Now()
		down, back := begun.Add(5*time.Minute), begun.Add(5*time.Minute+10*time.Second)
		var answered time.Time // the first success after the outage
		after := func() bool {
			if !time.Now().Before(back) && answered.IsZero() {
				answered = time.Now()
			}
			return !answered.IsZero()
		}
		api.onStart = func(_ int, asked []string) ([]string, error, bool) {
			if asked[0] == ids[0] { // this chunk hangs, so that it is described all the time
				for _, id := range asked {
					api.states[id], api.bootAt[id] = apiclient.StateBooting, begun.Add(time.Hour)
				}
				return nil, nil, true
			}
			return nil, refusal(apiclient.ClassTransient, 503, ""), !after()
		}
		api.onStatus = func(int, []string) (apiclient.StatusPage, error, bool) {
			after()
			now := time.Now()
			return apiclient.StatusPage{}, refusal(apiclient.ClassTransient, 503, ""), now.After(down) && now.Before(back)
		}
		report := newTestAccount(t, api).Run(t.Context(), startRun(ids))
		if got := listing(report); got != "100 boot_timeout, 2000 started" {
			t.Errorf("outcomes: %s", got)
		}
		last := slices.MaxFunc(api.startTimes, time.Time.Compare)
		if late := last.Sub(answered); late > 5*time.Second {
			t.Errorf("the last start left %s after the first success, want at most a poll interval", late)
		}
	})
}

// forceRecorder notes what each stop is notified about the power.
type forceRecorder struct {
	*fakeAPI
	forced []bool
}

func (f *forceRecorder) StopInstances(ctx context.Context, ids []string, force bool) (apiclient.PowerReply, error) {
	f.forced = append(f.forced, force)
	return f.fakeAPI.StopInstances(ctx, ids, force)
}

func TestStopForcesOnlyWhereItIsToldTo(t *testing.T) {
	for _, force := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			api := &forceRecorder{fakeAPI: newFakeAPI(fleet(3))}
			for id := range api.states {
				api.states[id] = apiclient.StateRunning
			}
			r := startRun(fleet(3))
			r.Action, r.Force = power.ActionStop, force
			newTestAccount(t, api).Run(t.Context(), r)
			if len(api.forced) != 1 || api.forced[0] != force {
				t.Errorf("forced %v, want one stop with %v", api.forced, force)
			}
		})
	}
}

func TestInstanceThatIsStoppedAlreadyIsCalledSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newFakeAPI(fleet(4))
		api.states["i-000000"], api.states["i-000003"] = apiclient.StateRunning, apiclient.StateRecycle
		delete(api.states, "i-000002")
		stops := stopsLikeTheAPI{api}
		r := startRun(fleet(4))
		r.Action = power.ActionStop
		if got := listing(newTestAccount(t, stops).Run(t.Context(), r)); got != "1 already_stopped, 1 not_found, 1 recycled, 1 stopped" {
			t.Errorf("outcomes: %s", got)
		}
	})
}

// stopsLikeTheAPI takes a stop for what is RUNNING and lists the rest.
type stopsLikeTheAPI struct{ *fakeAPI }

func (s stopsLikeTheAPI) StopInstances(ctx context.Context, ids []string, force bool) (apiclient.PowerReply, error) {
	var failed, good []string
	for _, id := range ids {
		if s.states[id] == apiclient.StateRunning {
			good = append(good, id)
			continue
		}
		failed = append(failed, id)
	}
	reply, err := s.fakeAPI.StopInstances(ctx, good, force)
	reply.Failed = failed
	return reply, err
}

// One chunk that fails again and again backs off by itself while all else goes well.
func TestFailingChunkBacksOffThoughTheAPIWorks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ids := fleet(3000)
		api := newFakeAPI(ids)
		api.bootTime = 8 * time.Minute // the others are described meanwhile
		back := time.Now().Add(5 * time.Minute)
		tries := 0
		api.onStart = func(_ int, asked []string) ([]string, error, bool) {
			fails := asked[0] == ids[1500] && time.Now().Before(back)
			if fails {
				tries++
			}
			return nil, refusal(apiclient.ClassTransient, 503, ""), fails
		}
		if got := listing(newTestAccount(t, api).Run(t.Context(), startRun(ids))); got != "3000 started" {
			t.Errorf("outcomes: %s", got)
		}
		if tries > 60 { // each 15 s or so in the end
			t.Errorf("%d tries in five minutes", tries)
		}
	})
}

// What was decided before the run began is reported and observed, and nothing is sent for it.
func TestWhatWasDecidedBeforeTheRunIsNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeAPI([]string{"i-1", "i-2"})
		b := newTestAccount(t, f)
		r := startRun([]string{"i-1", "i-2"})
		r.Groups[0].Decided = []power.InstanceResult{{InstanceID: "i-2", Outcome: power.OutcomeSkipped, Reason: power.ReasonSuperseded, By: "night/1"}}
		report := b.Run(t.Context(), r)
		g := report.Groups[0]
		if g.Done != 1 || g.Skipped != 1 || g.Total != 2 || g.Skips()[0].By != "night/1" || len(f.starts) != 1 || len(f.starts[0]) != 1 {
			t.Errorf("%+v, sent %v", g, f.starts)
		}
	})
}

// What a stop of the daemon cuts off is open for the next one: the report says so, and no event calls
// it final. What a person cancels, or a process that has no next one, is final.
func TestWhatCutsARunOffIsFinalUnlessALaterProcessGoesOn(t *testing.T) {
	for name, c := range map[string]struct {
		resumable bool
		cause     error
		final     int
	}{
		"the process stops":                           {resumable: true, final: 1},
		"a person cancels":                            {resumable: true, cause: ErrCancelled, final: 3},
		"the process of a run in the foreground does": {final: 3},
	} {
		for _, before := range []bool{true, false} {
			synctest.Test(t, func(t *testing.T) {
				api := newFakeAPI(fleet(3))
				api.bootTime = time.Hour
				b := newTestAccount(t, api)
				j := journalOf{map[string]int{}, map[string]int{}}
				b.cfg.Emit = j.emit
				ctx, cancel := context.WithCancelCause(t.Context())
				if before {
					cancel(c.cause)
				} else {
					time.AfterFunc(time.Minute, func() { cancel(c.cause) })
					delete(api.states, fleet(3)[2])
				}
				r := startRun(fleet(3))
				r.Resumable = c.resumable
				want, final := "2 cancelled, 1 not_found", c.final
				if before {
					want, final = "3 cancelled", c.final/3*3
				}
				if got := listing(b.Run(ctx, r)); got != want || len(j.final) != final {
					t.Errorf("%s, before it begins %v: %s, %d final; want %s, %d", name, before, got, len(j.final), want, final)
				}
			})
		}
	}
}
