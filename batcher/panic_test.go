package batcher

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"zecpower/apiclient"
	"zecpower/internal/event"
	"zecpower/internal/power"
)

// bomb panics at the nth call of one call-out, once.
type bomb struct {
	mu    sync.Mutex // guards all below
	at    string
	after int // calls of it that go well first
	burst bool
}

func (b *bomb) call(where string) {
	b.mu.Lock()
	if where != b.at {
		b.mu.Unlock()
		return
	}
	b.after--
	burst := b.after == -1
	b.burst = b.burst || burst
	b.mu.Unlock()
	if burst {
		panic("injected into " + where)
	}
}

// callOuts are the functions of others that a run or its budget calls.
func callOuts() []string {
	return []string{
		"StartInstances", "StopInstances", "DescribeInstancesStatus",
		"BatchFinished", "RequestRetried", "CredentialsRejected", "Accepted", "Final", "Progressed", "Blocked", "CredentialsAccepted",
	}
}

type bombedAPI struct {
	*fakeAPI
	*bomb
}

func (a bombedAPI) StartInstances(ctx context.Context, ids []string) (apiclient.PowerReply, error) {
	a.call("StartInstances")
	return a.fakeAPI.StartInstances(ctx, ids)
}

func (a bombedAPI) StopInstances(ctx context.Context, ids []string, force bool) (apiclient.PowerReply, error) {
	a.call("StopInstances")
	return a.fakeAPI.StopInstances(ctx, ids, force)
}

func (a bombedAPI) DescribeInstancesStatus(ctx context.Context, q apiclient.StatusQuery) (apiclient.StatusPage, error) {
	a.call("DescribeInstancesStatus")
	return a.fakeAPI.DescribeInstancesStatus(ctx, q)
}

// healthyRun is the id of the run beside the bombed one.
const healthyRun = "healthy"

// emit panics at the events of the run "test", and at those of the account.
func (b *bomb) emit(e event.Event) {
	of := func(run event.Run, where string) {
		if run.ID == "test" {
			b.call(where)
		}
	}
	switch e := e.(type) {
	case event.BatchFinished:
		of(e.Run, "BatchFinished")
	case event.RequestRetried:
		of(e.Run, "RequestRetried")
	case event.CredentialsRejected:
		of(e.Run, "CredentialsRejected")
	case event.Accepted:
		of(e.Run, "Accepted")
	case event.Final:
		of(e.Run, "Final")
	case event.Progressed:
		of(e.Run, "Progressed")
	case event.Blocked:
		b.call("Blocked")
	case event.CredentialsAccepted:
		b.call("CredentialsAccepted")
	}
}

// troubled makes every kind of event happen: a throttled reply, a blocked one, a
// lost one, and for one instance credentials that stay refused.
func troubled(credentials bool) func(n int, ids []string) ([]string, error, bool) {
	return func(n int, _ []string) ([]string, error, bool) {
		switch {
		case credentials && n > 6:
			return nil, refusal(apiclient.ClassCredentials, 401, apiclient.CodeSignatureFailure), true
		case n == 2:
			return nil, refusal(apiclient.ClassThrottled, 429, apiclient.CodeRequestLimitExceeded), true
		case n == 3:
			return nil, lostReply(), true
		case n == 4:
			return nil, refusal(apiclient.ClassBlocked, 451, ""), true
		}
		return nil, nil, false
	}
}

// A panic anywhere ends that run, or that request, and nothing else: its report
// is whole, what it held of the budget comes back, and the other run of the
// account, and the next one, get everything done.
func TestPanicEndsItsOwnWorkAlone(t *testing.T) {
	for _, where := range callOuts() {
		for _, after := range []int{0, 1, 3} {
			t.Run(fmt.Sprintf("%s/%d", where, after), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { panicStory(t, &bomb{at: where, after: after}) })
			})
		}
	}
}

func panicStory(t *testing.T, b *bomb) {
	first := b.after == 0
	ids := fleet(2000)
	stops := b.at == "StopInstances"
	api := newFakeAPI(ids)
	if stops {
		for _, id := range ids {
			api.states[id] = apiclient.StateRunning
		}
	}
	api.onStart = troubled(b.at == "CredentialsRejected")
	healthyAPI := newFakeAPI([]string{"j-1", "j-2", "j-3"})
	var mu sync.Mutex
	var seen []event.InternalError
	cfg := testConfig(routed{bombedAPI{api, b}, healthyAPI}, 10)
	cfg.Emit = func(e event.Event) {
		if e, ok := e.(event.InternalError); ok {
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, e)
		}
		b.emit(e)
	}
	a := newAccountOf(t, cfg)

	var beside sync.WaitGroup
	beside.Go(func() {
		r := startRun([]string{"j-1", "j-2", "j-3"})
		r.RunID = healthyRun
		if got := listing(a.Run(t.Context(), r)); got != "3 started" {
			t.Errorf("the run beside it: %s", got)
		}
	})
	synctest.Wait() // its start has left: what the API refuses later is not its
	r := startRun(ids)
	if stops {
		r.Action = power.ActionStop
	}
	report := a.Run(t.Context(), r)
	beside.Wait()

	if g := report.Groups[0]; g.Done+g.Already+g.Failed != g.Total || len(g.Results) != len(ids) {
		t.Errorf("the report is not whole: %d + %d + %d of %d", g.Done, g.Already, g.Failed, g.Total)
	}
	for _, res := range report.Groups[0].Results {
		if res.Outcome == "" {
			t.Fatalf("no outcome: %+v", res)
		}
	}
	internal := strings.Contains(listing(report), string(power.ReasonInternalError))
	if internal != (report.Err != "") && listing(report) != "2000 started" {
		t.Errorf("%s with the error %q", listing(report), report.Err)
	}
	mu.Lock()
	if b.burst != (len(seen) == 1) || b.burst && !strings.Contains(seen[0].Err.Error(), b.at) {
		t.Errorf("the panic was reported as %v", seen)
	}
	if first && !b.burst {
		t.Errorf("%s was never called: the story has a gap", b.at)
	}
	mu.Unlock()

	checkIdle(t, a)
	next := newFakeAPI(fleet(500))
	settings := a.settings
	settings.API = next
	if err := a.Configure(settings); err != nil {
		t.Fatal(err)
	}
	r = startRun(fleet(500))
	r.RunID = healthyRun
	if got := listing(a.Run(t.Context(), r)); got != "500 started" {
		t.Errorf("the next run: %s", got)
	}
}

// A request that panicked may have been applied: it is described before it is
// sent again.
func TestRequestThatPanickedIsAmbiguous(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newFakeAPI(fleet(100))
		b := newTestAccount(t, afterwards{api})
		report := b.Run(t.Context(), startRun(fleet(100)))
		if got := listing(report); got != "100 started" || len(api.starts) != 1 {
			t.Errorf("%s with %d StartInstances, want 100 started with one", got, len(api.starts))
		}
	})
}

// afterwards panics once the API has accepted the request.
type afterwards struct{ *fakeAPI }

func (a afterwards) StartInstances(ctx context.Context, ids []string) (apiclient.PowerReply, error) {
	_, err := a.fakeAPI.StartInstances(ctx, slices.Clone(ids))
	panic(errors.Join(errors.New("after the reply"), err))
}
