package batcher

import (
	"container/heap"
	"slices"
	"time"

	"zecpower/apiclient"
)

// request is one request that a run will make: a start (or stop), or a describe.
type request struct {
	priority  Priority
	instances []int
	group     int // for the metrics of a start; a describe may span groups
	failures  int // times it failed in a row, for its backoff
	// refusals counts how often the API refused this very set of ids, so that a
	// chunk is divided only where its states explain nothing.
	refusals int
	// refused: a describe that follows such a refusal, so that what is left goes
	// out as one chunk that remembers it. whole is how many ids that chunk had.
	refused bool
	whole   int
	// undocumented: the refusal's code is not documented, so nothing says that it
	// concerns an instance.
	undocumented bool
	// refusedAt is when a describe was first refused; zero: never.
	refusedAt time.Time
	// pulled: some ids of it were taken out to be sent alone.
	pulled bool
	// again: some id of it was sent before. First sends go before it.
	again bool
	// trial: one id, sent alone to find out whether a refusal concerns it or the
	// whole account.
	trial bool
	ready time.Time
}

// kind separates starts and stops from describes: a key may have the right to one alone.
type kind int

const (
	kindPower kind = iota
	kindDescribe
	kinds
)

func kindOf(r *request) kind {
	if r.priority == PriorityStart {
		return kindPower
	}
	return kindDescribe
}

// queue holds one priority's requests: those that may go now, first sends
// before the others, and those in backoff.
type queue struct {
	first []*request
	again []*request
	later requestHeap
}

func (q *queue) add(r *request, now time.Time) {
	switch {
	case r.ready.After(now):
		heap.Push(&q.later, r)
	case r.again:
		q.again = append(q.again, r)
	default:
		q.first = append(q.first, r)
	}
}

// ripen moves what has waited long enough to the requests that may go.
func (q *queue) ripen(now time.Time) {
	for len(q.later) > 0 && !q.later[0].ready.After(now) {
		q.add(heap.Pop(&q.later).(*request), now)
	}
}

// hasten shortens every wait to end by the given time at the latest.
func (q *queue) hasten(latest time.Time) {
	for _, r := range q.later {
		if r.ready.After(latest) {
			r.ready = latest
		}
	}
	heap.Init(&q.later)
}

// has reports whether some request may go now.
func (q *queue) has() bool { return len(q.first)+len(q.again) > 0 }

// pop takes the next request, joined by as many as fit of those behind it that
// nothing sets apart: small leftovers then share a request.
func (q *queue) pop(size int) *request {
	tier := &q.first
	if len(*tier) == 0 {
		tier = &q.again
	}
	r := (*tier)[0]
	*tier = (*tier)[1:]
	for len(*tier) > 0 && r.joins((*tier)[0], size) {
		r.instances = append(r.instances[:len(r.instances):len(r.instances)], (*tier)[0].instances...)
		*tier = (*tier)[1:]
	}
	return r
}

// putBack undoes a pop: r is the next request again.
func (q *queue) putBack(r *request) {
	if r.again {
		q.again = slices.Insert(q.again, 0, r)
	} else {
		q.first = slices.Insert(q.first, 0, r)
	}
}

// all lists every request.
func (q *queue) all() []*request { return slices.Concat(q.first, q.again, q.later) }

// drop removes every request.
func (q *queue) drop() (dropped []*request) {
	dropped = q.all()
	*q = queue{}
	return dropped
}

// pull removes ids from every request.
func (q *queue) pull(ids []int) {
	q.first, q.again, q.later = pull(q.first, ids), pull(q.again, ids), pull(q.later, ids)
	heap.Init(&q.later)
}

func (r *request) joins(other *request, size int) bool {
	plain := func(r *request) bool {
		return r.refusals == 0 && !r.refused && r.failures == 0 && r.refusedAt.IsZero()
	}
	sameGroup := r.group == other.group || r.priority != PriorityStart
	return plain(r) && plain(other) && sameGroup && len(r.instances)+len(other.instances) <= size
}

// describing is a describe of some of r's instances that remembers its refusals.
func (r *request) describing(instances []int) *request {
	return &request{
		priority: PriorityDiagnose, instances: instances, group: r.group, failures: r.failures,
		refusals: r.refusals, refused: r.refusals > 0, whole: r.whole,
	}
}

// requestHeap orders by ready time.
type requestHeap []*request

func (h requestHeap) Len() int           { return len(h) }
func (h requestHeap) Less(a, b int) bool { return h[a].ready.Before(h[b].ready) }
func (h requestHeap) Swap(a, b int)      { h[a], h[b] = h[b], h[a] }
func (h *requestHeap) Push(x any)        { *h = append(*h, x.(*request)) }
func (h *requestHeap) Pop() any {
	last := len(*h) - 1
	r := (*h)[last]
	*h = (*h)[:last]
	return r
}

// reply is what came of one request.
type reply struct {
	request *request
	token   *token
	power   apiclient.PowerReply
	status  apiclient.StatusPage
	err     error
	sent    time.Time
	took    time.Duration
}
