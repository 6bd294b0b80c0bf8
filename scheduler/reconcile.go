package scheduler

import (
	"maps"
	"slices"
	"time"

	"zecpower/internal/power"
)

// plan is what a round makes of one slot.
type plan struct {
	slot      *entry
	begins    []Firing      // claimed before, their time has come
	abandons  []Abandonment // claimed before, will not run
	queue     *Firing       // claimed before, waits for its predecessor
	decisions []Decision
}

// reconcile decides every nominal time that has come, records that, and begins
// what is to begin: in this order, so that a run is durable before its first
// request leaves. shared is what all situations have in common.
func (l *Loop) reconcile(shared situation) {
	slots := l.take(shared.now)
	if len(slots) == 0 {
		return
	}
	plans := make([]plan, len(slots))
	round := Round{At: shared.now}
	for i, s := range slots {
		plans[i] = s.plan(shared)
		plans[i].addTo(&round)
		if i%1000 == 999 {
			l.cfg.Alive() // a morning's worth of schedules after a long night is work, not a hang
		}
	}
	var held map[string]bool
	if !round.empty() {
		held = l.record(round)
	}
	for _, p := range plans {
		l.apply(p, held, shared.now)
	}
}

func (p *plan) addTo(r *Round) {
	r.Begins = append(r.Begins, p.begins...)
	if p.queue != nil {
		r.Begins = append(r.Begins, *p.queue)
	}
	r.Abandons = append(r.Abandons, p.abandons...)
	r.Decisions = append(r.Decisions, p.decisions...)
	if len(p.decisions) > 0 {
		r.Watermarks = append(r.Watermarks, Watermark{Schedule: p.slot.name, Through: r.At, Spec: p.slot.spec})
	}
}

func (l *Loop) take(now time.Time) []*entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.queue.take(now)
}

// plan decides about s without changing it.
func (s *entry) plan(shared situation) plan {
	p := plan{slot: s}
	if s.schedule == nil {
		return p
	}
	shared.schedule, shared.through, shared.ran = s.schedule, s.through, s.hasRun
	shared.running, shared.queued = len(s.running), s.queued != nil
	for _, f := range s.waiting {
		if f.RunAt.After(shared.now) {
			break
		}
		p.place(f, &shared)
	}
	if s.hasNext && !s.next.Nominal.After(shared.now) {
		p.decisions = shared.decide()
	}
	return p
}

// place finds out what becomes of a waiting run whose time has come.
func (p *plan) place(f Firing, s *situation) {
	verdict := DecisionRun
	if s.now.Sub(f.RunAt) > s.grace {
		replaced := p.slot.replaces(f, s.now)
		if verdict, _ = resume(f, s.schedule, s.now, replaced); verdict == DecisionInterrupted {
			p.abandons = append(p.abandons, Abandonment{f, DecisionMissed, s.missedReason(replaced), s.now})
			return
		}
	}
	switch s.turn(DecisionRun) {
	case DecisionRun:
		p.begins = append(p.begins, f.setOut(verdict, s.schedule, s.now))
		s.running++
	case DecisionQueued:
		f.Waits = WaitTurn
		p.queue, s.queued = &f, true
	default:
		p.abandons = append(p.abandons, Abandonment{f, DecisionOverlap, "", s.now})
	}
}

// apply makes a plan true.
func (l *Loop) apply(p plan, held map[string]bool, now time.Time) {
	begins := p.begins
	l.lock(func() {
		p.slot.forgetPassed(now)
		if p.queue != nil {
			p.slot.queued = p.queue
		}
		begins = append(begins, p.slot.claim(p.decisions, held)...)
		l.queue.place(p.slot)
	})
	l.notifyAbandoned(p.abandons)
	for _, d := range p.decisions {
		l.notify(d)
	}
	for _, f := range begins {
		l.begin(p.slot, f)
	}
	l.notifyNext(p.slot)
}

// forgetPassed moves s on to now: what waited is planned, what was next is decided.
func (s *entry) forgetPassed(now time.Time) {
	passed := 0
	for passed < len(s.waiting) && !s.waiting[passed].RunAt.After(now) {
		passed++
	}
	s.waiting = append(s.waiting[:0:0], s.waiting[passed:]...)
	if s.schedule == nil || s.through.After(now) {
		return
	}
	s.through = now
	s.seek()
	s.seekDue(false)
}

