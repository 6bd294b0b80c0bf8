package batcher

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"zecpower/apiclient"
	"zecpower/internal/power"
)

// cloud is an account that behaves as the API does: a start takes an instance from STOPPED over
// BOOTING to RUNNING, a stop from RUNNING over STOPPING to STOPPED. Any other request is refused for
// the ids that it does not fit, which stand in the reply's failed list.
type cloud struct {
	mu       sync.Mutex
	states   map[string]apiclient.State
	since    map[string]time.Time
	takes    time.Duration // a start, or a stop
	lag      time.Duration // a describe shows what was so long ago, at least until an action shows
	before   map[string]apiclient.State
	accepted map[string]map[string]int // by id and action
	requests map[string]int
	names    map[string][][]string // the ids of each request, by action
	times    map[string][]time.Time
	loses    func(action string, n int) bool // the reply is lost, the request applied
}

func newCloud(ids []string, state apiclient.State) *cloud {
	c := &cloud{
		states: map[string]apiclient.State{}, since: map[string]time.Time{}, before: map[string]apiclient.State{}, takes: 20 * time.Second,
		accepted: map[string]map[string]int{}, requests: map[string]int{}, names: map[string][][]string{}, times: map[string][]time.Time{},
	}
	for _, id := range ids {
		c.states[id], c.accepted[id] = state, map[string]int{}
	}
	return c
}

// now is the true state of id.
func (c *cloud) now(id string) apiclient.State {
	if time.Since(c.since[id]) >= c.takes {
		switch c.states[id] {
		case apiclient.StateBooting:
			c.states[id] = apiclient.StateRunning
		case apiclient.StateStopping:
			c.states[id] = apiclient.StateStopped
		}
	}
	return c.states[id]
}

func (c *cloud) act(action string, ids []string, from, over apiclient.State) (apiclient.PowerReply, error) {
	c.mu.Lock()
	c.requests[action]++
	n := c.requests[action]
	c.names[action] = append(c.names[action], ids)
	c.times[action] = append(c.times[action], time.Now())
	c.mu.Unlock()
	time.Sleep(50 * time.Millisecond)
	c.mu.Lock()
	defer c.mu.Unlock()
	var failed []string
	for _, id := range ids {
		if c.now(id) != from {
			failed = append(failed, id)
			continue
		}
		c.before[id] = c.states[id]
		c.states[id], c.since[id] = over, time.Now()
		c.accepted[id][action]++
	}
	if c.loses != nil && c.loses(action, n) {
		return apiclient.PowerReply{}, lostReply()
	}
	return apiclient.PowerReply{RequestID: "T", Failed: failed}, nil
}

func (c *cloud) StartInstances(_ context.Context, ids []string) (apiclient.PowerReply, error) {
	return c.act("start", ids, apiclient.StateStopped, apiclient.StateBooting)
}

func (c *cloud) StopInstances(_ context.Context, ids []string, force bool) (apiclient.PowerReply, error) {
	action := "stop"
	if force {
		action = "force"
	}
	return c.act(action, ids, apiclient.StateRunning, apiclient.StateStopping)
}

func (c *cloud) DescribeInstancesStatus(_ context.Context, q apiclient.StatusQuery) (apiclient.StatusPage, error) {
	time.Sleep(50 * time.Millisecond)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests["describe"]++
	var page apiclient.StatusPage
	ids := q.InstanceIDs
	if len(ids) == 0 {
		ids = pageOf(c.states, q)
	}
	for _, id := range ids {
		state := c.now(id)
		if state == "" {
			continue
		}
		if was, ok := c.before[id]; ok && time.Since(c.since[id]) < c.lag {
			state = was
		}
		page.Instances = append(page.Instances, apiclient.InstanceStatus{InstanceID: id, State: state})
	}
	page.TotalCount = len(page.Instances)
	if len(q.InstanceIDs) == 0 {
		page.TotalCount = len(c.states)
	}
	return page, nil
}

// intent is a run of a story: what it wants, and when it comes.
type intent struct {
	id      string
	action  power.Action
	force   bool
	at      time.Duration
	planned time.Duration // 0: when it comes
	ids     []string
	stays   time.Duration // until it is cancelled; 0: it is not
}

