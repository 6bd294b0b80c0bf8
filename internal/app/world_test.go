package app

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"zecpower/apiclient"
	"zecpower/internal/power"
	"zecpower/scheduler"
)

var (
	worldSeeds = flag.Int("world.seeds", defaultWorlds, "how many mornings TestWorld plays")
	worldSeed  = flag.Uint64("world.seed", 0, "the one morning to play; 0: as many as -world.seeds says")
	worldFrom  = flag.Uint64("world.from", 1, "the first seed")
	worldLog   = flag.Bool("world.log", false, "print what happens")
)

// TestWorld plays whole mornings of the daemon: its decision loop, its runs, its accounts and its
// outbox, over a store in memory and simulated accounts. Schedules want opposite things of shared
// instances around the same minutes; people start and stop groups by hand; the configuration is
// edited and reloaded; the process is stopped, or killed, and starts again; the store is slow or
// fails; requests are lost, refused, throttled and blocked; listeners panic; another actor switches
// instances; the clock is set. In the end check holds what is known against what the design promises.
//
// A seed draws the same morning each time. Backoffs and goroutines that are ready in one moment are
// not drawn from it, so one that fails now and then is best tried with -count.
func TestWorld(t *testing.T) {
	first, last := *worldFrom, *worldFrom+uint64(*worldSeeds)-1
	if *worldSeed != 0 {
		first, last = *worldSeed, *worldSeed
	}
	for seed := first; seed <= last; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { newWorld(t, seed).play() })
			if t.Failed() {
				t.Logf("again: go test ./internal/app -run TestWorld -world.seed=%d", seed)
			}
		})
	}
}

// world is one morning.
type world struct {
	t     *testing.T
	seed  uint64
	rng   *rand.Rand // of the goroutine that plays
	sizes []int      // instances by account
	hot   []int      // minutes around which most happens
	base  time.Time  // seven o'clock
	path  string     // of the configuration
	plan  plan       // what stands there
	acts  []act
	armed []armed
	slow  []storeFault

	clouds  []*cloud
	records *records
	clock   *setClock
	process *process // alive; nil: none

	processes []*process
	editions  []edition
	hands     []*hand
	keys      []string // by account, the access key id in use
	byID      map[string]*intention
	found     map[string]string // complaints, by kind

	luckMu  sync.Mutex
	lucky   *rand.Rand
	mu      sync.Mutex // guards what events fill
	history history
}

// act is one thing that happens.
type act struct {
	at   time.Time
	what string
	do   func()
}

// edition is a configuration in force.
type edition struct {
	plan
	asked   time.Time // on the wall clock: it came in force between asked and wall
	wall    time.Time
	from    time.Time // wall, as the bubble's clock shows it
	process int
}

// setClock is a wall clock that can be set back; its monotonic part is the bubble's.
type setClock struct {
	mu     sync.Mutex
	start  time.Time
	offset time.Duration
}

// Read implements scheduler.Clock.
func (c *setClock) Read() scheduler.Reading {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	return scheduler.Reading{Wall: now.Round(0).Add(c.offset), Monotonic: now.Sub(c.start)}
}

func (c *setClock) set(offset time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset = offset
}

// quiet is how long after the last trouble a morning goes on: longer than any deadline.
const quiet = 75 * time.Minute

func newWorld(t *testing.T, seed uint64) *world {
	r := rand.New(rand.NewPCG(seed, 10))
	w := &world{
		t: t, seed: seed, rng: r, base: time.Now().Add(7 * time.Hour), path: filepath.Join(t.TempDir(), "schedules.yaml"),
		records: newRecords(), clock: &setClock{start: time.Now()}, lucky: rand.New(rand.NewPCG(seed, 11)), history: newHistory(),
	}
	for range 1 + r.IntN(3) {
		w.sizes = append(w.sizes, 1+r.IntN(pick(r, 10, 40, 100)))
	}
	for range 1 + r.IntN(3) {
		w.hot = append(w.hot, 3+r.IntN(50))
	}
	w.plan = drawPlan(r, w.sizes, w.hot)
	for i := range w.sizes {
		w.keys = append(w.keys, fmt.Sprint("key-", i))
		w.clouds = append(w.clouds, w.drawCloud(i))
	}
	w.drawActs()
	w.drawStore()
	return w
}

