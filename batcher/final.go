package batcher

import (
	"maps"
	"slices"
	"time"

	"zecpower/internal/event"
	"zecpower/internal/power"
)

// observeAccepted passes on that the API accepted works, to each run that wants some.
func observeAccepted(works []*work) {
	type key struct {
		run   *run
		group int
	}
	var order []key
	ids := map[key][]string{}
	for _, w := range works {
		for _, r := range w.runs {
			of := key{r.run, r.run.targets.groupOf(r.i)}
			if ids[of] == nil {
				order = append(order, of)
			}
			ids[of] = append(ids[of], w.id)
		}
	}
	for _, of := range order {
		of.run.box.add(event.Accepted{Run: of.run.name, Group: of.run.targets.groups[of.group].name, IDs: ids[of]})
	}
}

// inOrder lists the groups that have something, so that what a run does does not depend on the order
// of a map.
func inOrder[T any](byGroup map[int]T) []int { return slices.Sorted(maps.Keys(byGroup)) }

// finishRest gives every instance that the run's end left open its reason. The work goes on for other
// runs that want it.
func (a *Account) finishRest(x *run, now time.Time) {
	for i, w := range x.works {
		if w == nil {
			continue
		}
		in := w.instance // a copy: the work may go on
		a.unfinished(x, w, &in, now)
		a.leave(w, ref{x, i}, in.result())
	}
}

// unfinished decides why an instance has no outcome at the end of a run.
func (a *Account) unfinished(x *run, w *work, in *instance, now time.Time) {
	l := w.lane
	unsent := in.unsent(l.action)
	switch {
	case x.ended == endPanic:
		in.fail(power.ReasonInternalError)
	case x.ended == endCancelled, x.ended == endSuspended:
		in.fail(power.ReasonCancelled)
	case x.ended == endInvalid:
		in.blame(x.invalid)
		in.fail(power.ReasonInvalidRequest)
	case x.ended == endUnreached:
		in.fail(power.ReasonAPIError)
	case x.ended == endDeadline && a.budget.breaker.blocked():
		in.fail(power.ReasonBlocked)
	case a.budget.credentials.active() && unsent:
		in.fail(power.ReasonAuth)
	case l.refusals.state == refusalAccount && unsent:
		in.blame(l.refusals.err)
		in.fail(power.ReasonRejected)
	default:
		in.fail(l.rules().unfinished(in, a.failing, now))
	}
}
