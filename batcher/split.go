package batcher

import "zecpower/apiclient"

// split follows a chunk that was refused for itself rather than for an instance
// in it. Its halves tell whether the request is at fault, which no further
// splitting would mend, or one malformed id, which splitting finds.
type split struct {
	answered int
	refused  []*job // halves that were refused as well
	codes    []apiclient.Code
}

// splitRequest follows a refusal of class request.
func (x *run) splitRequest(j *job, code apiclient.Code) {
	switch {
	case j.half != nil:
		j.half.refused = append(j.half.refused, j)
		j.half.codes = append(j.half.codes, code)
		x.resolve(j)
	case len(j.items) == 1:
		x.failAll(j.items, ReasonInvalidRequest)
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
	if len(s.refused) == 2 && s.codes[0] == s.codes[1] {
		x.failAll(s.refused[0].items, ReasonInvalidRequest)
		x.failAll(s.refused[1].items, ReasonInvalidRequest)
		return
	}
	for _, half := range s.refused {
		if len(half.items) == 1 {
			x.failAll(half.items, ReasonInvalidRequest)
			continue
		}
		x.halve(half)
	}
}

func (x *run) failAll(items []int, reason Reason) {
	for _, i := range items {
		if it := &x.roster.items[i]; !it.settled {
			it.fail(reason)
			x.settle(i)
		}
	}
}
