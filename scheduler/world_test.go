package scheduler

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"zecpower/internal/power"
)

// settableClock is a clock whose wall part can be set. Its monotonic part is the bubble's clock.
type settableClock struct {
	mu        sync.Mutex
	offset    time.Duration
	suspended time.Duration
	start     time.Time
}

func newSettableClock(wall time.Time) *settableClock {
	now := time.Now()
	return &settableClock{start: now, offset: wall.Sub(now)}
}

func (c *settableClock) Read() Reading {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	return Reading{Wall: now.Round(0).Add(c.offset).UTC(), Monotonic: now.Sub(c.start), Suspended: c.suspended}
}

func (c *settableClock) now() time.Time { return c.Read().Wall }

func (c *settableClock) step(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset += d
}

// suspend lets wall time pass during which timers and the monotonic clock stand still.
func (c *settableClock) suspend(d time.Duration) {
	c.step(d)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.suspended += d
}

// fault is how one write to a store fails.
type fault int

const (
	noFault    fault = iota
	lost             // not written, and the write returns an error
	unreported       // written, and the write returns an error all the same
)

var errDisk = errors.New("no space left on device")

// memoryStore is a store that survives the simulated processes of a test.
type memoryStore struct {
	mu         sync.Mutex
	through    time.Time
	watermarks map[string]Watermark
	runs       map[string]*memoryRun
	other      []Decision
	last       map[string]LastRun
	fault      func(op string) fault
}

type memoryRun struct {
	firing Firing
	kind   DecisionKind // DecisionOverlap and so on once abandoned
	result power.Result // once finished
}

func (r *memoryRun) open() bool { return r.kind == "" && r.result == "" }

func newMemoryStore() *memoryStore {
	return &memoryStore{
		watermarks: map[string]Watermark{}, runs: map[string]*memoryRun{}, last: map[string]LastRun{},
		fault: func(string) fault { return noFault },
	}
}

// session is one process's access to the store. Once the process is killed, it refuses everything.
type session struct {
	*memoryStore
	dead bool
}

func (s *session) write(op string, do func()) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead {
		return errors.New("the process is dead")
	}
	f := s.fault(op)
	if f != lost {
		do()
	}
	if f != noFault {
		return fmt.Errorf("%s: %w", op, errDisk)
	}
	return nil
}

func (s *session) kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dead = true
}

func (s *session) Load(recent time.Time) (state State, err error) {
	err = s.write("load", func() {
		state = State{Watermarks: map[string]Watermark{}, Ran: map[string][]time.Time{}, Last: map[string]LastRun{}, DecidedThrough: s.through}
		for k, v := range s.watermarks {
			state.Watermarks[k] = v
		}
		for k, v := range s.last {
			state.Last[k] = v
		}
		for _, r := range s.runs {
			if r.open() {
				state.Unfinished = append(state.Unfinished, r.firing)
			}
			if r.firing.Nominal.After(recent) {
				state.Ran[r.firing.Schedule] = append(state.Ran[r.firing.Schedule], r.firing.Nominal)
			}
		}
		for _, times := range state.Ran {
			slices.SortFunc(times, time.Time.Compare)
		}
		slices.SortFunc(state.Unfinished, func(a, b Firing) int { return a.Nominal.Compare(b.Nominal) })
	})
	if err != nil {
		return State{}, err
	}
	return state, nil
}

func (s *session) Decide(r Round) (held []string, err error) {
	err = s.write("decide", func() {
		if !r.At.IsZero() {
			s.through = r.At
		}
		for _, d := range r.Decisions {
			if !d.Claims() {
				s.other = append(s.other, d)
				continue
			}
			f := d.Firing()
			if s.runs[f.RunID] != nil {
				held = append(held, f.RunID)
				continue
			}
			s.runs[f.RunID] = &memoryRun{firing: f}
		}
		for _, f := range r.Begins {
			if run := s.run(f); run.open() {
				run.firing = f
			}
		}
		for _, a := range r.Abandons {
			if run := s.run(a.Firing); run.open() {
				run.kind = a.Kind
			}
		}
		for _, m := range r.Watermarks {
			s.watermarks[m.Schedule] = m
		}
		for _, name := range r.Forget {
			delete(s.watermarks, name)
		}
	})
	if err != nil {
		return nil, err
	}
	return held, nil
}

func (s *session) run(f Firing) *memoryRun {
	if s.runs[f.RunID] == nil {
		s.runs[f.RunID] = &memoryRun{firing: f}
	}
	return s.runs[f.RunID]
}

func (s *session) Finish(f Firing, r RunEnd, at time.Time) error {
	return s.write("finish", func() {
		s.run(f).result = r.Result
		s.last[f.Schedule] = LastRun{RunID: f.RunID, Nominal: f.Nominal, FinishedAt: at, Result: r.Result}
	})
}

// events is an observer that writes a log into its world.
type events struct {
	world *world
}

