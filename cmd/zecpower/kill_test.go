package main

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os/exec"
	"slices"
	"testing"
	"time"

	"zecpower/apiclient"
	"zecpower/internal/store/bolt"
	"zecpower/internal/zecsim"
)

var (
	killRuns = flag.Int("zecpower.kill-runs", 4, "runs that TestKilledRuns kills the daemon in, several times each")
	killSeed = flag.Uint64("zecpower.kill-seed", 0, "seed of the first run of TestKilledRuns; 0 takes any")
)

const (
	killFleet    = 120
	killAttempts = 3 // batch.attempts, as left out
)

// Whenever the daemon is killed, the next one goes on: each instance that can
// start is RUNNING in the end, none that reached it is sent again, and the run
// stays the same run.
func TestKilledRuns(t *testing.T) {
	t.Parallel()
	seed := *killSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	for i := range *killRuns {
		t.Run(fmt.Sprintf("seed %d", seed+uint64(i)), func(t *testing.T) {
			t.Parallel()
			killedRun(t, seed+uint64(i), 0)
		})
	}
}

// The same holds where each flush of the disk takes long, so that most of what a killed process did
// is not written.
func TestKilledRunsOnASlowDisk(t *testing.T) {
	if err := exec.Command("strace", "-D", "-f", "-o", "/dev/null", "true").Run(); err != nil {
		t.Skip("strace, which makes the disk slow, cannot be used here: ", err)
	}
	t.Parallel()
	seed := *killSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	for i, flush := range []time.Duration{50 * time.Millisecond, 200 * time.Millisecond} {
		for k := range (*killRuns + 3) / 4 {
			seed := seed + uint64(i+2*k)
			t.Run(fmt.Sprintf("%s a flush, seed %d", flush, seed), func(t *testing.T) {
				t.Parallel()
				killedRun(t, seed, flush)
			})
		}
	}
}

