package batcher

import (
	"zecpower/apiclient"
	"zecpower/internal/power"
)

// split follows a chunk that was refused for itself rather than for an instance
// in it. Its halves tell whether the request is at fault, which no further
// splitting would mend, or one malformed id, which splitting finds.
type split struct {
	answered int
	refused  []*job // halves that were refused as well
	errs     []*apiclient.Error
}

// splitRequest follows a refusal of class request.
func (x *run) splitRequest(j *job, e *apiclient.Error) {
	switch {
	case j.half != nil:
		j.half.refused = append(j.half.refused, j)
		j.half.errs = append(j.half.errs, e)
		x.resolve(j)
	case len(j.items) == 1:
		x.failInvalid(j.items, e)
	default:
		x.halve(j)
	}
}

func (x *run) halve(j *job) {
	s := &split{}
	for _, half := range halves(j.items) {
		x.enqueue(&job{priority: j.priority, items: half, group: j.group, half: s})
	}
}

// resolve notes that one half of a split has its answer, and decides once both
// have: the same refusal twice fails both, a lone one is split further.
func (x *run) resolve(j *job) {
	s := j.half
	if s == nil {
		return
	}
	j.half = nil
	if s.answered++; s.answered < 2 {
		return
	}
	same := len(s.refused) == 2 && s.errs[0].Code == s.errs[1].Code
	for k, half := range s.refused {
		if same || len(half.items) == 1 {
			x.failInvalid(half.items, s.errs[k])
			continue
		}
		x.halve(half)
	}
}

// failInvalid says of each instance what the API said of the request, a start or
// a look.
func (x *run) failInvalid(items []int, e *apiclient.Error) {
	for _, i := range items {
		x.roster.items[i].code, x.roster.items[i].requestID = e.Code, e.RequestID
	}
	x.failAll(items, power.ReasonInvalidRequest)
}

func (x *run) failAll(items []int, reason power.Reason) {
	for _, i := range items {
		if it := &x.roster.items[i]; !it.settled {
			it.fail(reason)
			x.settle(i)
		}
	}
}
