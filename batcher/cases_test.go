package batcher_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"zecpower/apiclient"
	"zecpower/batcher"
	"zecpower/internal/power"
	"zecpower/internal/zecsim"
)

const soldOut apiclient.Code = "RESOURCE_INSUFFICIENT_PRODUCT_SOLD_OUT"

// apiCase is one story of what the API, and what stands before it, answer. The
// run is one of the default configuration, through the real client.
type apiCase struct {
	instances int // i-000000 upwards
	sim       zecsim.Options
	action    power.Action // zero: start
	manual    bool         // with a key that nothing ever saw accepted
	deadline  time.Duration
	want      string
	// starts bounds StartInstances (or StopInstances); describes the others. 0: no bound.
	starts, describes int
	most              time.Duration // how long it may take; 0: no bound
	check             func(t *testing.T, sim *zecsim.Simulator, r power.Report)
}

func (c apiCase) run(t *testing.T) {
	t.Helper()
	c.sim.KeepRequests = true
	if c.sim.Fleet == nil {
		c.sim.Instances = c.instances
	}
	if c.sim.Boot.Time == 0 {
		c.sim.Boot.Time = 12 * time.Second
	}
	c.sim.Latency = zecsim.Latency{Fixed: 50 * time.Millisecond}
	sim, err := zecsim.New(c.sim)
	if err != nil {
		t.Fatal(err)
	}
	dial, shut := sim.Pipe()
	defer shut()
	client, err := apiclient.New(apiclient.Config{
		Endpoint:    "http://127.0.0.1",
		Credentials: apiclient.Credentials{AccessKeyID: "demo", AccessKeySecret: apiclient.NewSecret("demo")},
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	backoff := batcher.Backoff{Initial: 500 * time.Millisecond, Max: 30 * time.Second}
	b, err := batcher.NewAccount(batcher.Config{Seed: 2, Settings: batcher.Settings{
		API: client, Size: 100, Attempts: 3, PollInterval: 5 * time.Second, BootTimeout: 10 * time.Minute,
		Limits: batcher.Limits{RequestsPerSecond: 10, Burst: 10, MaxInFlight: 8, Backoff: backoff},
	}})
	if err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	r := batcher.Run{
		Action: c.action, ScheduledAt: begun, Deadline: begun.Add(max(c.deadline, 30*time.Minute)), UnprovenKey: c.manual,
		Groups: []batcher.Group{{Name: "web"}},
	}
	if c.deadline > 0 {
		r.Deadline = begun.Add(c.deadline)
	}
	if r.Action == "" {
		r.Action = power.ActionStart
	}
	for i := range c.instances {
		r.Groups[0].IDs = append(r.Groups[0].IDs, zecsim.InstanceID(i))
	}
	report := b.Run(t.Context(), r)
	if got := tally(report); got != c.want {
		t.Errorf("outcomes: %s, want %s", got, c.want)
	}
	truth := sim.Truth()
	starts := truth.ByAction[apiclient.ActionStartInstances] + truth.ByAction[apiclient.ActionStopInstances]
	if c.starts > 0 && starts > c.starts {
		t.Errorf("%d starts or stops were sent, at most %d are needed", starts, c.starts)
	}
	if n := truth.ByAction[apiclient.ActionDescribeInstancesStatus]; c.describes > 0 && n > c.describes {
		t.Errorf("%d describes were sent, at most %d are needed", n, c.describes)
	}
	if took := time.Since(begun); c.most > 0 && took > c.most {
		t.Errorf("it took %s, want at most %s", took, c.most)
	}
	if c.check != nil {
		c.check(t, sim, report)
	}
	t.Logf("%d starts or stops, %d requests, %s", starts, truth.Requests, time.Since(begun))
}

// tally counts a report's outcomes and reasons.
func tally(r power.Report) string {
	counts := map[string]int{}
	for _, g := range r.Groups {
		for _, res := range g.Results {
			word := string(res.Outcome)
			if res.Reason != "" {
				word = string(res.Reason)
			}
			counts[word]++
		}
	}
	var words []string
	for word, n := range counts {
		words = append(words, fmt.Sprintf("%d %s", n, word))
	}
	slices.Sort(words)
	return fmt.Sprint(words)
}

// fleetOf makes n instances, those at the given positions as spec says.
func fleetOf(n int, spec zecsim.InstanceSpec, at ...int) []zecsim.InstanceSpec {
	fleet := make([]zecsim.InstanceSpec, n)
	for _, i := range at {
		fleet[i] = spec
	}
	return fleet
}

// everyNth are the positions below n that are a multiple of k.
func everyNth(n, k int) (at []int) {
	for i := 0; i < n; i += k {
		at = append(at, i)
	}
	return at
}

// coded expects that every failed instance names the code and the status.
func coded(code apiclient.Code, status int) func(*testing.T, *zecsim.Simulator, power.Report) {
	return func(t *testing.T, _ *zecsim.Simulator, r power.Report) {
		t.Helper()
		for _, f := range r.Groups[0].Failures() {
			if f.Code != string(code) || f.HTTPStatus != status || f.RequestID == "" {
				t.Errorf("%+v, want code %s and status %d", f, code, status)
			}
		}
	}
}

// during counts the starts that arrived in a window of the simulator's time.
func during(sim *zecsim.Simulator, from, to time.Duration) (n int) {
	for _, r := range sim.Requests() {
		if at := r.At.Sub(sim.Started()); r.Action == apiclient.ActionStartInstances && at >= from && at < to {
			n++
		}
	}
	return n
}

// htmlAt is a station on the way that answers every request in a window.
func htmlAt(status int, from, to time.Duration) []zecsim.Fault {
	return []zecsim.Fault{{Kind: zecsim.FaultHTML, Status: status, Probability: 1, Windows: []zecsim.Window{{From: from, To: to}}}}
}

// The rows of the design's table of stories about the API and what stands before
// it, and of its class table.
func TestStoriesOfTheAPIAndWhatStandsBeforeIt(t *testing.T) {
	sick := zecsim.InstanceSpec{Refuses: true, RefusalCode: soldOut}
	always := []zecsim.Window{{From: 0}}
	cases := map[string]apiCase{
		"two of a hundred sold out": {
			instances: 100, sim: zecsim.Options{Fleet: fleetOf(100, sick, 10, 70)},
			want: "[2 rejected 98 started]", starts: 35, check: coded(soldOut, 403),
		},
		"two of a hundred sold out, first and last": {
			instances: 100, sim: zecsim.Options{Fleet: fleetOf(100, sick, 0, 99)},
			want: "[2 rejected 98 started]", starts: 35,
		},
		"two of a hundred sold out, in the failed list": {
			instances: 100, sim: zecsim.Options{Fleet: fleetOf(100, sick, 10, 70), BadIDs: zecsim.BadIDsFailedList},
			want: "[2 rejected 98 started]", starts: 8,
		},
		"two percent of three thousand": {
			instances: 3000, sim: zecsim.Options{Fleet: fleetOf(3000, sick, everyNth(3000, 50)...)},
			want: "[2940 started 60 rejected]",
		},
		"the whole account sold out for 20 seconds": {
			instances: 1000, sim: zecsim.Options{Refusals: []zecsim.Refusal{{Code: soldOut, Windows: []zecsim.Window{{To: 20 * time.Second}}}}},
			want: "[1000 started]",
			check: func(t *testing.T, sim *zecsim.Simulator, _ power.Report) {
				if n := during(sim, 51*time.Millisecond, 20*time.Second); n >= 15 {
					t.Errorf("%d starts while all were refused", n)
				}
				if n := during(sim, 20*time.Second, time.Hour); n > 12 {
					t.Errorf("%d starts after that", n)
				}
			},
		},
		"the whole account in arrears for good": {
			instances: 1000, sim: zecsim.Options{Refusals: []zecsim.Refusal{{Code: "ACCOUNT_ARREARS", Status: 402}}},
			want: "[1000 rejected]", starts: 150,
		},
		"the account falls into arrears in the middle": {
			instances: 10000, sim: zecsim.Options{Refusals: []zecsim.Refusal{{Code: "ACCOUNT_ARREARS", Windows: []zecsim.Window{{From: 4 * time.Second, To: time.Minute}}}}},
			want: "[10000 started]", starts: 160,
		},
		"one malformed id": {
			instances: 200, sim: zecsim.Options{Fleet: fleetOf(200, zecsim.InstanceSpec{Refuses: true, RefusalCode: "INVALID_PARAMETER_INSTANCE_ID", RefusalStatus: 400}, 42)},
			want: "[1 rejected 199 started]", starts: 25, check: coded("INVALID_PARAMETER_INSTANCE_ID", 400),
		},
		"a single instance sold out": {
			instances: 1, sim: zecsim.Options{Fleet: fleetOf(1, sick, 0)},
			want: "[1 rejected]", starts: 3, check: coded(soldOut, 403),
		},
		"an unknown refusal of two stops": {
			instances: 100, action: power.ActionStop,
			sim:  zecsim.Options{Fleet: runningFleet(100, zecsim.InstanceSpec{RefusesStops: true, RefusalCode: "OPERATION_DENIED_PROTECTED"}, 10, 70)},
			want: "[2 rejected 98 stopped]", starts: 35,
		},
		"one flaky 401, the very first": {
			instances: 3000, sim: zecsim.Options{Faults: []zecsim.Fault{{Kind: zecsim.FaultAuthFailure, Probability: 1, Times: 1}}},
			want: "[3000 started]", starts: 33, most: time.Minute,
		},
		"one flaky 401 among thirty": {
			instances: 3000, sim: zecsim.Options{Faults: []zecsim.Fault{{Kind: zecsim.FaultAuthFailure, Probability: 1, Times: 1, Windows: []zecsim.Window{{From: time.Second}}}}},
			want: "[3000 started]", starts: 34, most: time.Minute,
		},
		"flaky 401s all along": {
			instances: 1000, sim: zecsim.Options{Seed: 3, Faults: []zecsim.Fault{{Kind: zecsim.FaultAuthFailure, Probability: 0.2}}},
			want: "[1000 started]",
		},
		"a key that is wrong": {
			instances: 3000, sim: zecsim.Options{Faults: []zecsim.Fault{{Kind: zecsim.FaultAuthFailure, Probability: 1, Windows: always}}},
			want: "[3000 auth]", starts: 25, most: time.Minute, check: coded(apiclient.CodeSignatureFailure, 401),
		},
		"a key that is wrong, by hand": {
			instances: 3000, manual: true, sim: zecsim.Options{Faults: []zecsim.Fault{{Kind: zecsim.FaultAuthFailure, Probability: 1, Windows: always}}},
			want: "[3000 auth]", starts: 8, most: time.Second,
		},
		"a key that is revoked while all boot": {
			instances: 300, deadline: 20 * time.Minute,
			sim:  zecsim.Options{Faults: []zecsim.Fault{{Kind: zecsim.FaultAuthFailure, Probability: 1, Windows: []zecsim.Window{{From: 2 * time.Second}}}}},
			want: "[300 api_error]", starts: 3, describes: 150,
		},
		"a key that may not start at all": {
			instances: 300, sim: zecsim.Options{Faults: []zecsim.Fault{{Kind: zecsim.FaultAuthFailure, Status: 403, Probability: 1, Actions: []string{apiclient.ActionStartInstances}}}},
			want: "[300 auth]", starts: 20, most: time.Minute,
		},
		"a key without rights on one instance": {
			instances: 300, sim: zecsim.Options{Fleet: fleetOf(300, zecsim.InstanceSpec{Refuses: true, RefusalCode: "AUTHFAILURE_UNAUTHORIZED_OPERATION", RefusalStatus: 403}, 42)},
			want: "[1 rejected 299 started]", starts: 35, most: 2 * time.Minute,
		},
		"a clock that is off for five minutes": {
			instances: 100, sim: zecsim.Options{ClockOffset: 10 * time.Minute},
			deadline: 5 * time.Minute, want: "[100 auth]", starts: 25,
			check: func(t *testing.T, sim *zecsim.Simulator, r power.Report) {
				if took := r.FinishedAt.Sub(r.StartedAt); took < 5*time.Minute {
					t.Errorf("given up after %s; the clock could have been set right", took)
				}
			},
		},
		"an unknown id on an empty page that is null": {
			instances: 2, sim: zecsim.Options{NullPages: true, Fleet: fleetOf(2, zecsim.InstanceSpec{State: zecsim.StateMissing}, 0, 1)},
			want: "[2 not_found]", starts: 1, describes: 1, most: time.Second,
		},
		"not found in other words": {
			instances: 100, sim: zecsim.Options{NotFoundCode: apiclient.CodeResourceNotFound, Fleet: fleetOf(100, zecsim.InstanceSpec{State: zecsim.StateMissing}, 7)},
			want: "[1 not_found 99 started]", starts: 2,
		},
		"states that the reference does not name": {
			instances: 4, sim: zecsim.Options{Fleet: []zecsim.InstanceSpec{
				{State: apiclient.StateRecycled}, {State: apiclient.StateReinstallFailed}, {State: apiclient.StatePending, StateFor: time.Minute}, {},
			}},
			want: "[2 recycled 2 started]",
		},
		"blocked by a challenge until the deadline": {
			instances: 3000, deadline: 10 * time.Minute, sim: zecsim.Options{Faults: []zecsim.Fault{{Kind: zecsim.FaultChallenge, Probability: 1}}},
			want: "[3000 blocked]", starts: 30,
		},
		"blocked by law for two minutes": {
			instances: 3000, sim: zecsim.Options{Faults: []zecsim.Fault{{Kind: zecsim.FaultLegal451, Probability: 1, Windows: []zecsim.Window{{To: 2 * time.Minute}}}}},
			want: "[3000 started]", starts: 42,
		},
		"a CDN that answers 403 for good": {
			instances: 3000, deadline: 10 * time.Minute, sim: zecsim.Options{Faults: htmlAt(403, 0, 0)},
			want: "[3000 blocked]", starts: 60,
		},
		"another actor stops what boots": {
			instances: 10, sim: zecsim.Options{
				Boot: zecsim.Boot{Time: time.Minute}, Stop: zecsim.Stop{Forced: 30 * time.Second},
				Fleet: fleetOf(10, zecsim.InstanceSpec{Others: []zecsim.OtherAct{{AfterStart: 20 * time.Second, Action: zecsim.OtherStop}}}, 3),
			},
			want: "[1 reversed 9 started]", starts: 1,
		},
		"another actor starts what stops": {
			instances: 10, action: power.ActionStop, sim: zecsim.Options{
				Boot: zecsim.Boot{Time: time.Minute}, Stop: zecsim.Stop{Soft: 12 * time.Second},
				Fleet: runningFleet(10, zecsim.InstanceSpec{Others: []zecsim.OtherAct{{AfterStop: 13 * time.Second, Action: zecsim.OtherStart}}}, 3),
			},
			want: "[1 reversed 9 stopped]", starts: 1,
		},
		"a boot that fails through STOPPING": {
			instances: 10, sim: zecsim.Options{
				Stop:  zecsim.Stop{Forced: 20 * time.Second, Soft: 20 * time.Second},
				Fleet: fleetOf(10, zecsim.InstanceSpec{Boot: zecsim.BootFails, BootFailsStopping: true}, 3),
			},
			want: "[1 reversed 9 started]", starts: 1,
		},
		"guests that ignore a stop": {
			instances: 10, action: power.ActionStop, sim: zecsim.Options{Fleet: runningFleet(10, zecsim.InstanceSpec{SoftStopHangs: true}, 3, 4)},
			want: "[2 stop_timeout 8 stopped]", starts: 1,
		},
		"stops that fall back": {
			instances: 10, action: power.ActionStop, sim: zecsim.Options{
				Stop:  zecsim.Stop{Soft: 20 * time.Second},
				Fleet: runningFleet(10, zecsim.InstanceSpec{StopFailures: 5}, 3),
			},
			want: "[1 stop_failed 9 stopped]", starts: 3,
		},
	}
	for _, status := range []int{400, 401, 403, 404, 407, 413} {
		cases[fmt.Sprintf("HTML with %d at the start", status)] = apiCase{
			instances: 1000, sim: zecsim.Options{Faults: htmlAt(status, 0, 1500*time.Millisecond)},
			want: "[1000 started]", starts: 24, most: 2 * time.Minute,
		}
		cases[fmt.Sprintf("HTML with %d while all are booting", status)] = apiCase{
			instances: 1000, sim: zecsim.Options{Faults: htmlAt(status, 4*time.Second, 5500*time.Millisecond)},
			want: "[1000 started]", starts: 10, most: 2 * time.Minute,
		}
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) { synctest.Test(t, c.run) })
	}
}

// runningFleet is fleetOf with every instance RUNNING.
func runningFleet(n int, spec zecsim.InstanceSpec, at ...int) []zecsim.InstanceSpec {
	fleet := fleetOf(n, spec, at...)
	for i := range fleet {
		fleet[i].State = apiclient.StateRunning
	}
	return fleet
}
