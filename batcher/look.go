package batcher

import (
	"time"

	"zecpower/apiclient"
	"zecpower/internal/power"
)

// handleLook takes the answer to a DescribeInstancesStatus in.
func (x *run) handleLook(a answer, e *apiclient.Error) {
	switch {
	case e == nil:
		x.resolve(a.job)
		x.seeAll(a.job, a.status, a.sent)
	case e.Class == apiclient.ClassInstance:
		x.resolve(a.job)
		x.lookApart(a.job, e)
	case e.Class == apiclient.ClassRequest:
		x.splitRequest(a.job, e)
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
	reason := power.ReasonRejected
	switch e.Code {
	case apiclient.CodeInstanceNotFound:
		reason = power.ReasonNotFound
	case apiclient.CodeInstanceRecycled:
		reason = power.ReasonRecycled
	}
	x.failAll(j.items, reason)
}

// seeAll decides for each instance of a look that left at asked, and sends out
// again what is ready.
func (x *run) seeAll(j *job, page apiclient.StatusPage, asked time.Time) {
	now := time.Now()
	states, complete := x.statesOf(j, page)
	ready := map[int][]int{} // by group
	var confirmed, unseen, early []int
	for _, i := range j.items {
		it := &x.roster.items[i]
		state, present := states[it.id]
		if !present && !complete {
			unseen = append(unseen, i)
			continue
		}
		suspect := it.suspect
		switch x.rules.see(it, state, present, asked, now) {
		case nextSettle:
			x.settle(i)
		case nextSend:
			if j.refused && len(j.items) > 1 && !suspect {
				it.acquit()
			}
			ready[it.group] = append(ready[it.group], i)
		case nextLook:
			early = append(early, i)
		case nextWatch:
			x.watched.add(i, now)
			if suspect && it.booting {
				confirmed = append(confirmed, i)
			}
		}
	}
	x.journalAttempted(confirmed)
	x.sendAgain(j, ready)
	x.lookAgain(j, unseen)
	x.lookLater(j, early)
}

// statesOf reads a reply; complete is false where it counts more of the
// instances asked for than it lists. Instances that nobody asked for are left out.
func (x *run) statesOf(j *job, page apiclient.StatusPage) (states map[string]apiclient.State, complete bool) {
	listed := make(map[string]apiclient.State, len(page.Instances))
	for _, s := range page.Instances {
		listed[s.InstanceID] = s.State
	}
	states = make(map[string]apiclient.State, len(j.items))
	for _, i := range j.items {
		if state, ok := listed[x.roster.items[i].id]; ok {
			states[x.roster.items[i].id] = state
		}
	}
	return states, len(states) >= page.TotalCount
}

// lookLater repeats a look that came too soon after a request of unknown fate.
func (x *run) lookLater(j *job, early []int) {
	if len(early) == 0 {
		return
	}
	var latest time.Time
	for _, i := range early {
		if at := x.roster.items[i].suspectAt; at.After(latest) {
			latest = at
		}
	}
	again := &job{priority: PriorityDiagnose, items: early, group: j.group, refusals: j.refusals, refused: j.refused}
	again.ready = latest.Add(x.rules.settle)
	x.enqueue(again)
}

// sendAgain queues what a look found ready. What is left of a refused chunk
// stays together and remembers that; an instance that failed before waits first.
func (x *run) sendAgain(j *job, ready map[int][]int) {
	for _, g := range inOrder(ready) {
		items := ready[g]
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
		tries = max(tries, it.fallen+it.rejected+it.losses)
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
