package batcher

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"zecpower/apiclient"
	"zecpower/internal/event"
	"zecpower/internal/power"
)

// asError gives every failure the shape that the rules read. An error of another
// type is a fault of the API's implementation: the request may have been applied.
func asError(err error) *apiclient.Error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*apiclient.Error](err); ok {
		return e
	}
	return &apiclient.Error{Class: apiclient.ClassAmbiguous, MaybeApplied: true, Err: err}
}

// note keeps what a failed request says about its instances.
func (a *Account) note(r *request, e *apiclient.Error) {
	a.failing = e.Class == apiclient.ClassTransient || e.Class == apiclient.ClassAmbiguous || e.Class == apiclient.ClassBlocked
	switch e.Class {
	case apiclient.ClassInstance, apiclient.ClassUnknown, apiclient.ClassRequest:
		return
	}
	for _, w := range r.works {
		w.trouble = e
		if e.Class == apiclient.ClassCredentials {
			w.blame(e)
		}
	}
}

// handlePower evaluates the reply to a start or stop.
func (a *Account) handlePower(p reply, e *apiclient.Error, now time.Time) {
	r, l := p.request, p.request.lane
	a.observeBatch(p, e)
	listed := make(map[string]bool, len(p.power.Failed))
	for _, id := range p.power.Failed {
		listed[id] = true
	}
	// What was taken over while the request was in flight is its new owner's.
	own := make([]*work, 0, len(r.works))
	for _, w := range r.works {
		switch {
		case w.lane.action == l.action:
			own = append(own, w)
		case w.at == nowhere && !w.gone:
			a.priorReply(w, l.action, now, e, listed[w.id])
		}
	}
	r.works = own
	if e == nil {
		l.startAnswered(r, now)
		a.accepted(p, listed, now)
		return
	}
	a.charge(p, e, now)
	if e.MaybeApplied {
		if r.trial {
			l.lostAlone(now)
		}
		next := r.describing()
		next.hold(r.works)
		a.retry(next, e, now)
		return
	}
	switch e.Class {
	case apiclient.ClassInstance:
		if r.trial {
			l.documentedAlone(now)
		}
		a.isolate(r, now)
	case apiclient.ClassUnknown:
		r.undocumented = true
		l.refusedUnknown(r, e, now)
	case apiclient.ClassRequest:
		a.invalid(r, e)
	case apiclient.ClassCredentials:
		a.refusedCredentials(r, e, now)
	default:
		a.retry(r, e, now)
	}
}

// invalid ends the runs of a request that was not sent because it is wrong as such.
func (a *Account) invalid(r *request, e *apiclient.Error) {
	for _, x := range r.runs {
		if x.ended == "" {
			x.ended, x.invalid = endInvalid, e
		}
	}
}

// observeBatch passes the batch on by the first of its runs. It names run and group only where there
// is one of each.
func (a *Account) observeBatch(p reply, e *apiclient.Error) {
	r := p.request
	if len(r.runs) == 0 {
		return
	}
	b := event.BatchFinished{
		Account: a.cfg.Name, Action: r.lane.action, Runs: len(r.runs), Size: len(r.works), Failed: len(p.power.Failed),
		Result: string(BatchAccepted), RequestID: p.power.RequestID, Took: p.took,
	}
	switch {
	case e != nil:
		refusal := refusalOf(e, e.Class)
		b.Result, b.RequestID, b.Refusal, b.Again = string(BatchRefused), e.RequestID, &refusal, sentAgain(e.Class)
	case b.Failed > 0:
		b.Result = string(BatchPartial)
	}
	if len(r.runs) == 1 {
		b.Run, b.Group = r.runs[0].name, r.runs[0].groupOf(r.works)
	}
	r.runs[0].box.add(b)
}

// groupOf is the one group under which the run has works; empty where there are several.
func (x *run) groupOf(works []*work) string {
	group := -1
	for _, w := range works {
		for _, r := range w.runs {
			if r.run != x {
				continue
			}
			if g := x.targets.groupOf(r.i); group < 0 {
				group = g
			} else if g != group {
				return ""
			}
		}
	}
	if group < 0 {
		return ""
	}
	return x.targets.groups[group].name
}

// accepted sorts a chunk's ids by the failed list: the rest is on its way, the listed ones are
// described.
func (a *Account) accepted(p reply, listed map[string]bool, now time.Time) {
	r := p.request
	var accepted, refused []*work
	for _, w := range r.works {
		w.attempts++
		w.requestID, w.trouble = p.power.RequestID, nil
		if listed[w.id] {
			w.refuse(r.lane.action)
			refused = append(refused, w)
			continue
		}
		w.accept(now)
		if w.lane != r.lane {
			w.raise()
		}
		accepted = append(accepted, w)
		a.poll(w, now)
	}
	observeAccepted(accepted)
	if len(refused) > 0 {
		a.describe(&request{lane: r.lane}, refused, now)
	}
}

// charge notes a refused or lost request for the ids that it named.
func (a *Account) charge(p reply, e *apiclient.Error, now time.Time) {
	if e.Class != apiclient.ClassInstance && e.Class != apiclient.ClassUnknown && !e.MaybeApplied {
		return // the API did not come to them
	}
	for _, w := range p.request.works {
		w.attempts++
		w.blame(e)
		if e.MaybeApplied {
			w.doubt(p.sent, now)
		}
	}
}

