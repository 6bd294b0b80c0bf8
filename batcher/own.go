package batcher

import (
	"slices"
	"time"

	"zecpower/apiclient"
	"zecpower/internal/power"
)

// submit brings a run into work: it decides about each instance, and begins the loop. over is how the
// run's context has ended already; empty: it has not.
func (a *Account) submit(x *run, now time.Time, over ending) {
	a.runs = append(a.runs, x)
	a.soonest = earlier(a.soonest, x.run.Deadline)
	x.ended = over
	lane := a.laneOf(x.run)
	if len(x.targets.ids) > 0 {
		lane.denied = nil // what the key may do is found out anew
	}
	a.restoreFinal(x)
	a.decided(x)
	if over != "" {
		x.cancelRest() // it takes nothing from others
	} else {
		a.own(x, lane, now)
	}
	a.settleLater(x)
	a.settleAll(now)
	a.work()
}

// work lets the loop work, unless it does already or has nothing to do.
func (a *Account) work() {
	if !a.looping && len(a.runs)+len(a.listings) > 0 {
		a.looping = true
		go a.loop()
	}
}

// cancelRest ends what is open of a run that never began.
func (x *run) cancelRest() {
	for i, id := range x.targets.ids {
		if x.results.open(i) {
			x.settled(i, power.InstanceResult{InstanceID: id, Outcome: power.OutcomeFailed, Reason: power.ReasonCancelled})
		}
	}
}

// own decides about each instance of a run: the run has it alone, shares it, takes it over, or loses
// it.
func (a *Account) own(x *run, lane *lane, now time.Time) {
	var own []*work // in the order of the list
	var made workPieces
	for i, id := range x.targets.ids {
		if !x.results.open(i) {
			continue
		}
		if higher, ok := a.memory.above(id, x.rank, now); ok {
			x.settled(i, superseded(id, higher.RunID))
			continue
		}
		w := a.works[id]
		switch {
		case w == nil:
			w = made.next(ref{x, i}, len(x.targets.ids)-i)
			w.id, w.lane, w.order = id, lane, a.sequence
			a.sequence++
			a.works[id] = w
			if !a.takeUp(w, now) {
				own = append(own, w)
			}
		case w.lane.action == lane.action:
			a.join(w, ref{x, i}, lane, now)
		default: // it outranks those that have it, which are remembered, too
			if a.takeOver(w, ref{x, i}, lane, now) {
				own = append(own, w)
			}
		}
		x.works[i] = w
	}
	a.memory.note(x.rank, x.openIDs(), now)
	if x.run.Resumed {
		a.restoreAttempted(x, now)
	}
	a.begin(x, lane, own, now)
}

func (x *run) openIDs() []string {
	ids := make([]string, 0, x.open)
	for i, id := range x.targets.ids {
		if x.results.open(i) {
			ids = append(ids, id)
		}
	}
	return ids
}

// superseded is the outcome of an instance that a run loses to another.
func superseded(id, by string) power.InstanceResult {
	return power.InstanceResult{InstanceID: id, Outcome: power.OutcomeSkipped, Reason: power.ReasonSuperseded, By: by}
}

// join adds a run to those that want w. Attempts, backoff and timeout belong to the work and go on.
// A forced stop raises the work to forced.
func (a *Account) join(w *work, r ref, lane *lane, now time.Time) {
	if !w.wanted() && !a.flies(w) {
		a.describeNext(w, now) // its runs have ended, so what waited to be sent for it may be gone
	}
	w.runs = append(w.runs[:len(w.runs):len(w.runs)], r)
	if w.at == inPolls {
		r.run.pending++
	}
	a.joinFlying(w, r.run)
	if lane.force && !w.lane.force {
		a.raise(w, lane, now)
	}
}

// joinFlying makes a run wait for the request in flight that names w.
func (a *Account) joinFlying(w *work, x *run) {
	if !a.flies(w) {
		return
	}
	if slices.Contains(w.req.runs, x) {
		return
	}
	w.req.runs = append(w.req.runs, x)
	x.inFlight++
}

