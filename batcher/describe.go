package batcher

import (
	"errors"
	"time"

	"zecpower/apiclient"
	"zecpower/internal/power"
)

var errIncomplete = errors.New("the reply lists fewer instances than it counts")

// handleDescribe evaluates the reply to a DescribeInstancesStatus.
func (a *Account) handleDescribe(p reply, e *apiclient.Error, now time.Time) {
	if e == nil {
		if p.sent.After(a.describedSent) {
			a.describedSent = p.sent
		}
	}
	if p.request.sweep != nil {
		a.handlePage(p, e, now)
		return
	}
	if e == nil {
		a.seeAll(p.request, p.status, p.sent, now)
		return
	}
	switch e.Class {
	case apiclient.ClassInstance, apiclient.ClassUnknown:
		a.describeWasRefused(p.request, e, now)
	case apiclient.ClassRequest:
		a.invalid(p.request, e)
	case apiclient.ClassCredentials:
		a.refusedDescribe(p.request, e, now)
	default:
		a.retry(p.request, e, now)
	}
}

// refusedDescribe follows a describe whose credentials were refused: lane by lane, since the refusal
// may be final for some.
func (a *Account) refusedDescribe(r *request, e *apiclient.Error, now time.Time) {
	for _, part := range byLane(r.works) {
		again := *r
		again.lane, again.works = part[0].lane, part
		a.refusedCredentials(&again, e, now)
	}
}

// byLane divides works by their lanes, in the order of the works.
func byLane(works []*work) (parts [][]*work) {
	at := map[*lane]int{}
	for _, w := range works {
		k, ok := at[w.lane]
		if !ok {
			k = len(parts)
			at[w.lane] = k
			parts = append(parts, nil)
		}
		parts[k] = append(parts[k], w)
	}
	return parts
}

// describeWasRefused follows a describe that the API refused. With a documented code, or while other
// describes work, some instance of it is to blame: it is halved, down to that one. Else the refusal
// may concern every describe: it goes again after a backoff.
func (a *Account) describeWasRefused(r *request, e *apiclient.Error, now time.Time) {
	apart := e.Class == apiclient.ClassInstance || !r.refusedAt.IsZero() && a.describedSent.After(r.refusedAt)
	if r.refusedAt.IsZero() {
		r.refusedAt = now
	}
	switch {
	case apart && len(r.works) > 1:
		a.halve(r, now)
		return
	case apart && a.refusedAlone(r.works[0], e, r.failures):
		a.final(r.works[0])
		return
	}
	for _, w := range r.works {
		w.trouble = e
		w.blame(e)
	}
	a.retry(r, e, now)
}

// refusedAlone decides about an instance whose describe was refused for itself. An accepted one is
// never ended by that: its state, its timeout and the deadline alone do.
func (a *Account) refusedAlone(w *work, e *apiclient.Error, failures int) (final bool) {
	if w.stage.mayBeAccepted() {
		return false
	}
	reason := power.ReasonRejected
	switch e.Code {
	case apiclient.CodeInstanceNotFound, apiclient.CodeResourceNotFound:
		reason = power.ReasonNotFound
	case apiclient.CodeInstanceRecycled:
		reason = power.ReasonRecycled
	default:
		if failures+1 < a.settings.Attempts {
			return false
		}
	}
	w.blame(e)
	w.fail(reason)
	return true
}

// seeAll decides for each instance of a describe that left at asked, and sends again what is ready.
func (a *Account) seeAll(r *request, page apiclient.StatusPage, asked, now time.Time) {
	states, complete := statesOf(r, page)
	var s sighting
	for _, w := range r.works {
		state, present := states[w.id]
		switch {
		case w.gone:
		case !present && !complete:
			s.unseen = append(s.unseen, w)
		default:
			a.see(&s, r, w, state, present, asked, now)
		}
	}
	a.follow(r, &s, now)
}

// sighting collects what follows from a describe: what is ready to be sent, whose action turned out
// to have been accepted, what is still unknown, and what was described too early.
type sighting struct{ ready, confirmed, unseen, early []*work }

