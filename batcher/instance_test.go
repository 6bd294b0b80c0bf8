package batcher

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"zecpower/apiclient"
	"zecpower/internal/event"
	"zecpower/internal/power"
)

// journalOf counts what a run's journal is notified.
type journalOf struct{ attempted, final map[string]int }

func (j journalOf) emit(e event.Event) {
	switch e := e.(type) {
	case event.Accepted:
		for _, id := range e.IDs {
			j.attempted[id]++
		}
	case event.Final:
		for _, r := range e.Results {
			j.final[r.InstanceID]++
		}
	}
}

// What a later process needs to know is notified once, however often it is seen.
func TestStartOfUnknownFateIsJournaledOnceItIsSeenWorking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newFakeAPI(fleet(3))
		api.bootTime = time.Minute
		api.onStart = func(_ int, ids []string) ([]string, error, bool) {
			for _, id := range ids {
				api.boot(id)
			}
			return nil, lostReply(), true
		}
		b := newTestAccount(t, api)
		j := journalOf{map[string]int{}, map[string]int{}}
		b.cfg.Emit = j.emit
		b.Run(t.Context(), startRun(fleet(3)))
		for _, id := range fleet(3) {
			if j.attempted[id] != 1 || j.final[id] != 1 {
				t.Errorf("%s: the journal heard of %d starts and %d outcomes, want one of each", id, j.attempted[id], j.final[id])
			}
		}
	})
}

// What was refused with a bad neighbour bears neither its code nor its attempt.
func TestRefusalOfANeighbourIsNotHeldAgainstTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ids := fleet(10)
		api := newFakeAPI(ids)
		delete(api.states, ids[4])
		api.onStart = func(n int, asked []string) ([]string, error, bool) {
			if n == 1 {
				return nil, refusal(apiclient.ClassInstance, 403, "OPERATION_DENIED_INSTANCE_SOMEHOW"), true
			}
			return nil, nil, false
		}
		api.bootTime = time.Hour
		report := newTestAccount(t, api).Run(t.Context(), startRun(ids))
		if got := listing(report); got != "9 boot_timeout, 1 not_found" {
			t.Fatalf("outcomes: %s", got)
		}
		for _, f := range report.Groups[0].Failures() {
			if f.InstanceID != ids[4] && (f.Code != "" || f.Attempts != 1) {
				t.Errorf("%s: code %q, %d attempts", f.InstanceID, f.Code, f.Attempts)
			}
		}
	})
}

func TestRefusalBeforeAnAcceptedStartIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newFakeAPI(fleet(1))
		api.onStart = func(n int, ids []string) ([]string, error, bool) {
			return nil, refusal(apiclient.ClassInstance, 403, "OPERATION_DENIED_INSTANCE_LOCKED"), n == 1
		}
		api.bootTime = time.Hour
		f := newTestAccount(t, api).Run(t.Context(), startRun(fleet(1))).Groups[0].Failures()[0]
		if f.Reason != power.ReasonBootTimeout || f.Code != "" {
			t.Errorf("%s with code %q", f.Reason, f.Code)
		}
	})
}

// Busy when it was refused, then one boot that fails: that is one attempt of two.
func TestRefusalThatTheStateExplainsIsNoFailedStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newFakeAPI(fleet(1))
		const id = "i-000000"
		api.states[id] = apiclient.StateStopping
		free := time.Now().Add(20 * time.Second)
		api.onStatus = func(int, []string) (apiclient.StatusPage, error, bool) {
			now := time.Now()
			switch {
			case api.states[id] == apiclient.StateStopping && !now.Before(free):
				api.states[id] = apiclient.StateStopped
			case len(api.starts) == 2 && api.states[id] == apiclient.StateBooting && !now.Before(api.bootAt[id]):
				api.states[id] = apiclient.StateStopped
			}
			return apiclient.StatusPage{}, nil, false
		}
		b := newTestAccount(t, api)
		b.settings.Attempts = 2
		api.startAll(t, b, "1 started", 3)
	})
}

