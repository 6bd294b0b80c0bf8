package zecsim

import (
	"fmt"
	"testing"
	"time"

	"zecpower/apiclient"
)

// counted is how many instances both describes list, which must agree.
func (c *caller) counted(more string) int {
	c.t.Helper()
	full, states := c.call("DescribeInstances", "{"+more+"}"), c.call("DescribeInstancesStatus", "{"+more+"}")
	full.want(c.t, 200, "")
	states.want(c.t, 200, "")
	if full.Response.TotalCount != states.Response.TotalCount || len(full.Response.DataSet) != full.Response.TotalCount {
		c.t.Errorf("DescribeInstances gives %s, DescribeInstancesStatus %s", full.raw, states.raw)
	}
	return full.Response.TotalCount
}

func TestInstancesJoinAndLeaveAtTheirTime(t *testing.T) {
	o := spec(
		InstanceSpec{}, InstanceSpec{JoinsAfter: time.Minute}, InstanceSpec{LeavesAfter: time.Minute},
		InstanceSpec{JoinsAfter: 30 * time.Second, LeavesAfter: 90 * time.Second},
	)
	inBubble(t, o, func(t *testing.T, s *Simulator, c *caller) {
		for _, step := range []struct {
			at    time.Duration
			count int
			named int // of the four ids, asked for by name
		}{{0, 2, 2}, {29 * time.Second, 2, 2}, {30 * time.Second, 3, 3}, {time.Minute, 3, 3}, {89 * time.Second, 3, 3}, {90 * time.Second, 2, 2}, {time.Hour, 2, 2}} {
			time.Sleep(step.at - s.since(time.Now()))
			if n := c.counted(""); n != step.count || s.Truth().Instances != n {
				t.Errorf("after %s there are %d instances, and %d in truth, want %d", step.at, n, s.Truth().Instances, step.count)
			}
			if n := c.counted(`"instanceIds":["i-000000","i-000001","i-000002","i-000003"]`); n != step.named {
				t.Errorf("after %s %d of the four are found by id, want %d", step.at, n, step.named)
			}
		}
		in, _ := s.Instance("i-000003")
		if got := fmt.Sprintf("%s %s %s", s.since(in.Joins), s.since(in.Leaves), in.State); got != "30s 1m30s MISSING" {
			t.Errorf("truth is %s", got)
		}
		if stays, _ := s.Instance("i-000001"); !stays.Leaves.IsZero() {
			t.Errorf("one that stays leaves at %s", stays.Leaves)
		}
	})
}

func TestAnInstanceThatIsNotThereTakesNoAction(t *testing.T) {
	o := spec(InstanceSpec{JoinsAfter: time.Minute}, InstanceSpec{LeavesAfter: time.Minute})
	o.Boot = boot3s
	inBubble(t, o, func(t *testing.T, s *Simulator, c *caller) {
		c.start("i-000000").want(t, 404, apiclient.CodeInstanceNotFound)
		time.Sleep(58 * time.Second)
		c.start("i-000001").want(t, 200, "") // boots for 3 s, and leaves within them
		time.Sleep(2 * time.Second)
		c.start("i-000000").want(t, 200, "")
		c.start("i-000001").want(t, 404, apiclient.CodeInstanceNotFound)
		c.stop("", "i-000001").want(t, 404, apiclient.CodeInstanceNotFound)
		time.Sleep(time.Minute)
		joined, _ := s.Instance("i-000000")
		left, _ := s.Instance("i-000001")
		if joined.State != apiclient.StateRunning || left.State != StateMissing || !left.FirstRunning.IsZero() {
			t.Errorf("joined %+v, left %+v", joined, left)
		}
	})
}

func TestAStayBoundsWhatAnInstanceCanReach(t *testing.T) {
	for name, tc := range map[string]struct {
		spec InstanceSpec
		want string // startable, starts, from and until
	}{
		"joins":                     {InstanceSpec{JoinsAfter: time.Minute}, "true 1 1m0s never"},
		"leaves":                    {InstanceSpec{LeavesAfter: time.Minute}, "true 1 0s 1m0s"},
		"joins running":             {InstanceSpec{State: "RUNNING", JoinsAfter: time.Minute}, "true 0 1m0s never"},
		"joins while deployed":      {InstanceSpec{State: "DEPLOYING", StateFor: 30 * time.Second, JoinsAfter: time.Minute}, "true 1 1m30s never"},
		"leaves while deployed":     {InstanceSpec{State: "DEPLOYING", StateFor: 30 * time.Second, LeavesAfter: 20 * time.Second}, "false 1 30s 20s"},
		"leaves before it boots up": {InstanceSpec{State: "BOOTING", StateFor: 30 * time.Second, LeavesAfter: 20 * time.Second}, "false 0 30s 20s"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, spec(tc.spec), func(t *testing.T, s *Simulator, c *caller) {
				in, _ := s.Instance("i-000000")
				until := "never"
				if !in.StartableUntil.IsZero() {
					until = s.since(in.StartableUntil).String()
				}
				if got := fmt.Sprintf("%v %d %s %s", in.Startable, in.StartsNeeded, s.since(in.StartableFrom), until); got != tc.want {
					t.Errorf("got %s, want %s", got, tc.want)
				}
			})
		})
	}
	inBubble(t, spec(InstanceSpec{State: "RUNNING", JoinsAfter: time.Minute}), func(t *testing.T, s *Simulator, _ *caller) {
		if in, _ := s.Instance("i-000000"); s.since(in.FirstRunning) != time.Minute {
			t.Errorf("running since %s", s.since(in.FirstRunning))
		}
	})
}

func TestOthersDoNothingToAnInstanceThatIsNotThere(t *testing.T) {
	o := spec(
		InstanceSpec{JoinsAfter: time.Minute, Others: []OtherAct{after(30*time.Second, OtherStart)}},
		InstanceSpec{LeavesAfter: 20 * time.Second, Others: []OtherAct{after(30*time.Second, OtherStart)}},
	)
	inBubble(t, o, func(t *testing.T, s *Simulator, _ *caller) {
		time.Sleep(2 * time.Minute)
		for in := range s.Instances() {
			if in.OtherStarts != 0 || !in.FirstRunning.IsZero() {
				t.Errorf("%+v", in)
			}
		}
	})
}

func TestTheFirstStateLastsFromTheMomentOfJoining(t *testing.T) {
	o := spec(InstanceSpec{State: "DEPLOYING", StateFor: 30 * time.Second, JoinsAfter: time.Minute})
	inBubble(t, o, func(t *testing.T, s *Simulator, c *caller) {
		c.follow(t, s, []stateAt{{59 * time.Second, ""}, {time.Minute, "DEPLOYING"}, {89 * time.Second, "DEPLOYING"}, {90 * time.Second, "STOPPED"}})
	})
}
