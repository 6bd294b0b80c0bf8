package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"zecpower/batcher"
	"zecpower/internal/config"
	"zecpower/internal/event"
	"zecpower/internal/power"
	"zecpower/internal/run"
	"zecpower/internal/store"
	"zecpower/internal/strictyaml"
	"zecpower/scheduler"
)

const (
	// endedKept is how long the end of a run by hand can be followed.
	endedKept = 10 * time.Minute
	// maxTogether bounds the runs by hand in progress, and the ended ones that can be followed.
	maxTogether = 1000
	// orderKept is how old an order may be: for as long its id is known.
	orderKept = 24 * time.Hour
	// finishPause is how long a run waits before it tries to record its end again.
	finishPause = 5 * time.Second
	// recallPatience is how long orders wait for what an earlier process left.
	recallPatience = 10 * time.Second
)

// hands makes the runs that people ask the daemon for. They are in the store like scheduled ones: one
// that a crash or restart cuts off goes on with the next process. It is safe for concurrent use.
type hands struct {
	daemon *Daemon

	ctx     context.Context // of all runs; set by start
	started time.Time

	mu   sync.Mutex          // guards the four below
	runs map[string]*handRun // by id: in progress, or ended a while ago
	// made are the ids of runs that can be followed no more, and of those of earlier processes, for a
	// day. recalled says that the latter are among them.
	made     map[string]bool
	recalled bool
	going    int        // how many are in progress
	over     []*handRun // those that ended, in this order
	work     sync.WaitGroup
}

// handRun is one run by hand.
type handRun struct {
	run    run.Run
	begun  time.Time
	cancel context.CancelCauseFunc
	// claimed is closed once the store has the run, or has failed, or it is refused.
	claimed chan struct{}
	refused error // why it is not made; nil: it is. Set before claimed is closed

	mu      sync.Mutex // guards all below
	changed chan struct{}
	update  RunUpdate
	ended   time.Time // zero: it goes on
}

// RunUpdate is how far a run by hand is, or how it ended.
type RunUpdate struct {
	RunID string `json:"run_id"`
	// Listed says that its instances are known; the numbers are of them.
	Listed  bool `json:"listed"`
	Total   int  `json:"total"`
	Final   int  `json:"final"`
	Pending int  `json:"pending"`
	Failed  int  `json:"failed"`
	// Trouble is what keeps its accounts from their work; empty: nothing.
	Trouble string `json:"trouble,omitempty"`
	// Report is how it ended; nil: it goes on, or Suspended.
	Report *SentReport `json:"report,omitempty"`
	// Suspended says that the daemon stops: the next one goes on with it.
	Suspended bool `json:"suspended,omitempty"`
}

// SentReport is a report as a client receives it: of the results it has those that failed or were
// skipped.
type SentReport power.Report

func sent(r power.Report) *SentReport {
	groups := slices.Clone(r.Groups)
	for i := range groups {
		groups[i].Results = slices.Concat(groups[i].Failures(), groups[i].Skips())
	}
	r.Groups = groups
	return (*SentReport)(&r)
}

// over reports whether no further update follows.
func (u RunUpdate) over() bool { return u.Report != nil || u.Suspended }

func newHands(d *Daemon) *hands {
	return &hands{daemon: d, runs: map[string]*handRun{}, made: map[string]bool{}}
}

// start lets runs be made until ctx ends. It is called once, before any other method.
func (h *hands) start(ctx context.Context, down *teardown) {
	h.ctx, h.started = ctx, time.Now()
	down.push("runs by hand", func() error { h.work.Wait(); return nil })
}

// resumeAll goes on with the runs by hand that an earlier process left. ids are those of all its runs
// by hand that an order may repeat.
func (h *hands) resumeAll(unfinished []scheduler.ByHand, ids []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.recalled = true
	for _, id := range ids {
		h.made[id] = true
	}
	for _, r := range unfinished {
		if h.runs[r.Run.ID] != nil || h.ctx.Err() != nil {
			continue // the store answers late, and it is of this process
		}
		if of := h.begin(resumed(h.daemon.current.Load(), r)); r.Run.Cancelled {
			of.cancel(batcher.ErrCancelled)
		}
	}
}