// refusedCredentials queues a request again whose credentials were refused: the budget pauses the
// account and probes. Once that is final it is useless.
func (a *Account) refusedCredentials(r *request, e *apiclient.Error, now time.Time) {
	if r.lane != nil && r.lane.denied != nil {
		if r.trial {
			r.lane.refusals.flying = false
		}
		a.denyRequest(r, now)
		return
	}
	for _, w := range r.works {
		w.deniedAt[kindOf(r)] = instantOf(now)
	}
	a.retry(r, e, now)
}

// retry queues a request again. Throttled or refused for its credentials, the budget does the
// waiting; while the API is down the budget's probes do; else the request's own backoff.
func (a *Account) retry(r *request, e *apiclient.Error, now time.Time) {
	class := e.Class
	if e.MaybeApplied {
		class = apiclient.ClassAmbiguous
	}
	a.observeRetry(r, e, class)
	waits := e.Class != apiclient.ClassThrottled && e.Class != apiclient.ClassCredentials && !a.budget.breaker.tripped()
	switch {
	case r.trial && e.Class == apiclient.ClassCredentials:
		r.lane.deferAlone(r, now)
		return
	case r.trial:
		if waits {
			r.lane.delayAlone(now)
		}
		r.lane.putBackAlone(r, now)
		return
	case waits:
		r.ready = now.Add(a.settings.Backoff.delay(r.failures, a.rng))
		r.failures++
	}
	a.enqueue(r, now)
}

// observeRetry passes a retry on by the first run of its works.
func (a *Account) observeRetry(r *request, e *apiclient.Error, class apiclient.Class) {
	runs := r.runs
	if len(runs) == 0 {
		runs = runsOf(r.works)
	}
	if len(runs) == 0 {
		return
	}
	runs[0].box.add(event.RequestRetried{Account: a.cfg.Name, Run: runs[0].name, APIAction: e.Action, Refusal: refusalOf(e, class)})
}

// enqueue queues a request. Where the credentials are finally refused, nothing is started any more,
// and only instances that were accepted are described.
func (a *Account) enqueue(r *request, now time.Time) {
	if r.priority != PriorityStart {
		r.priority = PriorityDiagnose
		r.hold(r.works)
		a.diagnose.add(r, now)
		return
	}
	if r.lane.denied != nil {
		a.denyRequest(r, now)
		return
	}
	r.hold(r.works)
	r.lane.again.add(r, now)
}

// deny ends what refused credentials make impossible: every instance of the actions concerned that
// no request may have been accepted for. The others are described on. Instances of a request in
// flight wait for its reply.
func (a *Account) deny(e *apiclient.Error, now time.Time) {
	for _, l := range a.lanes {
		if e.Action != l.api && e.Action != apiclient.ActionDescribeInstancesStatus {
			continue
		}
		first := l.denied == nil
		l.denied = e
		l.first, l.again, l.refusals = fair{}, queue{}, unknownRefusals{}
		var runs []*run
		for _, w := range a.inOrder() {
			if w.lane != l {
				continue
			}
			runs = append(runs, runsOf([]*work{w})...)
			if w.at == inRequest && a.flies(w) || w.at == inPolls && !first {
				continue // what is described slowly already keeps its turn
			}
			a.denyWork(w, now)
		}
		if first {
			a.observeDenial(runs, e)
		}
	}
	a.settleRuns()
}

// inOrder lists the works as they came.
func (a *Account) inOrder() []*work {
	all := make([]*work, 0, len(a.works))
	for _, w := range a.works {
		all = append(all, w)
	}
	slices.SortFunc(all, func(a, b *work) int { return cmp.Compare(a.order, b.order) })
	return all
}

func (a *Account) observeDenial(runs []*run, e *apiclient.Error) {
	for _, x := range runs {
		if x.denied != nil {
			continue
		}
		x.denied = e
		x.box.add(event.CredentialsRejected{Account: a.cfg.Name, Run: x.name, Refusal: refusalOf(e, e.Class)})
	}
}

// settleRuns lets every run be settled at the end of the step.
func (a *Account) settleRuns() { a.unsettled = append(a.unsettled, a.runs...) }

// denyUnproven ends runs by hand at the first refusal of credentials that no reply has ever
// accepted.
func (a *Account) denyUnproven(r *request, e *apiclient.Error, now time.Time) {
	for _, x := range r.runs {
		if x.run.UnprovenKey && x.ended == "" && x.open > 0 {
			a.deny(e, now)
			return
		}
	}
}

// denyRequest does that for the instances of one request that came back.
func (a *Account) denyRequest(r *request, now time.Time) {
	for _, w := range r.works {
		if w.gone {
			continue
		}
		if r.priority == PriorityStart {
			a.failDenied(w)
			continue
		}
		a.denyWork(w, now)
	}
}

// denyWork describes an instance on that may be on its way, and ends any other.
func (a *Account) denyWork(w *work, now time.Time) {
	if w.applied != appliedNever && w.stage.mayBeAccepted() {
		a.poll(w, now)
		return
	}
	a.failDenied(w)
}

// failDenied ends one instance that the credentials cannot bring on.
func (a *Account) failDenied(w *work) {
	w.blame(w.lane.denied)
	w.fail(power.ReasonAuth)
	a.final(w)
}
