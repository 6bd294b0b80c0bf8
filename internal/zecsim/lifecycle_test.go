package zecsim

import (
	"fmt"
	"testing"
	"time"

	"zecpower/apiclient"
)

var boot3s = Boot{Time: 3 * time.Second}

// stateAt is a state that is expected at a time since the beginning.
type stateAt struct {
	at    time.Duration
	state string
}

func TestLifecycleAfterOneStart(t *testing.T) {
	for name, tc := range map[string]struct {
		spec  InstanceSpec
		opts  Options
		story []stateAt
	}{
		"boots":         {story: []stateAt{{0, "STARTING"}, {2999 * time.Millisecond, "STARTING"}, {3 * time.Second, "RUNNING"}, {time.Hour, "RUNNING"}}},
		"shows BOOTING": {opts: Options{Boot: Boot{Time: 3 * time.Second, State: apiclient.StateBooting}}, story: []stateAt{{0, "BOOTING"}, {3 * time.Second, "RUNNING"}}},
		"its own boot":  {spec: InstanceSpec{BootTime: time.Minute, BootState: "BOOTING"}, story: []stateAt{{59 * time.Second, "BOOTING"}, {time.Minute, "RUNNING"}}},
		"boot fails":    {spec: InstanceSpec{Boot: BootFails}, story: []stateAt{{0, "STARTING"}, {3 * time.Second, "STOPPED"}}},
		"boot hangs":    {spec: InstanceSpec{Boot: BootHangs}, story: []stateAt{{0, "STARTING"}, {1000 * time.Hour, "STARTING"}}},
		"status lags":   {opts: Options{StatusLag: 2 * time.Second}, story: []stateAt{{1999 * time.Millisecond, "STOPPED"}, {2 * time.Second, "STARTING"}, {3 * time.Second, "RUNNING"}}},
		"lag over boot": {spec: InstanceSpec{StatusLag: 5 * time.Second}, story: []stateAt{{4 * time.Second, "STOPPED"}, {5 * time.Second, "RUNNING"}}},
		"at once":       {opts: Options{Boot: Boot{State: "STARTING"}}, story: []stateAt{{0, "RUNNING"}}},
		"fails through STOPPING": {
			opts:  Options{Stop: Stop{Forced: 2 * time.Second}},
			spec:  InstanceSpec{Boot: BootFails, BootFailsStopping: true},
			story: []stateAt{{0, "STARTING"}, {3 * time.Second, "STOPPING"}, {4999 * time.Millisecond, "STOPPING"}, {5 * time.Second, "STOPPED"}},
		},
		"through STOPPING at once": {
			spec:  InstanceSpec{Boot: BootFails, BootFailsStopping: true},
			story: []stateAt{{0, "STARTING"}, {3 * time.Second, "STOPPED"}},
		},
		"first of three": {spec: InstanceSpec{BootFailures: 2}, story: []stateAt{{0, "STARTING"}, {3 * time.Second, "STOPPED"}}},
	} {
		t.Run(name, func(t *testing.T) {
			o := tc.opts
			o.Fleet = []InstanceSpec{tc.spec}
			if o.Boot == (Boot{}) {
				o.Boot = boot3s
			}
			inBubble(t, o, func(t *testing.T, s *Simulator, c *caller) {
				c.start("i-000000").want(t, 200, "")
				c.follow(t, s, tc.story)
			})
		})
	}
}

// follow compares the states that are shown with a story.
func (c *caller) follow(t *testing.T, s *Simulator, story []stateAt) {
	t.Helper()
	for _, want := range story {
		time.Sleep(want.at - time.Since(s.Started()))
		if got := c.state("i-000000"); got != want.state {
			t.Errorf("after %s it is %q, want %q", want.at, got, want.state)
		}
	}
}

