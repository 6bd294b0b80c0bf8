package batcher

import (
	"time"

	"zecpower/apiclient"
)

// handleLook takes the answer to a DescribeInstancesStatus in.
func (x *run) handleLook(a answer, e *apiclient.Error) {
	switch {
	case e == nil:
		x.resolve(a.job)
		x.seeAll(a.job, a.status)
	case e.Class == apiclient.ClassInstance:
		x.resolve(a.job)
		x.lookApart(a.job, e)
	case e.Class == apiclient.ClassRequest:
		x.splitRequest(a.job, e.Code)
	case e.Class == apiclient.ClassCredentials:
	default:
		x.retry(a.job, e)
	}
}

// lookApart follows a look that is refused because of an instance in it: halved
// down to the one to blame, whose code then is the answer.
func (x *run) lookApart(j *job, e *apiclient.Error) {
	if len(j.items) > 1 {
		for _, half := range halves(j.items) {
			x.enqueue(&job{priority: j.priority, items: half, group: j.group, refusals: j.refusals, refused: j.refused})
		}
		return
	}
	it := &x.roster.items[j.items[0]]
	it.code, it.requestID = e.Code, e.RequestID
	reason := ReasonRejected
	switch e.Code {
	case apiclient.CodeInstanceNotFound:
		reason = ReasonNotFound
	case apiclient.CodeInstanceRecycled:
		reason = ReasonRecycled
	}
	x.failAll(j.items, reason)
}

// seeAll decides for each instance of a look, and sends out again what is ready.
func (x *run) seeAll(j *job, page apiclient.StatusPage) {
	now := time.Now()
	states := make(map[string]apiclient.State, len(page.Instances))
	for _, s := range page.Instances {
		states[s.InstanceID] = s.State
	}
	complete := len(states) >= page.TotalCount
	ready := map[int][]int{} // by group
	var confirmed, unseen []int
	for _, i := range j.items {
		it := &x.roster.items[i]
		if it.settled {
			continue
		}
		state, present := states[it.id]
		if !present && !complete {
			unseen = append(unseen, i)
			continue
		}
		suspect := it.suspect
		switch x.rules.see(it, state, present, now) {
		case nextSettle:
			x.settle(i)
		case nextSend:
			if j.refused && len(j.items) > 1 {
				it.acquit()
			}
			ready[it.group] = append(ready[it.group], i)
		case nextWatch:
			x.watched.add(i, now.Add(x.pollInterval()))
			if suspect && it.booting {
				confirmed = append(confirmed, i)
			}
		}
	}
	x.journalAttempted(confirmed)
	x.sendAgain(j, ready)
	x.lookAgain(j, unseen)
}

// sendAgain queues what a look found ready. What is left of a refused chunk
// stays together and remembers that; an instance that failed before waits first.
func (x *run) sendAgain(j *job, ready map[int][]int) {
	for g, items := range ready {
		next := &job{priority: PriorityStart, items: items, group: g}
		if j.refused {
			next.refusals = j.refusals
		}
		if tries := x.mostTries(items); tries > 0 {
			next.ready = time.Now().Add(x.cfg.Backoff.delay(tries-1, x.rng))
		}
		x.enqueue(next)
	}
}

// mostTries is the highest count of failed starts among items.
func (x *run) mostTries(items []int) int {
	tries := 0
	for _, i := range items {
		it := &x.roster.items[i]
		tries = max(tries, it.fallen+it.rejected)
	}
	return tries
}

// lookAgain repeats a look for the ids that an incomplete reply left out: it
// said that more instances match than it listed, so absence proves nothing.
func (x *run) lookAgain(j *job, unseen []int) {
	if len(unseen) == 0 {
		return
	}
	again := *j
	again.items = unseen
	e := &apiclient.Error{Action: apiclient.ActionDescribeInstancesStatus, Class: apiclient.ClassTransient, Err: errIncomplete}
	x.note(&again, e)
	x.retry(&again, e)
}