// see decides about one instance.
func (a *Account) see(s *sighting, r *request, w *work, state apiclient.State, present bool, asked, now time.Time) {
	doubted := w.stage == stageDoubted
	switch w.lane.rules().see(&w.instance, state, present, asked, now) {
	case nextFinal:
		if w.final.outcome == power.Outcomes(w.lane.action)[0] {
			a.learn(w, asked, now)
		}
		a.final(w)
	case nextSend:
		if r.refused && len(r.works) > 1 && !doubted {
			w.takeBackRefusal()
		}
		s.ready = append(s.ready, w)
	case nextDescribe:
		s.early = append(s.early, w)
	case nextPoll:
		a.poll(w, now)
		if doubted && w.stage.accepted() {
			s.confirmed = append(s.confirmed, w)
		}
	}
}

// follow does what follows from a describe.
func (a *Account) follow(r *request, s *sighting, now time.Time) {
	observeAccepted(s.confirmed)
	for _, works := range a.chunksOf(s.ready) {
		a.sendAgain(r, works, now)
	}
	a.describeUnseen(r, s.unseen, now)
	for _, works := range a.chunksOf(s.early) {
		a.describeLater(r, works, now)
	}
}

// chunksOf divides works by their lanes, and those into requests: a page may list more than one
// holds.
func (a *Account) chunksOf(works []*work) (chunks [][]*work) {
	for _, part := range byLane(works) {
		chunks = append(chunks, cut(part, a.settings.Size)...)
	}
	return chunks
}

// statesOf reads a reply; complete is false where it counts more of the instances asked for than it
// lists. Instances that were not asked for are left out.
func statesOf(r *request, page apiclient.StatusPage) (states map[string]apiclient.State, complete bool) {
	listed := make(map[string]apiclient.State, len(page.Instances))
	for _, s := range page.Instances {
		listed[s.InstanceID] = s.State
	}
	states = make(map[string]apiclient.State, len(r.works))
	for _, w := range r.works {
		if state, ok := listed[w.id]; ok {
			states[w.id] = state
		}
	}
	return states, len(states) >= page.TotalCount
}

// describeLater repeats a describe that came too soon after a request that may have been applied.
func (a *Account) describeLater(r *request, early []*work, now time.Time) {
	var latest instant
	for _, w := range early {
		latest = max(latest, w.doubtedAt)
	}
	again := &request{
		lane: early[0].lane, refusals: r.refusals, refused: r.refused, whole: r.whole, undocumented: r.undocumented,
		ready: latest.time().Add(early[0].lane.rules().doubtFor),
	}
	a.describe(again, early, now)
}

// sendAgain queues what a describe found ready. What is left of a refused chunk stays together and
// remembers that, or is halved at once where nothing of it was explained; an instance that failed
// before waits first. What was never sent goes out with the first sends.
func (a *Account) sendAgain(r *request, works []*work, now time.Time) {
	l := works[0].lane
	if l.denied != nil {
		for _, w := range works {
			a.failDenied(w)
		}
		return
	}
	refused := r.refused && r.lane == l
	tries := mostTries(works)
	if !refused && tries == 0 {
		for _, x := range runsOf(works) {
			l.first.add(x, firstOf(works, x))
		}
		return
	}
	next := &request{priority: PriorityStart, lane: l, works: works, undocumented: r.undocumented}
	if refused {
		next.refusals, next.whole = r.refusals, len(works)
	}
	if refused && r.undocumented && len(works) == r.whole && len(works) > 1 {
		a.halve(next, now)
		return
	}
	if tries > 0 {
		next.ready = now.Add(a.settings.Backoff.delay(tries-1, a.rng))
	}
	a.enqueue(next, now)
}

// firstOf are the works whose first run is x.
func firstOf(works []*work, x *run) (own []*work) {
	for _, w := range works {
		if len(w.runs) > 0 && w.runs[0].run == x {
			own = append(own, w)
		}
	}
	return own
}

// mostTries is the highest count of failed requests among works.
func mostTries(works []*work) int {
	tries := 0
	for _, w := range works {
		tries = max(tries, int(w.fallen+w.rejected+w.losses))
	}
	return tries
}

// describeUnseen repeats a describe for the ids that an incomplete reply left out: it said that more
// instances match than it listed, so absence proves nothing.
func (a *Account) describeUnseen(r *request, unseen []*work, now time.Time) {
	if len(unseen) == 0 {
		return
	}
	again := *r
	again.works = unseen
	e := &apiclient.Error{Action: apiclient.ActionDescribeInstancesStatus, Class: apiclient.ClassTransient, Err: errIncomplete}
	a.note(&again, e)
	a.retry(&again, e, now)
}