// resumed is a run of an earlier process as it goes on: with its rank, deadline, force and consent.
// Groups that the configuration does not have any more are left out.
func resumed(cfg *config.Config, left scheduler.ByHand) run.Run {
	of := left.Run
	superseded := map[string]string{}
	r := run.Run{
		ID: of.ID, Action: of.Action, Superseded: superseded, Nominal: of.Nominal, Planned: of.Planned, Deadline: of.Deadline, Actor: of.Actor, Force: of.Force,
		Reason: of.Reason, Trigger: of.Trigger, Resumable: true, Resumed: true, Define: define(cfg), AccountOf: cfg.AccountOf,
	}
	if of.AcceptMembership {
		r.AcceptedBy = of.Actor
	}
	for _, name := range of.Groups {
		switch _, err := cfg.Group(name); {
		case err != nil:
			r.LeftOut = append(r.LeftOut, name)
		case left.Superseded[name] != "":
			superseded[name] = left.Superseded[name]
		default:
			r.Names = append(r.Names, name)
		}
	}
	return r
}

// order makes the run of an order, or finds it where it was made before.
func (h *hands) order(o Order, who string) (*handRun, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if known := h.runs[o.RunID]; known != nil {
		return known, nil
	}
	if err := h.mayRepeat(o.RunID); err != nil {
		return nil, err
	}
	if h.ctx.Err() != nil {
		return nil, errors.New("the daemon is stopping: ask again once it is up")
	}
	cfg := h.daemon.current.Load()
	if err := o.check(cfg); err != nil {
		return nil, &badOrder{err}
	}
	if h.going >= maxTogether {
		return nil, fmt.Errorf("%d runs by hand are in progress: ask again once some have ended, or end some with zecpower cancel", h.going)
	}
	h.daemon.audit.begun(o.act(cfg, who), o.RunID)
	return h.begin(o.run(cfg, who, time.Now())), nil
}

// mayRepeat refuses an order whose run was made, or may have been by an earlier process: a client repeats its
// order to the next process, and its id says when it was made. A store that cannot be read holds up an
// order that is new for no longer than recallPatience. The caller holds mu.
func (h *hands) mayRepeat(runID string) error {
	switch {
	case h.made[runID]:
		return errMade
	case time.Since(orderedAt(runID)) > orderKept:
		return &badOrder{fmt.Errorf("run id %s is over a day old: order again under a new one", strictyaml.Quote(runID))}
	case !h.recalled && (time.Since(h.started) < recallPatience || orderedAt(runID).Before(h.started)):
		return errNotRecalled
	}
	return nil
}

// errNotRecalled puts an order off until what earlier processes left is read.
var errNotRecalled = errors.New("the daemon reads what the last one left: ask again in a moment")

// badOrder is an order that is refused for what it says.
type badOrder struct{ error }

// begin starts a run in a goroutine of its own. The caller holds mu.
func (h *hands) begin(r run.Run) *handRun {
	ctx, cancel := context.WithCancelCause(h.ctx)
	of := &handRun{
		run: r, begun: time.Now(), cancel: cancel, claimed: make(chan struct{}), changed: make(chan struct{}), update: RunUpdate{RunID: r.ID},
	}
	h.runs[r.ID] = of
	h.going++
	h.work.Go(func() {
		defer cancel(nil)
		h.make(ctx, of)
		h.ended(of)
	})
	return of
}

// ended counts a run that has ended, and drops those that ended long ago, or are too many.
func (h *hands) ended(of *handRun) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.going--
	h.over = append(h.over, of)
	for len(h.over) > maxTogether || time.Since(h.over[0].endedAt()) > endedKept {
		if oldest := h.over[0]; h.runs[oldest.run.ID] == oldest {
			delete(h.runs, oldest.run.ID)
			h.made[oldest.run.ID] = true
		}
		h.over = slices.Delete(h.over, 0, 1)
		maps.DeleteFunc(h.made, func(id string, _ bool) bool { return time.Since(orderedAt(id)) > orderKept })
	}
}

// emit passes an event on. A panic of a listener ends neither a run nor the process.
func (h *hands) emit(e event.Event) { event.Guarded(h.daemon.stream.Emit, "runs by hand")(e) }

