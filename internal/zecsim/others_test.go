package zecsim

import (
	"fmt"
	"testing"
	"time"
	"unsafe"

	"zecpower/apiclient"
)

// touched is an account of one instance that other actors touch.
func touched(first apiclient.State, acts ...OtherAct) Options {
	o := spec(InstanceSpec{State: first, Others: acts})
	o.Boot, o.Stop = boot3s, Stop{Forced: 2 * time.Second, Soft: 10 * time.Second}
	return o
}

func after(d time.Duration, action string) OtherAct { return OtherAct{After: d, Action: action} }

func TestOtherActorsActAtTheirTimeWhereTheStateAllowsIt(t *testing.T) {
	for name, tc := range map[string]struct {
		first         apiclient.State
		acts          []OtherAct
		story         []stateAt
		starts, stops int
		last          time.Duration
	}{
		"a stop of a running one": {
			"RUNNING",
			[]OtherAct{after(30*time.Second, OtherStop)},
			[]stateAt{{29 * time.Second, "RUNNING"}, {30 * time.Second, "STOPPING"}, {32 * time.Second, "STOPPED"}},
			0, 1, 30 * time.Second,
		},
		"a start of a stopped one": {
			"STOPPED",
			[]OtherAct{after(30*time.Second, OtherStart)},
			[]stateAt{{29 * time.Second, "STOPPED"}, {30 * time.Second, "STARTING"}, {33 * time.Second, "RUNNING"}},
			1, 0, 30 * time.Second,
		},
		"a stop in the middle of a boot": {
			"STOPPED",
			[]OtherAct{after(11*time.Second, OtherStop), after(10*time.Second, OtherStart)},
			[]stateAt{{10 * time.Second, "STARTING"}, {11 * time.Second, "STOPPING"}, {13 * time.Second, "STOPPED"}, {time.Hour, "STOPPED"}},
			1, 1, 11 * time.Second,
		},
		"a start of a running one does nothing":  {"RUNNING", []OtherAct{after(time.Second, OtherStart)}, []stateAt{{time.Second, "RUNNING"}}, 0, 0, 0},
		"a stop of a stopped one does nothing":   {"STOPPED", []OtherAct{after(time.Second, OtherStop)}, []stateAt{{time.Second, "STOPPED"}}, 0, 0, 0},
		"a start of a stopping one does nothing": {"RUNNING", []OtherAct{after(time.Second, OtherStop), after(2*time.Second, OtherStart)}, []stateAt{{time.Hour, "STOPPED"}}, 0, 1, time.Second},
		"a start a moment before it is stopped does nothing": {
			"RUNNING",
			[]OtherAct{after(10*time.Second, OtherStop), after(12*time.Second-1, OtherStart)},
			[]stateAt{{time.Hour, "STOPPED"}},
			0, 1, 10 * time.Second,
		},
		"a start at the moment when it is stopped works": {
			"RUNNING",
			[]OtherAct{after(10*time.Second, OtherStop), after(12*time.Second, OtherStart)},
			[]stateAt{{time.Hour, "RUNNING"}},
			1, 1, 12 * time.Second,
		},
		"nothing helps a recycled one": {"RECYCLED", []OtherAct{after(time.Second, OtherStart), after(2*time.Second, OtherStop)}, []stateAt{{3 * time.Second, "RECYCLED"}}, 0, 0, 0},
		"many acts that no request watched": {
			"STOPPED",
			[]OtherAct{after(10*time.Second, OtherStart), after(20*time.Second, OtherStop), after(30*time.Second, OtherStart), after(40*time.Second, OtherStop)},
			[]stateAt{{41 * time.Second, "STOPPING"}},
			2, 2, 40 * time.Second,
		},
		"only the accepted ones count": {
			"STOPPED",
			[]OtherAct{{AfterStart: time.Second, Action: OtherStop}, {AfterStop: time.Second, Action: OtherStart}},
			[]stateAt{{time.Hour, "STOPPED"}},
			0, 0, 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, touched(tc.first, tc.acts...), func(t *testing.T, s *Simulator, c *caller) {
				c.follow(t, s, tc.story)
				got, _ := s.Instance("i-000000")
				if got.OtherStarts != tc.starts || got.OtherStops != tc.stops || s.since(got.LastOther) != tc.last {
					t.Errorf("%d starts, %d stops, last at %s", got.OtherStarts, got.OtherStops, s.since(got.LastOther))
				}
				if got.AcceptedStarts+got.AcceptedStops+got.StartRequests != 0 {
					t.Errorf("acts of others count as requests: %+v", got)
				}
				if truth := s.Truth(); truth.Requests != len(tc.story) || truth.AcceptedStarts+truth.AcceptedStops != 0 {
					t.Errorf("acts of others count as requests: %+v", truth)
				}
			})
		})
	}
}

// since is 0 for a time that did not come.
func (s *Simulator) since(t time.Time) time.Duration {
	if t.IsZero() {
		return 0
	}
	return t.Sub(s.Started())
}

