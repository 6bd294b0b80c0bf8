package batcher

import (
	"context"
	"slices"
	"time"

	"zecpower/apiclient"
	"zecpower/internal/power"
)

const (
	// lagPolls is how many poll intervals a state may trail an accepted action.
	lagPolls = 2
	// deniedPoll is how often accepted instances are described once the refusal of the credentials is
	// final.
	deniedPoll = 30 * time.Second
	// unreachedErrors and unreachedSpan are how many errors that waiting does not mend, over how
	// long, end a run by hand.
	unreachedErrors = 3
	unreachedSpan   = 2 * time.Second
)

// loop works while runs are in progress or requests in flight.
func (a *Account) loop() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		at, idle := a.step(nil)
		if idle {
			return
		}
		timer.Stop()
		if !at.IsZero() {
			timer.Reset(max(time.Until(at), 0))
		}
		select {
		case r := <-a.replies:
			a.step(&r)
		case <-a.wake:
		case <-timer.C:
		}
	}
}

// step takes in what has happened, and sends what may leave. It returns when to look again, zero:
// not before something happens; idle: nothing is left to do, and the loop ends.
func (a *Account) step(r *reply) (at time.Time, idle bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	// 1. The end of a run must not lose against a reply that is there as well.
	a.expire(now)
	if r != nil {
		a.receive(*r, now)
		return time.Time{}, false // more replies may be there
	}
	// 2. A reply may bring the end of more, or room for a request.
	for more := true; more; {
		select {
		case r := <-a.replies:
			a.receive(r, now)
		default:
			more = false
		}
	}
	// 3. Send.
	at = a.dispatch(now)
	if len(a.runs)+len(a.listings)+len(a.inFlight) == 0 {
		a.looping = false
		a.memory.forget(a, now)
		return time.Time{}, true
	}
	return earlier(at, a.soonest), false
}

// later is the later of two times.
func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// earlier is the earlier of two times, of which zero is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// expire ends the runs whose deadline is over.
func (a *Account) expire(now time.Time) {
	if a.soonest.IsZero() || now.Before(a.soonest) {
		return // there may be thousands of runs
	}
	a.soonest = time.Time{}
	for _, x := range slices.Clone(a.runs) {
		switch d := x.run.Deadline; {
		case x.ended != "" || d.IsZero():
		case now.Before(d):
			a.soonest = earlier(a.soonest, d)
		default:
			a.end(x, endDeadline)
		}
	}
}

// dispatch sends what may leave now, and returns when to look again.
func (a *Account) dispatch(now time.Time) time.Time {
	for {
		d := a.demand(now)
		p, action, ok, at := a.budget.choose(now, d)
		if !ok {
			return earlier(at, a.opens(now))
		}
		a.guard("a step of the account", nil, func() { a.send(now, p, action, d) })
	}
}

// guard makes a panic in a step of the account the end of the instances concerned, and of nothing
// else. The others, and the process, go on.
func (a *Account) guard(where string, r *request, f func()) {
	p := catch(where, f)
	if p == nil {
		return
	}
	a.reportPanic(p)
	if r == nil {
		return
	}
	for _, w := range r.works {
		if !w.gone && (w.req == r || w.at == nowhere) {
			w.fail(power.ReasonInternalError)
			a.final(w)
		}
	}
}

// demand finds out what waits to send.
func (a *Account) demand(now time.Time) demand {
	a.diagnose.ripen(now)
	for _, l := range a.lanes {
		l.again.ripen(now)
		l.refillAlone(now)
	}
	d := demand{actions: a.actions(now)}
	for p := range priorities {
		switch waits := len(d.actions[p]) > 0; {
		case waits && a.wanted[p].IsZero():
			a.wanted[p] = now
		case !waits:
			a.wanted[p] = time.Time{}
		}
		d.since[p] = a.wanted[p]
	}
	return d
}

// actions lists the API actions of what waits at each priority. Starts and stops alternate.
func (a *Account) actions(now time.Time) (actions [priorities][]string) {
	for k := range lanes {
		if l := a.lanes[(a.turn+1+k)%lanes]; l.wants(now) {
			actions[PriorityStart] = append(actions[PriorityStart], l.api)
		}
	}
	describe := []string{apiclient.ActionDescribeInstancesStatus}
	if a.listingReady(now) >= 0 {
		actions[PriorityDiagnose] = []string{apiclient.ActionDescribeInstances}
	}
	if a.diagnose.has() {
		actions[PriorityDiagnose] = append(actions[PriorityDiagnose], describe...)
	}
	if due := a.pollDue(now); !due.IsZero() && !due.After(now) {
		actions[PriorityPoll] = describe
	}
	return actions
}