// make makes a run and reports it. Its claim comes first, also where its groups must be listed before
// it begins: whoever is answered with its id can rely on it.
func (h *hands) make(ctx context.Context, of *handRun) {
	d, r := h.daemon, of.run
	if err := h.claim(r); err != nil {
		h.disown(of, err)
		close(of.claimed)
		return
	}
	close(of.claimed)
	end, over := h.carryOut(ctx, r)
	d.recordKeys()
	if !over {
		h.emit(event.RunSuspended{Run: r.Name(), Groups: r.Names})
		of.set(func(u *RunUpdate) { u.Suspended = true })
		return
	}
	h.recordEnd(r, end)
	h.emit(event.RunFinished{Run: r.Name(), Groups: r.Names, Result: end.Report.Result(), Err: end.Err, Report: &end.Report, Resumed: r.Resumed})
	h.mended(end.Report)
	of.set(func(u *RunUpdate) { u.Report = sent(end.Report) })
}

// errMade refuses an order whose run was made, and has ended, before.
var errMade = errors.New("it was made before: see zecpower history --schedule manual")

// claim records a run before anything is asked for it. A store that fails holds up no run; one that has
// the run already refuses it.
func (h *hands) claim(r run.Run) error {
	if r.Resumed {
		return nil
	}
	held, err := h.daemon.store.Claim(context.Background(), store.Round{Claims: []store.Run{record(r)}})
	switch {
	case err != nil:
		h.emit(event.StoreFailed{Op: "record a run by hand", Err: err})
	case len(held) > 0:
		return errMade
	}
	return nil
}

// disown forgets a run that is not to be made again. It is not ended: where an earlier process left it,
// it may still be resumed. The caller closes claimed.
func (h *hands) disown(of *handRun, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.runs, of.run.ID)
	of.refused = err
	of.set(func(u *RunUpdate) { u.Suspended = true })
}

// carryOut takes a run from its claim to its end. over is false where the next process goes on with
// it. A panic ends it alone.
func (h *hands) carryOut(ctx context.Context, r run.Run) (end run.End, over bool) {
	defer func() {
		if v := recover(); v != nil {
			err := fmt.Errorf("the run panicked: %v", v)
			h.emit(event.InternalError{Err: err, Stack: debug.Stack()})
			end, over = run.End{Report: failed(r, err), Err: err}, true
		}
	}()
	p := h.daemon.maker().Prepare(ctx, r)
	if stopped(ctx) {
		return end, false // a group that could not be listed for that has not failed
	}
	h.recordBeginning(r, p.Targets())
	end = p.Make(ctx)
	return end, !end.CutOff || !stopped(ctx)
}

// stopped reports whether the stop of the daemon, and no person, ended a run's context.
func stopped(ctx context.Context) bool {
	return ctx.Err() != nil && !errors.Is(context.Cause(ctx), batcher.ErrCancelled)
}

// failed is the report of a run that failed as a whole.
func failed(r run.Run, err error) power.Report {
	now := time.Now()
	report := power.Report{RunID: r.ID, Action: r.Action, ScheduledAt: r.Nominal, StartedAt: now, FinishedAt: now, Err: err.Error()}
	for _, name := range r.Names {
		report.Groups = append(report.Groups, power.GroupReport{Group: name, Results: []power.InstanceResult{}, Err: err.Error()})
	}
	return report
}

func record(r run.Run) store.Run {
	return store.Run{
		ID: r.ID, Schedule: store.ManualSchedule, Action: r.Action, Groups: slices.Concat(r.Names, r.LeftOut, slices.Sorted(maps.Keys(r.Superseded))), Nominal: r.Nominal, Planned: r.Planned,
		Deadline: r.Deadline, Resumed: r.Resumed, Actor: r.Actor, Force: r.Force, AcceptMembership: r.AcceptedBy != "", Reason: r.Reason, Trigger: r.Trigger,
	}
}

// recordBeginning records that a run begins, or goes on, and lets the schedules know.
func (h *hands) recordBeginning(r run.Run, groups []store.Targets) {
	of := record(r)
	round := store.Round{Begins: []store.Beginning{{Run: of, At: time.Now(), Groups: groups}}}
	if r.Resumed {
		round.Updates = []store.Run{of}
	}
	if _, err := h.daemon.store.Claim(context.Background(), round); err != nil {
		h.emit(event.StoreFailed{Op: "record the beginning of a run by hand", Err: err})
	}
	h.daemon.loop.NoteByHand(of)
}

