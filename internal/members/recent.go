package members

import (
	"slices"
	"time"

	"zecpower/apiclient"
)

// fresh is how old a list may be, counted from when its first page was asked for.
const fresh = time.Second

// recent are lists that were read a moment ago. One goroutine at a time uses it.
type recent struct{ lists []*list }

// find returns, for each query, a list that has all that it asks for; nil: there is none. Instances
// that are asked for by id are read anew.
func (r *recent) find(queries []apiclient.InstanceQuery) []*list {
	found := make([]*list, len(queries))
	for i := range queries {
		if len(queries[i].InstanceIDs) > 0 {
			continue
		}
		if k := slices.IndexFunc(r.lists, func(l *list) bool { return covers(&l.of, &queries[i]) }); k >= 0 {
			found[i] = r.lists[k]
		}
	}
	return found
}

// add keeps the lists that came whole.
func (r *recent) add(lists []*list) {
	for _, l := range lists {
		if l.err == nil && len(l.of.InstanceIDs) == 0 && !slices.Contains(r.lists, l) {
			r.lists = append(r.lists, l)
		}
	}
}

// forget drops the lists that are not fresh at a time.
func (r *recent) forget(now time.Time) {
	r.lists = slices.DeleteFunc(r.lists, func(l *list) bool { return now.Sub(l.began) > fresh })
}