func TestFirstStatesThatPass(t *testing.T) {
	for _, state := range []apiclient.State{"PENDING", "DEPLOYING", "REBUILDING", "REBOOT", "IMAGING", "RESIZING", "STOPPING", "MIGRATING"} {
		t.Run(string(state), func(t *testing.T) {
			inBubble(t, spec(InstanceSpec{State: state, StateFor: 40 * time.Second}), func(t *testing.T, s *Simulator, c *caller) {
				c.start("i-000000").want(t, 403, apiclient.CodeInstanceNotStopped)
				c.follow(t, s, []stateAt{{39 * time.Second, string(state)}, {40 * time.Second, "STOPPED"}})
				c.start("i-000000").want(t, 200, "")
				truth, _ := s.Instance("i-000000")
				if !truth.Startable || truth.StartsNeeded != 1 || truth.StartableFrom.Sub(s.Started()) != 40*time.Second {
					t.Errorf("truth is %+v", truth)
				}
			})
		})
	}
	t.Run("STARTING leads to RUNNING", func(t *testing.T) {
		inBubble(t, spec(InstanceSpec{State: "STARTING", StateFor: 5 * time.Second}), func(t *testing.T, s *Simulator, c *caller) {
			c.follow(t, s, []stateAt{{0, "STARTING"}, {5 * time.Second, "RUNNING"}})
			truth, _ := s.Instance("i-000000")
			if !truth.Startable || truth.StartsNeeded != 0 || truth.FirstRunning.Sub(s.Started()) != 5*time.Second {
				t.Errorf("truth is %+v", truth)
			}
		})
	})
	t.Run("STOPPED and then recycled", func(t *testing.T) {
		inBubble(t, spec(InstanceSpec{StateFor: time.Second, StateThen: "RECYCLE"}), func(t *testing.T, s *Simulator, c *caller) {
			c.follow(t, s, []stateAt{{0, "STOPPED"}, {time.Second, "RECYCLE"}})
			c.start("i-000000").want(t, 403, apiclient.CodeInstanceRecycled)
		})
	})
	t.Run("released until it is gone", func(t *testing.T) {
		inBubble(t, spec(InstanceSpec{State: "RELEASING", StateFor: time.Second, StateThen: StateMissing}), func(t *testing.T, s *Simulator, c *caller) {
			c.follow(t, s, []stateAt{{0, "RELEASING"}, {time.Second, ""}})
			c.start("i-000000").want(t, 404, apiclient.CodeInstanceNotFound)
		})
	})
}

func TestInstancesThatCannotStart(t *testing.T) {
	for name, tc := range map[string]struct {
		spec   InstanceSpec
		status int
		code   apiclient.Code
	}{
		"missing":          {InstanceSpec{State: StateMissing}, 404, apiclient.CodeInstanceNotFound},
		"RECYCLE":          {InstanceSpec{State: "RECYCLE"}, 403, apiclient.CodeInstanceRecycled},
		"RECYCLING":        {InstanceSpec{State: "RECYCLING"}, 403, apiclient.CodeInstanceRecycled},
		"RECYCLED":         {InstanceSpec{State: "RECYCLED"}, 403, apiclient.CodeInstanceRecycled},
		"PENDING":          {InstanceSpec{State: "PENDING"}, 403, apiclient.CodeInstanceNotStopped},
		"REINSTALL_FAILED": {InstanceSpec{State: "REINSTALL_FAILED"}, 403, apiclient.CodeInstanceNotStopped},
		"RELEASING":        {InstanceSpec{State: "RELEASING"}, 403, apiclient.CodeInstanceNotStopped},
		"CREATE_FAILED":    {InstanceSpec{State: "CREATE_FAILED"}, 403, apiclient.CodeInstanceNotStopped},
		"RUNNING":          {InstanceSpec{State: "RUNNING"}, 403, apiclient.CodeInstanceNotStopped},
		"STARTING":         {InstanceSpec{State: "STARTING"}, 403, apiclient.CodeInstanceNotStopped},
		"an unknown state": {InstanceSpec{State: "MELTING"}, 403, apiclient.CodeInstanceNotStopped},
		"hidden refusal":   {InstanceSpec{Refuses: true}, 403, apiclient.CodeInstanceNotStopped},
		"with its code":    {InstanceSpec{Refuses: true, RefusalCode: "OPERATION_DENIED_INSTANCE_HOST"}, 403, "OPERATION_DENIED_INSTANCE_HOST"},
	} {
		good := InstanceSpec{}
		t.Run(name+" rejects the request", func(t *testing.T) {
			inBubble(t, spec(tc.spec, good), func(t *testing.T, s *Simulator, c *caller) {
				c.start("i-000001", "i-000000").want(t, tc.status, tc.code)
				if n := s.Truth().AcceptedStarts; n != 0 {
					t.Errorf("%d starts accepted of a refused request", n)
				}
			})
		})
		t.Run(name+" is in the failed list", func(t *testing.T) {
			o := spec(tc.spec, good)
			o.BadIDs, o.Boot = BadIDsFailedList, boot3s
			inBubble(t, o, func(t *testing.T, s *Simulator, c *caller) {
				a := c.start("i-000001", "i-000000")
				a.want(t, 200, "")
				if fmt.Sprint(a.Response.InstanceIDs) != "[i-000000]" || c.state("i-000001") != "STARTING" {
					t.Errorf("failed list %v, the good one is %s", a.Response.InstanceIDs, c.state("i-000001"))
				}
				truth, _ := s.Instance("i-000000")
				if wantRunning := name == "RUNNING"; truth.Startable != wantRunning || truth.AcceptedStarts != 0 || truth.StartRequests != 1 {
					t.Errorf("truth is %+v", truth)
				}
			})
		})
	}
}