// play makes the runs of a story and returns their outcomes.
func play(t *testing.T, a *Account, intents ...intent) map[string]power.Report {
	t.Helper()
	var mu sync.Mutex
	reports := map[string]power.Report{}
	begin := time.Now()
	first := 0
	for _, in := range intents {
		if in.at == 0 {
			first++
		}
	}
	round := Gather(first) // those that come at once are of one round
	var all sync.WaitGroup
	for _, in := range intents {
		all.Go(func() {
			time.Sleep(in.at)
			r := startRun(in.ids)
			r.RunID, r.Schedule, r.Action, r.Force = in.id, "s", in.action, in.force
			if in.at == 0 {
				r.Gathering = round
			}
			r.Planned = begin.Add(max(in.planned, in.at))
			if in.planned != 0 {
				r.Planned = begin.Add(in.planned)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if in.stays > 0 {
				defer time.AfterFunc(in.stays, cancel).Stop()
			}
			report := a.Run(ctx, r)
			mu.Lock()
			defer mu.Unlock()
			reports[in.id] = report
		})
	}
	all.Wait()
	checkIdle(t, a)
	return reports
}

func TestRunsThatWantOppositeThings(t *testing.T) {
	ids := fleet(300)
	const start, stop = power.ActionStart, power.ActionStop
	second := time.Second
	for name, tc := range map[string]struct {
		begin   apiclient.State
		intents []intent
		want    map[string]string // outcomes by run
		state   apiclient.State
		starts  int // accepted for each instance, at most
		stops   int
		lag     time.Duration
	}{
		"both come at once, the start is newer": {
			apiclient.StateRunning,
			[]intent{{id: "night", action: stop, planned: -60 * second, ids: ids}, {id: "morning", action: start, ids: ids}},
			map[string]string{"night": "300 superseded", "morning": "300 already_running"},
			apiclient.StateRunning, 0, 0, 0,
		},
		"the stop comes while the start is booting": {
			apiclient.StateStopped,
			[]intent{{id: "morning", action: start, ids: ids}, {id: "night", action: stop, at: 8 * second, ids: ids}},
			map[string]string{"morning": "300 superseded", "night": "300 stopped"},
			apiclient.StateStopped, 1, 1, 0,
		},
		"the start comes while the stop is on its way": {
			apiclient.StateRunning,
			[]intent{{id: "night", action: stop, ids: ids}, {id: "morning", action: start, at: 8 * second, ids: ids}},
			map[string]string{"night": "300 superseded", "morning": "300 started"},
			apiclient.StateRunning, 1, 1, 0,
		},
		"the stop comes right after the start was accepted, and states trail": {
			apiclient.StateStopped,
			[]intent{{id: "morning", action: start, ids: ids}, {id: "night", action: stop, at: 500 * time.Millisecond, ids: ids}},
			map[string]string{"morning": "300 superseded", "night": "300 stopped"},
			apiclient.StateStopped, 1, 1, 7 * second,
		},
		"the start comes right after the stop was accepted, and states trail": {
			apiclient.StateRunning,
			[]intent{{id: "night", action: stop, ids: ids}, {id: "morning", action: start, at: 500 * time.Millisecond, ids: ids}},
			map[string]string{"night": "300 superseded", "morning": "300 started"},
			apiclient.StateRunning, 1, 1, 7 * second,
		},
		"the stop comes while the start is in flight": {
			apiclient.StateStopped,
			[]intent{{id: "morning", action: start, ids: ids}, {id: "night", action: stop, at: 20 * time.Millisecond, ids: ids}},
			map[string]string{"morning": "300 superseded", "night": "300 stopped"},
			apiclient.StateStopped, 1, 1, 0,
		},
		"an older stop comes later": {
			apiclient.StateStopped,
			[]intent{{id: "morning", action: start, ids: ids}, {id: "night", action: stop, at: 8 * second, planned: -60 * second, ids: ids}},
			map[string]string{"morning": "300 started", "night": "300 superseded"},
			apiclient.StateRunning, 1, 0, 0,
		},
		"an older stop comes after the start is done": {
			apiclient.StateStopped,
			[]intent{{id: "morning", action: start, ids: ids}, {id: "night", action: stop, at: 60 * second, planned: -60 * second, ids: ids}},
			map[string]string{"morning": "300 started", "night": "300 superseded"},
			apiclient.StateRunning, 1, 0, 0,
		},
		"a newer stop comes after the start is done": {
			apiclient.StateStopped,
			[]intent{{id: "morning", action: start, ids: ids}, {id: "night", action: stop, at: 60 * second, ids: ids}},
			map[string]string{"morning": "300 started", "night": "300 stopped"},
			apiclient.StateStopped, 1, 1, 0,
		},
		"to and fro": {
			apiclient.StateStopped,
			[]intent{
				{id: "a", action: start, ids: ids},
				{id: "b", action: stop, at: 3 * second, ids: ids},
				{id: "c", action: start, at: 6 * second, ids: ids},
				{id: "d", action: stop, at: 9 * second, ids: ids},
			},
			map[string]string{"a": "300 superseded", "b": "300 superseded", "c": "300 superseded", "d": "300 stopped"},
			apiclient.StateStopped, 1, 1, 0,
		},
		"a second start joins the first": {
			apiclient.StateStopped,
			[]intent{{id: "a", action: start, ids: ids}, {id: "b", action: start, at: 8 * second, ids: ids}},
			map[string]string{"a": "300 started", "b": "300 started"},
			apiclient.StateRunning, 1, 0, 0,
		},
		"the first is cancelled, and the second goes on": {
			apiclient.StateStopped,
			[]intent{{id: "a", action: start, ids: ids, stays: 10 * second}, {id: "b", action: start, at: 8 * second, ids: ids}},
			map[string]string{"a": "300 cancelled", "b": "300 started"},
			apiclient.StateRunning, 1, 0, 0,
		},
		"the start is cancelled as it was accepted, a stop comes, and states trail": {
			apiclient.StateStopped,
			[]intent{{id: "a", action: start, ids: ids, stays: second}, {id: "b", action: stop, at: 2 * second, ids: ids}},
			map[string]string{"a": "300 cancelled", "b": "300 stopped"},
			apiclient.StateStopped, 1, 1, 7 * second,
		},
		"the start is cancelled as it was accepted, another comes, and states trail": {
			apiclient.StateStopped,
			[]intent{{id: "a", action: start, ids: ids, stays: second}, {id: "b", action: start, at: 2 * second, ids: ids}},
			map[string]string{"a": "300 cancelled", "b": "300 started"},
			apiclient.StateRunning, 1, 0, 7 * second,
		},
		"one that was planned for a time far ahead loses": {
			apiclient.StateRunning,
			[]intent{{id: "wrong", action: stop, planned: time.Hour, ids: ids}, {id: "right", action: start, at: second, ids: ids}},
			map[string]string{"wrong": "300 superseded", "right": "300 started"},
			apiclient.StateRunning, 1, 1, 0,
		},
		"a part of the fleet is wanted otherwise": {
			apiclient.StateStopped,
			[]intent{{id: "a", action: start, ids: ids}, {id: "b", action: stop, at: 8 * second, ids: ids[:100]}},
			map[string]string{"a": "200 started, 100 superseded", "b": "100 stopped"},
			"", 1, 1, 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCloud(ids, tc.begin)
				c.lag = tc.lag
				cfg := testConfig(c, 10)
				cfg.Remember = time.Hour
				reports := play(t, newAccountOf(t, cfg), tc.intents...)
				for id, want := range tc.want {
					if got := listing(reports[id]); got != want {
						t.Errorf("%s: %s, want %s", id, got, want)
					}
				}
				for _, id := range ids {
					starts, stops := c.accepted[id]["start"], c.accepted[id]["stop"]
					if starts > tc.starts || stops > tc.stops {
						t.Fatalf("%s was started %d and stopped %d times", id, starts, stops)
					}
					if state := c.now(id); tc.state != "" && state != tc.state {
						t.Fatalf("%s is %s in the end", id, state)
					}
				}
			})
		})
	}
}