// killedRun kills the daemon again and again in one run. flush is how long a flush of its disk
// takes; 0: as long as it does.
func killedRun(t *testing.T, seed uint64, flush time.Duration) {
	t.Logf("replay: go test ./cmd/zecpower -run TestKilledRuns -zecpower.kill-runs 1 -zecpower.kill-seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	w := newWorld(t, randomFleet(rng))
	w.flush = flush
	w.budget = "requests_per_second: 30, burst: 2" // the starts take half a second
	w.write("web.txt", fleetFile(killFleet))
	d, nominal := w.punctual(func(spec string) {
		w.configure("groups: {web: {instances_file: web.txt}}\nschedules: {morning: {cron: \"" + spec + "\", action: start, groups: [web], deadline: 1m}}\n")
	})
	pause(time.Until(nominal) - 50*time.Millisecond)
	var starts []logged
	kills, forgotten := 0, map[string]int{}
	for range 8 + rng.IntN(8) {
		pause(time.Duration(rng.Int64N(int64(300*time.Millisecond + 6*flush))))
		d.kill()
		kills++
		starts = append(starts, d.events("run started")...)
		if len(d.events("run finished")) > 0 {
			break
		}
		w.noteForgotten(forgotten, nominal)
		d = w.daemon()
	}
	if len(d.events("run finished")) == 0 {
		d.ready()
		awaitEnd(t, w)
	}
	d.kill()
	starts = append(starts, d.events("run started")...)
	t.Logf("%d kills, %d processes began or resumed the run, %d instances with a start that no store knew of", kills, len(starts), len(forgotten))
	checkSameRun(t, starts, nominal)
	checkFleet(t, w, forgotten)
	checkHistory(t, w, nominal, forgotten)
}

// noteForgotten counts, after a kill, the accepted starts of each instance that
// the killed process did not live to write down.
func (w *world) noteForgotten(forgotten map[string]int, nominal time.Time) {
	w.t.Helper()
	if err := eventually(w.atRest); err != nil {
		w.t.Fatal(err)
	}
	noted := w.noted(nominal)
	for in := range w.sim.Instances() {
		if n := in.AcceptedStarts - noted[in.ID]; n > forgotten[in.ID] {
			forgotten[in.ID] = n
		}
	}
}

// noted is how often a start of an instance stands in the store as accepted.
func (w *world) noted(nominal time.Time) map[string]int {
	w.t.Helper()
	l, err := bolt.OpenReadOnly(w.state())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	p, err := l.Progress(w.t.Context(), "morning/"+nominal.Format(time.RFC3339))
	if err != nil {
		w.t.Fatal(err)
	}
	return p.Accepted["web"]
}

// pause lets a process work for a while; where it gets to is the test's chance.
func pause(d time.Duration) {
	if d > 0 {
		time.Sleep(d)
	}
}

// awaitEnd waits until the history has the run's end.
func awaitEnd(t *testing.T, w *world) {
	t.Helper()
	if err := eventually(func() error {
		if entries := w.history(); len(entries) == 0 || entries[0].FinishedAt.IsZero() {
			return fmt.Errorf("history: %+v", entries)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

// randomFleet has some of everything that may be wrong with an instance.
func randomFleet(rng *rand.Rand) zecsim.Options {
	o := healthyFleet(killFleet)
	o.Seed = rng.Uint64()
	o.Boot = zecsim.Boot{Time: 200 * time.Millisecond, Jitter: 1500 * time.Millisecond}
	o.Latency = zecsim.Latency{Fixed: 5 * time.Millisecond, Jitter: 40 * time.Millisecond}
	o.BadIDs = []zecsim.BadIDs{zecsim.BadIDsReject, zecsim.BadIDsFailedList}[rng.IntN(2)]
	odd := []zecsim.InstanceSpec{
		{State: zecsim.StateMissing},
		{State: apiclient.StateRecycle},
		{State: apiclient.StateRunning},
		{BootFailures: 1},
		{Boot: zecsim.BootFails},
		{State: apiclient.StateStopping, StateFor: 2 * time.Second},
		{State: apiclient.StateBooting, StateFor: 2 * time.Second},
	}
	for i := range killFleet {
		if rng.IntN(8) == 0 {
			o.Overrides[i] = odd[rng.IntN(len(odd))]
		}
	}
	return o
}

func checkSameRun(t *testing.T, starts []logged, nominal time.Time) {
	t.Helper()
	id := "morning/" + nominal.Format(time.RFC3339)
	for i, e := range starts {
		if e.text("run_id") != id || e.text("scheduled_at") != nominal.Format("2006-01-02T15:04:05.000Z") || e.text("deadline") != starts[0].text("deadline") {
			t.Errorf("process %d began %v; want %s, its time and the deadline %s", i, e, id, starts[0].text("deadline"))
		}
		if i > 0 && e["resumed"] != true { // the first to tell may resume, too: the one before died telling
			t.Errorf("process %d does not resume: %v", i, e)
		}
	}
}

func checkFleet(t *testing.T, w *world, forgotten map[string]int) {
	t.Helper()
	for in := range w.sim.Instances() {
		if in.Startable && in.StartsNeeded <= killAttempts && in.State != apiclient.StateRunning {
			t.Errorf("%s could have started and is %s", in.ID, in.State)
		}
		// A start counts once it is written down: one that a kill cut off before that comes on top.
		if most := killAttempts + forgotten[in.ID]; in.AcceptedStarts > most {
			t.Errorf("%s was accepted for start %d times, want at most %d", in.ID, in.AcceptedStarts, most)
		}
		again := w.startsOfRunning(in.ID)
		if in.StartsNeeded == 0 && in.Startable {
			again-- // it was there before anybody asked: the first request cannot know
		}
		if again > 0 {
			t.Errorf("%s had reached RUNNING and was sent again, %d times", in.ID, again)
		}
	}
}

func checkHistory(t *testing.T, w *world, nominal time.Time, forgotten map[string]int) {
	t.Helper()
	entries := w.history()
	if len(entries) != 1 || !entries[0].NominalTime.Equal(nominal) || entries[0].FinishedAt.IsZero() || len(entries[0].Results) != 1 {
		t.Fatalf("history: %+v, want one finished run of %s", entries, nominal)
	}
	var want, got []string
	started, unsure, others := 0, 0, 0
	for in := range w.sim.Instances() {
		switch {
		case in.State != apiclient.StateRunning:
			want = append(want, in.ID)
		case in.AcceptedStarts > 0:
			started++
			if forgotten[in.ID] > 0 {
				unsure++ // seen RUNNING after the restart, it looks like one that was there already
			}
		case in.FirstRunning.After(w.sim.Started()):
			others++ // on its way by itself: after a restart it looks like a start that was cut off
		}
	}
	for _, f := range entries[0].Results[0].Failures {
		got = append(got, f.InstanceID)
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("the history says that %q failed, not RUNNING are %q", got, want)
	}
	if r := entries[0].Results[0]; r.Total != killFleet || r.Done+r.Already+r.Failed != r.Total || r.Done > started+others || r.Done < started-unsure {
		t.Errorf("sums: %d of %d done, %d already, %d failed; %d were started, %d of them unknown to the process that resumed, and %d came up by themselves",
			r.Done, r.Total, r.Already, r.Failed, started, unsure, others)
	}
}
