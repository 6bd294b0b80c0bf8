package batcher

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"zecpower/apiclient"
	"zecpower/internal/power"
)

var (
	morningSeeds = flag.Int("mornings.seeds", 150, "how many mornings TestMornings plays")
	morningSeed  = flag.Uint64("mornings.seed", 0, "the one morning to play; 0: as many as -mornings.seeds says")
	morningFrom  = flag.Uint64("mornings.from", 1, "the first seed")
)

// TestMornings plays mornings of several runs over shared instances: starts, stops, forced ones, by
// schedules and by hand, that come early and late, are cancelled or run out of time, while replies
// are lost and states trail. In the end:
//   - the outcomes of each run add up, each id has one;
//   - every instance is as its highest ranked intention wanted, unless that was cut off;
//   - none was started, or stopped, more often than runs wanted that;
//   - a superseded instance lost to a run of the opposite action and a higher rank;
//   - the account kept to its budget, and nothing is left in it.
func TestMornings(t *testing.T) {
	first, last := *morningFrom, *morningFrom+uint64(*morningSeeds)-1
	if *morningSeed != 0 {
		first, last = *morningSeed, *morningSeed
	}
	for seed := first; seed <= last; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { newMorning(seed).play(t) })
			if t.Failed() {
				t.Logf("again: go test ./batcher -run TestMornings -mornings.seed=%d", seed)
			}
		})
	}
}

type morning struct {
	rng     *rand.Rand
	cloud   *cloud
	intents []intent
	perSec  float64
}

func newMorning(seed uint64) *morning {
	m := &morning{rng: rand.New(rand.NewPCG(seed, 9))}
	r := m.rng
	ids := fleet(1 + r.IntN(400))
	m.cloud = newCloud(ids, apiclient.StateStopped)
	for _, id := range ids {
		if r.IntN(3) == 0 {
			m.cloud.states[id] = apiclient.StateRunning
		}
	}
	m.cloud.takes = time.Duration(1+r.IntN(40)) * time.Second
	m.cloud.lag = time.Duration(r.IntN(3)) * time.Duration(r.IntN(int(5*time.Second)))
	m.perSec = []float64{1, 10, 50}[r.IntN(3)]
	if r.IntN(2) == 0 {
		lost := r.IntN(8)
		m.cloud.lag = min(m.cloud.lag, 4500*time.Millisecond) // what a lost request did shows within a poll interval
		m.cloud.loses = func(string, int) bool { return m.luck(lost) }
	}
	for k := range 2 + r.IntN(5) {
		from := r.IntN(len(ids))
		in := intent{
			id: fmt.Sprint("run-", k), action: []power.Action{power.ActionStart, power.ActionStop}[r.IntN(2)],
			at: time.Duration(r.IntN(60)) * time.Second, ids: ids[from : from+1+r.IntN(len(ids)-from)],
		}
		in.force = in.action == power.ActionStop && r.IntN(4) == 0
		switch r.IntN(4) {
		case 0:
			in.at = 0
		case 1:
			in.planned = time.Duration(r.IntN(120)-60)*time.Second - 1
			in.planned = min(in.planned, in.at) - 1
		}
		if r.IntN(6) == 0 {
			in.stays = time.Duration(1+r.IntN(40)) * time.Second
		}
		m.intents = append(m.intents, in)
	}
	return m
}

// luck is drawn under the cloud's lock.
func (m *morning) luck(of int) bool { return m.rng.IntN(8) < of }

// plannedAt is when an intent was planned.
func (in intent) plannedAt() time.Duration {
	if in.planned != 0 {
		return in.planned
	}
	return in.at
}

func (in intent) rank() power.Rank {
	return power.Rank{Planned: time.Time{}.Add(time.Hour + in.plannedAt()), Action: in.action, RunID: in.id}
}

func (m *morning) play(t *testing.T) {
	cfg := testConfig(m.cloud, m.perSec)
	cfg.Remember = time.Hour
	begun := time.Now()
	reports := play(t, newAccountOf(t, cfg), m.intents...)
	for _, in := range m.intents {
		m.checkReport(t, in, reports[in.id])
	}
	for id := range m.cloud.states {
		m.checkInstance(t, id, reports)
	}
	var sent []time.Time
	for _, times := range m.cloud.times {
		sent = append(sent, times...)
	}
	if problem := exceeds(sent, begun, m.perSec, 10); problem != "" {
		t.Error(problem)
	}
}

func (m *morning) checkReport(t *testing.T, in intent, r power.Report) {
	g := r.Groups[0]
	if g.Total != len(in.ids) || g.Done+g.Already+g.Failed+g.Skipped != g.Total || len(g.Results) != g.Total {
		t.Errorf("%s: %d + %d + %d + %d of %d, %d results", in.id, g.Done, g.Already, g.Failed, g.Skipped, g.Total, len(g.Results))
	}
	for _, result := range g.Skips() {
		by, found := m.intent(result.By)
		if !found || by.action == in.action || !outranks(by.rank(), in.rank(), time.Time{}.Add(24*time.Hour)) {
			t.Fatalf("%s: %s was superseded by %q", in.id, result.InstanceID, result.By)
		}
	}
	for _, result := range g.Failures() {
		if result.Reason != power.ReasonCancelled {
			t.Fatalf("%s %s: %+v", in.action, in.id, result)
		}
	}
}

func (m *morning) intent(id string) (intent, bool) {
	for _, in := range m.intents {
		if in.id == id {
			return in, true
		}
	}
	return intent{}, false
}

func (m *morning) checkInstance(t *testing.T, id string, reports map[string]power.Report) {
	var highest *intent
	starts, stops := 0, 0
	for k := range m.intents {
		in := &m.intents[k]
		if !contains(in.ids, id) {
			continue
		}
		switch {
		case in.action == power.ActionStart:
			starts++
		default:
			stops++
		}
		if highest == nil || outranks(in.rank(), highest.rank(), time.Time{}.Add(24*time.Hour)) {
			highest = in
		}
	}
	c := m.cloud
	if c.accepted[id]["start"] > starts || c.accepted[id]["stop"]+c.accepted[id]["force"] > stops {
		t.Errorf("%s: %v accepted for %d starts and %d stops", id, c.accepted[id], starts, stops)
	}
	if highest == nil || highest.stays > 0 {
		return
	}
	want := apiclient.StateRunning
	if highest.action == power.ActionStop {
		want = apiclient.StateStopped
	}
	if got := c.now(id); got != want {
		t.Errorf("%s is %s, %s wanted %s: %s", id, got, highest.id, want, listing(reports[highest.id]))
	}
}

func contains(ids []string, id string) bool {
	for _, known := range ids {
		if known == id {
			return true
		}
	}
	return false
}
