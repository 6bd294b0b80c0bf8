package scheduler

import (
	"flag"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

var (
	chaosSeeds = flag.Int("chaos.seeds", 40, "how many seeds TestChaos tries")
	chaosSeed  = flag.Uint64("chaos.seed", 0, "the one seed to try; 0: as many as -chaos.seeds says")
)

// TestChaos simulates days of schedules with kills, stops, reloads, clock steps, suspends and a
// store that fails. After each event it checks:
//   - each nominal time of each schedule ran, waits, or was reported with a reason;
//   - none ran twice: never in one process, and over a restart only where the store lost the claim;
//   - a resumed run keeps its deadline, unless it is caught up;
//   - runs of a schedule that skips or queues never overlap, but for one that lost a group to a newer
//     intention;
//   - no run begins or goes on against a newer intention of another schedule.
func TestChaos(t *testing.T) {
	first, last := uint64(1), uint64(*chaosSeeds)
	if *chaosSeed != 0 {
		first, last = *chaosSeed, *chaosSeed
	}
	for seed := first; seed <= last; seed++ {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newChaos(t, seed)
				defer func() {
					if t.Failed() {
						t.Logf("again: go test ./scheduler -run TestChaos -chaos.seed=%d", seed)
					}
				}()
				defer func() { c.stop() }() // also after a failure: the bubble must be empty
				c.live(4 * 24 * time.Hour)
			})
		})
	}
}

type chaos struct {
	*world
	rng       *rand.Rand
	schedules map[string]Schedule
	tenures   map[string]time.Time // from when on each schedule must account for its nominal times
	since     map[string]time.Time // from when on the times of mornings and nights are intentions
	heeded    int                  // calls that were held against the intentions of other schedules
	faulty    bool                 // the store may fail
	lossy     bool                 // a failed write may be lost, not only unreported
}

func newChaos(t *testing.T, seed uint64) *chaos {
	c := &chaos{world: newWorld(t, "05 00:00"), rng: rand.New(rand.NewPCG(seed, 4)), tenures: map[string]time.Time{}, since: map[string]time.Time{}}
	c.schedules = map[string]Schedule{
		"quarters": mustSchedule(t, "quarters", "*/15 * * * *"),
		"queues":   mustSchedule(t, "queues", "7/10 * * * *", overlap(OverlapQueue)),
		"allows":   mustSchedule(t, "allows", "@every 7m", overlap(OverlapAllow), catchUp(0)),
		"shifted":  mustSchedule(t, "shifted", "0 * * * *", jitter(40*time.Minute)),
		"holidays": mustSchedule(t, "holidays", "30 */3 * * *", excluding(t, "day-off", "2026-01-06"), catchUp(4*time.Hour)),
		"daily":    mustSchedule(t, "daily", "45 7 * * *", catchUp(2*time.Hour)),
		"mornings": mustSchedule(t, "mornings", "50 */2 * * *", over("shared", "own"), jitter(25*time.Minute), catchUp(3*time.Hour)),
		"nights":   mustSchedule(t, "nights", "5 */3 * * *", over("shared"), stops, catchUp(2*time.Hour), overlap(OverlapQueue)),
	}
	c.faulty = c.rng.IntN(2) == 0
	c.lossy = c.faulty && c.rng.IntN(2) == 0
	// Runs end concurrently, in no order. Their random numbers come from the run and the time, not
	// from a shared generator, so that a seed replays.
	luck := func(of ...any) int {
		h := fnv.New64a()
		fmt.Fprint(h, append(of, seed)...)
		return int(h.Sum64() >> 33)
	}
	c.runFor = func(f Firing) time.Duration {
		n := luck(f.RunID, f.Resumed)
		if n%30 == 0 {
			return -1
		}
		return time.Duration(n%2400_000) * time.Millisecond
	}
	c.store.fault = func(op string) fault {
		if !c.faulty || op == "load" {
			return noFault
		}
		switch n := luck(op, time.Now().UnixNano()) % 10; {
		case n < 2 && c.lossy:
			return lost
		case n < 4:
			return unreported
		}
		return noFault
	}
	return c
}

func (c *chaos) upTo(d time.Duration) time.Duration { return time.Duration(c.rng.Int64N(int64(d))) }

func (c *chaos) live(d time.Duration) {
	end := time.Now().Add(d)
	c.bringUp()
	for time.Now().Before(end) && !c.t.Failed() {
		c.event()
		c.pass(DefaultHeartbeat + c.upTo(5*time.Hour))
		c.check()
	}
}

func (c *chaos) event() {
	switch c.rng.IntN(7) {
	case 0:
		c.clock.step(c.upTo(6*time.Hour) - 3*time.Hour)
	case 1:
		c.clock.suspend(c.upTo(10 * time.Hour))
	case 2:
		c.kill()
		c.away()
	case 3:
		c.stop()
		c.away()
	case 4:
		c.clock.step(48 * time.Hour)
		c.pass(2 * time.Minute)
		c.clock.step(-48 * time.Hour)
	case 5:
		c.edit()
		if err := c.loop.Reload(c.list()); err != nil {
			c.t.Fatal(err)
		}
	}
}

// away passes a time without a daemon, in which the clock or the configuration may change.
func (c *chaos) away() {
	switch c.rng.IntN(4) {
	case 0:
		c.pass(c.upTo(8 * time.Hour))
	case 1:
		c.clock.step(c.upTo(2*time.Hour) - time.Hour)
	case 2:
		c.edit()
	}
	c.bringUp()
}