// claim takes the runs of decisions on, and gives those that begin now. A run
// that the ledger held already had its turn, in this process or another.
func (s *entry) claim(decisions []Decision, held map[string]bool) (begins []Firing) {
	for _, d := range decisions {
		if !d.Claims() {
			continue
		}
		s.remember(d.Nominal)
		f := d.Firing()
		switch {
		case held[f.RunID]:
		case d.Kind == DecisionJittered:
			s.wait(f)
		case d.Kind == DecisionQueued:
			s.queued = &f
		default:
			begins = append(begins, f)
		}
	}
	return begins
}

// begin starts a claimed run, unless the daemon is stopping: then the claim
// waits in the ledger for the next start.
func (l *Loop) begin(s *entry, f Firing) {
	if l.runs.Err() != nil {
		return
	}
	l.cfg.Observer.RunStarted(f)
	l.lock(func() {
		s.running = append(s.running, Running{Firing: f, StartedAt: l.cfg.Clock.Read().Wall})
		l.active++
	})
	go l.execute(l.runs, f)
}

// finished takes a run's end in, and lets the next in the queue begin.
func (l *Loop) finished(e ended) {
	s := l.entries[e.firing.Schedule]
	l.lock(func() {
		l.active--
		s.drop(e.firing.RunID)
		if !e.suspended {
			s.finish(e)
		}
	})
	if e.suspended {
		l.cfg.Observer.RunSuspended(e.firing)
		return
	}
	l.cfg.Observer.RunFinished(e.firing, e.result, e.took)
	if s.schedule != nil {
		l.cfg.Observer.LastRun(s.name, s.last)
	}
	if e.unwritten != nil {
		finish := func() error { return l.cfg.Store.Finish(e.firing, e.result, e.at) }
		l.writeLater(write{"record a run's end", finish}, e.unwritten)
	}
	l.nextInQueue(s)
	if s.schedule == nil && s.idle() {
		l.lock(func() { delete(l.entries, s.name) })
	}
}

func (s *entry) drop(runID string) {
	for i, r := range s.running {
		if r.Firing.RunID == runID {
			s.running = append(s.running[:i:i], s.running[i+1:]...)
			return
		}
	}
}

func (s *entry) finish(e ended) {
	last := LastRun{
		RunID: e.firing.RunID, Nominal: e.firing.Nominal, FinishedAt: e.at,
		Result: e.result.Result, LastSuccess: s.last.LastSuccess,
	}
	if last.Result == power.ResultOK {
		last.LastSuccess = e.at
	}
	s.last = last
}

// nextInQueue begins the queued run of s once nothing else of it runs.
func (l *Loop) nextInQueue(s *entry) {
	if s.queued == nil || len(s.running) > 0 || l.runs.Err() != nil {
		return
	}
	f := *s.queued
	l.lock(func() { s.queued = nil })
	now := l.cfg.Clock.Read().Wall
	verdict := DecisionRun
	if f.Waits == WaitNone { // a run that an earlier process began: its time goes on
		var reason MissedReason
		if verdict, reason = resume(f, s.schedule, now, false); verdict == DecisionInterrupted {
			gone := []Abandonment{{f, verdict, reason, now}}
			l.record(Round{Abandons: gone})
			l.notifyAbandoned(gone)
			return
		}
	}
	f = f.setOut(verdict, s.schedule, now)
	l.record(Round{Begins: []Firing{f}})
	l.begin(s, f)
}

func (l *Loop) notifyAbandoned(all []Abandonment) {
	for _, a := range all {
		l.notify(Decision{
			Schedule: a.Firing.Schedule, Kind: a.Kind, Nominal: a.Firing.Nominal, Last: a.Firing.Nominal,
			Count: 1, Reason: a.Reason,
		})
	}
}

// tell tells the observer of a decision against a run.
func (l *Loop) notify(d Decision) {
	switch d.Kind {
	case DecisionMissed, DecisionInterrupted:
		l.cfg.Observer.RunMissed(Missed{d.Schedule, d.Nominal, d.Last, d.Count, d.AtLeast, d.Reason})
	case DecisionExcluded, DecisionPaused, DecisionOverlap:
		l.cfg.Observer.RunSkipped(Skipped{d.Schedule, d.Nominal, d.Last, d.Count, d.Kind, d.Calendar})
	}
}

// tellNext tells the observer of the next run where it has changed.
func (l *Loop) notifyNext(s *entry) {
	if at := s.nextRun(); !at.Equal(s.notified) {
		s.notified = at
		l.cfg.Observer.NextRun(s.name, at)
	}
}

func (l *Loop) notifyAll() {
	for _, name := range slices.Sorted(maps.Keys(l.entries)) {
		l.notifyNext(l.entries[name])
	}
}