// raise makes the stop of w a forced one. Where the graceful stop was accepted it is sent again once
// the instance is seen RUNNING.
func (a *Account) raise(w *work, lane *lane, now time.Time) {
	w.lane = lane
	w.raise()
	if w.at == inPolls {
		a.poll(w, now)
	}
	if w.at == inQueue || w.at == inTrial || w.at == inRequest && w.req.priority == PriorityStart && !a.flies(w) {
		lane.first.add(w.runs[len(w.runs)-1].run, []*work{w})
	}
}

// takeOver makes a run of the opposite action and a higher rank the owner of w. The runs before lose
// it at once. It reports whether nothing was ever sent for w, so that the new owner may send at once.
//
// What an older request did shows only in a describe. Where one was accepted, or may have been, no
// state that it may have come from is final until it was seen to move, or long enough after it. A
// request in flight is waited for.
func (a *Account) takeOver(w *work, r ref, lane *lane, now time.Time) (unsent bool) {
	for len(w.runs) > 0 {
		old := w.runs[0]
		w.runs = append(w.runs, r) // it must not be dropped
		result := superseded(w.id, r.run.rank.RunID)
		result.State, result.Attempts = string(w.state), int(w.attempts)
		a.leave(w, old, result)
		w.runs = w.runs[:len(w.runs)-1]
		a.settleLater(old.run)
	}
	w.runs = []ref{r}
	if w.at == inPolls {
		r.run.pending++
	}
	a.joinFlying(w, r.run)
	flying := w.at == inRequest && a.flies(w)
	known := w.at == inPolls || w.at == inRequest && w.req.priority != PriorityStart // a describe was to come
	opposite := w.lane.action
	w.lane = lane
	w.takeOver(lane.rules(), opposite)
	switch {
	case flying: // its reply decides
	case known || w.prior != nil:
		a.describeNext(w, now)
	default:
		return true
	}
	return false
}

// describeNext describes w for its new owner: at once, or once an older action must show.
func (a *Account) describeNext(w *work, now time.Time) {
	if w.prior != nil && w.prior.shows.After(now) {
		a.poll(w, now)
		return
	}
	a.describe(&request{lane: w.lane}, []*work{w}, now)
}

// settleLater settles a run whose instance was taken over, once the present step is over.
func (a *Account) settleLater(x *run) { a.unsettled = append(a.unsettled, x) }

// settleAll settles the runs that the present step concerned.
func (a *Account) settleAll(now time.Time) {
	all := a.unsettled
	a.unsettled = nil
	for _, x := range all {
		a.settle(x, now)
	}
}

// begin queues the first requests of a run for the works that are its own: first sends, or describes
// where an earlier process may have sent something already, or where the instance failed last time
// for a reason that a describe explains.
func (a *Account) begin(x *run, lane *lane, own []*work, now time.Time) {
	var first, describe, apart []*work
	for _, w := range own {
		switch reason := x.suspicion(w); {
		case x.run.Resumed, reason == power.ReasonNotFound, reason == power.ReasonRecycled:
			describe = append(describe, w)
		case reason == power.ReasonRejected:
			apart = append(apart, w)
		default:
			first = append(first, w)
		}
	}
	for _, piece := range cut(describe, a.settings.Size) {
		a.describe(&request{lane: lane}, piece, now)
	}
	for _, piece := range cut(apart, a.settings.Size) {
		r := lane.request(piece)
		r.suspect = true
		lane.again.add(r, now)
	}
	lane.first.add(x, first)
}

// suspicion is why w failed in its group's last run; empty where it did not.
func (x *run) suspicion(w *work) power.Reason {
	for _, r := range w.runs {
		if r.run == x {
			return x.run.Groups[x.targets.groupOf(r.i)].Suspects[w.id]
		}
	}
	return ""
}

// describe queues a describe of works, made from the example of r.
func (a *Account) describe(r *request, works []*work, now time.Time) {
	r.priority = PriorityDiagnose
	r.hold(works)
	a.diagnose.add(r, now)
}

// priorReply notes what became of an action on w that left under an older owner.
func (a *Account) priorReply(w *work, action power.Action, now time.Time, e *apiclient.Error, listed bool) {
	switch {
	case e == nil && !listed:
		w.staleBy(now.Add(lagPolls*a.settings.PollInterval), action)
	case e != nil && e.MaybeApplied:
		w.staleBy(now.Add(a.settings.PollInterval), action)
	}
	if w.wanted() {
		a.describeNext(w, now)
	}
}
