package batcher

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"zecpower/apiclient"
	"zecpower/internal/power"
)

var (
	manySeeds = flag.Int("many.seeds", 300, "how many seeds TestManyRunsOverSharedInstances runs")
	manyFrom  = flag.Uint64("many.from", 1, "the first seed")
)

// manyWorld is several runs at once over the same instances: the same and opposite actions, by force,
// by hand, with cancels and deadlines, against an API that throttles, fails and loses replies. It is
// a second opinion: its checker was written apart from that of TestMornings.
type manyWorld struct {
	t    *testing.T
	seed uint64
	r    *rand.Rand
	api  *countedAPI
	a    *Account
	runs []manyRun
	lost map[string]int // requests of unknown fate, by id
}

type manyRun struct {
	Run
	at     time.Duration // when it begins
	cancel time.Duration // after that; 0: never
	report power.Report
}

func TestManyRunsOverSharedInstances(t *testing.T) {
	for seed := *manyFrom; seed < *manyFrom+uint64(*manySeeds); seed++ {
		synctest.Test(t, func(t *testing.T) {
			w := newManyWorld(t, seed)
			w.live()
			w.check()
			if t.Failed() {
				for _, x := range w.runs {
					t.Logf("%s %s force %v schedule %q at %s planned %s deadline %s cancel %s: %s, %s", x.RunID, x.Action, x.Force, x.Schedule, x.at,
						x.Planned.Format("15:04:05.000"), x.Deadline.Format("15:04:05"), x.cancel, x.report.StartedAt.Format("15:04:05.000"), listing(x.report))
				}
			}
		})
		if t.Failed() {
			t.Fatalf("replay: go test ./batcher -run TestManyRuns -many.seeds=1 -many.from=%d", seed)
		}
	}
}

func newManyWorld(t *testing.T, seed uint64) *manyWorld {
	r := rand.New(rand.NewPCG(seed, 0xacc0))
	w := &manyWorld{t: t, seed: seed, r: r, lost: map[string]int{}}
	ids := fleet(1 + r.IntN(60))
	w.api = newCountedAPI(ids)
	w.api.bootTime = time.Duration(1+r.IntN(20)) * time.Second
	for _, id := range ids {
		if r.IntN(3) == 0 {
			w.api.states[id] = apiclient.StateRunning
		}
	}
	trouble := r.IntN(3) == 0
	var mu sync.Mutex // guards the draws of requests
	w.api.onStart = func(_ int, ids []string) ([]string, error, bool) {
		mu.Lock()
		defer mu.Unlock()
		if !trouble {
			return nil, nil, false
		}
		switch r.IntN(8) {
		case 0:
			return nil, refusal(apiclient.ClassThrottled, 429, ""), true
		case 1:
			return nil, refusal(apiclient.ClassTransient, 503, ""), true
		case 2:
			applied := r.IntN(2) == 0
			for _, id := range ids {
				w.lost[id]++
				if applied && w.api.states[id] == apiclient.StateStopped {
					w.api.boot(id)
				}
			}
			return nil, lostReply(), true
		}
		return nil, nil, false
	}
	w.a = newTestAccount(t, w.api)
	w.a.settings.Size, w.a.settings.Remember = 1+r.IntN(30), time.Hour
	w.drawRuns(ids)
	return w
}

func (w *manyWorld) drawRuns(ids []string) {
	begun := time.Now()
	for k := range 2 + w.r.IntN(5) {
		x := manyRun{at: time.Duration(w.r.IntN(30000)) * time.Millisecond}
		action := []power.Action{power.ActionStart, power.ActionStop}[w.r.IntN(2)]
		from := w.r.IntN(len(ids))
		x.Run = wantRun(action, fmt.Sprintf("s-%d", k), begun.Add(x.at-time.Duration(w.r.IntN(20))*time.Second), ids[from:from+1+w.r.IntN(len(ids)-from)])
		x.RunID = fmt.Sprintf("run-%d", k)
		x.Force = action == power.ActionStop && w.r.IntN(3) == 0
		if w.r.IntN(4) == 0 {
			x.Schedule = ""
		}
		x.Deadline = begun.Add(x.at + 20*time.Minute)
		switch w.r.IntN(6) {
		case 0:
			x.cancel = time.Duration(1+w.r.IntN(20000)) * time.Millisecond
		case 1:
			x.Deadline = begun.Add(x.at + time.Duration(w.r.IntN(20000))*time.Millisecond)
		}
		w.runs = append(w.runs, x)
	}
}

func (w *manyWorld) live() {
	var all sync.WaitGroup
	for k := range w.runs {
		x := &w.runs[k]
		all.Go(func() {
			time.Sleep(x.at)
			ctx, cancel := context.WithCancel(w.t.Context())
			defer cancel()
			if x.cancel > 0 {
				defer time.AfterFunc(x.cancel, cancel).Stop()
			}
			x.report = w.a.Run(ctx, x.Run)
		})
	}
	all.Wait()
	time.Sleep(time.Minute) // what was accepted last comes to its end
}