// The reply to the older start is lost, and it was applied all the same.
func TestTakeOverAfterALostReplyBelievesNoEarlyState(t *testing.T) {
	for _, applied := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			ids := fleet(100)
			c := newCloud(ids, apiclient.StateStopped)
			c.lag = 4 * time.Second
			c.loses = func(action string, _ int) bool { return action == "start" }
			if !applied {
				for _, id := range ids {
					c.states[id] = apiclient.StateStopping // refuses the start, and is STOPPED after 20 s
					c.since[id] = time.Now().Add(-20 * time.Second)
				}
				c.loses = func(string, int) bool { return true }
			}
			reports := play(t, newTestAccount(t, c), intent{id: "morning", action: power.ActionStart, ids: ids},
				intent{id: "night", action: power.ActionStop, at: 20 * time.Millisecond, ids: ids})
			if got := listing(reports["morning"]); got != "100 superseded" {
				t.Errorf("morning: %s", got)
			}
			for _, id := range ids {
				if state := c.now(id); state != apiclient.StateStopped {
					t.Fatalf("%s is %s: %s", id, state, listing(reports["night"]))
				}
			}
		})
	}
}

// A forced stop joins a graceful one that hangs: it is sent once the instance is RUNNING again.
func TestAForcedStopRaisesAGracefulOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ids := fleet(100)
		c := newCloud(ids, apiclient.StateRunning)
		c.takes = time.Hour // the guests do not react
		a := newTestAccount(t, c)
		go func() {
			time.Sleep(40 * time.Second)
			c.mu.Lock()
			defer c.mu.Unlock()
			for _, id := range ids {
				c.states[id] = apiclient.StateRunning // the guest refused
			}
			c.takes = 5 * time.Second
		}()
		reports := play(t, a, intent{id: "gentle", action: power.ActionStop, ids: ids},
			intent{id: "forced", action: power.ActionStop, force: true, at: 20 * time.Second, ids: ids})
		for _, id := range []string{"gentle", "forced"} {
			if got := listing(reports[id]); got != "100 stopped" {
				t.Errorf("%s: %s", id, got)
			}
		}
		if c.requests["stop"] != 1 || c.requests["force"] != 1 {
			t.Errorf("%v", c.requests)
		}
	})
}

