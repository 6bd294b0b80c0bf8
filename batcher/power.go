package batcher

import (
	"errors"
	"time"

	"zecpower/apiclient"
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
func (x *run) note(r *request, e *apiclient.Error) {
	x.failing = e.Class == apiclient.ClassTransient || e.Class == apiclient.ClassAmbiguous || e.Class == apiclient.ClassBlocked
	switch e.Class {
	case apiclient.ClassInstance, apiclient.ClassUnknown, apiclient.ClassRequest:
		return
	}
	for _, i := range r.instances {
		x.targets.instances[i].trouble = e.Class
		if e.Class == apiclient.ClassCredentials {
			x.targets.instances[i].blame(e)
		}
	}
}

// handlePower evaluates the reply to a start or stop.
func (x *run) handlePower(a reply, e *apiclient.Error) {
	x.observeBatch(a, e)
	r := a.request
	if e == nil {
		x.startAnswered(r)
		x.accepted(a)
		return
	}
	x.charge(a, e)
	if e.MaybeApplied {
		if r.trial {
			x.lostAlone()
		}
		x.retry(r.describing(r.instances), e)
		return
	}
	switch e.Class {
	case apiclient.ClassInstance:
		if r.trial {
			x.documentedAlone(r)
		}
		x.isolate(r)
	case apiclient.ClassUnknown:
		r.undocumented = true
		x.refusedUnknown(r, e)
	case apiclient.ClassRequest:
		x.ended, x.invalid = endInvalid, e
	case apiclient.ClassCredentials:
		x.refusedCredentials(r, e)
	default:
		x.retry(r, e)
	}
}

func (x *run) observeBatch(a reply, e *apiclient.Error) {
	b := Batch{
		Group: x.targets.groups[a.request.group].name, Size: len(a.request.instances), Result: BatchAccepted,
		RequestID: a.power.RequestID, Duration: a.took,
	}
	switch {
	case e != nil:
		b.Result, b.RequestID, b.Err = BatchRefused, e.RequestID, e
	case len(a.power.Failed) > 0:
		b.Result, b.Failed = BatchPartial, len(a.power.Failed)
	}
	x.cfg.Observer.BatchFinished(x.info, b)
}

// accepted sorts a chunk's ids by the failed list: the rest is on its way, the
// listed ones are described.
func (x *run) accepted(a reply) {
	listed := make(map[string]bool, len(a.power.Failed))
	for _, id := range a.power.Failed {
		listed[id] = true
	}
	now := time.Now()
	var accepted, refused []int
	for _, i := range a.request.instances {
		in := &x.targets.instances[i]
		in.attempts++
		in.requestID, in.trouble = a.power.RequestID, ""
		if listed[in.id] {
			in.refuse(x.run.Action)
			refused = append(refused, i)
			continue
		}
		in.accept(now)
		accepted = append(accepted, i)
		x.polls.add(i, now)
	}
	x.journalAttempted(accepted)
	if len(refused) > 0 {
		x.enqueue(&request{priority: PriorityDiagnose, instances: refused, group: a.request.group})
	}
}

// charge notes a refused or lost request for the ids that it named.
func (x *run) charge(a reply, e *apiclient.Error) {
	if e.Class != apiclient.ClassInstance && e.Class != apiclient.ClassUnknown && !e.MaybeApplied {
		return // the API did not come to them
	}
	now := time.Now()
	for _, i := range a.request.instances {
		in := &x.targets.instances[i]
		in.attempts++
		in.blame(e)
		if e.MaybeApplied {
			in.doubt(a.sent, now)
		}
	}
}

// refusedCredentials queues a request again whose credentials were refused: the
// budget pauses the account and probes. Once that is final it is useless.
func (x *run) refusedCredentials(r *request, e *apiclient.Error) {
	if x.denied != nil {
		if r.trial {
			x.refusals.flying = false
		}
		x.denyRequest(r)
		return
	}
	now := time.Now().UnixNano()
	for _, i := range r.instances {
		x.targets.instances[i].deniedAt[kindOf(r)] = now
	}
	x.retry(r, e)
}

// retry queues a request again. Throttled or refused for its credentials, the
// budget does the waiting; while the API is down the budget's probes do; else the
// request's own backoff.
func (x *run) retry(r *request, e *apiclient.Error) {
	class := e.Class
	if e.MaybeApplied {
		class = apiclient.ClassAmbiguous
	}
	x.cfg.Observer.Retried(x.info, e.Action, class, e)
	waits := e.Class != apiclient.ClassThrottled && e.Class != apiclient.ClassCredentials && !x.cfg.Budget.Down()
	switch {
	case r.trial && e.Class == apiclient.ClassCredentials:
		x.deferAlone(r)
		return
	case r.trial:
		if waits {
			x.delayAlone()
		}
		x.putBackAlone(r)
		return
	case waits:
		r.ready = time.Now().Add(x.cfg.Backoff.delay(r.failures, x.rng))
		r.failures++
	}
	r.again = true
	x.enqueue(r)
}

// enqueue queues a request. Where the credentials are finally refused, nothing is
// started any more, and only instances that were accepted are described.
func (x *run) enqueue(r *request) {
	if x.denied != nil && r.priority == PriorityStart {
		x.denyRequest(r)
		return
	}
	x.queues[r.priority].add(r, time.Now())
}

// pollInterval stretches with what is pending, so that describes do not pile up
// that the budget could never serve. It takes half of the time that the budget
// needs for all of them: while the starts of a large run go on, their number
// grows as fast as time passes, and with all of it no poll would ever fall due.
func (x *run) pollInterval() time.Duration {
	interval := x.cfg.PollInterval
	if x.denied != nil {
		interval = max(interval, deniedPoll)
	}
	describes := float64(len(x.polls.list)) / float64(x.cfg.Size)
	return max(interval, spread(describes, x.cfg.Budget.Rate())/2)
}