// It fell back once; then every reply is lost, and it falls back before
// anybody describes. Whether those starts arrived no one else knows, so they count.
func TestLostStartsOfAnInstanceThatFellBackUseItsAttemptsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newFakeAPI(fleet(1))
		const id = "i-000000"
		api.onStart = func(n int, _ []string) ([]string, error, bool) {
			if n == 1 {
				return nil, nil, false
			}
			return nil, lostReply(), true
		}
		api.onStatus = func(int, []string) (apiclient.StatusPage, error, bool) {
			if api.states[id] == apiclient.StateBooting && !time.Now().Before(api.bootAt[id]) {
				api.states[id] = apiclient.StateStopped
			}
			return apiclient.StatusPage{}, nil, false
		}
		api.startAll(t, newTestAccount(t, api), "1 boot_failed", 3)
	})
}

// Left out, there again, left out again: each time anew it takes two describes to
// believe that it is gone.
func TestAbsenceIsForgottenOnceItIsSeenAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newFakeAPI(fleet(1))
		api.bootTime = time.Minute
		api.onStatus = func(n int, _ []string) (apiclient.StatusPage, error, bool) {
			return apiclient.StatusPage{}, nil, n == 1 || n == 3
		}
		api.startAll(t, newTestAccount(t, api), "1 started", 1)
	})
}

// Throttled once, seen busy since: at the deadline its state is to blame.
func TestTroubleThatPassedIsNotBlamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newFakeAPI(fleet(1))
		api.states["i-000000"] = apiclient.StateImaging
		api.onStatus = func(n int, _ []string) (apiclient.StatusPage, error, bool) {
			return apiclient.StatusPage{}, refusal(apiclient.ClassThrottled, 429, ""), n == 1
		}
		api.startAll(t, newTestAccount(t, api), "1 wrong_state", 1)
	})
}

// obedient ends a start when its context does, as the real client.
type obedient struct{ *fakeAPI }

func (o obedient) StartInstances(ctx context.Context, ids []string) (apiclient.PowerReply, error) {
	select {
	case <-time.After(2 * time.Second):
		return o.fakeAPI.StartInstances(ctx, ids)
	case <-ctx.Done():
		return apiclient.PowerReply{}, lostReply()
	}
}

// batchesSeen keeps the results of batches.
type batchesSeen struct{ results []string }

func (b *batchesSeen) emit(e event.Event) {
	if e, ok := e.(event.BatchFinished); ok {
		b.results = append(b.results, e.Result)
	}
}

// What the request in flight did is worth the wait: the journal and the
// operator learn that these instances are on their way.
func TestCancelWaitsForTheRequestInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newTestAccount(t, obedient{newFakeAPI(fleet(100))})
		seen := &batchesSeen{}
		j := journalOf{map[string]int{}, map[string]int{}}
		b.cfg.Emit = func(e event.Event) { seen.emit(e); j.emit(e) }
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		b.Run(ctx, startRun(fleet(100)))
		if len(seen.results) != 1 || seen.results[0] != string(BatchAccepted) || len(j.attempted) != 100 {
			t.Errorf("batches %v, %d starts in the journal", seen.results, len(j.attempted))
		}
		if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
			t.Error("the run ended before it was cancelled")
		}
	})
}

// What a row of describes decides about one instance. Each step is a describe that
// left at that time after the start was accepted.
func TestDescribesDecideAboutAnAcceptedStart(t *testing.T) {
	type step struct {
		at    time.Duration
		state apiclient.State
		want  next
	}
	const stopping, booting, stopped = apiclient.StateStopping, apiclient.StateBooting, apiclient.StateStopped
	accepted := func(in *instance, at time.Time) { in.accept(at) }
	lost := func(in *instance, at time.Time) { in.doubt(at, at) }
	for name, tc := range map[string]struct {
		begin  func(*instance, time.Time)
		steps  []step
		reason power.Reason
	}{
		"reversed": {accepted, []step{{6 * time.Second, booting, nextPoll}, {11 * time.Second, stopping, nextFinal}}, power.ReasonReversed},
		"too early to be reversed": {
			accepted, []step{{4 * time.Second, stopping, nextPoll}, {5 * time.Second, stopping, nextFinal}}, power.ReasonReversed,
		},
		"lost, so the stop may be older": {lost, []step{{6 * time.Second, stopping, nextPoll}, {20 * time.Second, stopped, nextSend}}, ""},
		"lost, seen booting, reversed":   {lost, []step{{6 * time.Second, booting, nextPoll}, {11 * time.Second, stopping, nextFinal}}, power.ReasonReversed},
		"another actor's boot, reversed": {func(*instance, time.Time) {}, []step{{0, booting, nextPoll}, {20 * time.Second, stopping, nextPoll}}, ""},
		"sent, if at all, by an earlier process": {
			func(in *instance, at time.Time) { in.inheritDoubt(at) },
			[]step{{0, booting, nextPoll}, {40 * time.Second, stopping, nextPoll}},
			"",
		},
		"timeout": {
			accepted, []step{{10*time.Minute - time.Second, booting, nextPoll}, {10 * time.Minute, booting, nextFinal}}, power.ReasonBootTimeout,
		},
	} {
		ru := rules{action: power.ActionStart, attempts: 3, timeout: 10 * time.Minute, lag: 10 * time.Second, doubtFor: 5 * time.Second}
		begun := time.Now()
		in := instance{}
		tc.begin(&in, begun)
		for _, s := range tc.steps {
			asked := begun.Add(s.at)
			if got := ru.see(&in, s.state, true, asked, asked.Add(20*time.Second)); got != s.want {
				t.Errorf("%s: %s after %s: %d, want %d", name, s.state, s.at, got, s.want)
			}
		}
		if reasonOf(&in) != tc.reason {
			t.Errorf("%s: ends %q, want %q", name, reasonOf(&in), tc.reason)
		}
	}
}