func TestRefusalEndsWithItsTime(t *testing.T) {
	inBubble(t, spec(InstanceSpec{Refuses: true, RefusesFor: 20 * time.Second}), func(t *testing.T, s *Simulator, c *caller) {
		c.start("i-000000").want(t, 403, apiclient.CodeInstanceNotStopped)
		truth, _ := s.Instance("i-000000")
		if !truth.Startable || truth.StartableFrom.Sub(s.Started()) != 20*time.Second || !truth.StartableUntil.IsZero() {
			t.Errorf("truth is %+v", truth)
		}
		time.Sleep(20 * time.Second)
		c.start("i-000000").want(t, 200, "")
	})
}

func TestBootThatFailsTwiceAndThenWorks(t *testing.T) {
	o := spec(InstanceSpec{BootFailures: 2})
	o.Boot = boot3s
	inBubble(t, o, func(t *testing.T, s *Simulator, c *caller) {
		for i := range 3 {
			c.start("i-000000").want(t, 200, "")
			c.start("i-000000").want(t, 403, apiclient.CodeInstanceNotStopped)
			time.Sleep(3 * time.Second)
			if got, want := c.state("i-000000"), []string{"STOPPED", "STOPPED", "RUNNING"}[i]; got != want {
				t.Fatalf("after start %d it is %s, want %s", i+1, got, want)
			}
		}
		truth, _ := s.Instance("i-000000")
		if truth.AcceptedStarts != 3 || truth.StartRequests != 6 || truth.NeedlessStarts != 3 || truth.StartsNeeded != 3 || !truth.Startable {
			t.Errorf("truth is %+v", truth)
		}
		if got := truth.FirstRunning.Sub(s.Started()); got != 9*time.Second || !truth.LastRunning.Equal(truth.FirstRunning) {
			t.Errorf("running first after %s, last at %s", got, truth.LastRunning)
		}
	})
}

func TestStops(t *testing.T) {
	o := spec(InstanceSpec{State: "RUNNING"}, InstanceSpec{State: "RUNNING"}, InstanceSpec{State: "RUNNING", SoftStopHangs: true}, InstanceSpec{})
	o.Stop = Stop{Forced: time.Second, Soft: 10 * time.Second}
	o.Boot = boot3s
	inBubble(t, o, func(t *testing.T, s *Simulator, c *caller) {
		c.stop("", "i-000003").want(t, 403, apiclient.CodeInstanceNotRunning)
		c.stop(`,"forceShutdown":false`, "i-000000", "i-000002").want(t, 200, "")
		c.stop("", "i-000001").want(t, 200, "") // left out: forced
		for _, step := range []struct {
			after time.Duration
			want  string
		}{{0, "STOPPING STOPPING STOPPING"}, {time.Second, "STOPPING STOPPED STOPPING"}, {9 * time.Second, "STOPPED STOPPED STOPPING"}, {time.Hour, "STOPPED STOPPED STOPPING"}} {
			time.Sleep(step.after)
			if got := c.state("i-000000") + " " + c.state("i-000001") + " " + c.state("i-000002"); got != step.want {
				t.Errorf("got %s, want %s", got, step.want)
			}
		}
		c.start("i-000000").want(t, 200, "")
		time.Sleep(3 * time.Second)
		truth, _ := s.Instance("i-000000")
		if truth.AcceptedStops != 1 || truth.FirstRunning != s.Started() || !truth.LastRunning.Equal(time.Now()) {
			t.Errorf("truth is %+v", truth)
		}
	})
}