// opens is when the next backoff ends, or describe falls due.
func (a *Account) opens(now time.Time) (at time.Time) {
	// While something waits already, only the budget can let it out.
	if due := a.pollDue(now); due.After(now) {
		if latest := now.Add(a.settings.PollInterval); due.After(latest) {
			due = latest // a stretched interval shrinks again as the budget recovers
		}
		at = due
	}
	at = earlier(at, a.diagnose.opens())
	at = earlier(at, a.listingOpens(now))
	for _, l := range a.lanes {
		at = earlier(at, l.again.opens())
		at = earlier(at, l.first.opens(now))
		if u := &l.refusals; u.holds() && !u.flying && len(u.ids) > 0 && u.next.After(now) {
			at = earlier(at, u.next)
		}
	}
	return at
}

// send sends the next request of a priority and an API action.
func (a *Account) send(now time.Time, p Priority, action string, d demand) {
	r := a.next(now, p, action)
	if r == nil {
		return // what waited is gone; demand is asked again
	}
	t := a.budget.leave(now, p, action, d)
	t.page = r.sweep != nil || r.listing != nil
	if t.credentialProbe {
		r = a.probeOf(r)
	}
	a.waited += now.Sub(a.wanted[p])
	a.wanted[p] = time.Time{} // what else waits begins to wait for the next
	r.runs = a.concerns(r)
	for _, x := range r.runs {
		x.inFlight++
		if x.firstRequest.IsZero() {
			x.firstRequest = now
		}
	}
	a.inFlight[r] = true
	a.call(r, t, now)
}

// concerns lists the runs that wait for the reply to a request: those that want some of its works. A
// page may list what any run has on its way.
func (a *Account) concerns(r *request) (runs []*run) {
	if r.sweep == nil {
		return runsOf(r.works)
	}
	for _, x := range a.runs {
		if x.pending > 0 {
			runs = append(runs, x)
		}
	}
	return runs
}

// actionOf is the API action of a request.
func (a *Account) actionOf(r *request) string {
	switch {
	case r.priority == PriorityStart:
		return r.lane.api
	case r.listing != nil:
		return apiclient.ActionDescribeInstances
	}
	return apiclient.ActionDescribeInstancesStatus
}

// next takes the next request of a priority and an API action; nil: there is none.
func (a *Account) next(now time.Time, p Priority, action string) *request {
	switch p {
	case PriorityStart:
		for k := range lanes {
			l := a.lanes[(a.turn+1+k)%lanes]
			if l.api == action && l.wants(now) {
				a.turn = (a.turn + 1 + k) % lanes
				return l.next(now)
			}
		}
		return nil
	case PriorityDiagnose:
		if action == apiclient.ActionDescribeInstances {
			return a.nextListing(now)
		}
		return a.diagnose.pop(a.settings.Size)
	}
	return a.nextPoll(now)
}

// probeOf is what of a request may leave as a probe of refused credentials: one id, another one each
// time. So one instance that the key has no right to does not count as a key that is refused. The
// rest waits on.
func (a *Account) probeOf(r *request) *request {
	if len(r.works) == 1 || r.works[0].lane.denied != nil { // once it counts, that is decided
		return r
	}
	probe := *r
	probe.refusals, probe.first = 0, false
	rest := *r
	rest.hold(r.works[1:])
	probe.hold(r.works[:1:1])
	switch r.priority {
	case PriorityStart:
		r.lane.again.putBack(&rest)
	default:
		rest.priority = PriorityDiagnose // its instances have left the poll list
		a.diagnose.putBack(&rest)
	}
	return &probe
}

// call makes the API call of a request in a goroutine of its own. It outlives a cancel: what it did
// is wanted in the report.
func (a *Account) call(r *request, t *token, now time.Time) {
	ids, settings, action := idsOf(r.works), a.settings, a.actionOf(r)
	go func() {
		reply := reply{request: r, token: t, sent: now}
		if p := catch(action, func() { reply.call(&settings, ids) }); p != nil {
			// What it did before that is unknown.
			e := &apiclient.Error{Action: action, Class: apiclient.ClassTransient, Err: p}
			if r.priority == PriorityStart {
				e.Class, e.MaybeApplied = apiclient.ClassAmbiguous, true
			}
			reply.err = e
			a.reportPanic(p)
		}
		reply.took = time.Since(now)
		a.replies <- reply
	}()
}

