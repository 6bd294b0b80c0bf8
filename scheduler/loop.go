package scheduler

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Config is what a Loop needs. Schedules may be empty and change by
// Loop.Reload; the rest is fixed for its life.
type Config struct {
	Schedules []Schedule
	// Run makes one run and returns when it is over. It is called from its own
	// goroutine, never twice for one RunID in a process, and obeys ctx and the
	// firing's deadline itself; ctx ends a minute after the deadline at the latest.
	Run      func(ctx context.Context, f Firing) RunEnd
	Store    Store
	Observer Observer
	// Clock is the machine's own where nil.
	Clock Clock
	// Heartbeat is the longest sleep between two rounds; 0: DefaultHeartbeat.
	Heartbeat time.Duration
	// Alive is called at the end of each round, so at least once a heartbeat
	// while the loop is well: feed a watchdog with it. May be nil.
	Alive func()
}

// DefaultHeartbeat is how often the loop looks at the clock at least.
const DefaultHeartbeat = 15 * time.Second

// saveEvery is how often DecidedThrough is recorded when there is nothing else
// to record.
const saveEvery = 5 * time.Minute

// recallReach is how far back the loop asks a ledger for what ran: further
// than that, a clock set back meets the ledger's own check.
const recallReach = 24 * time.Hour

// Loop decides each nominal time of its schedules once, and makes the runs.
type Loop struct {
	cfg      Config
	ends     chan ended
	poke     chan struct{} // a reload waits
	stopped  chan struct{} // closed when Run has returned
	runs     context.Context
	before   Reading // the previous round's
	ahead    Reading // the last one before the clock was set forward so far that runs were missed
	starting bool    // no round yet
	recalled bool    // the ledger has told what it remembers
	triedAt  time.Duration
	savedAt  time.Duration
	writes   []write // for the ledger, in order, after unrecorded

	unrecorded Round
	wrote      bool // the ledger was written to in this round

	mu         sync.Mutex // guards what follows; only the goroutine of Run writes the slots
	started    bool
	entries    map[string]*entry
	queue      queue
	active     int // runs going
	pending    *reload
	storeErr   error // of the last write; nil when it went well
	clockSteps int
}

type reload struct {
	schedules []Schedule
	done      chan struct{}
}

// write is something that the ledger has not taken yet.
type write struct {
	op string
	do func() error
}

// maxWrites bounds the ends of runs, with their reports, that wait for a
// failing ledger.
const maxWrites = 256

// New checks the configuration.
func New(cfg Config) (*Loop, error) {
	switch {
	case cfg.Run == nil:
		return nil, errors.New("scheduler: no run function")
	case cfg.Store == nil:
		return nil, errors.New("scheduler: no ledger")
	case cfg.Observer == nil:
		return nil, errors.New("scheduler: no observer")
	case cfg.Heartbeat < 0:
		return nil, fmt.Errorf("scheduler: heartbeat %s: negative", cfg.Heartbeat)
	}
	if err := validate(cfg.Schedules); err != nil {
		return nil, err
	}
	if cfg.Heartbeat == 0 {
		cfg.Heartbeat = DefaultHeartbeat
	}
	if cfg.Clock == nil {
		cfg.Clock = SystemClock()
	}
	if cfg.Alive == nil {
		cfg.Alive = func() {}
	}
	return &Loop{
		cfg: cfg, ends: make(chan ended), poke: make(chan struct{}, 1), stopped: make(chan struct{}),
		starting: true, entries: make(map[string]*entry, len(cfg.Schedules)),
	}, nil
}

func validate(schedules []Schedule) error {
	var problems []error
	seen := make(map[string]bool, len(schedules))
	for i := range schedules {
		if err := schedules[i].Validate(); err != nil {
			problems = append(problems, err)
		}
		if seen[schedules[i].Name] {
			problems = append(problems, fmt.Errorf("schedule %q: named twice", schedules[i].Name))
		}
		seen[schedules[i].Name] = true
	}
	return errors.Join(problems...)
}

// Run decides until ctx is done, then lets the runs end: their context is done
// too. It returns when the last one has returned. A second call is an error.
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
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-l.poke:
		case e := <-l.ends:
			l.finished(e)
			l.finishMore()
		}
	}
	l.join()
	return nil
}

// finishMore takes in what else has ended: the ends of thousands of runs, which
// often come together, share a round.
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

// join waits for the runs and records how far everything is decided, so that
// the next start counts from here.
func (l *Loop) join() {
	for l.active > 0 {
		l.finished(<-l.ends)
	}
	if l.starting {
		return // nothing was decided
	}
	at := l.cfg.Clock.Read().Wall
	if due, ok := l.queue.first(); ok && !due.After(at) {
		at = due.Add(-1) // it came due while the runs ended, and is for the next start to decide
	}
	l.record(Round{At: at})
}

// sleep is how long the loop may rest. The wall clock may be set meanwhile,
// which a timer does not notice, so it never rests longer than a heartbeat.
func (l *Loop) sleep() time.Duration {
	next, ok := l.queue.first()
	if !ok {
		return l.cfg.Heartbeat
	}
	until := next.Sub(l.cfg.Clock.Read().Wall)
	return min(max(until, time.Millisecond), l.cfg.Heartbeat)
}

