package batcher

import (
	"slices"
	"time"

	"zecpower/internal/power"
)

// work is one instance in work: what is known of it, and the runs that want it. Runs of the same
// action share it. Its account owns it.
//
// It is always in one place: in a request that waits or is in flight, among the instances that are
// polled, in its lane's queue of first sends, or held by its lane's unknown refusals. at says where.
type work struct {
	instance
	lane  *lane
	runs  []ref
	req   *request // with inRequest: the one that has it
	order int      // in which instances came into work
	moves uint32   // counts its places: an entry of a queue that it has left is stale
	at    place
	list  int8 // with inPolls: which of the lists
	gone  bool // it is final, or no run wants it any more
}

// ref is a run that wants an instance, and its index there.
type ref struct {
	run *run
	i   int
}

// workPiece is how many works are made at once, at most: fewer to allocate one by one, and few that
// the last open one of them keeps in memory.
const workPiece = 256

// workPieces makes works in pieces.
type workPieces struct {
	works []work
	refs  []ref
}

// next is a new work that a run wants. left is how many are wanted at most, this one included.
func (p *workPieces) next(of ref, left int) *work {
	if len(p.works) == 0 {
		n := min(workPiece, left)
		p.works, p.refs = make([]work, n), make([]ref, n)
	}
	w := &p.works[0]
	p.refs[0] = of
	w.runs = p.refs[:1:1]
	p.works, p.refs = p.works[1:], p.refs[1:]
	return w
}

// place is where a work is.
type place int8

const (
	nowhere   place = iota // it is being decided about
	inQueue                // in its lane's queue of first sends
	inRequest              // in a request, waiting or in flight
	inPolls                // on its way, polled
	inTrial                // held by its lane's unknown refusals
)

// visit is an entry of a queue for a work in one of its places.
type visit struct {
	work  *work
	moves uint32
}

func (w *work) visit() visit { return visit{w, w.moves} }

// stale reports whether the work has left the place, or no run that goes on wants it.
func (v visit) stale() bool { return v.work.moves != v.moves || !v.work.wanted() }

// wanted reports whether something may be sent for w: a run that goes on wants it.
func (w *work) wanted() bool {
	if w.gone {
		return false
	}
	for _, r := range w.runs {
		if r.run.ended == "" {
			return true
		}
	}
	return false
}

// move notes that w leaves the place where it is for another.
func (w *work) move(to place, r *request) {
	was := w.at == inPolls
	w.at, w.req = to, r
	w.moves++
	if was {
		w.lane.account.polls[w.list].live--
	}
	if is := to == inPolls; is != was {
		by := -1
		if is {
			by = +1
		}
		for _, r := range w.runs {
			r.run.pending += by
		}
	}
}

// drop removes w from an account that has no run left that wants it.
func (a *Account) drop(w *work) {
	w.move(nowhere, nil)
	w.gone = true
	delete(a.works, w.id)
	if w.final == nil {
		a.leaveBehind(w)
	}
}

// left is an instance whose runs ended before an action of theirs showed. A describe may show for a
// while what was before that, so the next run of the instance has to know.
type left struct {
	instance
	action power.Action
	until  time.Time
}

// leaveBehind keeps what is known of w until its last action shows.
func (a *Account) leaveBehind(w *work) {
	until := w.shows(w.lane.rules())
	if now := time.Now(); until.After(now) {
		a.left[w.id] = left{w.instance, w.lane.action, until}
	}
}

// takeUp continues with what an ended run left behind. It reports whether it did: then nothing is to
// be sent for w before a describe.
func (a *Account) takeUp(w *work, now time.Time) bool {
	l, ok := a.left[w.id]
	if !ok {
		return false
	}
	delete(a.left, w.id)
	if !l.until.After(now) {
		return false
	}
	if l.action == w.lane.action {
		w.instance = l.instance
		a.poll(w, now)
		return true
	}
	w.instance = instance{id: w.id, state: l.state, seenAt: l.seenAt}
	if w.staleBy(l.until, l.action); !l.stage.mayBeAccepted() {
		w.prior = l.prior
	}
	a.describeNext(w, now)
	return true
}

// forgetLeft removes what ended runs left behind and what shows by now.
func (a *Account) forgetLeft(now time.Time) {
	for id, l := range a.left {
		if !l.until.After(now) {
			delete(a.left, id)
		}
	}
}

// final passes the outcome of w on to the runs that want it.
func (a *Account) final(w *work) {
	runs := w.runs
	w.move(nowhere, nil)
	for _, r := range runs {
		r.run.settled(r.i, w.result())
	}
	w.runs = nil
	a.drop(w)
}

// settled makes the outcome of one instance final for the run.
func (x *run) settled(i int, result power.InstanceResult) {
	x.works[i] = nil
	x.results.set(i, result)
	x.open--
	if result.Outcome == power.OutcomeFailed {
		x.failed++
	}
	if x.ended == endSuspended && result.Reason == power.ReasonCancelled {
		return // it is open for the next process
	}
	g := x.targets.groupOf(i)
	x.finals[g] = append(x.finals[g], i)
	for _, g := range x.targets.also[i] {
		x.finals[g] = append(x.finals[g], i)
	}
}

// leave ends an instance for one run alone.
func (a *Account) leave(w *work, of ref, result power.InstanceResult) {
	pending := w.at == inPolls
	for k, r := range w.runs {
		if r == of {
			w.runs = append(w.runs[:k:k], w.runs[k+1:]...)
			break
		}
	}
	if pending {
		of.run.pending--
	}
	of.run.settled(of.i, result)
	if len(w.runs) == 0 && !a.flies(w) {
		a.drop(w)
	}
}

// flies reports whether a request in flight names w. One that left without w, because no run wanted
// it any more, does not.
func (a *Account) flies(w *work) bool {
	return w.req != nil && a.inFlight[w.req] && slices.Contains(w.req.works, w)
}

// runsOf lists the runs that want some of works, each once, in the order of the works.
func runsOf(works []*work) (runs []*run) {
	seen := map[*run]bool{}
	for _, w := range works {
		for _, r := range w.runs {
			if !seen[r.run] {
				seen[r.run] = true
				runs = append(runs, r.run)
			}
		}
	}
	return runs
}

func idsOf(works []*work) []string {
	ids := make([]string, len(works))
	for k, w := range works {
		ids[k] = w.id
	}
	return ids
}