// near is a moment around which things happen.
func (w *world) near() time.Time {
	return w.base.Add(time.Duration(pick(w.rng, w.hot...))*time.Minute + upTo(w.rng, -30*time.Second, 2*time.Minute) + time.Microsecond)
}

func (w *world) drawCloud(i int) *cloud {
	r := w.rng
	c := &cloud{
		name: w.plan.accounts[i].name, latency: upTo(r, 0, 400*time.Millisecond), boot: upTo(r, 2*time.Second, 70*time.Second),
		halt: upTo(r, time.Second, 40*time.Second), listsBad: r.IntN(2) == 0, rng: rand.New(rand.NewPCG(w.seed, uint64(20+i))), //nolint:gosec // small
		machines: map[string]*machine{}, keys: map[string]bool{w.keys[i]: true},
	}
	if r.IntN(3) == 0 {
		c.lag = upTo(r, 0, w.plan.batch.poll*9/10)
	}
	sick := pick(r, 0.0, 0, 0.03, 0.2)
	for k := range w.sizes[i] {
		m := &machine{fell: map[power.Action]int{}, history: []moment{{time.Now(), pick(r, apiclient.StateStopped, apiclient.StateStopped, apiclient.StateRunning)}}}
		if r.Float64() < sick {
			w.sicken(m)
		}
		c.machines[instanceID(i, k)] = m
	}
	for range pick(r, 0, 0, 1, 1, 2) {
		c.faults = append(c.faults, w.drawFault())
	}
	return c
}

func (w *world) sicken(m *machine) {
	m.sick = true
	switch w.rng.IntN(5) {
	case 0:
		m.missing = true
	case 1:
		m.refuses = true
	case 2:
		m.hangs = true
	case 3:
		m.falls = 1 + w.rng.IntN(4)
	case 4:
		m.stopFalls = 1 + w.rng.IntN(4)
	}
}

func (w *world) drawFault() fault {
	from := w.near()
	f := fault{
		kind: pick(w.rng, faultKinds()...), from: from, to: from.Add(upTo(w.rng, time.Second, pick(w.rng, 20*time.Second, 4*time.Minute))),
		share: pick(w.rng, 1.0, 0.5, 0.1),
	}
	if w.rng.IntN(3) == 0 {
		f.action = pick(w.rng, apiclient.ActionStartInstances, apiclient.ActionStopInstances, apiclient.ActionDescribeInstancesStatus)
	}
	return f
}

func (w *world) drawStore() {
	if w.rng.IntN(3) > 0 {
		return
	}
	for range 1 + w.rng.IntN(2) {
		from := w.near()
		f := storeFault{from: from, to: from.Add(upTo(w.rng, time.Second, 3*time.Minute))}
		switch w.rng.IntN(4) {
		case 0:
			f.takes = upTo(w.rng, 10*time.Millisecond, 2*time.Second)
		case 1:
			f.takes = upTo(w.rng, 4*time.Second, 8*time.Second)
		case 2:
			f.lost = pick(w.rng, 1.0, 0.5)
		case 3:
			f.unsaid = pick(w.rng, 1.0, 0.5)
		}
		w.slow = append(w.slow, f)
	}
}

// storeFault is how the store fails now.
func (w *world) storeFault() storeFault {
	now := time.Now()
	for _, f := range w.slow {
		if !now.Before(f.from) && now.Before(f.to) {
			return f
		}
	}
	return storeFault{}
}

func (w *world) luck() float64 {
	w.luckMu.Lock()
	defer w.luckMu.Unlock()
	return w.lucky.Float64()
}

// drawActs draws what happens when.
func (w *world) drawActs() {
	for range w.rng.IntN(pick(w.rng, 4, 10, 20)) {
		w.drawAct(w.near())
	}
	slices.SortStableFunc(w.acts, func(a, b act) int { return a.at.Compare(b.at) })
}

