package batcher

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"zecpower/apiclient"
	"zecpower/internal/power"
)

// bootingAPI is a healthy account of which a run starts some instances, each of which takes a time of
// its own to boot. What it lists of the others is RUNNING.
type bootingAPI struct {
	latency time.Duration
	boots   func(r *rand.Rand) time.Duration
	account int // instances of the account

	mu        sync.Mutex // guards all below
	rng       *rand.Rand
	runningAt []time.Time // by position; zero: STOPPED
	starts    int
	describes int
	pages     int
	first     time.Time // when the first booted
	last      time.Time // when the last booted
	restedFor []time.Duration
	described []time.Time // by position, when it was last described, or accepted
}

func newBootingAPI(n, account int, boots func(*rand.Rand) time.Duration, seed uint64) *bootingAPI {
	return &bootingAPI{
		latency: 50 * time.Millisecond, boots: boots, account: account, rng: rand.New(rand.NewPCG(seed, 5)),
		runningAt: make([]time.Time, n), described: make([]time.Time, n), restedFor: make([]time.Duration, n),
	}
}

// again makes everything STOPPED, for another run.
func (a *bootingAPI) again() {
	clear(a.runningAt)
	clear(a.described)
	clear(a.restedFor)
	a.starts, a.describes, a.pages, a.first, a.last = 0, 0, 0, time.Time{}, time.Time{}
}

func (a *bootingAPI) StartInstances(_ context.Context, ids []string) (apiclient.PowerReply, error) {
	time.Sleep(a.latency)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.starts++
	for _, id := range ids {
		at := time.Now().Add(a.boots(a.rng))
		a.runningAt[position(id)], a.described[position(id)] = at, time.Now()
		a.first = earlier(a.first, at)
		a.last = later(a.last, at)
	}
	return apiclient.PowerReply{RequestID: "T"}, nil
}

func (a *bootingAPI) StopInstances(context.Context, []string, bool) (apiclient.PowerReply, error) {
	panic("not used")
}

func (a *bootingAPI) DescribeInstancesStatus(_ context.Context, q apiclient.StatusQuery) (apiclient.StatusPage, error) {
	time.Sleep(a.latency)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.describes++
	if len(q.InstanceIDs) > 0 {
		page := apiclient.StatusPage{TotalCount: len(q.InstanceIDs)}
		for _, id := range q.InstanceIDs {
			page.Instances = append(page.Instances, a.status(position(id)))
		}
		return page, nil
	}
	a.pages++
	page := apiclient.StatusPage{TotalCount: a.account}
	for k := (q.PageNum - 1) * q.PageSize; k < min(q.PageNum*q.PageSize, a.account); k++ {
		page.Instances = append(page.Instances, a.status(k*7919%a.account)) // in no order
	}
	return page, nil
}

// status is that of an instance; it notes how long it was left alone since the first boot.
func (a *bootingAPI) status(k int) apiclient.InstanceStatus {
	s := apiclient.InstanceStatus{InstanceID: fmt.Sprintf("i-%06d", k), State: apiclient.StateRunning}
	if k >= len(a.runningAt) {
		return s
	}
	now := time.Now()
	switch at := a.runningAt[k]; {
	case at.IsZero():
		s.State = apiclient.StateStopped
		return s
	case now.Before(at):
		s.State = apiclient.StateBooting
	}
	if !a.described[k].IsZero() {
		if from := later(a.described[k], a.first); now.After(from) {
			a.restedFor[k] = max(a.restedFor[k], now.Sub(from))
		}
		a.described[k] = now
	}
	if s.State == apiclient.StateRunning {
		a.described[k] = time.Time{} // it is final
	}
	return s
}

// longestRest is how long an instance was left alone after the first boot, at most.
func (a *bootingAPI) longestRest() (longest time.Duration) {
	for _, rested := range a.restedFor {
		longest = max(longest, rested)
	}
	return longest
}

// verifyCase is a run whose verifying is measured.
type verifyCase struct {
	name    string
	boots   func(r *rand.Rand) time.Duration
	n       int
	account int
	history bool
}

func (c verifyCase) String() string {
	return fmt.Sprintf("boots=%s/account=%d/history=%v", c.name, c.account, c.history)
}

func spreadOf(from, to time.Duration) func(*rand.Rand) time.Duration {
	return func(r *rand.Rand) time.Duration { return from + time.Duration(r.Int64N(int64(to-from)+1)) }
}

