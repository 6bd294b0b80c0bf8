package batcher

import (
	"container/heap"
	"slices"
	"time"
)

// job is one request that a run will make: a start (or stop) or a look.
type job struct {
	priority Priority
	items    []int
	group    int // for the metrics of a start; a look may span groups
	failures int // times it failed in a row, for its backoff
	// refusals counts how often the API refused this very set of ids as holding
	// an instance that cannot take the action.
	refusals int
	// refused: a look that follows such a refusal, so that what is left goes
	// out as one chunk that remembers it.
	refused bool
	half    *split // set on each half of a chunk that was refused for itself
	ready   time.Time
}

// queue holds one priority's jobs: those that may go now, and those in backoff.
type queue struct {
	now   []*job
	later jobHeap
}

func (q *queue) add(j *job, now time.Time) {
	if j.ready.After(now) {
		heap.Push(&q.later, j)
		return
	}
	q.now = append(q.now, j)
}

// ripen moves what has waited long enough to the jobs that may go.
func (q *queue) ripen(now time.Time) {
	for len(q.later) > 0 && !q.later[0].ready.After(now) {
		q.now = append(q.now, heap.Pop(&q.later).(*job))
	}
}

// hasten shortens every wait to end by the given time at the latest.
func (q *queue) hasten(latest time.Time) {
	for _, j := range q.later {
		if j.ready.After(latest) {
			j.ready = latest
		}
	}
	heap.Init(&q.later)
}

// pop takes the next job, joined by as many as fit of those behind it that
// nothing sets apart: small leftovers then share a request.
func (q *queue) pop(size int) *job {
	j := q.now[0]
	q.now = q.now[1:]
	for len(q.now) > 0 && j.joins(q.now[0], size) {
		j.items = append(j.items[:len(j.items):len(j.items)], q.now[0].items...)
		q.now = q.now[1:]
	}
	return j
}

// putBack undoes a pop: j is the next job again.
func (q *queue) putBack(j *job) { q.now = slices.Insert(q.now, 0, j) }

func (j *job) joins(other *job, size int) bool {
	plain := func(j *job) bool { return j.refusals == 0 && !j.refused && j.half == nil && j.failures == 0 }
	sameGroup := j.group == other.group || j.priority != PriorityStart
	return plain(j) && plain(other) && sameGroup && len(j.items)+len(other.items) <= size
}

// jobHeap orders by ready time.
type jobHeap []*job

func (h jobHeap) Len() int           { return len(h) }
func (h jobHeap) Less(a, b int) bool { return h[a].ready.Before(h[b].ready) }
func (h jobHeap) Swap(a, b int)      { h[a], h[b] = h[b], h[a] }
func (h *jobHeap) Push(x any)        { *h = append(*h, x.(*job)) }
func (h *jobHeap) Pop() any {
	last := len(*h) - 1
	j := (*h)[last]
	*h = (*h)[:last]
	return j
}

// watch is an instance to look at again, and when something was last known of it.
type watch struct {
	item  int
	since time.Time
}

// watchList is a queue of instances on their way, the one that was left alone
// longest first. When each is due follows from the interval of the moment.
type watchList struct{ list []watch }

func (w *watchList) add(i int, now time.Time) { w.list = append(w.list, watch{i, now}) }

// due reports when the next look is due; ok is false where nothing is watched.
func (w *watchList) due(interval time.Duration) (at time.Time, ok bool) {
	if len(w.list) == 0 {
		return time.Time{}, false
	}
	return w.list[0].since.Add(interval), true
}

// take removes up to size instances that are due by the given time.
func (w *watchList) take(by time.Time, interval time.Duration, size int) []int {
	n := 0
	for n < len(w.list) && n < size && !w.list[n].since.Add(interval).After(by) {
		n++
	}
	items := make([]int, n)
	for k, e := range w.list[:n] {
		items[k] = e.item
	}
	w.list = w.list[n:]
	return items
}
