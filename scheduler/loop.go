package scheduler

import (
	"context"
	"errors"
	"sync"
	"time"

	"zecpower/internal/store"
)

// Loop decides each nominal time of its schedules once, and makes the runs. New makes it, Run runs
// it. Its exported methods are safe for concurrent use.
//
// The goroutine of Run owns all state. It alone changes an entry, and every event is
// emitted from it. The goroutines of runs share nothing with it but the channel ends.
type Loop struct {
	cfg     Config
	ends    chan ended      // each run sends its end here once
	changes chan func()     // changes to the state, made by the goroutine of Run between two rounds
	wake    chan struct{}   // holds a value while a reload is pending; capacity 1
	stopped chan struct{}   // closed when Run has returned
	runs    context.Context // the context of all runs; done when the daemon stops
	writing context.Context // of calls of the store, which a stop must not cut off

	// The fields of this block belong to the goroutine of Run.

	previous   Reading              // the clocks at the previous round
	beforeStep Reading              // the clocks before the last long step forward; zero: none
	starting   bool                 // no round has ended yet
	recalled   bool                 // the store has returned its state
	triedAt    time.Duration        // Reading.Monotonic when the store was last asked for its state
	savedAt    time.Duration        // Reading.Monotonic when the store was last written to
	unrecorded store.Round          // decided, and not accepted by the store yet
	writes     []write              // ends of runs, not accepted yet, in order; written after unrecorded
	wrote      bool                 // this round wrote to the store, or tried to
	byGroup    map[string][]*entry  // the schedules that name each group
	made       map[string]intention // by group: the newest that a run was made for

	// mu guards the fields below and every entry. The goroutine of Run is their only writer, but
	// for started, pending, unbegun and byHand: it reads the others without mu and writes them under it. Snapshot
	// and Reload take mu from other goroutines.
	mu         sync.Mutex
	started    bool
	entries    map[string]*entry // by schedule name
	queue      queue
	active     int // runs that are going
	pending    *reload
	skips      Skips
	unbegun    []unbegun   // written to by the goroutines of runs
	byHand     []store.Run // begun since the last round; written to by NoteByHand
	storeErr   error       // of the last write to the store; nil where it succeeded
	clockSteps int
}

// Run decides and makes runs until ctx is done. The contexts of the runs are done then too; Run
// waits for the last of them to return and records how far it decided. A second call returns an
// error at once. Otherwise the error is nil.
func (l *Loop) Run(ctx context.Context) error {
	l.mu.Lock()
	again := l.started
	l.started = true
	l.mu.Unlock()
	if again {
		return errors.New("scheduler: the loop ran already")
	}
	defer close(l.stopped)
	l.runs = ctx
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		l.round()
		timer.Reset(l.sleep())
		// Any of these leads to the next round. It does not matter which: a round decides
		// everything up to the wall clock.
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-l.wake:
		case change := <-l.changes:
			change()
		case e := <-l.ends:
			l.finished(e)
			l.finishMore()
		}
	}
	l.join()
	return nil
}

// finishMore receives the other ends that are ready. Thousands of runs often end together; without
// it each end would cost a round of its own.
func (l *Loop) finishMore() {
	for range l.active {
		select {
		case e := <-l.ends:
			l.finished(e)
		default:
			return
		}
	}
}

// join waits for the runs, then records how far everything is decided, so that the next start goes
// on from there.
func (l *Loop) join() {
	for l.active > 0 {
		l.finished(<-l.ends)
	}
	if l.starting {
		return // ctx was done before the first round: nothing was decided
	}
	at := l.cfg.Clock.Read().Wall
	// A time that came due while the runs ended is undecided. Recording an instant after it would
	// lose it, so the record ends just before: the next start decides it.
	if due, ok := l.queue.first(); ok && !due.After(at) {
		at = due.Add(-1)
	}
	l.record(store.Round{At: at})
}

// sleep returns how long the loop may wait for the next round. It is at most a heartbeat, because
// timers do not notice that the wall clock is set or that the machine was suspended.
func (l *Loop) sleep() time.Duration {
	next, ok := l.queue.first()
	if !ok {
		return l.cfg.Heartbeat
	}
	until := next.Sub(l.cfg.Clock.Read().Wall)
	return min(max(until, time.Millisecond), l.cfg.Heartbeat)
}

// round decides everything up to the wall clock. The steps depend on each other in this order.
func (l *Loop) round() {
	reading := l.cfg.Clock.Read()
	now := reading.Wall
	l.wrote = false

	// 1. Find out whether the clock was set or the machine suspended since the last round. It may
	// move schedules back, and it gives the reason for what is late.
	shared := l.readClock(reading)

	// 2. Learn what people did meanwhile, and load what earlier processes left: at start-up, and again each heartbeat until the store
	// answers. It comes before the decisions, so that a run that has been made is not decided
	// again.
	l.takeByHand()
	if !l.recalled && (l.starting || reading.Monotonic-l.triedAt >= l.cfg.Heartbeat) {
		l.triedAt = reading.Monotonic
		l.recall(now)
	}
	if l.starting {
		l.notifyAll()
	}

	// 3. Decide with the schedules that were in force until now, and only then apply a reload: a
	// new schedule never decides a time from before it was loaded.
	l.reconcile(shared)
	l.applyReload(now)

	// 4. Record what the steps above did not.
	l.takeUnbegun()
	l.recordRest(reading)
	l.starting = false
	l.previous = reading
	l.cfg.Alive()
}

// lock runs change under mu, so that no snapshot is taken in between.
func (l *Loop) lock(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change()
}
