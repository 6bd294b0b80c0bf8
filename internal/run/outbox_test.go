package run

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"zecpower/internal/event"
	"zecpower/internal/power"
	"zecpower/internal/power/powertest"
	"zecpower/internal/store"
)

var wake = event.Run{ID: "wake/1"}

var errDisk = errors.New("no space left on device")

// disk is a store of progress: each write takes its time, and may fail.
type disk struct {
	takes time.Duration
	fault func() (lost, unreported bool) // nil: none

	mu     sync.Mutex
	known  map[string]bool // by run, group and key
	state  store.Progress
	writes int
	most   int // instances in one write
}

func newDisk() *disk { return &disk{known: map[string]bool{}, state: store.NewProgress()} }

func (d *disk) record(_ context.Context, facts []store.Facts) error {
	time.Sleep(d.takes)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.writes++
	var lost, unreported bool
	if d.fault != nil {
		lost, unreported = d.fault()
	}
	size := 0
	for _, f := range facts {
		size += len(f.Accepted) + len(f.Final)
		key := f.RunID + "/" + f.Group + "/" + f.Key
		if lost || d.known[key] {
			continue
		}
		d.known[key] = true
		d.state.AddAccepted(f.Group, f.Requests, f.Accepted)
		d.state.Final[f.Group] = append(d.state.Final[f.Group], f.Final...)
	}
	d.most = max(d.most, size)
	if lost || unreported {
		return errDisk
	}
	return nil
}

func TestProgressOfASlowStoreMerges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk()
		d.takes = 100 * time.Millisecond
		o := NewOutbox(d.record, func(e event.Event) { t.Errorf("%+v", e) })
		begin := time.Now()
		for i := range 1000 { // ten instances, a thousand facts in a second
			id := fmt.Sprint("i-", i%10)
			o.Receive(event.Accepted{Run: wake, Group: "web", IDs: []string{id}})
			if i >= 990 {
				o.Receive(event.Final{Run: wake, Group: "web", Results: []power.InstanceResult{powertest.Started(id)}})
			}
			time.Sleep(time.Millisecond)
		}
		if took := time.Since(begin); took > time.Second {
			t.Errorf("the run was held up: %s", took)
		}
		if err := o.Close(); err != nil {
			t.Fatal(err)
		}
		if d.writes > 12 || d.state.Requests["web"] != 1000 || d.state.Accepted["web"]["i-3"] != 100 || len(d.state.Final["web"]) != 10 {
			t.Errorf("%d writes, %d requests, %v accepted, %d final", d.writes, d.state.Requests["web"], d.state.Accepted["web"], len(d.state.Final["web"]))
		}
	})
}

// Each write is lost, or applied and not reported, at random: each fact counts once all the same.
func TestEachFactCountsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seed := rand.Uint64()
		rng := rand.New(rand.NewPCG(seed, 0))
		d := newDisk()
		d.takes = time.Millisecond
		d.fault = func() (bool, bool) { return rng.IntN(4) == 0, rng.IntN(4) == 0 }
		var failed atomic.Int32
		o := NewOutbox(d.record, func(event.Event) { failed.Add(1) })
		for range 200 {
			o.Receive(event.Accepted{Run: wake, Group: "web", IDs: []string{"i-1", "i-2"}})
			o.Receive(event.Accepted{Run: wake, Group: "db", IDs: []string{"i-3"}})
			time.Sleep(time.Duration(rand.IntN(500)) * time.Millisecond)
		}
		time.Sleep(10 * time.Minute)
		_ = o.Close()
		if d.state.Requests["web"] != 200 || d.state.Accepted["web"]["i-2"] != 200 || d.state.Accepted["db"]["i-3"] != 200 {
			t.Errorf("seed %d: %+v", seed, d.state)
		}
		if failed.Load() == 0 {
			t.Errorf("seed %d: no write failed", seed)
		}
	})
}

func TestManyFactsAreSeveralWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 2*maxFacts + 5
		d := newDisk()
		d.takes = time.Second
		o := NewOutbox(d.record, func(e event.Event) { t.Errorf("%+v", e) })
		ids := make([]string, n)
		for i := range ids {
			ids[i] = fmt.Sprint("i-", i)
		}
		for part := range slices.Chunk(ids, 100) {
			o.Receive(event.Accepted{Run: wake, Group: "web", IDs: part})
		}
		_ = o.Close()
		if len(d.state.Accepted["web"]) != n || d.state.Requests["web"] != (n+99)/100 || d.most > maxFacts {
			t.Errorf("%d accepted, %d requests, %d in one write", len(d.state.Accepted["web"]), d.state.Requests["web"], d.most)
		}
	})
}

// A store that takes nothing holds up neither the runs nor the end of the daemon.
func TestAStoreThatFailsHoldsNothingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk()
		d.fault = func() (bool, bool) { return true, false }
		var failed atomic.Int32
		o := NewOutbox(d.record, func(event.Event) { failed.Add(1) })
		for range 3600 {
			o.Receive(event.Accepted{Run: wake, Group: "web", IDs: []string{"i-1"}})
			time.Sleep(time.Second)
		}
		if n := failed.Load(); n < 100 || n > 400 {
			t.Errorf("%d tries in an hour", n)
		}
		begin := time.Now()
		_ = o.Close()
		if took := time.Since(begin); took > 0 {
			t.Errorf("the end took %s", took)
		}
	})
}
