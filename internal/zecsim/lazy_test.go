package zecsim

import (
	"math/rand/v2"
	"testing"
	"time"

	"zecpower/apiclient"
)

// mixedSpec draws an instance of any behaviour, touched by others now and then.
func mixedSpec(rng *rand.Rand) InstanceSpec {
	s := InstanceSpec{State: []apiclient.State{"STOPPED", "RUNNING", "STARTING", "RESIZING"}[rng.IntN(4)]}
	if rng.IntN(3) == 0 {
		s.StateFor = time.Duration(1+rng.IntN(60)) * time.Second
	}
	switch rng.IntN(5) {
	case 0:
		s.BootFailures, s.BootFailsStopping = 1+rng.IntN(2), true
	case 1:
		s.Boot, s.BootFailsStopping = BootFails, rng.IntN(2) == 0
	case 2:
		s.StopFailures = 1 + rng.IntN(2)
	case 3:
		s.RefusesStops, s.RefusesFor = true, 30*time.Second
	}
	for range rng.IntN(4) {
		d := time.Duration(10+rng.IntN(100_000)) * time.Millisecond
		act := []OtherAct{{After: d}, {AfterStart: d / 10}, {AfterStop: d / 10}}[rng.IntN(3)]
		act.Action = []string{OtherStart, OtherStop}[rng.IntN(2)]
		s.Others = append(s.Others, act)
	}
	if rng.IntN(4) == 0 {
		s.JoinsAfter = time.Duration(rng.IntN(60)) * time.Second
		s.LeavesAfter = s.JoinsAfter + time.Duration(1+rng.IntN(60))*time.Second
	}
	return s
}

// States are computed when they are asked for. How often that is must change nothing.
func TestDescribesChangeNothing(t *testing.T) {
	story := func(seed uint64, describe bool) (truth []InstanceTruth) {
		rng := rand.New(rand.NewPCG(seed, 0))
		o := Options{Seed: seed, BadIDs: BadIDsFailedList, Boot: Boot{Time: 2 * time.Second, Jitter: 2 * time.Second}, Stop: Stop{Forced: time.Second, Soft: 4 * time.Second}}
		for range 50 {
			o.Fleet = append(o.Fleet, mixedSpec(rng))
		}
		inBubble(t, o, func(t *testing.T, s *Simulator, c *caller) {
			for range 120 {
				time.Sleep(time.Second)
				if rng.IntN(4) == 0 {
					action := []string{apiclient.ActionStartInstances, apiclient.ActionStopInstances}[rng.IntN(2)]
					c.call(action, idsBody([]string{InstanceID(rng.IntN(50))}, "")).want(t, 200, "")
				}
				if describe {
					c.call(apiclient.ActionDescribeInstancesStatus, `{"pageSize":1000}`).want(t, 200, "")
				}
			}
			for in := range s.Instances() {
				truth = append(truth, in)
			}
		})
		return truth
	}
	acts := 0
	for seed := range uint64(20) {
		often, once := story(seed, true), story(seed, false)
		for i := range once {
			if often[i] != once[i] {
				t.Fatalf("seed %d: described often it is\n%+v\ndescribed once\n%+v", seed, often[i], once[i])
			}
			acts += once[i].OtherStarts + once[i].OtherStops
		}
	}
	if acts == 0 {
		t.Error("no other actor did anything")
	}
}
