package scheduler

import (
	"context"
	"time"

	"zecpower/internal/event"
	"zecpower/internal/power"
	"zecpower/internal/store"
)

// overrun is how long after its deadline a run's context is cancelled. The run function obeys the
// deadline by itself: it distinguishes instances that ran out of time from cancelled ones. The
// cancelled context only frees a schedule whose run is stuck.
const overrun = time.Minute

// ended is the end of a run, sent from its goroutine to the loop.
type ended struct {
	firing    Firing
	result    RunEnd
	at        time.Time     // wall clock
	took      time.Duration // on the monotonic clock
	suspended bool          // the stop of the daemon cut it short: it stays open for the next start
	unwritten error         // the store did not accept the end; nil: it did, or suspended is set
}

// begin starts a claimed run in a goroutine of its own. Where the daemon is stopping it does
// nothing: the claim is in the store, and the next start resumes it.
func (l *Loop) begin(e *entry, p *launch) {
	if l.runs.Err() != nil {
		return
	}
	f := p.firing
	l.noteMade(intention{planned: f.Planned, action: f.Action, schedule: f.Schedule, runID: f.RunID}, f.Wanted())
	l.lock(func() {
		e.running = append(e.running, Running{Firing: f, StartedAt: l.cfg.Clock.Read().Wall})
		l.active++
	})
	go l.execute(l.runs, p)
}

// execute makes one run, records its end, and sends it to the loop, whatever the run does. It runs
// in the run's goroutine, which ends once the loop has received: join receives from all.
func (l *Loop) execute(ctx context.Context, p *launch) {
	begin := l.cfg.Clock.Read()
	e := ended{firing: p.firing, result: l.call(ctx, p, begin.Wall)}
	end := l.cfg.Clock.Read()
	e.at, e.took = end.Wall, end.Monotonic-begin.Monotonic
	// A run that the stop of the daemon cut off is left open. One that came to its end is not, be
	// it that some of its instances failed: there is nothing to resume.
	e.suspended = ctx.Err() != nil && e.result.CutOff
	if !e.suspended {
		e.unwritten = l.cfg.Store.Finish(l.writing, p.firing.Record(), e.result.record(e.at))
	}
	l.ends <- e
}

// call makes the run once it is ready and its beginning is recorded, and turns a panic into a
// failed end.
func (l *Loop) call(ctx context.Context, p *launch, now time.Time) (r RunEnd) {
	defer func() {
		if v := recover(); v != nil {
			r = panicked(v)
		}
	}()
	if deadline := p.firing.Deadline; !deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, deadline.Sub(now)+overrun)
		defer cancel()
	}
	if err := p.await(ctx); err != nil {
		p.cancel()
		return RunEnd{Result: power.ResultFailed, Err: err, CutOff: true}
	}
	if !p.recorded {
		l.recordLate(p)
	}
	return p.ready.Run(ctx)
}

// finished processes the end of a run, and begins the queued run of its schedule.
func (l *Loop) finished(end ended) {
	e := l.entries[end.firing.Schedule]
	l.lock(func() {
		l.active--
		e.dropRunning(end.firing.RunID)
		if !end.suspended {
			e.setLast(end)
		}
	})
	if end.suspended {
		l.cfg.Emit(event.RunSuspended{Run: end.firing.Name(), Groups: end.firing.Groups})
		return
	}
	l.dropBeginning(end.firing.RunID)
	l.cfg.Emit(end.finishedEvent())
	if e.schedule != nil {
		l.cfg.Emit(e.lastRun())
	}
	if end.unwritten != nil {
		finish := func() error { return l.cfg.Store.Finish(l.writing, end.firing.Record(), end.result.record(end.at)) }
		l.writeLater(write{"record a run's end", finish}, end.unwritten)
	}
	l.beginQueued(e)
	if e.schedule == nil && e.idle() {
		l.lock(func() { delete(l.entries, e.name) })
	}
}

// dropRunning removes a run from running.
func (e *entry) dropRunning(runID string) {
	for i, r := range e.running {
		if r.Firing.RunID == runID {
			e.running = append(e.running[:i:i], e.running[i+1:]...)
			return
		}
	}
}

// setLast makes a run the schedule's last one.
func (e *entry) setLast(end ended) {
	last := store.LastRun{
		RunID: end.firing.RunID, Nominal: end.firing.Nominal, FinishedAt: end.at,
		Result: end.result.Result, LastSuccess: e.last.LastSuccess,
	}
	if last.Result == power.ResultOK {
		last.LastSuccess = end.at
	}
	e.last = last
}

// lastRun reports how the schedule last ended.
func (e *entry) lastRun() event.LastRun {
	return event.LastRun{Schedule: e.name, FinishedAt: e.last.FinishedAt, LastSuccess: e.last.LastSuccess}
}

// beginQueued begins the queued run of e once no other run of it is going.
func (l *Loop) beginQueued(e *entry) {
	if e.queued == nil || len(e.running) > 0 || l.runs.Err() != nil {
		return
	}
	f := *e.queued
	l.lock(func() { e.queued = nil })
	now := l.cfg.Clock.Read().Wall
	kind, reason := DecisionRun, MissedReason("")
	superseded, all := l.newIntents(now, stepThreshold).of(f, e.schedule)
	switch {
	case all && f.Waits == WaitNone:
		kind, reason = DecisionInterrupted, MissedSuperseded
	case all:
		kind, reason = DecisionMissed, MissedSuperseded
	// A run that an earlier process began is queued here where it met another resumed run. Its
	// deadline went on meanwhile, so it may be too late by now.
	case f.Waits == WaitNone:
		kind, reason = resume(f, e.schedule, now, false)
	}
	if reason != "" {
		gone := []store.Abandonment{abandonment(f, kind, reason, now)}
		l.record(store.Round{Abandons: gone})
		l.abandoned(gone)
		return
	}
	f.Superseded = superseded
	f = f.begin(kind, e.schedule, now)
	p, round := l.prepare(f), store.Round{Updates: []store.Run{f.Record()}}
	addBeginnings(&round, []*launch{p}, now)
	l.record(round)
	l.begin(e, p)
}