func (e events) add(format string, args ...any) {
	w := e.world
	w.mu.Lock()
	defer w.mu.Unlock()
	w.log = append(w.log, w.clock.now().Format("02 15:04:05 ")+fmt.Sprintf(format, args...))
}

func (e events) RunStarted(Firing) {}

func (e events) RunFinished(f Firing, r RunEnd, took time.Duration) {
	e.add("finished %s %s after %s", f.RunID, r.Result, took)
}

func (e events) RunSuspended(f Firing) { e.add("suspended %s", f.RunID) }

func (e events) RunMissed(m Missed) {
	e.add("missed %s %s %s x%d", m.Schedule, m.Nominal.UTC().Format("02 15:04:05"), m.Reason, m.Count)
	e.world.cover(m.Schedule, m.Nominal, m.Last)
}

func (e events) RunSkipped(s Skipped) {
	e.add("skipped %s %s %s%s", s.Schedule, s.Nominal.UTC().Format("02 15:04:05"), s.Cause, s.Calendar)
	e.world.cover(s.Schedule, s.Nominal, s.Last)
}
func (e events) ClockStepped(d time.Duration) { e.add("stepped %s", d.Round(time.Second)) }

func (e events) NextRun(schedule string, at time.Time) {
	e.world.mu.Lock()
	defer e.world.mu.Unlock()
	e.world.next[schedule] = at
}
func (e events) LastRun(string, LastRun) {}

func (e events) StoreFailed(op string, err error) { e.add("store: %s: %v", op, err) }

// call is one call of the run function.
type call struct {
	Firing
	process int
	at      time.Time
}

type stretch struct{ from, until time.Time }

// world is a simulated machine on which daemons start, stop and are killed.
type world struct {
	t       testing.TB
	clock   *settableClock
	store   *memoryStore
	runFor  func(Firing) time.Duration
	cut     power.Result // of a run whose context ends before it has had its time
	process int
	loop    *Loop
	sess    *session
	cancel  context.CancelFunc
	gone    chan struct{}

	mu      sync.Mutex
	rounds  int
	log     []string
	calls   []call
	covered map[string][]stretch
	next    map[string]time.Time
	going   map[string]int // runs by schedule
	// overlapped is a schedule whose runs overlapped though it does not allow that.
	overlapped string
}

func newWorld(t testing.TB, now string) *world {
	return &world{
		t: t, clock: newSettableClock(at(now)), store: newMemoryStore(), covered: map[string][]stretch{}, next: map[string]time.Time{}, going: map[string]int{},
		runFor: func(Firing) time.Duration { return time.Minute }, cut: power.ResultPartial,
	}
}

func (w *world) cover(schedule string, from, until time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.covered[schedule] = append(w.covered[schedule], stretch{from, until})
}

// run is the run function: it takes its time and obeys its context.
func (w *world) run(process int) func(context.Context, Firing) RunEnd {
	return func(ctx context.Context, f Firing) RunEnd {
		w.mu.Lock()
		w.calls = append(w.calls, call{f, process, w.clock.now()})
		if w.going[f.Schedule]++; w.going[f.Schedule] > 1 && f.Schedule != "allows" {
			w.overlapped = f.Schedule
		}
		w.mu.Unlock()
		defer func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.going[f.Schedule]--
		}()
		events{w}.add("run %s%s", f.RunID, map[bool]string{true: " resumed"}[f.Resumed])
		d := w.runFor(f)
		if d < 0 {
			panic("boom")
		}
		select {
		case <-ctx.Done():
			return RunEnd{Result: w.cut, Err: ctx.Err()}
		case <-time.After(d):
			return RunEnd{Result: power.ResultOK}
		}
	}
}

// countRound is called at the end of each round.
func (w *world) countRound() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rounds++
}

func (w *world) start(schedules ...Schedule) {
	w.t.Helper()
	w.process++
	w.sess = &session{memoryStore: w.store}
	loop, err := New(Config{
		Schedules: schedules, Run: w.run(w.process), Store: w.sess, Observer: Observers{events{w}}, Clock: w.clock, Alive: w.countRound,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	w.loop, w.cancel, w.gone = loop, cancel, make(chan struct{})
	go func() {
		defer close(w.gone)
		if err := loop.Run(ctx); err != nil {
			w.t.Error(err)
		}
	}()
	synctest.Wait()
}

func (w *world) stop() {
	w.cancel()
	<-w.gone
}

// kill ends the daemon with nothing more written.
func (w *world) kill() {
	w.sess.kill()
	mute := len(w.log)
	w.stop()
	w.mu.Lock()
	w.log = w.log[:mute]
	w.mu.Unlock()
}

// pass lets time go by.
func (w *world) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (w *world) until(text string) { w.pass(at(text).Sub(w.clock.now())) }

// expect compares the log so far and clears it.
func (w *world) expect(want ...string) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Equal(w.log, want) {
		w.t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(w.log, "\n\t"), strings.Join(want, "\n\t"))
	}
	w.log = nil
}
