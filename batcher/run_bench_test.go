package batcher

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"zecpower/apiclient"
)

// bigAPI is a healthy account that costs a few bytes an instance, so that what
// a test measures is the run's own.
type bigAPI struct {
	latency time.Duration
	boot    time.Duration
	began   time.Time

	ids []string // of the account

	mu       sync.Mutex // guards all below
	accepted []uint32   // milliseconds after began plus 1; 0 is STOPPED
	requests int
	last     time.Time // when the last start was accepted
	peak     uint64    // most heap in use that was seen
	sample   bool
}

func newBigAPI(ids []string) *bigAPI {
	return &bigAPI{latency: 50 * time.Millisecond, boot: 20 * time.Second, began: time.Now(), ids: ids, accepted: make([]uint32, len(ids))}
}

func position(id string) int {
	n := 0
	for _, digit := range id[2:] {
		n = 10*n + int(digit-'0')
	}
	return n
}

func (a *bigAPI) StartInstances(_ context.Context, ids []string) (apiclient.PowerReply, error) {
	time.Sleep(a.latency)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.last = time.Now()
	for _, id := range ids {
		a.accepted[position(id)] = uint32(time.Since(a.began).Milliseconds()) + 1
	}
	a.describe()
	return apiclient.PowerReply{RequestID: fmt.Sprintf("T%d", a.requests)}, nil
}

func (a *bigAPI) StopInstances(context.Context, []string, bool) (apiclient.PowerReply, error) {
	panic("not used")
}

func (a *bigAPI) DescribeInstancesStatus(_ context.Context, q apiclient.StatusQuery) (apiclient.StatusPage, error) {
	time.Sleep(a.latency)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.describe()
	if len(q.InstanceIDs) == 0 {
		from := min((q.PageNum-1)*q.PageSize, len(a.ids))
		q.InstanceIDs = a.ids[from:min(from+q.PageSize, len(a.ids))]
	}
	page := apiclient.StatusPage{TotalCount: len(q.InstanceIDs), Instances: make([]apiclient.InstanceStatus, 0, len(q.InstanceIDs))}
	if q.PageNum > 0 {
		page.TotalCount = len(a.ids)
	}
	now := uint32(time.Since(a.began).Milliseconds())
	for _, id := range q.InstanceIDs {
		state := apiclient.StateBooting
		switch at := a.accepted[position(id)]; {
		case at == 0:
			state = apiclient.StateStopped
		case now-at >= uint32(a.boot.Milliseconds()):
			state = apiclient.StateRunning
		}
		page.Instances = append(page.Instances, apiclient.InstanceStatus{InstanceID: id, State: state})
	}
	return page, nil
}

// describe counts a request, and now and then how much memory is in use.
func (a *bigAPI) describe() {
	if a.requests++; a.sample && a.requests%100 == 0 {
		a.peak = max(a.peak, memoryInUse())
	}
}

// memoryInUse is what the process holds for heap and stacks, garbage that was
// not collected yet and room that was not given back included.
func memoryInUse() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Sys - m.HeapReleased
}

// 10,000 stopped instances, 50 ms a request: until the last start is accepted,
// against a loop that sends one chunk after the other and describes of nothing. The
// time is virtual, so the ratio says what the design does, and ns/op what it
// costs in CPU.
//
//	go test ./batcher -run '^$' -bench Run10000
func BenchmarkRun10000(b *testing.B) {
	const n = 10000
	ids := fleet(n)
	var ours, loop time.Duration
	var starts int
	for b.Loop() {
		inBubble(b, func() {
			api := newBigAPI(ids)
			report := newAccountAt(b, api, 1000).Run(context.Background(), startRun(ids))
			if report.Groups[0].Done != n {
				b.Fatalf("%d started", report.Groups[0].Done)
			}
			ours, starts = api.last.Sub(api.began), n/100
		})
		inBubble(b, func() {
			api := newBigAPI(ids)
			for k := 0; k < n; k += 100 {
				_, _ = api.StartInstances(context.Background(), ids[k:k+100])
			}
			loop = api.last.Sub(api.began)
		})
	}
	b.ReportMetric(ours.Seconds(), "virtual-s")
	b.ReportMetric(loop.Seconds(), "loop-virtual-s")
	b.ReportMetric(loop.Seconds()/ours.Seconds(), "times-faster")
	b.ReportMetric(float64(starts), "starts")
}

// Everything that the process holds, ids and report included.
func Test200000InstancesFitIn200MB(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	synctest.Test(t, func(t *testing.T) {
		const n = 200_000
		ids := fleet(n)
		api := newBigAPI(ids)
		api.sample = true
		debug.FreeOSMemory() // what other tests left behind
		report := newAccountAt(t, api, 100).Run(context.Background(), startRun(ids))
		peak := max(api.peak, memoryInUse())
		if report.Groups[0].Done != n {
			t.Errorf("%d started", report.Groups[0].Done)
		}
		t.Logf("at most %d MB in use, %d requests", peak>>20, api.requests)
		if peak > 200<<20 {
			t.Errorf("%d MB in use, want at most 200", peak>>20)
		}
	})
}

// BenchmarkTogether is many runs of few instances that begin together, at the default budget. starts
// is how many StartInstances they cost, last-s when the last of them left; times-fewer compares with
// one request a run, as each would need alone.
//
//	go test ./batcher -run '^$' -bench Together -benchtime 1x
func BenchmarkTogether(b *testing.B) {
	for _, c := range []struct{ runs, each int }{{200, 5}, {1000, 1}, {10, 100}, {10000, 1}} {
		b.Run(fmt.Sprintf("%dx%d", c.runs, c.each), func(b *testing.B) {
			var starts int
			var last time.Duration
			for b.Loop() {
				inBubble(b, func() {
					ids := fleet(c.runs * c.each)
					cloud := newCloud(ids, apiclient.StateStopped)
					a, begin, round := newAccountAt(b, cloud, 10), time.Now(), Gather(c.runs)
					var all sync.WaitGroup
					for k := range c.runs {
						all.Go(func() {
							r := startRun(ids[c.each*k : c.each*(k+1)])
							r.RunID, r.Gathering = fmt.Sprint("run-", k), round
							a.Run(context.Background(), r)
						})
					}
					all.Wait()
					times := cloud.times["start"]
					starts, last = len(times), times[len(times)-1].Sub(begin)
				})
			}
			b.ReportMetric(float64(starts), "starts")
			b.ReportMetric(last.Seconds(), "last-s")
			b.ReportMetric(float64(c.runs)/float64(starts), "times-fewer")
		})
	}
}