// round brings everything up to date with the clock.
func (l *Loop) round() {
	reading := l.cfg.Clock.Read()
	now := reading.Wall
	l.wrote = false
	s := l.readClock(reading)
	if !l.recalled && (l.starting || reading.Monotonic-l.triedAt >= l.cfg.Heartbeat) {
		l.triedAt = reading.Monotonic
		l.recall(now)
	}
	if l.starting {
		l.notifyAll()
	}
	l.reconcile(s)
	l.applyReload(now)
	l.settleNext(reading)
	l.starting = false
	l.before = reading
	l.cfg.Alive()
}

// lookAtClock finds out what lies between this round and the last: the part of
// a situation that all schedules share.
func (l *Loop) readClock(r Reading) situation {
	s := situation{now: r.Wall, cause: MissedStalled, grace: l.cfg.Heartbeat + stepThreshold}
	if l.starting {
		// A time that passed while nobody was there is missed, not just late.
		s.cause, s.grace = MissedDown, stepThreshold
		return s
	}
	step, slept := drift(l.before, r)
	if slept != 0 {
		s.cause = MissedAsleep
	}
	if step != 0 {
		s.cause = MissedClockStep
		l.mu.Lock()
		l.clockSteps++
		l.mu.Unlock()
		l.cfg.Observer.ClockStepped(step)
	}
	switch {
	case step > s.grace:
		l.ahead = l.before
	case step < 0:
		l.rewind(l.undone(r), r.Wall)
	}
	return s
}

// undone is from where decisions go on after the clock was set back: where that
// only undoes a step forward, from before that one, since what it made seem
// missed may be caught up. Else from now.
func (l *Loop) undone(r Reading) time.Time {
	step, _ := drift(l.ahead, r)
	if l.ahead.Wall.IsZero() || step != 0 || r.Monotonic-l.ahead.Monotonic > recallReach {
		return r.Wall
	}
	return l.ahead.Wall
}

// rewind makes the schedules that are decided beyond now go on from the given
// time: what was decided when the clock was ahead comes again, and what ran is
// not run twice.
func (l *Loop) rewind(from, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.entries {
		if s.schedule == nil || !s.through.After(now) {
			continue
		}
		s.through = from
		s.seek()
		s.seekDue(true)
		l.unrecorded.Watermarks = append(l.unrecorded.Watermarks, s.watermark())
	}
	l.rebuildQueue()
}

func (s *entry) watermark() Watermark {
	return Watermark{Schedule: s.name, Through: s.through, Spec: s.spec}
}

func (l *Loop) rebuildQueue() {
	for _, s := range l.queue.entries {
		s.index = -1
	}
	l.queue.entries = l.queue.entries[:0]
	for _, s := range l.entries {
		l.queue.place(s)
	}
}

// settle records what no other part of the round did: what the ledger did not
// take before, and now and then that there was nothing to decide.
func (l *Loop) settleNext(r Reading) {
	leftover := !l.unrecorded.empty() || len(l.writes) > 0
	if l.wrote {
		l.savedAt = r.Monotonic
		return
	}
	if leftover || l.starting || r.Monotonic-l.savedAt >= saveEvery {
		l.record(Round{At: r.Wall})
		l.savedAt = r.Monotonic
	}
}

// record hands the ledger a round and whatever it did not take before. It
// answers which of the runs the ledger already held.
func (l *Loop) record(r Round) (held map[string]bool) {
	l.wrote = true
	l.unrecorded.add(r)
	ids, err := l.cfg.Store.Decide(l.unrecorded)
	if err != nil {
		if dropped := l.unrecorded.trim(); dropped > 0 {
			l.storeFailed("remember decisions", fmt.Errorf("%d decisions will never be recorded: the ledger has not taken any for too long", dropped))
		}
		l.storeFailed("record decisions", err)
		return nil
	}
	l.unrecorded = Round{}
	held = make(map[string]bool, len(ids))
	for _, id := range ids {
		held[id] = true
	}
	l.rewrite()
	return held
}

// rewrite tries again what failed before, in order.
func (l *Loop) rewrite() {
	for len(l.writes) > 0 {
		if err := l.writes[0].do(); err != nil {
			l.storeFailed(l.writes[0].op, err)
			return
		}
		l.writes[0] = write{}
		l.writes = l.writes[1:]
	}
	l.setStoreErr(nil)
}

func (l *Loop) writeLater(w write, err error) {
	l.storeFailed(w.op, err)
	if len(l.writes) >= maxWrites {
		l.storeFailed(l.writes[0].op, errors.New("given up: too much waits for the ledger"))
		l.writes = append([]write(nil), l.writes[1:]...)
	}
	l.writes = append(l.writes, w)
}

func (l *Loop) storeFailed(op string, err error) {
	l.setStoreErr(err) // it says of itself what was tried
	l.cfg.Observer.StoreFailed(op, err)
}

func (l *Loop) setStoreErr(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.storeErr = err
}
