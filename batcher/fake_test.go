package batcher

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"zecpower/apiclient"
	"zecpower/internal/power"
)

// fakeAPI is an account in memory: every instance boots in bootTime, and the
// hooks let a test answer a request itself.
type fakeAPI struct {
	mu       sync.Mutex
	states   map[string]apiclient.State
	bootAt   map[string]time.Time
	bootTime time.Duration
	latency  time.Duration
	onStart  func(n int, ids []string) (failed []string, err error, handled bool)
	onStatus func(n int, ids []string) (apiclient.StatusPage, error, bool)

	starts, describes [][]string
	startTimes        []time.Time
	describeTimes     []time.Time // when each was answered
	describeArrivals  []time.Time
}

func newFakeAPI(ids []string) *fakeAPI {
	f := &fakeAPI{states: map[string]apiclient.State{}, bootAt: map[string]time.Time{}, bootTime: 12 * time.Second, latency: 50 * time.Millisecond}
	for _, id := range ids {
		f.states[id] = apiclient.StateStopped
	}
	return f
}

func (f *fakeAPI) StartInstances(ctx context.Context, ids []string) (apiclient.PowerReply, error) {
	f.mu.Lock()
	f.starts = append(f.starts, ids)
	f.startTimes = append(f.startTimes, time.Now())
	n := len(f.starts)
	f.mu.Unlock()
	time.Sleep(f.latency)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.onStart != nil {
		if failed, err, handled := f.onStart(n, ids); handled {
			return apiclient.PowerReply{RequestID: "T1", Failed: failed}, err
		}
	}
	var failed []string
	for _, id := range ids {
		if f.states[id] != apiclient.StateStopped {
			failed = append(failed, id)
			continue
		}
		f.boot(id)
	}
	return apiclient.PowerReply{RequestID: "T1", Failed: failed}, nil
}

func (f *fakeAPI) boot(id string) {
	f.states[id] = apiclient.StateBooting
	f.bootAt[id] = time.Now().Add(f.bootTime)
}

func (f *fakeAPI) StopInstances(ctx context.Context, ids []string, force bool) (apiclient.PowerReply, error) {
	time.Sleep(f.latency)
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, id := range ids {
		f.states[id] = apiclient.StateStopped
	}
	return apiclient.PowerReply{RequestID: "T2"}, nil
}

func (f *fakeAPI) DescribeInstancesStatus(ctx context.Context, q apiclient.StatusQuery) (apiclient.StatusPage, error) {
	arrived := time.Now()
	time.Sleep(f.latency)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.describes = append(f.describes, q.InstanceIDs)
	f.describeTimes = append(f.describeTimes, time.Now())
	f.describeArrivals = append(f.describeArrivals, arrived)
	if f.onStatus != nil {
		if page, err, handled := f.onStatus(len(f.describes), q.InstanceIDs); handled {
			return page, err
		}
	}
	if len(q.InstanceIDs) > 0 {
		return f.page(q.InstanceIDs), nil
	}
	page := f.page(pageOf(f.states, q))
	page.TotalCount = len(f.states)
	return page, nil
}

// pageOf lists the ids of a page of an account.
func pageOf[T any](account map[string]T, q apiclient.StatusQuery) []string {
	ids := slices.Sorted(maps.Keys(account))
	from := min((q.PageNum-1)*q.PageSize, len(ids))
	return ids[from:min(from+q.PageSize, len(ids))]
}

func (f *fakeAPI) page(ids []string) apiclient.StatusPage {
	var page apiclient.StatusPage
	for _, id := range ids {
		state, ok := f.states[id]
		if !ok {
			continue
		}
		if state == apiclient.StateBooting && !time.Now().Before(f.bootAt[id]) {
			state = apiclient.StateRunning
			f.states[id] = state
		}
		page.Instances = append(page.Instances, apiclient.InstanceStatus{InstanceID: id, State: state})
	}
	page.TotalCount = len(page.Instances)
	return page
}

// turns lets a describe of or after the given time find id in another state, once.
func (f *fakeAPI) turns(id string, state apiclient.State, at time.Time) {
	done := false
	f.onStatus = func(int, []string) (apiclient.StatusPage, error, bool) {
		if !done && !time.Now().Before(at) {
			done, f.states[id] = true, state
		}
		return apiclient.StatusPage{}, nil, false
	}
}

// startAll brings all of the fake's instances up, and holds outcomes and number
// of StartInstances to what is wanted.
func (f *fakeAPI) startAll(t *testing.T, b *Account, outcomes string, starts int) {
	t.Helper()
	ids := slices.Sorted(maps.Keys(f.states))
	if got := listing(b.Run(t.Context(), startRun(ids))); got != outcomes || len(f.starts) != starts {
		t.Errorf("%s with %d StartInstances, want %s with %d", got, len(f.starts), outcomes, starts)
	}
}

// Run submits a run and waits for it.
func (a *Account) Run(ctx context.Context, r Run) power.Report {
	s := a.Submit(ctx, r)
	r.Gathering.Arrive()
	return s.Wait(ctx)
}

// routed is an account of two fakes: what begins with "j-" is the other's.
type routed struct{ main, other API }

func split(ids []string) (main, other []string) {
	for _, id := range ids {
		if strings.HasPrefix(id, "j-") {
			other = append(other, id)
		} else {
			main = append(main, id)
		}
	}
	return main, other
}

// both asks the fakes that have some of ids, one after the other, and ends with the first error.
func both(ids []string, main, other func(ids []string) error) error {
	a, b := split(ids)
	if len(a) > 0 {
		if err := main(a); err != nil {
			return err
		}
	}
	if len(b) > 0 {
		return other(b)
	}
	return nil
}

func (r routed) StartInstances(ctx context.Context, ids []string) (reply apiclient.PowerReply, err error) {
	start := func(api API) func([]string) error {
		return func(ids []string) error {
			part, err := api.StartInstances(ctx, ids)
			reply.RequestID, reply.Failed = part.RequestID, append(reply.Failed, part.Failed...)
			return err
		}
	}
	err = both(ids, start(r.main), start(r.other))
	return reply, err
}

func (r routed) StopInstances(ctx context.Context, ids []string, force bool) (reply apiclient.PowerReply, err error) {
	stop := func(api API) func([]string) error {
		return func(ids []string) error {
			part, err := api.StopInstances(ctx, ids, force)
			reply.RequestID, reply.Failed = part.RequestID, append(reply.Failed, part.Failed...)
			return err
		}
	}
	err = both(ids, stop(r.main), stop(r.other))
	return reply, err
}

func (r routed) DescribeInstancesStatus(ctx context.Context, q apiclient.StatusQuery) (page apiclient.StatusPage, err error) {
	describe := func(api API) func([]string) error {
		return func(ids []string) error {
			part, err := api.DescribeInstancesStatus(ctx, apiclient.StatusQuery{InstanceIDs: ids, PageSize: q.PageSize})
			page.Instances, page.TotalCount = append(page.Instances, part.Instances...), page.TotalCount+part.TotalCount
			return err
		}
	}
	err = both(q.InstanceIDs, describe(r.main), describe(r.other))
	return page, err
}