func verifyCases() (cases []verifyCase) {
	for _, boots := range []struct {
		name     string
		from, to time.Duration
	}{{"60s", 60 * time.Second, 60 * time.Second}, {"60s±10%", 54 * time.Second, 66 * time.Second}, {"20-300s", 20 * time.Second, 300 * time.Second}} {
		for _, account := range []int{10000, 100000} {
			for _, history := range []bool{false, true} {
				cases = append(cases, verifyCase{boots.name, spreadOf(boots.from, boots.to), 10000, account, history})
			}
		}
	}
	return cases
}

// verifyFigures are what verifying cost, how long after the last boot the report came, and how long
// an instance was left alone after the first boot, at most.
type verifyFigures struct {
	describes int
	late      time.Duration
	rested    time.Duration
}

// worst is the worst of each of two.
func (f verifyFigures) worst(g verifyFigures) verifyFigures {
	return verifyFigures{max(f.describes, g.describes), max(f.late, g.late), max(f.rested, g.rested)}
}

// run makes the run, after another one where there is a history.
func (c verifyCase) run(tb testing.TB, seed uint64) verifyFigures {
	api := newBootingAPI(c.n, c.account, c.boots, seed)
	a, ids := newAccountAt(tb, api, 10), fleet(c.n)
	start := func() power.Report { return a.Run(context.Background(), startRun(ids)) }
	if c.history {
		start()
		time.Sleep(24 * time.Hour)
		api.again()
	}
	if g := start().Groups[0]; g.Done != c.n {
		tb.Fatalf("%d started", g.Done)
	}
	return verifyFigures{api.describes, time.Since(api.last), api.longestRest()}
}

// plain is the baseline: the same starts, and every pending id described each poll interval, 100 a
// request, at the same budget.
func (c verifyCase) plain(seed uint64) verifyFigures {
	const poll = 5 * time.Second
	api, limit := newBootingAPI(c.n, c.account, c.boots, seed), rate.NewLimiter(10, 10)
	var all sync.WaitGroup
	ctx := context.Background()
	type pending struct {
		id string
		at time.Time
	}
	waits, replies := []pending{}, make(chan []pending, 100)
	for _, ids := range cut(fleet(c.n), 100) {
		_ = limit.Wait(ctx)
		all.Go(func() {
			_, _ = api.StartInstances(ctx, ids)
			var accepted []pending
			for _, id := range ids {
				accepted = append(accepted, pending{id, time.Now().Add(poll)})
			}
			replies <- accepted
		})
	}
	for open := c.n; open > 0; {
		for more := true; more; {
			select {
			case r := <-replies:
				waits = append(waits, r...)
			default:
				more = false
			}
		}
		if len(waits) == 0 || time.Now().Before(waits[0].at) {
			time.Sleep(10 * time.Millisecond)
			continue
		}
		_ = limit.Wait(ctx)
		var ids []string
		for len(waits) > 0 && len(ids) < 100 && !time.Now().Before(waits[0].at) {
			ids = append(ids, waits[0].id)
			waits = waits[1:]
		}
		page, _ := api.DescribeInstancesStatus(ctx, apiclient.StatusQuery{InstanceIDs: ids})
		for _, s := range page.Instances {
			if s.State == apiclient.StateRunning {
				open--
				continue
			}
			waits = append(waits, pending{s.InstanceID, time.Now().Add(poll)})
		}
	}
	all.Wait()
	return verifyFigures{api.describes, time.Since(api.last), api.longestRest()}
}

// 10,000 instances are started at the default budget, in an account of no more and in one of ten
// times as many, and each boots in a time of its own; with a history the account has seen another such
// run the day before. Of five tries, the worst: describes is how many of them verifying cost, late-s
// how long after the last boot the report came, rest-s how long an instance was left alone after the
// first boot. plain-describes and plain-late-s are those of a poller that describes every pending id
// each poll interval, 100 a request, in the same tries; times-fewer and times-earlier compare the two.
//
//	go test ./batcher -run '^$' -bench Verify -benchtime 1x
func BenchmarkVerify(b *testing.B) {
	for _, c := range verifyCases() {
		b.Run(c.String(), func(b *testing.B) {
			var ours, plain verifyFigures
			for b.Loop() {
				for seed := range uint64(5) {
					inBubble(b, func() { ours = ours.worst(c.run(b, seed)) })
					inBubble(b, func() { plain = plain.worst(c.plain(seed)) })
				}
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(ours.describes), "describes")
			b.ReportMetric(ours.late.Seconds(), "late-s")
			b.ReportMetric(ours.rested.Seconds(), "rest-s")
			b.ReportMetric(float64(plain.describes), "plain-describes")
			b.ReportMetric(plain.late.Seconds(), "plain-late-s")
			b.ReportMetric(float64(plain.describes)/float64(ours.describes), "times-fewer")
			b.ReportMetric(plain.late.Seconds()/ours.late.Seconds(), "times-earlier")
		})
	}
}