// call makes the one API call of a request.
func (a *reply) call(s *Settings, ids []string) {
	ctx, api := context.Background(), s.API
	switch r := a.request; {
	case r.listing != nil:
		a.list, a.err = s.Lister.DescribeInstances(ctx, r.listing.Query)
	case r.sweep != nil:
		a.status, a.err = api.DescribeInstancesStatus(ctx, apiclient.StatusQuery{PageSize: apiclient.MaxPageSize, PageNum: r.page})
	case r.priority != PriorityStart:
		a.status, a.err = api.DescribeInstancesStatus(ctx, apiclient.StatusQuery{InstanceIDs: ids, PageSize: apiclient.MaxInstanceIDs})
	case r.lane.action == power.ActionStop:
		a.power, a.err = api.StopInstances(ctx, ids, r.lane.force)
	default:
		a.power, a.err = api.StartInstances(ctx, ids)
	}
}

// receive evaluates one reply. The budget learns of it last: until the reply is understood, its place
// in flight must not let another request out.
func (a *Account) receive(r reply, now time.Time) {
	delete(a.inFlight, r.request)
	for _, x := range r.request.runs {
		x.inFlight--
	}
	if r.request.sweep != nil && r.err == nil {
		a.takeListed(r.request, r.status, r.sent)
	}
	for _, w := range r.request.works {
		if w.req == r.request {
			w.move(nowhere, nil)
		}
	}
	e := asError(r.err)
	a.guard("the reply to a request", r.request, func() {
		e = a.classified(r)
		a.failing = false
		if e != nil {
			a.note(r.request, e)
		}
		a.judgeContact(r.request, e, now)
		switch {
		case r.request.listing != nil:
			a.handleListing(r, e, now)
		case r.request.priority == PriorityStart:
			a.handlePower(r, e, now)
		default:
			a.handleDescribe(r, e, now)
		}
	})
	unproven := e != nil && e.Class == apiclient.ClassCredentials && !a.budget.credentials.accepted && !r.token.page
	o := r.token.done(now, e)
	a.guard("the reply to a request", r.request, func() {
		if o.recovered {
			a.hasten(now)
		}
		if o.denied {
			a.deny(e, now)
		}
		if unproven {
			a.denyUnproven(r.request, e, now)
		}
	})
	a.dropUnwanted(r.request.works)
	for _, x := range r.request.runs {
		a.settleLater(x)
	}
	a.settleAll(now)
}

// dropUnwanted removes works that no run wants.
func (a *Account) dropUnwanted(works []*work) {
	for _, w := range works {
		if !w.gone && len(w.runs) == 0 {
			a.drop(w)
		}
	}
}

// hasten bounds every backoff by a poll interval once the API is back.
func (a *Account) hasten(now time.Time) {
	latest := now.Add(a.settings.PollInterval / 2)
	a.diagnose.hasten(latest)
	for _, l := range a.lanes {
		l.again.hasten(latest)
		if u := &l.refusals; u.next.After(latest) {
			u.next = latest
		}
	}
}

// classified is the failure of a reply, nil where there is none. Credentials that are refused again
// after the API accepted them for others are a refusal of these ids: the key has no right to one of
// them. Once they were accepted for an id, too, the next refusal is one of the key again.
func (a *Account) classified(r reply) *apiclient.Error {
	e, kind := asError(r.err), kindOf(r.request)
	if keyAccepted(e) && r.sent.After(a.keySent[kind]) {
		a.keySent[kind] = r.sent
	}
	if e == nil {
		for _, w := range r.request.works {
			w.deniedAt[kind] = 0
		}
	}
	if e == nil || e.Class != apiclient.ClassCredentials {
		return e
	}
	for _, w := range r.request.works {
		if at := w.deniedAt[kind]; at != 0 && instantOf(a.keySent[kind]) > at {
			unknown := *e
			unknown.Class = apiclient.ClassUnknown
			return &unknown
		}
	}
	return e
}

// judgeContact ends runs by hand whose requests cannot arrive: a name without a host, a proxy that
// refuses, a certificate that is not trusted.
func (a *Account) judgeContact(r *request, e *apiclient.Error, now time.Time) {
	if e == nil || e.HTTPStatus != 0 {
		a.contact = true
	}
	if a.contact || !e.Unreachable() {
		return
	}
	for _, x := range r.runs {
		if !x.run.FirstContact || x.ended != "" {
			continue
		}
		if x.unreached++; x.unreached >= unreachedErrors && now.Sub(x.started) >= unreachedSpan {
			x.ended, x.invalid = endUnreached, e
		}
	}
}
