package batcher

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"zecpower/apiclient"
	"zecpower/internal/power"
)

// Several runs of one account, a hiccup and a throttle in the middle: together
// they keep to the ceilings, and a small one does not wait for the large ones.
func TestRunsShareOneBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const perSecond, burst, inFlight = 10.0, 5, 3
		ids := fleet(20100)
		api := newFakeAPI(ids)
		begun := time.Now()
		api.onStart = func(n int, _ []string) ([]string, error, bool) {
			since := time.Since(begun)
			switch {
			case since > 20*time.Second && since < 30*time.Second:
				return nil, refusal(apiclient.ClassTransient, 503, ""), true
			case n%60 == 0:
				return nil, refusal(apiclient.ClassThrottled, 429, ""), true
			}
			return nil, nil, false
		}
		counted := &inFlightCounter{API: api}
		cfg := testConfig(counted, perSecond)
		cfg.Burst, cfg.MaxInFlight = burst, inFlight
		a := newAccountOf(t, cfg)
		run := func(ids []string) power.Report { return a.Run(context.Background(), startRun(ids)) }
		var all sync.WaitGroup
		for k := range 4 {
			all.Go(func() {
				if got := listing(run(ids[k*5000 : (k+1)*5000])); got != "5000 started" {
					t.Errorf("run %d: %s", k, got)
				}
			})
		}
		time.Sleep(5 * time.Second) // the large ones are in the middle of it
		joined := time.Now()
		if got := listing(run(ids[20000:])); got != "100 started" {
			t.Errorf("the small run: %s", got)
		}
		first := api.startOf(ids[20000])
		if waited := first.Sub(joined); waited > time.Second {
			t.Errorf("the small run's start left after %s behind the large ones", waited)
		}
		all.Wait()
		if counted.peak > inFlight {
			t.Errorf("%d requests in flight, want at most %d", counted.peak, inFlight)
		}
		if problem := exceeds(append(slices.Clone(api.startTimes), api.describeArrivals...), begun, perSecond, burst); problem != "" {
			t.Error(problem)
		}
	})
}

// startOf is when the first start that begins with id left.
func (f *fakeAPI) startOf(id string) time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	for k, asked := range f.starts {
		if asked[0] == id {
			return f.startTimes[k]
		}
	}
	return time.Time{}
}

// exceeds replays requests through an exact bucket, full at first.
func exceeds(sent []time.Time, begun time.Time, perSecond float64, burst int) string {
	slices.SortFunc(sent, time.Time.Compare)
	tokens, last := float64(burst), begun
	for k, at := range sent {
		tokens, last = min(float64(burst), tokens+perSecond*at.Sub(last).Seconds())-1, at
		if tokens < -1e-3 {
			return fmt.Sprintf("request %d of %d left %.3f requests too early", k, len(sent), -tokens)
		}
	}
	return ""
}

// inFlightCounter notes how many requests are under way at once.
type inFlightCounter struct {
	API
	mu        sync.Mutex // guards the two below
	now, peak int
}

func (c *inFlightCounter) enter() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now++
	c.peak = max(c.peak, c.now)
}

func (c *inFlightCounter) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now--
}

func (c *inFlightCounter) StartInstances(ctx context.Context, ids []string) (apiclient.PowerReply, error) {
	c.enter()
	defer c.leave()
	return c.API.StartInstances(ctx, ids)
}

func (c *inFlightCounter) DescribeInstancesStatus(ctx context.Context, q apiclient.StatusQuery) (apiclient.StatusPage, error) {
	c.enter()
	defer c.leave()
	return c.API.DescribeInstancesStatus(ctx, q)
}
