package batcher

import (
	"time"

	"zecpower/apiclient"
	"zecpower/internal/power"
)

// The lanes. A forced stop shares no request with a graceful one.
const (
	laneStart = iota
	laneStop
	laneForce
	lanes
)

// lane has what waits of one action.
type lane struct {
	account *Account
	action  power.Action
	force   bool
	api     string // the API's name of the action

	first    fair  // instances that nothing was sent for
	again    queue // requests that were sent before, or that share nothing with others
	refusals unknownRefusals
	apart    map[apiclient.Code]bool // undocumented codes; true: found to concern single instances
	// denied is the final refusal of the credentials; nil while there is none.
	denied *apiclient.Error
}

func newLane(a *Account, l int) *lane {
	action := power.ActionStop
	if l == laneStart {
		action = power.ActionStart
	}
	return &lane{account: a, action: action, force: l == laneForce, api: APIAction(action), apart: map[apiclient.Code]bool{}}
}

// laneOf is the lane of a run.
func (a *Account) laneOf(r Run) *lane {
	switch {
	case r.Action != power.ActionStop:
		return a.lanes[laneStart]
	case r.Force:
		return a.lanes[laneForce]
	}
	return a.lanes[laneStop]
}

// rules are the parts of the settings that decide about one instance of the lane.
func (l *lane) rules() rules {
	s := &l.account.settings
	return rules{
		action: l.action, attempts: s.Attempts, timeout: s.BootTimeout, lag: lagPolls * s.PollInterval, doubtFor: s.PollInterval,
	}
}

// wants reports whether a start or stop of the lane may leave now.
func (l *lane) wants(now time.Time) bool {
	if l.refusals.holds() {
		return l.refusals.ready(now)
	}
	return l.first.has(now) || l.again.has()
}

// next takes the lane's next request; nil: what waited is gone.
func (l *lane) next(now time.Time) *request {
	size := l.account.settings.Size
	switch {
	case l.refusals.holds():
		if !l.refusals.ready(now) {
			return nil
		}
		return l.nextAlone()
	case l.first.has(now):
		works := l.first.take(now, size)
		if len(works) == 0 {
			return nil
		}
		r := l.request(works)
		r.first = true
		return r
	}
	return l.again.pop(size)
}

// request is a start or stop of works.
func (l *lane) request(works []*work) *request {
	r := &request{priority: PriorityStart, lane: l}
	r.hold(works)
	return r
}

// waiting lists what waits in the lane, first sends first.
func (l *lane) waiting() (works []*work) {
	works = l.first.all()
	for _, r := range l.again.all() {
		works = append(works, r.live()...)
	}
	return works
}

// fair is a queue of first sends. Chunks are filled from the runs in turn, so that a small run does
// not wait for a large one: with R runs waiting, each has instances in one of the next R chunks.
type fair struct{ queues []*runQueue }

// runQueue is what waits of one run, in order.
type runQueue struct {
	run   *run
	works fifo[visit]
}

// add queues works of a run that are nowhere else.
func (f *fair) add(x *run, works []*work) {
	if len(works) == 0 {
		return
	}
	q := f.of(x)
	for _, w := range works {
		w.move(inQueue, nil)
		q.works.push(w.visit())
	}
}

// of is the queue of a run.
func (f *fair) of(x *run) *runQueue {
	for _, q := range f.queues {
		if q.run == x {
			return q
		}
	}
	q := &runQueue{run: x}
	f.queues = append(f.queues, q)
	return q
}

// prune drops what is no longer waiting from the front of q, and reports whether something is left.
func (q *runQueue) prune() bool {
	for !q.works.empty() && q.works.front().stale() {
		q.works.pop()
	}
	return !q.works.empty()
}

// prune drops the queues in which nothing waits.
func (f *fair) prune() {
	kept := f.queues[:0]
	for _, q := range f.queues {
		if q.prune() {
			kept = append(kept, q)
		}
	}
	clear(f.queues[len(kept):])
	f.queues = kept
}

// has reports whether something may be sent now. Runs that wait for the others of their round may
// not.
func (f *fair) has(now time.Time) bool {
	f.prune()
	for _, q := range f.queues {
		if held, _ := q.run.gathers(now); !held {
			return true
		}
	}
	return false
}

// opens is when a run that waits for the others of its round may send at the latest; zero: none
// waits.
func (f *fair) opens(now time.Time) (at time.Time) {
	for _, q := range f.queues {
		if held, until := q.run.gathers(now); held {
			at = earlier(at, until)
		}
	}
	return at
}

// take takes the next chunk. The queue that begins it goes to the end of the turn, as do those that
// fill it up.
func (f *fair) take(now time.Time, size int) (works []*work) {
	f.prune()
	var later, held []*runQueue
	for k, q := range f.queues {
		if len(works) == size {
			later = append(f.queues[k:len(f.queues):len(f.queues)], later...)
			break
		}
		if waits, _ := q.run.gathers(now); waits {
			held = append(held, q)
			continue
		}
		for len(works) < size && q.prune() {
			works = append(works, q.works.pop().work)
		}
		if q.prune() {
			later = append(later, q)
		}
	}
	f.queues = append(held, later...)
	return works
}

// all lists what waits.
func (f *fair) all() (works []*work) {
	for _, q := range f.queues {
		for v := range q.works.all() {
			if !v.stale() {
				works = append(works, v.work)
			}
		}
	}
	return works
}
