package batcher

import (
	"errors"
	"time"

	"zecpower/apiclient"
	"zecpower/internal/power"
)

var errIncomplete = errors.New("the reply lists fewer instances than it counts")

// handleDescribe evaluates the reply to a DescribeInstancesStatus.
func (x *run) handleDescribe(a reply, e *apiclient.Error) {
	if e == nil {
		if a.sent.After(x.describedSent) {
			x.describedSent = a.sent
		}
		x.seeAll(a.request, a.status, a.sent)
		return
	}
	switch e.Class {
	case apiclient.ClassInstance, apiclient.ClassUnknown:
		x.describeWasRefused(a.request, e)
	case apiclient.ClassRequest:
		x.ended, x.invalid = endInvalid, e
	case apiclient.ClassCredentials:
		x.refusedCredentials(a.request, e)
	default:
		x.retry(a.request, e)
	}
}

// describeWasRefused follows a describe that the API refused. With a documented
// code, or while other describes work, some instance of it is to blame: it is
// halved, down to that one. Else the refusal may concern every describe: it goes
// again after a backoff.
func (x *run) describeWasRefused(r *request, e *apiclient.Error) {
	now := time.Now()
	apart := e.Class == apiclient.ClassInstance || !r.refusedAt.IsZero() && x.describedSent.After(r.refusedAt)
	if r.refusedAt.IsZero() {
		r.refusedAt = now
	}
	switch {
	case apart && len(r.instances) > 1:
		x.halve(r)
		return
	case apart && x.refusedAlone(r.instances[0], e, r.failures):
		x.final(r.instances[0])
		return
	}
	for _, i := range r.instances {
		in := &x.targets.instances[i]
		in.trouble = e.Class
		in.blame(e)
	}
	x.retry(r, e)
}

// refusedAlone decides about an instance whose describe was refused for itself.
// An accepted one is never ended by that: its state, its timeout and the deadline
// alone do.
func (x *run) refusedAlone(i int, e *apiclient.Error, failures int) (final bool) {
	in := &x.targets.instances[i]
	if in.booting || in.unconfirmed {
		return false
	}
	reason := power.ReasonRejected
	switch e.Code {
	case apiclient.CodeInstanceNotFound, apiclient.CodeResourceNotFound:
		reason = power.ReasonNotFound
	case apiclient.CodeInstanceRecycled:
		reason = power.ReasonRecycled
	default:
		if failures+1 < x.cfg.Attempts {
			return false
		}
	}
	in.blame(e)
	in.fail(reason)
	return true
}

// seeAll decides for each instance of a describe that left at asked, and sends
// again what is ready.
func (x *run) seeAll(r *request, page apiclient.StatusPage, asked time.Time) {
	now := time.Now()
	states, complete := x.statesOf(r, page)
	ready := map[int][]int{} // by group
	var confirmed, unseen, early []int
	for _, i := range r.instances {
		in := &x.targets.instances[i]
		if in.final {
			continue
		}
		state, present := states[in.id]
		if !present && !complete {
			unseen = append(unseen, i)
			continue
		}
		unconfirmed := in.unconfirmed
		switch x.rules.see(in, state, present, asked, now) {
		case nextFinal:
			x.final(i)
		case nextSend:
			if r.refused && len(r.instances) > 1 && !unconfirmed {
				in.takeBackRefusal()
			}
			ready[int(in.group)] = append(ready[int(in.group)], i)
		case nextDescribe:
			early = append(early, i)
		case nextPoll:
			x.polls.add(i, now)
			if unconfirmed && in.booting {
				confirmed = append(confirmed, i)
			}
		}
	}
	x.journalAttempted(confirmed)
	x.sendAgain(r, ready)
	x.describeUnseen(r, unseen)
	x.describeLater(r, early)
}

// statesOf reads a reply; complete is false where it counts more of the instances
// asked for than it lists. Instances that were not asked for are left out.
func (x *run) statesOf(r *request, page apiclient.StatusPage) (states map[string]apiclient.State, complete bool) {
	listed := make(map[string]apiclient.State, len(page.Instances))
	for _, s := range page.Instances {
		listed[s.InstanceID] = s.State
	}
	states = make(map[string]apiclient.State, len(r.instances))
	for _, i := range r.instances {
		if state, ok := listed[x.targets.instances[i].id]; ok {
			states[x.targets.instances[i].id] = state
		}
	}
	return states, len(states) >= page.TotalCount
}

// describeLater repeats a describe that came too soon after a request that may
// have been applied.
func (x *run) describeLater(r *request, early []int) {
	if len(early) == 0 {
		return
	}
	var latest time.Time
	for _, i := range early {
		if at := x.targets.instances[i].unconfirmedAt; at.After(latest) {
			latest = at
		}
	}
	again := &request{
		priority: PriorityDiagnose, instances: early, group: r.group,
		refusals: r.refusals, refused: r.refused, whole: r.whole, undocumented: r.undocumented,
	}
	again.ready = latest.Add(x.rules.doubtFor)
	x.enqueue(again)
}

// sendAgain queues what a describe found ready. What is left of a refused chunk
// stays together and remembers that, or is halved at once where nothing of it was
// explained; an instance that failed before waits first.
func (x *run) sendAgain(r *request, ready map[int][]int) {
	for _, g := range inOrder(ready) {
		instances := ready[g]
		if x.denied != nil {
			for _, i := range instances {
				x.failDenied(i)
			}
			continue
		}
		next := &request{priority: PriorityStart, instances: instances, group: g, undocumented: r.undocumented}
		if r.refused {
			next.refusals, next.whole = r.refusals, len(instances)
		}
		next.again = r.refused || x.mostTries(instances) > 0
		if r.refused && r.undocumented && len(instances) == r.whole && len(instances) > 1 {
			x.halve(next)
			continue
		}
		if tries := x.mostTries(instances); tries > 0 {
			next.ready = time.Now().Add(x.cfg.Backoff.delay(tries-1, x.rng))
		}
		x.enqueue(next)
	}
}

// mostTries is the highest count of failed requests among instances.
func (x *run) mostTries(instances []int) int {
	tries := 0
	for _, i := range instances {
		in := &x.targets.instances[i]
		tries = max(tries, int(in.fallen+in.rejected+in.losses))
	}
	return tries
}

// describeUnseen repeats a describe for the ids that an incomplete reply left out:
// it said that more instances match than it listed, so absence proves nothing.
func (x *run) describeUnseen(r *request, unseen []int) {
	if len(unseen) == 0 {
		return
	}
	again := *r
	again.instances = unseen
	e := &apiclient.Error{Action: apiclient.ActionDescribeInstancesStatus, Class: apiclient.ClassTransient, Err: errIncomplete}
	x.note(&again, e)
	x.retry(&again, e)
}
