package scheduler

import (
	"maps"
	"slices"
	"time"

	"zecpower/internal/store"
)

// plan is what one round decides about one entry. Making it changes nothing; apply makes it true.
type plan struct {
	entry     *entry
	begins    []Firing            // claimed before; their time has come
	abandons  []store.Abandonment // claimed before; they will not run
	queue     *Firing             // claimed before; waits for its predecessor from now on; nil: none
	decisions []Decision          // about nominal times that have come, claims among them
}

// reconcile decides every nominal time that has come, records the decisions, and begins the runs.
// shared is the part of a situation that all schedules have in common.
//
// The order is the guarantee: a run is durable before its first request leaves. It does not matter
// what woke the loop, or how late: one call catches up with the clock.
func (l *Loop) reconcile(shared situation) {
	// 1. Take the entries whose wake time has come out of the queue. Usually a heartbeat finds
	// none, and the round costs nothing. apply puts each back.
	var due []*entry
	l.lock(func() { due = l.queue.popDue(shared.now) })
	if len(due) == 0 {
		return
	}

	// 2. Plan all of them before anything is changed, and collect the plans in one round. One write
	// then makes the decisions of all schedules durable. Thousands that fire together would
	// otherwise wait for thousands of writes.
	shared.intents = l.newIntents(shared.now, shared.grace)
	plans := make([]plan, len(due))
	round := store.Round{At: shared.now}
	for i, e := range due {
		plans[i] = e.plan(shared)
		plans[i].addTo(&round)
		if i%1000 == 999 {
			// Thousands of schedules after a long night take a while. The watchdog must not fire.
			l.cfg.Alive()
		}
	}

	// 3. Make the runs that begin ready, so that their claims and beginnings are one write.
	var firings []Firing
	for i := range plans {
		firings = append(firings, plans[i].firings()...)
	}
	launches := map[string]*launch{} // by run id
	for _, p := range l.prepareAll(firings) {
		launches[p.firing.RunID] = p
	}
	addBeginnings(&round, slices.Collect(maps.Values(launches)), shared.now)

	// 4. Record. An entry may have woken with nothing to record, and an empty round is not written.
	// held names the runs that the store already had: another process, or this one before the clock
	// was set back, claimed them, so they must not begin. Where the store fails, held is nil and
	// every run begins: a fleet that stays off costs more than a run that might be made twice.
	var held map[string]bool
	if !round.Empty() {
		held = l.record(round)
	}

	// 5. Make the plans true, one schedule at a time. From here on requests may leave.
	for _, p := range plans {
		l.apply(p, launches, held, shared.now)
	}
	for _, p := range launches {
		p.cancel() // its claim was held
	}
}

// firings lists the runs of p that begin. They may yet turn out to have had their turn.
func (p *plan) firings() []Firing {
	all := slices.Clone(p.begins)
	for _, d := range p.decisions {
		if d.begins() {
			f := d.Firing()
			f.Planned, f.Source = p.entry.schedule.intention(d.Nominal).planned, p.entry.schedule.Source
			all = append(all, f)
		}
	}
	return all
}

// addTo adds the plan to the round that is recorded.
func (p *plan) addTo(r *store.Round) {
	for _, f := range p.begins {
		r.Updates = append(r.Updates, f.Record())
	}
	if p.queue != nil {
		r.Updates = append(r.Updates, p.queue.Record()) // it does not begin: it waits for something else now
	}
	r.Abandons = append(r.Abandons, p.abandons...)
	for _, d := range p.decisions {
		d.addTo(r)
	}
	// r.At says the same for all schedules. The schedule's own watermark counts where r.At does
	// not: once a clock that was wrong has recorded an instant in the future. See startFrom.
	if len(p.decisions) > 0 {
		r.Watermarks = append(r.Watermarks, store.Watermark{Schedule: p.entry.name, Through: r.At, Spec: p.entry.spec, Since: p.entry.since})
	}
}

// plan decides about e without changing it.
func (e *entry) plan(shared situation) plan {
	p := plan{entry: e}
	if e.schedule == nil {
		return p // removed; only its last runs keep the entry
	}

	// 1. Complete the situation. shared is a copy.
	shared.schedule, shared.through, shared.ran = e.schedule, e.through, e.hasRun
	shared.running, shared.queued = e.going(shared.intents), e.queued != nil

	// 2. First the runs that were claimed earlier and whose run time has come. They are older than
	// any nominal time that is undecided, so they come before those in the overlap policy:
	// placeClaim counts them in shared. waiting is ordered by run time.
	for _, f := range e.waiting {
		if f.RunAt.After(shared.now) {
			break
		}
		p.placeClaim(f, &shared)
	}

	// 3. Then the nominal times that have come. Without the check an entry that woke for a claim
	// only would list its nominal times in vain.
	if e.hasNext && !e.next.Nominal.After(shared.now) {
		p.decisions = shared.decide()
		shared.heed(p.decisions)
	}
	return p
}