// recordEnd records how a run ended. What the store does not take is tried again beside what follows,
// until the daemon stops.
func (h *hands) recordEnd(r run.Run, end run.End) {
	of := store.End{At: end.Report.FinishedAt, Result: end.Report.Result(), Report: &end.Report}
	for _, a := range end.Accepted {
		a.At = of.At
		of.Accepted = append(of.Accepted, a)
	}
	finish := func() error { return h.daemon.store.Finish(context.Background(), record(r), of) }
	err := finish()
	if err == nil {
		return
	}
	h.emit(event.StoreFailed{Op: "record the end of a run by hand", Err: err})
	h.work.Go(func() {
		for {
			select {
			case <-h.ctx.Done():
				_ = finish() // the last try: the next process resumes it otherwise, and asks nothing where all is final
				return
			case <-time.After(finishPause):
			}
			if finish() == nil {
				return
			}
		}
	})
}

// mended reports schedules whose groups are all as they want, because a run by hand brought them there
// after their own run had not: what alerts on the last run is over.
func (h *hands) mended(r power.Report) {
	well := map[string]bool{}
	for _, g := range r.Groups {
		well[g.Group] = g.Err == "" && g.Failed == 0 && g.Skipped == 0
	}
	cfg := h.daemon.current.Load()
	for i := range cfg.Schedules {
		s := &cfg.Schedules[i]
		if s.Action == r.Action && !slices.ContainsFunc(s.Groups, func(g string) bool { return !well[g] }) {
			h.emit(event.LastRun{Schedule: s.Name, LastSuccess: r.FinishedAt})
		}
	}
}

// cancel ends a run by hand, records that, so that no crash brings it back, and returns its groups.
// False: none of that id is in progress.
func (h *hands) cancel(runID string) (groups []string, found bool) {
	h.mu.Lock()
	of := h.runs[runID]
	h.mu.Unlock()
	if of == nil || !of.endedAt().IsZero() {
		return nil, false
	}
	of.cancel(batcher.ErrCancelled)
	if <-of.claimed; of.refused != nil { // before that the claim would find this record
		return nil, false
	}
	r := record(of.run)
	r.Cancelled = true
	if _, err := h.daemon.store.Claim(context.Background(), store.Round{Updates: []store.Run{r}}); err != nil {
		h.emit(event.StoreFailed{Op: "record that a run by hand is cancelled", Err: err})
	}
	return of.run.Names, true
}

// inProgress are the runs that go on, in the order in which they began.
func (h *hands) inProgress() (all []*handRun) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, of := range h.runs {
		if of.endedAt().IsZero() {
			all = append(all, of)
		}
	}
	slices.SortFunc(all, func(a, b *handRun) int { return a.begun.Compare(b.begun) })
	return all
}

// Receive implements event.Listener: it wakes those that follow a run.
func (h *hands) Receive(e event.Event) {
	var runID string
	switch e := e.(type) {
	case event.RunStarted:
		runID = e.Run.ID
	case event.Progressed:
		runID = e.Run.ID
	default:
		return
	}
	h.mu.Lock()
	of := h.runs[runID]
	h.mu.Unlock()
	if of != nil {
		of.set(func(*RunUpdate) {})
	}
}

// set changes what followers see, and wakes them.
func (of *handRun) set(change func(*RunUpdate)) {
	of.mu.Lock()
	defer of.mu.Unlock()
	change(&of.update)
	if of.update.over() {
		of.ended = time.Now()
	}
	close(of.changed)
	of.changed = make(chan struct{})
}

func (of *handRun) endedAt() time.Time {
	of.mu.Lock()
	defer of.mu.Unlock()
	return of.ended
}

// now is how far the run is, and what is closed once that has changed.
func (of *handRun) now() (RunUpdate, <-chan struct{}) {
	of.mu.Lock()
	defer of.mu.Unlock()
	return of.update, of.changed
}

// look is how far a run is at this moment.
func (h *hands) look(of *handRun) (RunUpdate, <-chan struct{}) {
	u, changed := of.now()
	if u.over() {
		return u, changed
	}
	p, listed := h.daemon.progress.Progress(u.RunID)
	u.Listed, u.Total, u.Final, u.Pending, u.Failed = listed, p.Total, p.Final, p.Pending, p.Failed
	u.Trouble = h.daemon.accounts.Load().trouble()
	return u, changed
}

// trouble says what keeps accounts from their work; empty: nothing.
func (s *accounts) trouble() string {
	for name, a := range s.of {
		switch {
		case a.batch.Blocked():
			return "the network in front of the API of account " + name + " refuses this host"
		case a.batch.Down():
			return "the API of account " + name + " does not answer: one probe at a time until it does"
		}
	}
	return ""
}
