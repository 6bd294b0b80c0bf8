package batcher

import "zecpower/internal/power"

// results are those of a run, by the index of the instance in ids. Instances that were sent and
// described together have all but their ids in common; those that became final one after the other
// share one result, without an id.
type results struct {
	ids  []string
	of   []*power.InstanceResult // nil while the instance is open
	last *power.InstanceResult   // the newest
}

func newResults(ids []string) results {
	return results{ids: ids, of: make([]*power.InstanceResult, len(ids))}
}

// open reports whether instance i has no outcome yet.
func (r *results) open(i int) bool { return r.of[i] == nil }

// at is the result of instance i; zero while it is open.
func (r *results) at(i int) (result power.InstanceResult) {
	if r.of[i] != nil {
		result = *r.of[i]
		result.InstanceID = r.ids[i]
	}
	return result
}

func (r *results) set(i int, result power.InstanceResult) {
	result.InstanceID = ""
	if r.last == nil || *r.last != result {
		newest := result // so that result itself needs no room of its own on each call
		r.last = &newest
	}
	r.of[i] = r.last
}

// list lists the results of some instances, in their order.
func (r *results) list(of []int) []power.InstanceResult {
	all := make([]power.InstanceResult, 0, len(of))
	for _, i := range of {
		all = append(all, r.at(i))
	}
	return all
}
