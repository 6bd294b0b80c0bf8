package run

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"zecpower/apiclient"
	"zecpower/batcher"
	"zecpower/internal/event"
	"zecpower/internal/members"
	"zecpower/internal/power"
)

// quickAPI accepts each start and finds each instance RUNNING.
type quickAPI struct {
	mu     sync.Mutex
	starts []time.Time
}

func (a *quickAPI) StartInstances(context.Context, []string) (apiclient.PowerReply, error) {
	a.mu.Lock()
	a.starts = append(a.starts, time.Now())
	a.mu.Unlock()
	time.Sleep(20 * time.Millisecond)
	return apiclient.PowerReply{RequestID: "T1"}, nil
}

func (a *quickAPI) StopInstances(context.Context, []string, bool) (apiclient.PowerReply, error) {
	return apiclient.PowerReply{}, nil
}

func (a *quickAPI) DescribeInstancesStatus(_ context.Context, q apiclient.StatusQuery) (apiclient.StatusPage, error) {
	time.Sleep(20 * time.Millisecond)
	page := apiclient.StatusPage{TotalCount: len(q.InstanceIDs)}
	for _, id := range q.InstanceIDs {
		page.Instances = append(page.Instances, apiclient.InstanceStatus{InstanceID: id, State: apiclient.StateRunning})
	}
	return page, nil
}

type realAccount struct{ *batcher.Account }

func (a realAccount) Submit(ctx context.Context, r batcher.Run) Submitted {
	return a.Account.Submit(ctx, r)
}

func (a realAccount) ListMembers(context.Context, []*members.Group) []members.Listing {
	panic("no group needs a list")
}

// paced makes a run of full requests at a rate, with a store whose commit takes a while. It returns
// when the last start left, counted from the run's beginning, and how long the rate allows.
func paced(t testing.TB, requests int, rate float64, commit time.Duration) (last, ideal time.Duration) {
	const burst, size = 10, 100
	api, d := &quickAPI{}, newDisk()
	d.takes = commit
	o := NewOutbox(d.record, func(e event.Event) { t.Errorf("%+v", e) })
	backoff := batcher.Backoff{Initial: 500 * time.Millisecond, Max: 30 * time.Second}
	b, err := batcher.NewAccount(batcher.Config{Emit: o.Receive, Seed: 1, Settings: batcher.Settings{
		API: api, Size: size, Attempts: 3, PollInterval: 5 * time.Second, BootTimeout: time.Minute,
		Limits: batcher.Limits{RequestsPerSecond: rate, Burst: burst, MaxInFlight: 8, Backoff: backoff},
	}})
	if err != nil {
		t.Fatal(err)
	}
	ids := make([]string, requests*size)
	for i := range ids {
		ids[i] = fmt.Sprintf("i-%06d", i)
	}
	m := New(Config{Account: func(string) (Account, error) { return realAccount{b}, nil }})
	begin := time.Now()
	end := m.Prepare(t.Context(), Run{
		ID: "wake/1", Action: power.ActionStart, Names: []string{"web"}, Define: fleet{"web": ids}.define,
	}).Make(t.Context())
	_ = o.Close()
	if r := end.Report; r.Result() != power.ResultOK || len(d.state.Final["web"]) != len(ids) {
		t.Errorf("%s, %d outcomes in the store", r.Result(), len(d.state.Final["web"]))
	}
	return api.starts[requests-1].Sub(begin), time.Duration(float64(requests-burst) / rate * float64(time.Second))
}

// Of 200 starts at 200 a second the last leaves after at most 1.05 s, with a store whose commit
// takes 50 ms; and so for other rates and disks.
func TestASlowStoreSlowsNoRequest(t *testing.T) {
	for _, rate := range []float64{10, 50, 200} {
		for _, commit := range []time.Duration{0, 5 * time.Millisecond, 20 * time.Millisecond, 50 * time.Millisecond} {
			synctest.Test(t, func(t *testing.T) {
				last, ideal := paced(t, 200, rate, commit)
				if last > ideal*105/100 {
					t.Errorf("%g a second, %s a commit: the last of 200 starts left after %s; the rate allows %s", rate, commit, last, ideal)
				}
				t.Logf("%g a second, %s a commit: %.3f of ideal", rate, commit, last.Seconds()/ideal.Seconds())
			})
		}
	}
}