func (w *world) drawAct(at time.Time) {
	add := func(after time.Duration, what string, do func()) {
		w.acts = append(w.acts, act{at.Add(after), what, do})
	}
	r := w.rng
	switch r.IntN(12) {
	case 0, 1, 2, 3:
		w.drawHand(at, add)
	case 4, 5:
		add(0, "reload", w.reload)
	case 6, 7:
		down := upTo(r, time.Second, pick(r, 30*time.Second, 12*time.Minute))
		edit := r.IntN(4) == 0
		add(0, "kill", func() { w.kill() })
		add(down, "start", func() { w.boot(edit) })
	case 8:
		add(0, "stop", func() { w.stop() })
		edit := r.IntN(4) == 0
		add(upTo(r, time.Second, pick(r, 30*time.Second, 12*time.Minute)), "start", func() { w.boot(edit) })
	case 9:
		for range 1 + r.IntN(5) {
			i := r.IntN(len(w.sizes))
			id := instanceID(i, r.IntN(w.sizes[i]))
			add(upTo(r, 0, time.Minute), "another actor", func() { w.note("other %s", id); w.clouds[i].other(id) })
		}
	case 10:
		if r.IntN(2) == 0 {
			w.armed = append(w.armed, armed{at, pick(r, panicKinds()...)})
			return
		}
		i := r.IntN(len(w.sizes))
		add(0, "new key", func() { w.newKey(i) })
	case 11:
		offset := -upTo(r, 0, 3*time.Minute)
		add(0, "clock", func() { w.note("clock %s", offset); w.clock.set(offset) })
		add(upTo(r, time.Second, 4*time.Minute), "clock", func() { w.note("clock back"); w.clock.set(0) })
	}
}

func (w *world) play() {
	for _, c := range w.clouds {
		c.serve()
		defer c.close()
	}
	time.Sleep(time.Until(w.base.Add(-upTo(w.rng, time.Second, 3*time.Minute))))
	w.boot(false)
	end := w.base.Add(time.Hour)
	for _, a := range w.acts {
		if a.at.After(end) {
			end = a.at
		}
		time.Sleep(time.Until(a.at))
		a.do()
	}
	time.Sleep(time.Until(end))
	w.clock.set(0)
	w.boot(false)
	time.Sleep(quiet)
	w.stop()
	if *worldLog {
		fmt.Println(w.plan.config())
		for _, l := range w.history.log {
			fmt.Println(l)
		}
	}
	w.check()
}

// write puts a configuration on disk.
func (w *world) write(p plan) {
	if err := os.WriteFile(w.path, []byte(p.config()), 0o600); err != nil {
		w.t.Error(err)
	}
}

// reload edits the configuration and has the process read it.
func (w *world) reload() {
	w.plan = w.plan.edited(w.rng, w.sizes, w.hot)
	w.write(w.plan)
	if w.process == nil {
		return
	}
	w.process.reload(w.plan)
}

// newKey makes another key of an account the one to use, and removes the old one soon.
func (w *world) newKey(i int) {
	c, old := w.clouds[i], w.keys[i]
	next := old + "+"
	c.mu.Lock()
	c.keys[next] = true
	c.mu.Unlock()
	w.mu.Lock()
	w.keys[i] = next
	w.mu.Unlock()
	w.note("new key of %s", c.name)
	if w.process != nil {
		w.process.reload(w.plan)
	}
	time.AfterFunc(10*time.Second, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.keys, old)
	})
}

func (w *world) boot(edit bool) {
	if w.process != nil {
		return
	}
	if edit {
		w.plan = w.plan.edited(w.rng, w.sizes, w.hot)
	}
	w.write(w.plan)
	w.process = w.begin()
	w.processes = append(w.processes, w.process)
}

func (w *world) stop() {
	if p := w.process; p != nil {
		w.process = nil
		p.stop()
	}
}

func (w *world) kill() {
	if p := w.process; p != nil {
		w.process = nil
		p.kill()
	}
}

// dial opens a connection of a process to an account, by the port of its endpoint.
func (w *world) dial(ctx context.Context, address string, process int) (net.Conn, error) {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	return w.clouds[port[0]-'1'].dial(ctx, process)
}