func TestStopsThatFailAndThenWork(t *testing.T) {
	o := spec(InstanceSpec{State: "RUNNING", StopFailures: 2})
	o.Stop = Stop{Forced: time.Second, Soft: 10 * time.Second}
	inBubble(t, o, func(t *testing.T, s *Simulator, c *caller) {
		for i, more := range []string{`,"forceShutdown":false`, "", ""} {
			c.stop(more, "i-000000").want(t, 200, "")
			c.stop(more, "i-000000").want(t, 403, apiclient.CodeInstanceNotRunning)
			if got := c.state("i-000000"); got != "STOPPING" {
				t.Errorf("after stop %d it is %s at once", i+1, got)
			}
			time.Sleep(10 * time.Second)
			if got, want := c.state("i-000000"), []string{"RUNNING", "RUNNING", "STOPPED"}[i]; got != want {
				t.Errorf("after stop %d it is %s, want %s", i+1, got, want)
			}
		}
		got, _ := s.Instance("i-000000")
		if got.AcceptedStops != 3 || !got.FirstRunning.Equal(s.Started()) || got.LastRunning.Sub(s.Started()) != 11*time.Second {
			t.Errorf("truth is %+v", got)
		}
	})
}

func TestStopThatHangsIsNotHelpedByForce(t *testing.T) {
	for _, force := range []string{`,"forceShutdown":false`, `,"forceShutdown":true`} {
		inBubble(t, spec(InstanceSpec{State: "RUNNING", StopHangs: true}), func(t *testing.T, s *Simulator, c *caller) {
			c.stop(force, "i-000000").want(t, 200, "")
			time.Sleep(1000 * time.Hour)
			if got := c.state("i-000000"); got != "STOPPING" {
				t.Errorf("it is %s", got)
			}
			c.stop(`,"forceShutdown":true`, "i-000000").want(t, 403, apiclient.CodeInstanceNotRunning)
		})
	}
}

func TestBootThatFailsThroughStoppingAndThenWorks(t *testing.T) {
	o := spec(InstanceSpec{BootFailures: 1, BootFailsStopping: true})
	o.Boot, o.Stop = boot3s, Stop{Forced: 2 * time.Second}
	inBubble(t, o, func(t *testing.T, s *Simulator, c *caller) {
		c.start("i-000000").want(t, 200, "")
		time.Sleep(4 * time.Second)
		c.start("i-000000").want(t, 403, apiclient.CodeInstanceNotStopped)
		c.stop("", "i-000000").want(t, 403, apiclient.CodeInstanceNotRunning)
		if got := fmt.Sprint(s.Truth().ByState); got != "map[STOPPING:1]" {
			t.Errorf("states are %s", got)
		}
		time.Sleep(time.Second)
		c.start("i-000000").want(t, 200, "")
		c.follow(t, s, []stateAt{{8 * time.Second, "RUNNING"}})
		got, _ := s.Instance("i-000000")
		if got.StartsNeeded != 2 || !got.Startable || got.NeedlessStarts != 0 || got.FirstRunning.Sub(s.Started()) != 8*time.Second {
			t.Errorf("truth is %+v", got)
		}
	})
}

func TestBootTimesSpreadAndFollowFromTheSeed(t *testing.T) {
	times := func(seed uint64) (list []time.Duration) {
		o := Options{Instances: 50, Boot: Boot{Time: time.Second, Jitter: time.Second}, Seed: seed}
		inBubble(t, o, func(t *testing.T, s *Simulator, c *caller) {
			for i := range 50 {
				c.start(InstanceID(49-i)).want(t, 200, "")
			}
			time.Sleep(time.Minute)
			for in := range s.Instances() {
				list = append(list, in.FirstRunning.Sub(s.Started()))
			}
		})
		return list
	}
	a, b, other := times(1), times(1), times(2)
	distinct := map[time.Duration]bool{}
	for i, d := range a {
		distinct[d] = true
		if d < time.Second || d >= 2*time.Second {
			t.Errorf("%s boots in %s", InstanceID(i), d)
		}
	}
	if fmt.Sprint(a) != fmt.Sprint(b) || fmt.Sprint(a) == fmt.Sprint(other) || len(distinct) < 45 {
		t.Errorf("boot times: %v, again %v, other seed %v", a, b, other)
	}
}