func (w *manyWorld) complain(format string, args ...any) {
	w.t.Helper()
	w.t.Errorf("seed %d: %s", w.seed, fmt.Sprintf(format, args...))
}

func (w *manyWorld) check() {
	for _, x := range w.runs {
		g := x.report.Groups[0]
		if g.Done+g.Already+g.Failed+g.Skipped != g.Total || len(g.Results) != g.Total {
			w.complain("%s: %d + %d + %d + %d of %d", x.RunID, g.Done, g.Already, g.Failed, g.Skipped, g.Total)
		}
		for _, r := range g.Results {
			if !slices.Contains(power.Outcomes(x.Action), r.Outcome) {
				w.complain("%s: %s ended %q", x.RunID, r.InstanceID, r.Outcome)
			}
		}
	}
	if len(w.a.works) != 0 || len(w.a.runs) != 0 || w.a.budget.inFlight != 0 {
		w.complain("%d instances, %d runs, %d requests are still in work", len(w.a.works), len(w.a.runs), w.a.budget.inFlight)
	}
	for id := range w.api.states {
		w.checkInstance(id)
	}
}

// checkInstance holds an instance to what the runs wanted of it.
func (w *manyWorld) checkInstance(id string) {
	starts, stops := 0, 0
	var last *manyRun
	for k := range w.runs {
		x := &w.runs[k]
		for _, r := range x.report.Groups[0].Results {
			if r.InstanceID != id {
				continue
			}
			if x.Action == power.ActionStart {
				starts++
			} else {
				stops++
			}
			if last == nil || outranks(rankOf(x.Run), rankOf(last.Run), time.Now().Add(time.Hour)) {
				last = x
			}
			if x.cancel == 0 && r.Outcome == power.OutcomeFailed && x.Deadline.Sub(x.Planned) > 19*time.Minute {
				w.complain("%s: %s failed as %s in state %s", x.RunID, id, r.Reason, r.State)
			}
		}
	}
	if w.lost[id] == 0 && (w.api.started[id] > starts || w.api.ended[id] > 2*stops) {
		w.complain("%s was started %d times for %d, stopped %d times for %d", id, w.api.started[id], starts, w.api.ended[id], stops)
	}
	if last == nil || last.cancel > 0 || last.Deadline.Sub(last.Planned) < 19*time.Minute {
		return
	}
	want := apiclient.StateRunning
	if last.Action == power.ActionStop {
		want = apiclient.StateStopped
	}
	if page := w.api.page([]string{id}); page.Instances[0].State != want {
		w.complain("%s is %s; %s, which ranks highest, wanted it %s", id, page.Instances[0].State, last.RunID, want)
	}
}

// countedAPI counts how often each instance was started and stopped, and stops like the API: only
// what is RUNNING.
type countedAPI struct {
	*fakeAPI
	mu             sync.Mutex // guards the two below
	started, ended map[string]int
}

func newCountedAPI(ids []string) *countedAPI {
	return &countedAPI{fakeAPI: newFakeAPI(ids), started: map[string]int{}, ended: map[string]int{}}
}

func (c *countedAPI) StartInstances(ctx context.Context, ids []string) (apiclient.PowerReply, error) {
	reply, err := c.fakeAPI.StartInstances(ctx, ids)
	c.count(c.started, ids, reply, err)
	return reply, err
}

func (c *countedAPI) StopInstances(ctx context.Context, ids []string, force bool) (apiclient.PowerReply, error) {
	time.Sleep(c.latency)
	reply := apiclient.PowerReply{RequestID: "T2"}
	c.fakeAPI.mu.Lock()
	c.page(ids) // what has booted is RUNNING by now
	for _, id := range ids {
		if c.states[id] == apiclient.StateRunning {
			c.states[id] = apiclient.StateStopped
		} else {
			reply.Failed = append(reply.Failed, id)
		}
	}
	c.fakeAPI.mu.Unlock()
	c.count(c.ended, ids, reply, nil)
	return reply, nil
}

func (c *countedAPI) count(of map[string]int, ids []string, reply apiclient.PowerReply, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	refused := map[string]bool{}
	for _, id := range reply.Failed {
		refused[id] = true
	}
	for _, id := range ids {
		if err == nil && !refused[id] {
			of[id]++
		}
	}
}

func wantRun(action power.Action, schedule string, planned time.Time, ids []string) Run {
	r := startRun(ids)
	r.RunID, r.Schedule, r.Action, r.Planned = schedule+"/"+string(action), schedule, action, planned
	return r
}