// 200 schedules of 5 instances in one minute, at the default budget: at most 11 requests, the last
// within a second.
func TestManySmallRunsShareTheirRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ids := fleet(1000)
		c := newCloud(ids, apiclient.StateStopped)
		a := newTestAccount(t, c)
		begin := time.Now()
		gather := Gather(200)
		var all sync.WaitGroup
		for k := range 200 {
			all.Go(func() {
				r := startRun(ids[5*k : 5*k+5])
				r.RunID, r.Gathering = fmt.Sprint("s", k), gather
				if got := listing(a.Run(t.Context(), r)); got != "5 started" {
					t.Errorf("%s: %s", r.RunID, got)
				}
			})
		}
		all.Wait()
		starts := c.times["start"]
		if n, last := len(starts), starts[len(starts)-1].Sub(begin); n > 11 || last > time.Second {
			t.Errorf("%d starts, the last after %s", n, last)
		}
		checkIdle(t, a)
	})
}

// A run that does not come, and one that never will, hold the others up for 10 ms at most.
func TestGatheringWaitsForALimitedTime(t *testing.T) {
	for name, tc := range map[string]struct {
		leave bool
		want  time.Duration
	}{"one leaves": {true, 0}, "one never comes": {false, gatherWait}} {
		synctest.Test(t, func(t *testing.T) {
			c := newCloud(fleet(10), apiclient.StateStopped)
			g := Gather(2)
			r := startRun(fleet(10))
			r.Gathering = g
			begin := time.Now()
			if tc.leave {
				g.Leave()
			}
			newTestAccount(t, c).Run(t.Context(), r)
			if waited := c.times["start"][0].Sub(begin); waited != tc.want {
				t.Errorf("%s: sent after %s, want %s", name, waited, tc.want)
			}
		})
	}
}

// With R runs waiting, each has instances in one of the next R chunks.
func TestChunksAreFilledFromTheRunsInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ids := fleet(10_050)
		c := newCloud(ids, apiclient.StateStopped)
		a := newTestAccount(t, c)
		begin := time.Now()
		var all sync.WaitGroup
		for k, part := range [][]string{ids[:5000], ids[5000:10_000]} {
			all.Go(func() {
				r := startRun(part)
				r.RunID = fmt.Sprint("large", k)
				a.Run(t.Context(), r)
			})
		}
		time.Sleep(2 * time.Second)
		c.mu.Lock()
		before := len(c.names["start"])
		c.mu.Unlock()
		r := startRun(ids[10_000:])
		r.RunID = "small"
		a.Run(t.Context(), r)
		all.Wait()
		for k, names := range c.names["start"][before:] {
			for _, id := range names {
				if id == ids[10_000] && k > 3 { // one may leave in the moment in which it comes
					t.Errorf("the small run's first start was the %dth request after it came", k+1)
				}
			}
		}
		if n := len(c.names["start"]); n > 102 {
			t.Errorf("%d starts", n)
		}
		t.Logf("%d starts, all up after %s", len(c.names["start"]), time.Since(begin))
	})
}

