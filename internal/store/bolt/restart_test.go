package bolt

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"zecpower/internal/event"
	"zecpower/internal/power"
	"zecpower/internal/power/powertest"
	"zecpower/internal/store"
	"zecpower/scheduler"
	"zecpower/scheduler/cron"
)

// daemon is a scheduler loop on a real store, whose writes can be cut off as a
// kill would.
type daemon struct {
	*Store
	mu     sync.Mutex
	killed bool
}

func (d *daemon) dead() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.killed {
		return context.Canceled
	}
	return nil
}

func (d *daemon) Claim(ctx context.Context, r store.Round) ([]string, error) {
	if err := d.dead(); err != nil {
		return nil, err
	}
	return d.Store.Claim(ctx, r)
}

func (d *daemon) Finish(ctx context.Context, r store.Run, e store.End) error {
	if err := d.dead(); err != nil {
		return err
	}
	return d.Store.Finish(ctx, r, e)
}

// fleet is what the runs of all daemons did to ten instances a run.
type fleet struct {
	mu      sync.Mutex
	started map[string]int
}

// TestKilledAgainAndAgain kills the daemon at random moments over a day, and
// expects each instance of each run to become final exactly once.
func TestKilledAgainAndAgain(t *testing.T) {
	for seed := uint64(1); seed <= 3; seed++ {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				rng := rand.New(rand.NewPCG(seed, 1))
				f := &fleet{started: map[string]int{}}
				begin := time.Now()
				for time.Since(begin) < 24*time.Hour {
					live(t, dir, f, time.Duration(rng.Int64N(int64(time.Hour))))
				}
				live(t, dir, f, 30*time.Minute) // let the last ones end
				f.check(t, begin, dir)
			})
		})
	}
}

func live(t *testing.T, dir string, f *fleet, d time.Duration) {
	zone, err := cron.LoadZone("UTC")
	must(t, err)
	timetable, err := cron.Parse("*/30 * * * *", zone)
	must(t, err)
	l := open(t, dir)
	daemon := &daemon{Store: l}
	loop, err := scheduler.New(scheduler.Config{
		Schedules: []scheduler.Schedule{{
			Name: "wake", Timetable: timetable, Zone: zone, Action: "start", Groups: []string{"web"},
			CatchUp: time.Hour, Deadline: 25 * time.Minute,
		}},
		Store: daemon, Emit: func(event.Event) {},
		Prepare: func(_ context.Context, firing scheduler.Firing) scheduler.Prepared {
			return scheduler.Prepared{Run: func(ctx context.Context) scheduler.RunEnd { return f.run(ctx, t, daemon, firing) }}
		},
	})
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- loop.Run(ctx) }()
	time.Sleep(d)
	daemon.mu.Lock()
	daemon.killed = true
	daemon.mu.Unlock()
	cancel()
	must(t, <-done)
	must(t, l.Close())
}

// run settles an instance a minute, beginning where the run before it ended.
func (f *fleet) run(ctx context.Context, t *testing.T, d *daemon, firing scheduler.Firing) scheduler.RunEnd {
	p, err := d.Progress(bg, firing.RunID)
	must(t, err)
	results := p.Final["web"]
	for i := len(results); i < 10; i++ {
		select {
		case <-ctx.Done():
			return scheduler.RunEnd{Result: power.ResultPartial, CutOff: true}
		case <-time.After(time.Minute):
		}
		id := fmt.Sprintf("%s#%d", firing.RunID, i)
		f.mu.Lock()
		f.started[id]++
		f.mu.Unlock()
		results = append(results, powertest.Started(id))
		must(t, end(d.Store, firing.RunID, "web", results[i:]...))
	}
	return scheduler.RunEnd{
		Result: power.ResultOK, Report: new(report(firing.RunID, power.GroupReport{Group: "web", Results: results})),
	}
}

func (f *fleet) check(t *testing.T, begin time.Time, dir string) {
	l := open(t, dir)
	defer func() { must(t, l.Close()) }()
	runs := 0
	for at := begin.Truncate(30 * time.Minute).Add(30 * time.Minute); at.Before(begin.Add(24 * time.Hour)); at = at.Add(30 * time.Minute) {
		id := scheduler.RunID("wake", at)
		entries, err := l.History(bg, store.Query{Since: at, Until: at})
		must(t, err)
		if len(entries) != 1 {
			t.Fatalf("%s: %d records", id, len(entries))
		}
		if entries[0].Kind != store.KindRun {
			continue
		}
		runs++
		if entries[0].Result != power.ResultOK || entries[0].Results[0].Done != 10 {
			t.Errorf("%s: %+v", id, entries[0])
		}
		for i := range 10 {
			if n := f.started[fmt.Sprintf("%s#%d", id, i)]; n != 1 {
				t.Errorf("%s#%d: final %d times", id, i, n)
			}
		}
	}
	if runs < 40 {
		t.Errorf("%d runs of 47: the rest were missed though no daemon was ever away", runs)
	}
}