// going counts the runs that count as going for the overlap policy. One that lost a group to a newer
// intention does not: it must not keep the next time from wanting that group again.
func (e *entry) going(x *intents) (n int) {
	for _, r := range e.running {
		if lost, _ := x.of(r.Firing, e.schedule); len(lost) == 0 {
			n++
		}
	}
	return n
}

// placeClaim decides what becomes of a claimed run whose run time has come, and counts it in s.
func (p *plan) placeClaim(f Firing, s *situation) {
	// 1. Where it is late (the machine slept over its run time, or the clock was set forward), it
	// may be too late: then it is missed like any other time.
	kind := DecisionRun
	if s.now.Sub(f.RunAt) > s.grace {
		replaced := p.entry.replaces(f, s.now)
		if kind, _ = resume(f, s.schedule, s.now, replaced); kind == DecisionInterrupted {
			p.abandons = append(p.abandons, abandonment(f, DecisionMissed, s.missedReason(replaced), s.now))
			return
		}
	}

	// 2. Other schedules may want otherwise by now.
	superseded, all := s.intents.of(f, s.schedule)
	if all {
		p.abandons = append(p.abandons, abandonment(f, DecisionMissed, MissedSuperseded, s.now))
		return
	}
	f.Superseded = superseded

	// 3. The overlap policy applies now, not when it was claimed: what goes on at its run time
	// counts.
	switch s.applyOverlap(DecisionRun) {
	case DecisionRun:
		p.begins = append(p.begins, f.begin(kind, s.schedule, s.now))
		s.running++
	case DecisionQueued:
		f.Waits = WaitTurn
		p.queue, s.queued = &f, true
	default:
		p.abandons = append(p.abandons, abandonment(f, DecisionOverlap, "", s.now))
	}
}

// apply makes a recorded plan true, and takes the runs that it begins out of launches. held are the runs that the store already had.
func (l *Loop) apply(p plan, launches map[string]*launch, held map[string]bool, now time.Time) {
	// 1. Change the entry in one step, so that a snapshot shows it before or after. It goes back
	// into the queue last, at the wake time that it has by then.
	begins := p.begins
	l.lock(func() {
		p.entry.advance(now)
		if p.queue != nil {
			p.entry.queued = p.queue
		}
		begins = append(begins, p.entry.claim(p.decisions, held, l.recalled)...)
		l.queue.place(p.entry)
	})

	// 2. Report the times and claims that do not run. notify leaves out those that do: begin
	// reports them.
	l.abandoned(p.abandons)
	for _, d := range p.decisions {
		l.notify(d)
	}

	// 3. Begin the runs, older claims first. Each is durable by now, unless the store fails. Then
	// report the next run.
	for _, f := range begins {
		l.begin(p.entry, launches[f.RunID])
		delete(launches, f.RunID)
	}
	l.notifyNext(p.entry)
}

// advance moves e on to now: claims whose run time has come are planned, nominal times up to now
// are decided.
func (e *entry) advance(now time.Time) {
	passed := 0
	for passed < len(e.waiting) && !e.waiting[passed].RunAt.After(now) {
		passed++
	}
	e.waiting = append(e.waiting[:0:0], e.waiting[passed:]...)
	if e.schedule == nil || e.through.After(now) {
		return
	}
	e.through = now
	e.seek()
	e.seekDue(false)
}

// claim adds the runs among decisions to e, and returns those that begin now. A run in held had its
// turn already, in this process or another: it is remembered and does not begin. Before the store was
// recalled it is another process's, and recall decides how it goes on: it must not pass for one of
// this process.
func (e *entry) claim(decisions []Decision, held map[string]bool, recalled bool) (begins []Firing) {
	for _, d := range decisions {
		if !d.Claims() {
			continue
		}
		f := d.Firing()
		if !held[f.RunID] || recalled {
			e.remember(d.Nominal)
		}
		switch {
		case held[f.RunID]:
		case d.Kind == DecisionJittered:
			e.wait(f)
		case d.Kind == DecisionQueued:
			e.queued = &f
		default:
			begins = append(begins, f)
		}
	}
	return begins
}
