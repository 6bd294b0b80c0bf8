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
	"time"

	"zecpower/apiclient"
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
		"RunStarted", "BatchFinished", "Retried", "CredentialsRejected", "Final", "Progressed", "RunFinished",
		"journal Attempted", "journal Final", "OnThrottle", "OnBlocked", "OnAccepted",
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

// bombedObserver panics in the calls of the run "test".
type bombedObserver struct{ *bomb }

func (o bombedObserver) of(run RunInfo, where string) {
	if run.RunID == "test" {
		o.call(where)
	}
}

func (o bombedObserver) RunStarted(r RunInfo)             { o.of(r, "RunStarted") }
func (o bombedObserver) BatchFinished(r RunInfo, _ Batch) { o.of(r, "BatchFinished") }
func (o bombedObserver) Retried(r RunInfo, _ string, _ apiclient.Class, _ error) {
	o.of(r, "Retried")
}
func (o bombedObserver) CredentialsRejected(r RunInfo, _ error) { o.of(r, "CredentialsRejected") }
func (o bombedObserver) Final(r RunInfo, _ string, _ []power.InstanceResult) {
	o.of(r, "Final")
}
func (o bombedObserver) Progressed(r RunInfo, _ Progress)      { o.of(r, "Progressed") }
func (o bombedObserver) RunFinished(r RunInfo, _ power.Report) { o.of(r, "RunFinished") }

type bombedJournal struct{ *bomb }

func (j bombedJournal) Attempted(runID, _ string, _ []string) error {
	bombedObserver(j).of(RunInfo{RunID: runID}, "journal Attempted")
	return nil
}

func (j bombedJournal) Final(runID, _ string, _ []power.InstanceResult) error {
	bombedObserver(j).of(RunInfo{RunID: runID}, "journal Final")
	return nil
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
	var seen []*PanicError
	cfg := testConfig(routed{bombedAPI{api, b}, healthyAPI}, 10)
	cfg.OnPanic = func(p *PanicError) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, p)
	}
	cfg.OnThrottle = func(string, float64, time.Duration) { b.call("OnThrottle") }
	cfg.OnBlocked = func(*apiclient.Error, time.Duration) { b.call("OnBlocked") }
	cfg.OnAccepted = func(time.Time) { b.call("OnAccepted") }
	cfg.Observer, cfg.Journal = bombedObserver{b}, bombedJournal{b}
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
	if internal != (report.Err != "" && b.at != "RunFinished") && listing(report) != "2000 started" {
		t.Errorf("%s with the error %q", listing(report), report.Err)
	}
	mu.Lock()
	if b.burst != (len(seen) == 1) || b.burst && !strings.Contains(fmt.Sprint(seen[0].Value), b.at) {
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
