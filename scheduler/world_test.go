package scheduler

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"zecpower/internal/event"
	"zecpower/internal/power"
	"zecpower/internal/store"
	"zecpower/scheduler/calendar"
	"zecpower/scheduler/cron"
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

// note writes a line into the world's log.
func (w *world) note(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.log = append(w.log, w.clock.now().Format("02 15:04:05 ")+fmt.Sprintf(format, args...))
}

// Receive implements event.Listener: it writes a log.
func (w *world) Receive(e event.Event) {
	if w.listen != nil {
		defer w.listen(e)
	}
	switch e := e.(type) {
	case event.RunFinished:
		w.note("finished %s %s after %s", e.Run.ID, e.Result, e.Took)
	case event.RunSuspended:
		w.note("suspended %s", e.Run.ID)
	case event.Missed:
		w.note("missed %s %s %s x%d", e.Schedule, e.First.UTC().Format("02 15:04:05"), e.Reason, e.Count)
		w.cover(e.Schedule, e.First, e.Last)
	case event.Skipped:
		w.note("skipped %s %s %s%s", e.Schedule, e.First.UTC().Format("02 15:04:05"), e.Cause, e.Calendar)
		w.cover(e.Schedule, e.First, e.Last)
	case event.ClockStepped:
		w.note("stepped %s", e.Delta.Round(time.Second))
	case event.NextRun:
		w.mu.Lock()
		defer w.mu.Unlock()
		w.next[e.Schedule] = e.At
	case event.StoreFailed:
		w.note("store: %s: %v", e.Op, e.Err)
	}
}

// call is one call of the run function.
type call struct {
	Firing
	process int
	at      time.Time
}

type overlapping struct{ before, call call }

type stretch struct{ from, until time.Time }

// world is a simulated machine on which daemons start, stop and are killed.
type world struct {
	t        testing.TB
	clock    *settableClock
	store    *memoryStore
	runFor   func(Firing) time.Duration
	gather   func(n int) Round
	custom   func(context.Context, Firing) Prepared // makes the runs; nil: prepare
	listen   func(event.Event)                      // receives each event after the log; nil: no call
	cut      power.Result                           // of a run whose context ends before it has had its time
	process  int
	recalled func(store.State, []ByHand) // nil: no call
	loop     *Loop
	sess     *session
	cancel   context.CancelFunc
	gone     chan struct{}

	mu      sync.Mutex
	rounds  int
	log     []string
	calls   []call
	covered map[string][]stretch
	next    map[string]time.Time
	going   map[string][]call // runs by schedule
	// overlaps are runs of a schedule that began while another of it was going.
	overlaps []overlapping
}

func newWorld(t testing.TB, now string) *world {
	return &world{
		t: t, clock: newSettableClock(at(now)), store: newMemoryStore(), covered: map[string][]stretch{}, next: map[string]time.Time{}, going: map[string][]call{},
		runFor: func(Firing) time.Duration { return time.Minute }, cut: power.ResultPartial,
	}
}

func (w *world) cover(schedule string, from, until time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.covered[schedule] = append(w.covered[schedule], stretch{from, until})
}

// ready makes runs that need no preparation.
func ready(run func(context.Context, Firing) RunEnd) func(context.Context, Firing) Prepared {
	return func(_ context.Context, f Firing) Prepared {
		return Prepared{Groups: targets(f), Run: func(ctx context.Context) RunEnd { return run(ctx, f) }}
	}
}

// prepare returns runs that take their time and obey their contexts.
func (w *world) prepare(process int) func(context.Context, Firing) Prepared {
	return ready(func(ctx context.Context, f Firing) RunEnd { return w.run(ctx, process, f) })
}

// targets are the groups of f, with one instance each.
func targets(f Firing) (all []store.Targets) {
	for _, name := range f.Groups {
		all = append(all, store.Targets{Group: name, IDs: []string{"i-" + name}})
	}
	return all
}

func (w *world) run(ctx context.Context, process int, f Firing) RunEnd {
	w.mu.Lock()
	k := call{f, process, w.clock.now()}
	w.calls = append(w.calls, k)
	for _, before := range w.going[f.Schedule] {
		w.overlaps = append(w.overlaps, overlapping{before, k})
	}
	w.going[f.Schedule] = append(w.going[f.Schedule], k)
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.going[f.Schedule] = slices.DeleteFunc(w.going[f.Schedule], func(k call) bool { return k.RunID == f.RunID })
	}()
	w.note("run %s%s", f.RunID, map[bool]string{true: " resumed"}[f.Resumed])
	d := w.runFor(f)
	if d < 0 {
		panic("boom")
	}
	select {
	case <-ctx.Done():
		return RunEnd{Result: w.cut, Err: ctx.Err(), CutOff: w.cut != power.ResultOK}
	case <-time.After(d):
		return RunEnd{Result: power.ResultOK}
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
	prepare := w.custom
	if prepare == nil {
		prepare = w.prepare(w.process)
	}
	loop, err := New(Config{
		Schedules: schedules, Prepare: prepare, Gather: w.gather, Store: w.sess, Emit: w.Receive, Clock: w.clock, Alive: w.countRound, Recalled: w.recalled,
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

// expectAll is expect for lines in any order.
func (w *world) expectAll(want ...string) {
	w.t.Helper()
	w.mu.Lock()
	slices.Sort(w.log)
	w.mu.Unlock()
	slices.Sort(want)
	w.expect(want...)
}

// expectKinds compares what became of runs in the store.
func (w *world) expectKinds(want map[string]store.Kind) {
	w.t.Helper()
	for id, kind := range want {
		if r := w.store.runs[id]; r == nil || r.kind != kind {
			w.t.Errorf("%s: %+v, want %s", id, r, kind)
		}
	}
}

// mustSchedule is an hourly-or-other schedule in UTC with an hour of catch-up.
func mustSchedule(t testing.TB, name, spec string, change ...func(*Schedule)) Schedule {
	t.Helper()
	timetable, err := cron.Parse(spec, time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	s := Schedule{
		Name: name, Timetable: timetable, Zone: time.UTC, Action: "start", Groups: []string{"web"},
		CatchUp: time.Hour, Deadline: 30 * time.Minute,
	}
	for _, c := range change {
		c(&s)
	}
	if err := s.Validate(); err != nil {
		t.Fatal(err)
	}
	return s
}

func catchUp(d time.Duration) func(*Schedule) { return func(s *Schedule) { s.CatchUp = d } }
func overlap(o Overlap) func(*Schedule)       { return func(s *Schedule) { s.Overlap = o } }
func paused(s *Schedule)                      { s.Paused = true }
func jitter(d time.Duration) func(*Schedule)  { return func(s *Schedule) { s.Jitter = d } }

func excluding(t testing.TB, name string, dates ...string) func(*Schedule) {
	c, err := calendar.New(calendar.Source{Name: name, Dates: dates})
	if err != nil {
		t.Fatal(err)
	}
	return func(s *Schedule) { s.Exclude = append(s.Exclude, c) }
}

// at reads "02 07:45" or "02 07:45:30" as a time in January 2026: the 5th is a Monday.
func at(text string) time.Time {
	layout := "2006-01-02 15:04"
	if strings.Count(text, ":") == 2 {
		layout += ":05"
	}
	t, err := time.Parse(layout, "2026-01-"+text)
	if err != nil {
		panic(err)
	}
	return t
}

// story runs a test in a synctest bubble, and stops the daemon that is running at its end.
func story(t *testing.T, now string, body func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, now)
		body(t, w)
		if w.cancel != nil {
			w.stop()
		}
	})
}
