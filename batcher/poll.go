package batcher

import (
	"slices"
	"time"

	"zecpower/apiclient"
	"zecpower/internal/power"
)

const (
	// densePolls is how many times a poll interval an instance is described at most, and denseLeast
	// the least time between two describes of it.
	densePolls = 5
	denseLeast = 200 * time.Millisecond
	// denseShare is the share of the time since the first were expected that an instance is left alone:
	// where boots differ by much, a report that is a little later costs far fewer requests. It is also
	// the share of a poll interval for each request that describing all of them takes: the last few
	// cost little.
	denseShare = 10
)

// The lists of what is polled.
const (
	listStart  = iota     // starts on their way, until they take longer than expected
	listStop              // the same of stops
	watches               // so many have a watch
	listSteady = iota - 1 // what waits for another state, or takes longer than expected
	listDenied            // instances whose credentials are finally refused
	pollLists
)

// polled is an instance to describe again, and when something was last known of it, counted from when
// the account was made: that needs a third of a time.Time, and there is one for each instance.
type polled struct {
	visit
	since instant
}

// pollList is a queue of instances, the one that was left alone longest first. When each is due
// follows from the interval of the moment.
type pollList struct {
	fifo fifo[polled]
	live int // instances in it; entries of those that have left do not count
}

// add adds w to the end.
func (l *pollList) add(w *work, now time.Time) {
	l.live++
	l.fifo.push(polled{w.visit(), instantOf(now)})
}

// prune drops what is no longer polled from the front.
func (l *pollList) prune() {
	for !l.fifo.empty() && l.fifo.front().stale() {
		l.fifo.pop()
	}
}

// front is since when the first is left alone; ok is false where nothing is polled.
func (l *pollList) front() (since time.Time, ok bool) {
	if l.prune(); l.fifo.empty() {
		return time.Time{}, false
	}
	return l.fifo.front().since.time(), true
}

// take removes up to size instances that are left alone since the given time, or for longer.
func (l *pollList) take(since time.Time, size int) (works []*work) {
	for at, ok := l.front(); ok && len(works) < size && !at.After(since); at, ok = l.front() {
		works = append(works, l.fifo.pop().work)
	}
	return works
}

// alone counts the instances that are left alone since the given time, or for longer.
func (l *pollList) alone(since time.Time) (n int) {
	for p := range l.fifo.all() {
		if p.since > instantOf(since) {
			break
		}
		if !p.stale() {
			n++
		}
	}
	return n
}

// oldest is when the first of the instances was accepted.
func (l *pollList) oldest() (at time.Time) {
	for p := range l.fifo.all() {
		if !p.stale() {
			at = earlier(at, p.work.acceptedAt.time())
		}
	}
	return at
}

// poll describes w again later.
func (a *Account) poll(w *work, now time.Time) {
	list := a.listOf(w, now)
	w.move(inPolls, nil)
	w.list = list
	a.polls[list].add(w, now)
	if list < watches {
		a.watches[list].add(w.acceptedAt.time(), now, a.settings.PollInterval)
	}
}

// listOf is the list that w belongs to. What may be sent again, or ends, once it is seen to be ready
// is polled steadily, as is what takes longer than expected.
func (a *Account) listOf(w *work, now time.Time) int8 {
	action := watchOf(w)
	switch {
	case w.lane.denied != nil:
		return listDenied
	case !w.stage.arrives(), w.absences > 0, w.prior != nil, a.watches[action].late(w.acceptedAt.time(), now):
		return listSteady
	}
	return action
}

// watchOf is the list, and the watch, of w's action.
func watchOf(w *work) int8 {
	if w.lane.action == power.ActionStop {
		return listStop
	}
	return listStart
}

// learn notes how long w took to where a describe that left at asked saw it. Where an earlier process
// began that, it is unknown.
func (a *Account) learn(w *work, asked, now time.Time) {
	resumed := func(r ref) bool { return r.run.run.Resumed }
	if took := asked.Sub(w.acceptedAt.time()); took > 0 && !slices.ContainsFunc(w.runs, resumed) {
		a.watches[watchOf(w)].reached(took, now)
	}
}

