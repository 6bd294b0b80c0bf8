package app

import (
	"context"
	"time"

	"zecpower/batcher"
	"zecpower/internal/store"
	"zecpower/scheduler"
)

// beginningEvery is how often a beginning that the store did not take is written again.
const beginningEvery = 10 * time.Second

// recordBeginning records that a run begins, with the ids of its groups, before its first request
// leaves. Where the store fails the run goes on, and the record is tried again until it succeeds or
// stop is called, which the end of the run must do.
func (d *Daemon) recordBeginning(ctx context.Context, f scheduler.Firing, groups []batcher.Group) (stop func()) {
	b := store.Beginning{At: time.Now(), Groups: targets(groups)}
	write := func() bool {
		err := d.store.Begin(ctx, f.Record(), b)
		if err != nil && ctx.Err() == nil {
			d.storeFailed("record a run's beginning", err)
		}
		return err == nil
	}
	if write() {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		again := time.NewTicker(beginningEvery)
		defer again.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-again.C:
			}
			if write() {
				return
			}
		}
	}()
	return func() { cancel(); <-done }
}

// targets are the groups as the store keeps them.
func targets(groups []batcher.Group) []store.Targets {
	all := make([]store.Targets, 0, len(groups))
	for _, g := range groups {
		t := store.Targets{Group: g.Name, IDs: g.IDs}
		if g.Err != nil {
			t.Err = g.Err.Error()
		}
		all = append(all, t)
	}
	return all
}

// storeFailed reports a write that was not, or perhaps not, made, as the scheduler reports its own.
func (d *Daemon) storeFailed(op string, err error) {
	scheduler.Observers{d.metrics.Scheduler(), d.events.Scheduler()}.StoreFailed(op, err)
}