// Starts and stops alternate.
func TestStopsDoNotWaitForStarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up, down := fleet(4000), []string{"j-1", "j-2"}
		c := newCloud(up, apiclient.StateStopped)
		for _, id := range down {
			c.states[id], c.accepted[id] = apiclient.StateRunning, map[string]int{}
		}
		begin := time.Now()
		play(t, newTestAccount(t, c), intent{id: "up", action: power.ActionStart, ids: up},
			intent{id: "down", action: power.ActionStop, at: 2 * time.Second, ids: down})
		if waited := c.times["stop"][0].Sub(begin); waited > 2500*time.Millisecond {
			t.Errorf("the stop left after %s", waited)
		}
	})
}

// What failed in the run before is kept apart: what is gone is described first, and what was
// rejected costs the others no request.
func TestSuspectsCostTheOthersNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ids := fleet(1000)
		c := newCloud(ids, apiclient.StateStopped)
		delete(c.states, ids[7])
		sick := &refusing{cloud: c, sick: ids[500]}
		r := startRun(ids)
		r.Groups[0].Suspects = map[string]power.Reason{ids[7]: power.ReasonNotFound, ids[500]: power.ReasonRejected}
		report := newTestAccount(t, sick).Run(t.Context(), r)
		if got := listing(report); got != "1 not_found, 1 rejected, 998 started" {
			t.Errorf("%s", got)
		}
		if sick.refused > 3 || c.requests["start"] > 11 {
			t.Errorf("%d requests refused, %d others", sick.refused, c.requests["start"])
		}
	})
}

// refusing is a cloud that refuses each start which names one id, with a code that nothing explains.
type refusing struct {
	*cloud
	sick    string
	refused int
}

func (r *refusing) StartInstances(ctx context.Context, ids []string) (apiclient.PowerReply, error) {
	for _, id := range ids {
		if id == r.sick {
			r.mu.Lock()
			r.refused++
			r.mu.Unlock()
			time.Sleep(50 * time.Millisecond)
			return apiclient.PowerReply{}, soldOutReply()
		}
	}
	return r.cloud.StartInstances(ctx, ids)
}

// The store has seen a newer run of an earlier process: see Account.Remember.
func TestWhatIsRememberedSupersedesAnOlderRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ids := fleet(10)
		c := newCloud(ids, apiclient.StateRunning)
		cfg := testConfig(c, 10)
		cfg.Remember = time.Hour
		a := newAccountOf(t, cfg)
		a.Remember(Run{RunID: "morning", Schedule: "s", Action: power.ActionStart, Planned: time.Now()}, ids[:4])
		reports := play(t, a, intent{id: "night", action: power.ActionStop, planned: -time.Minute, ids: ids})
		if got := listing(reports["night"]); got != "6 stopped, 4 superseded" {
			t.Errorf("%s", got)
		}
	})
}

// A run whose context is over at once takes nothing from others.
func TestARunThatNeverBeginsTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ids := fleet(100)
		c := newCloud(ids, apiclient.StateStopped)
		a := newTestAccount(t, c)
		var all sync.WaitGroup
		all.Go(func() {
			if got := listing(a.Run(t.Context(), startRun(ids))); got != "100 started" {
				t.Errorf("the start: %s", got)
			}
		})
		time.Sleep(5 * time.Second)
		over, cancel := context.WithCancel(t.Context())
		cancel()
		r := startRun(ids)
		r.RunID, r.Action, r.Planned = "night", power.ActionStop, time.Now()
		if got := listing(a.Run(over, r)); got != "100 cancelled" {
			t.Errorf("the stop: %s", got)
		}
		all.Wait()
	})
}

// What runs wanted is remembered for as long as the settings say, and then costs no memory.
func TestTheMemoryOfRunsEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ids := fleet(100)
		cfg := testConfig(newCloud(ids, apiclient.StateStopped), 10)
		cfg.Remember = time.Hour
		a := newAccountOf(t, cfg)
		a.Run(t.Context(), startRun(ids))
		for _, tc := range []struct {
			wait time.Duration
			want int
		}{{50 * time.Minute, 100}, {20 * time.Minute, 0}} {
			time.Sleep(tc.wait)
			synctest.Wait()
			a.mu.Lock()
			if n := len(a.memory.of); n != tc.want {
				t.Errorf("%d instances remembered, want %d", n, tc.want)
			}
			a.mu.Unlock()
		}
	})
}