// reasonOf is why an instance failed; empty where it did not, or is open.
func reasonOf(in *instance) power.Reason {
	if in.final == nil {
		return ""
	}
	return in.final.reason
}

// The reason of what the deadline cut off.
func TestReasonOfAnUnfinishedInstance(t *testing.T) {
	over := time.Date(2026, 11, 23, 8, 15, 0, 0, time.UTC) // half an hour after the start
	accepted := over.Add(-30 * time.Minute)
	for _, tc := range []struct {
		in      instance
		failing bool
		want    power.Reason
	}{
		{instance{}, false, power.ReasonThrottled},
		{instance{}, true, power.ReasonAPIError},
		{instance{trouble: &apiclient.Error{Class: apiclient.ClassBlocked}, stage: stageAccepted}, false, power.ReasonBlocked},
		{instance{trouble: &apiclient.Error{Class: apiclient.ClassCredentials}}, false, power.ReasonAuth},
		{instance{trouble: &apiclient.Error{Class: apiclient.ClassCredentials}, applied: appliedSurely, stage: stageAccepted}, false, power.ReasonAPIError},
		{instance{refusal: &apiclient.Error{Code: outOfStock}}, true, power.ReasonRejected}, // refused in a chunk that was not isolated yet
		{instance{state: apiclient.StateStopped, fallen: 1}, false, power.ReasonBootFailed},
		{instance{state: apiclient.StateImaging, refusal: &apiclient.Error{Code: outOfStock}}, false, power.ReasonWrongState},
		{instance{losses: 1}, false, power.ReasonAPIError},
		{instance{stage: stageAccepted, acceptedAt: instantOf(accepted), seenAt: instantOf(over.Add(-time.Minute))}, false, power.ReasonBootTimeout},
		{instance{stage: stageAccepted, acceptedAt: instantOf(over.Add(-time.Minute))}, false, power.ReasonBootTimeout}, // the deadline came first
		// Its timeout is over, and no describe that left after that was answered.
		{instance{stage: stageAccepted, acceptedAt: instantOf(accepted), seenAt: instantOf(accepted.Add(time.Minute))}, false, power.ReasonAPIError},
	} {
		ru := rules{action: power.ActionStart, timeout: 10 * time.Minute}
		if got := ru.unfinished(&tc.in, tc.failing, over); got != tc.want {
			t.Errorf("%+v: %s, want %s", tc.in, got, tc.want)
		}
	}
}

// It fell back once, and is refused since: the refusal is what to report.
func TestRefusalAfterAFallBackIsTheReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newFakeAPI(fleet(1))
		const id = "i-000000"
		api.onStart = func(n int, _ []string) ([]string, error, bool) { return nil, soldOutReply(), n > 1 }
		api.onStatus = func(int, []string) (apiclient.StatusPage, error, bool) {
			if api.states[id] == apiclient.StateBooting && !time.Now().Before(api.bootAt[id]) {
				api.states[id] = apiclient.StateStopped
			}
			return apiclient.StatusPage{}, nil, false
		}
		f := newTestAccount(t, api).Run(t.Context(), startRun(fleet(1))).Groups[0].Failures()
		if len(f) != 1 || f[0].Reason != power.ReasonRejected || f[0].Code != string(outOfStock) {
			t.Errorf("%+v", f)
		}
	})
}
