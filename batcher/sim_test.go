package batcher_test

import (
	"flag"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
)

// A long soak: go test ./batcher -run TestSimulation -sim.seeds=20000 -timeout 0
var (
	simSeeds = flag.Int("sim.seeds", defaultSeeds, "how many seeds TestSimulation runs")
	simSeed  = flag.Uint64("sim.seed", 0, "run this seed alone, and say what it is about")
	simID    = flag.String("sim.id", "", "with -sim.seed: tell the story of this instance")
	simFrom  = flag.Uint64("sim.from", 1, "the first seed")
)

// enoughSeeds is how many scenarios hold everything that can happen.
const enoughSeeds = 200

// Whole runs against the simulated API, through the real client, in virtual
// time. After each run one checker compares what the run says with what the
// simulator knows.
func TestSimulation(t *testing.T) {
	if *simSeed != 0 {
		t.Logf("%+v", *newScenario(*simSeed))
		runSeed(t, *simSeed, &mix{runs: map[string]int{}})
		return
	}
	n := *simSeeds
	if testing.Short() {
		n = min(n, 50)
	}
	m := &mix{runs: map[string]int{}}
	t.Run("seeds", func(t *testing.T) {
		for k := range n {
			seed := *simFrom + uint64(k)
			t.Run(fmt.Sprint(seed), func(t *testing.T) {
				t.Parallel()
				runSeed(t, seed, m)
			})
		}
	})
	if n >= enoughSeeds {
		m.check(t)
	}
}

func runSeed(t *testing.T, seed uint64, m *mix) {
	synctest.Test(t, func(t *testing.T) {
		w := simulate(t, newScenario(seed))
		m.count(w)
		if problems := w.check(); len(problems) > 0 {
			t.Errorf("seed %d: %s\nreplay: go test ./batcher -run 'TestSimulation$' -sim.seed=%d", seed, strings.Join(problems, "\n"), seed)
		}
	})
}