// bringUp starts a daemon. A schedule without a watermark, or with that of another spec, need not
// account for earlier times.
func (c *chaos) bringUp() {
	now := c.clock.now()
	for name, s := range c.schedules {
		if m, ok := c.store.watermarks[name]; !ok || m.Spec != s.spec() {
			c.tenures[name] = now
			c.since[name] = now
		}
	}
	c.start(c.list()...)
}

func (c *chaos) list() (schedules []Schedule) {
	for _, name := range []string{"quarters", "queues", "allows", "shifted", "holidays", "daily", "mornings", "nights"} {
		if s, ok := c.schedules[name]; ok {
			schedules = append(schedules, s)
		}
	}
	return schedules
}

// edit changes, pauses, removes or brings back one schedule.
func (c *chaos) edit() {
	now := c.clock.now()
	switch c.rng.IntN(4) {
	case 0:
		s, ok := c.schedules["quarters"]
		if ok {
			delete(c.schedules, "quarters")
			delete(c.tenures, "quarters")
			break
		}
		s = mustSchedule(c.t, "quarters", "*/15 * * * *")
		c.schedules[s.Name], c.tenures[s.Name] = s, now
	case 1:
		s := c.schedules["queues"]
		s.Paused = !s.Paused
		c.schedules["queues"] = s
	case 2:
		spec := fmt.Sprintf("%d */2 * * *", c.rng.IntN(60))
		s := mustSchedule(c.t, "daily", spec)
		if s.spec() != c.schedules["daily"].Timetable.String() {
			c.tenures["daily"] = now
		}
		c.schedules["daily"] = s
	case 3:
		s := c.schedules["shifted"]
		s.Jitter = c.upTo(time.Hour)
		c.schedules["shifted"] = s
	}
}

func (c *chaos) check() {
	c.t.Helper()
	now := c.clock.now()
	waiting := map[string]bool{}
	for _, f := range c.loop.Snapshot().Waiting {
		waiting[f.RunID] = true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	ran := c.checkCalls()
	for name, since := range c.tenures {
		s := c.schedules[name]
		for o := range s.Occurrences(since, now) {
			id := RunID(name, o.Nominal)
			if !ran[id] && !waiting[id] && !c.reported(name, o.Nominal) {
				c.t.Fatalf("%s: %s neither ran nor waits nor was reported; log:\n%s", now.Format("02 15:04:05"), id, c.tailOfLog())
			}
		}
		if now.After(since) {
			c.tenures[name] = now // do not check these times again
		}
	}
	c.log = c.log[max(0, len(c.log)-3000):]
}

// checkIntention checks a run of mornings or nights that begins or goes on now: the other of the two
// must not have come due since that run was planned, with the opposite action.
func (c *chaos) checkIntention(k call) {
	other, ok := map[string]string{"mornings": "nights", "nights": "mornings"}[k.Schedule]
	if !ok || k.Superseded["shared"] != "" || !slices.Contains(k.Groups, "shared") {
		return
	}
	s := c.schedules[other]
	for o := range s.Occurrences(latest(k.Planned.Add(-s.JitterOffset()-time.Second), c.since[other]), k.at) {
		if o.Status == StatusDue && o.Run.After(k.Planned) && !o.Run.After(k.at) {
			c.t.Fatalf("%s was made at %s, planned for %s: %s came due at %s\n%s", k.RunID, k.at, k.Planned, other, o.Run, c.tailOfLog())
		}
	}
}

// lost reports whether a run of mornings or nights lost the group that they share by a time.
func (c *chaos) lost(k call, by time.Time) bool {
	other, ok := map[string]string{"mornings": "nights", "nights": "mornings"}[k.Schedule]
	if !ok {
		return false
	}
	s := c.schedules[other]
	for o := range s.Occurrences(k.Planned.Add(-s.JitterOffset()-time.Second), by) {
		if o.Status == StatusDue && !o.Run.Before(k.Planned) && !o.Run.After(by) {
			return true
		}
	}
	return false
}

func (c *chaos) reported(name string, nominal time.Time) bool {
	for _, s := range c.covered[name] {
		if !nominal.Before(s.from) && !nominal.After(s.until) {
			return true
		}
	}
	return false
}

func (c *chaos) tailOfLog() (text string) {
	for _, line := range c.log[max(0, len(c.log)-300):] {
		text += "\t" + line + "\n"
	}
	return text
}

// checkCalls checks every call against those before it.
func (c *chaos) checkCalls() map[string]bool {
	before := map[string]call{}
	for _, k := range c.calls {
		b, again := before[k.RunID]
		switch {
		case again && b.process == k.process:
			c.t.Fatalf("%s ran twice in one process", k.RunID)
		case again && !k.Resumed && !c.lossy:
			c.t.Fatalf("%s ran again, not as a resumed run\n%s", k.RunID, c.tailOfLog())
		case again && k.Resumed && !k.CatchUp && !c.faulty && !k.Deadline.Equal(b.Deadline):
			c.t.Fatalf("%s was resumed with deadline %s, had %s\n%s", k.RunID, k.Deadline, b.Deadline, c.tailOfLog())
		}
		before[k.RunID] = k
	}
	for _, k := range c.calls[c.heeded:] {
		c.checkIntention(k)
	}
	c.heeded = len(c.calls)
	for _, o := range c.overlaps {
		if o.call.Schedule != "allows" && !c.lost(o.before, o.call.at) {
			c.t.Fatalf("%s began while %s was going", o.call.RunID, o.before.RunID)
		}
	}
	c.overlaps = nil
	ran := make(map[string]bool, len(before))
	for id := range before {
		ran[id] = true
	}
	return ran
}