// expects reports whether the instances of a list are expected to be where they shall be.
func (a *Account) expects(list int, now time.Time) bool {
	l := &a.polls[list]
	return list < watches && l.live > 0 && a.watches[list].judge(l, now, a.settings.PollInterval, a.settings.BootTimeout)
}

// sweep is how many instances are to be described once an interval: all but those of which nothing
// is expected.
func (a *Account) sweepSize(now time.Time) (n int) {
	for list := range listDenied {
		if a.swept(list, now) {
			n += a.polls[list].live
		}
	}
	return n
}

// interval is how long an instance of a list is left alone.
func (a *Account) interval(list int, now time.Time) time.Duration {
	poll := a.settings.PollInterval
	if list == listDenied {
		return deniedPoll
	}
	n := requests(a.sweepSize(now), a.settings.Size)
	if pages, ok := a.pages.count(now); ok {
		n = min(n, pages)
	}
	interval := poll
	if a.expects(list, now) {
		share := min(now.Sub(a.watches[list].since), time.Duration(n)*poll) / denseShare
		interval = min(poll, max(poll/densePolls, denseLeast, share))
	}
	// Describes must not pile up that the budget could never serve. The interval is half of the time
	// that the budget needs for all of them: while the starts of a large run go on, their number grows
	// as fast as time passes, and with all of it no poll would ever fall due.
	return max(interval, spread(float64(n), a.budget.rate(now, apiclient.ActionDescribeInstancesStatus))/2)
}

// requests is how many of a size it takes for n instances.
func requests(n, size int) int { return (n + size - 1) / size }

// pollDue is when a describe that verifies is due; zero: nothing is polled. One that is not after now
// is due.
func (a *Account) pollDue(now time.Time) (at time.Time) {
	if a.pages.todo() {
		return now
	}
	for list := range a.polls {
		at = earlier(at, a.listDue(list, now))
	}
	return at
}

// listDue is when an instance of a list is due, or more of them may be; zero: it is empty.
func (a *Account) listDue(list int, now time.Time) time.Time {
	since, ok := a.polls[list].front()
	if !ok {
		return time.Time{}
	}
	interval := a.interval(list, now)
	if list < watches && !a.expects(list, now) {
		v := &a.watches[list]
		return earlier(later(since, v.probed).Add(interval), v.judgeAt)
	}
	if list == listDenied {
		return since.Add(interval)
	}
	// What pages in flight may list is not asked for twice.
	return later(since.Add(interval), a.pages.until(since, now))
}

// nextPoll takes the next describe that verifies; nil: none is due.
func (a *Account) nextPoll(now time.Time) *request {
	if a.pages.todo() {
		return a.nextPage(now)
	}
	var due []int
	for list := range a.polls {
		if at := a.listDue(list, now); !at.IsZero() && !at.After(now) {
			due = append(due, list)
		}
	}
	if count, pay := a.pagesPay(now); pay && slices.ContainsFunc(due, func(list int) bool { return a.swept(list, now) }) {
		a.pages.begin(now, a.settings.PollInterval, count, a.sweepSize(now))
		return a.nextPage(now)
	}
	var works []*work
	for _, list := range due {
		if list != listDenied || len(works) == 0 {
			works = append(works, a.takeDue(list, now, a.settings.Size-len(works))...)
		}
	}
	if len(works) == 0 {
		return nil
	}
	r := &request{priority: PriorityPoll}
	r.hold(works)
	return r
}

// swept reports whether a list is described once an interval as a whole.
func (a *Account) swept(list int, now time.Time) bool {
	return list == listSteady || a.expects(list, now)
}

// wasSwept is swept as it was last decided.
func (a *Account) wasSwept(list int) bool { return list == listSteady || a.watches[list].expected }

// takeDue takes up to size instances of a list that are due, or nearly so: requests are fuller then.
func (a *Account) takeDue(list int, now time.Time, size int) []*work {
	interval := a.interval(list, now)
	if !a.swept(list, now) && list != listDenied {
		a.watches[list].probed = now
	}
	return a.polls[list].take(now.Add(interval/10-interval), size)
}
