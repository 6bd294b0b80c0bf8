package batcher

import (
	"container/heap"
	"slices"
	"time"

	"zecpower/apiclient"
)

// request is one request that an account will make: a start (or stop), or a describe.
type request struct {
	priority Priority
	lane     *lane // of a start or stop, and of a describe that follows one; nil: of any
	works    []*work
	runs     []*run // in flight: those that want some of works
	failures int    // times it failed in a row, for its backoff
	// refusals counts how often the API refused this very set of ids, so that a chunk is divided only
	// where its states explain nothing.
	refusals int
	// refused: a describe that follows such a refusal, so that what is left goes out as one chunk that
	// remembers it. whole is how many ids that chunk had.
	refused bool
	whole   int
	// undocumented: the refusal's code is not documented, so nothing says that it concerns an
	// instance.
	undocumented bool
	// refusedAt is when a describe was first refused; zero: never.
	refusedAt time.Time
	// pulled: some ids of it were taken out to be sent alone.
	pulled bool
	// first: nothing was sent for its ids before.
	first bool
	// suspect: ids that were rejected in the run before. They share no request with others.
	suspect bool
	// trial: one id, sent alone to find out whether a refusal concerns it or the whole account.
	trial bool
	// sweep and page are those of a describe of a page; the page is counted from 1.
	sweep *sweep
	page  int
	// listing is the page of DescribeInstances that it asks for, and then it has no works.
	listing *page
	ready   time.Time
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

// hold makes works the request's.
func (r *request) hold(works []*work) {
	r.works = works
	for _, w := range works {
		w.move(inRequest, r)
	}
}

// live lists the works that r still has: others were taken over, ended, or left it.
func (r *request) live() []*work {
	for k, w := range r.works {
		if !r.has(w) {
			works := append([]*work(nil), r.works[:k]...)
			for _, w := range r.works[k+1:] {
				if r.has(w) {
					works = append(works, w)
				}
			}
			return works
		}
	}
	return r.works
}

func (r *request) has(w *work) bool { return w.at == inRequest && w.req == r && w.wanted() }

// queue holds one priority's requests: those that may go now, and those in backoff.
type queue struct {
	now   []*request
	later requestHeap
}

func (q *queue) add(r *request, now time.Time) {
	if r.ready.After(now) {
		heap.Push(&q.later, r)
		return
	}
	q.now = append(q.now, r)
}

// ripen moves what has waited long enough to the requests that may go.
func (q *queue) ripen(now time.Time) {
	for len(q.later) > 0 && !q.later[0].ready.After(now) {
		q.now = append(q.now, heap.Pop(&q.later).(*request))
	}
}

// opens is when the next backoff ends; zero: there is none.
func (q *queue) opens() time.Time {
	if len(q.later) == 0 {
		return time.Time{}
	}
	return q.later[0].ready
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

// has reports whether some request may go now. It drops those of which nothing is left.
func (q *queue) has() bool {
	for len(q.now) > 0 {
		if slices.ContainsFunc(q.now[0].works, q.now[0].has) {
			return true
		}
		q.now[0] = nil
		q.now = q.now[1:]
	}
	return false
}

// pop takes the next request, joined by as many as fit of those behind it that nothing sets apart:
// small leftovers then share a request. nil: nothing waits.
func (q *queue) pop(size int) *request {
	if !q.has() {
		return nil
	}
	r := q.now[0]
	q.now = q.now[1:]
	r.works = r.live()
	for q.has() && r.joins(q.now[0], size) {
		r.hold(append(r.works[:len(r.works):len(r.works)], q.now[0].live()...))
		q.now = q.now[1:]
	}
	return r
}

// putBack makes r the next request again.
func (q *queue) putBack(r *request) { q.now = append([]*request{r}, q.now...) }

// all lists every request.
func (q *queue) all() []*request {
	return append(q.now[:len(q.now):len(q.now)], q.later...)
}

func (r *request) joins(other *request, size int) bool {
	plain := func(r *request) bool {
		return r.refusals == 0 && !r.refused && r.failures == 0 && r.refusedAt.IsZero() && !r.suspect
	}
	same := r.lane == other.lane || r.priority != PriorityStart
	return plain(r) && plain(other) && same && len(r.works)+len(other.live()) <= size
}

// describing is a describe of some of r's works that remembers its refusals.
func (r *request) describing() *request {
	return &request{
		priority: PriorityDiagnose, lane: r.lane, failures: r.failures, refusals: r.refusals, refused: r.refusals > 0, whole: r.whole,
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
	list    apiclient.InstancePage
	err     error
	sent    time.Time
	took    time.Duration
}