func TestOtherActorsAnswerEveryAcceptedStartAndStop(t *testing.T) {
	o := touched("STOPPED", OtherAct{AfterStart: 5 * time.Second, Action: OtherStop}, OtherAct{AfterStop: 4 * time.Second, Action: OtherStart})
	inBubble(t, o, func(t *testing.T, s *Simulator, c *caller) {
		for round := range 3 {
			begin := time.Duration(round) * time.Minute
			c.follow(t, s, []stateAt{{begin, "STOPPED"}})
			c.start("i-000000").want(t, 200, "")
			c.start("i-000000").want(t, 403, apiclient.CodeInstanceNotStopped) // not accepted: no act follows
			c.follow(t, s, []stateAt{{begin + 3*time.Second, "RUNNING"}, {begin + 5*time.Second, "STOPPING"}, {begin + 7*time.Second, "STOPPED"}})
		}
		got, _ := s.Instance("i-000000")
		if got.OtherStops != 3 || got.OtherStarts != 0 || got.AcceptedStarts != 3 {
			t.Errorf("truth is %+v", got)
		}
		if want := 2*time.Minute + 3*time.Second; s.since(got.LastRunning) != want || s.since(got.FirstRunning) != 3*time.Second {
			t.Errorf("running first after %s, last after %s", s.since(got.FirstRunning), s.since(got.LastRunning))
		}
		c.start("i-000000").want(t, 200, "")
		time.Sleep(3 * time.Second)
		c.stop("", "i-000000").want(t, 200, "") // STOPPED after 2 s, before the start's act comes due
		begin := time.Since(s.Started())
		c.follow(t, s, []stateAt{{begin + 2*time.Second, "STOPPED"}, {begin + 4*time.Second, "STARTING"}, {begin + 7*time.Second, "RUNNING"}})
		if got, _ := s.Instance("i-000000"); got.OtherStops != 3 || got.OtherStarts != 1 || got.AcceptedStops != 1 {
			t.Errorf("truth is %+v", got)
		}
	})
}

func TestOtherActorsKnowNoRefusalAndNoLimit(t *testing.T) {
	o := touched("STOPPED", after(time.Second, OtherStart))
	o.Fleet[0].Refuses = true
	o.Refusals = []Refusal{{Code: soldOut}}
	o.Limit = &Limit{Rate: 1e-6, Burst: 1}
	inBubble(t, o, func(t *testing.T, s *Simulator, c *caller) {
		c.follow(t, s, []stateAt{{4 * time.Second, "RUNNING"}})
	})
}

func TestBootsAndStopsByOthersAreTheInstancesOwn(t *testing.T) {
	o := touched("STOPPED", after(time.Nanosecond, OtherStart), after(time.Minute, OtherStart), after(2*time.Minute, OtherStop), after(3*time.Minute, OtherStop))
	o.Fleet[0].BootFailures, o.Fleet[0].StopFailures, o.Fleet[0].BootTime, o.Fleet[0].StatusLag = 1, 1, 20*time.Second, time.Second
	inBubble(t, o, func(t *testing.T, s *Simulator, c *caller) {
		c.follow(t, s, []stateAt{
			{500 * time.Millisecond, "STOPPED"},
			{2 * time.Second, "STARTING"},
			{21 * time.Second, "STOPPED"},
			{79 * time.Second, "STARTING"},
			{80 * time.Second, "RUNNING"},
			{121 * time.Second, "STOPPING"},
			{122 * time.Second, "RUNNING"},
			{181 * time.Second, "STOPPING"},
			{182 * time.Second, "STOPPED"},
		})
		got, _ := s.Instance("i-000000")
		if got.StartsNeeded != 2 || !got.Startable || got.OtherStarts != 2 || got.OtherStops != 2 || s.since(got.LastRunning) != 122*time.Second {
			t.Errorf("truth is %+v", got)
		}
	})
}

func TestBootTimesByOthersFollowFromTheSeed(t *testing.T) {
	times := func(seed uint64, describe bool) string {
		o := touched("STOPPED", after(10*time.Second, OtherStart), after(30*time.Second, OtherStop), after(40*time.Second, OtherStart))
		o.Boot.Jitter, o.Seed = time.Second, seed
		var got InstanceTruth
		inBubble(t, o, func(t *testing.T, s *Simulator, c *caller) {
			for range 100 {
				time.Sleep(time.Second)
				if describe {
					c.state("i-000000")
				}
			}
			got, _ = s.Instance("i-000000")
			first, second := s.since(got.FirstRunning)-10*time.Second, s.since(got.LastRunning)-40*time.Second
			if first == second || min(first, second) < 3*time.Second || max(first, second) >= 4*time.Second {
				t.Errorf("boots took %s and %s, want two times from 3 s to 4 s", first, second)
			}
		})
		return fmt.Sprint(got.FirstRunning, got.LastRunning)
	}
	if times(1, true) != times(1, false) {
		t.Error("describes change when an instance boots")
	}
	if times(1, false) == times(2, false) {
		t.Error("another seed gives the same boot times")
	}
}

func TestPagesAndSumsShowWhatOthersDid(t *testing.T) {
	inBubble(t, touched("RUNNING", after(time.Minute, OtherStop)), func(t *testing.T, s *Simulator, c *caller) {
		time.Sleep(time.Hour)
		if got := fmt.Sprint(s.Truth().ByState); got != "map[STOPPED:1]" {
			t.Errorf("states are %s", got)
		}
		a := c.call("DescribeInstances", `{"status":"STOPPED"}`)
		if a.Response.TotalCount != 1 || a.Response.DataSet[0].Status != "STOPPED" {
			t.Errorf("page is %s", a.raw)
		}
		c.start("i-000000").want(t, 200, "")
	})
}

func TestHealthyInstancesKeepTheirSize(t *testing.T) {
	if size := unsafe.Sizeof(instance{}); size > 112 {
		t.Errorf("an instance takes %d bytes, want at most 112", size)
	}
	s, err := New(Options{Instances: 1000, Overrides: map[int]InstanceSpec{7: {Others: []OtherAct{after(time.Second, OtherStart)}}}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range s.fleet.instances {
		if own := s.fleet.instances[i].own; (own != nil) != (i == 7) {
			t.Errorf("%s has particulars %+v", InstanceID(i), own)
		}
	}
	if s.fleet.instances[7].kind != s.fleet.instances[8].kind {
		t.Error("an instance that others touch no longer shares its behaviour")
	}
}
