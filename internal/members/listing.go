package members

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"zecpower/apiclient"
)

// Listing is what was read for one group.
type Listing struct {
	// Err is why its list could not be read; there are no instances then. It wraps the error of
	// Describe, or says that the list never came whole.
	Err error

	rows  []apiclient.Instance // sorted by id; shared with other groups
	named []apiclient.Instance // named ones that are not among rows, sorted by id

	places   []int32 // of the rows that the selector can match, where narrowed; else all can
	narrowed bool
}

// Instances yields the instances that were read, each once: all that the group's selector wants,
// and what came with them. Of named instances it has those that the API knows, if they had to be
// read.
func (l Listing) Instances() iter.Seq[apiclient.Instance] {
	return func(yield func(apiclient.Instance) bool) {
		for _, rows := range [][]apiclient.Instance{l.rows, l.named} {
			for _, in := range rows {
				if !yield(in) {
					return
				}
			}
		}
	}
}

// candidates yields the rows that the group's selector can match.
func (l *Listing) candidates() iter.Seq[*apiclient.Instance] {
	return func(yield func(*apiclient.Instance) bool) {
		n := len(l.rows)
		if l.narrowed {
			n = len(l.places)
		}
		for i := range n {
			place := i
			if l.narrowed {
				place = int(l.places[i])
			}
			if !yield(&l.rows[place]) {
				return
			}
		}
	}
}

// find returns the row of an instance that was read.
func (l *Listing) find(id string) (apiclient.Instance, bool) {
	if in, ok := findRow(l.rows, id); ok {
		return in, true
	}
	return findRow(l.named, id)
}

func findRow(sorted []apiclient.Instance, id string) (apiclient.Instance, bool) {
	i, ok := slices.BinarySearchFunc(sorted, id, func(in apiclient.Instance, id string) int { return strings.Compare(in.InstanceID, id) })
	if !ok {
		return apiclient.Instance{}, false
	}
	return sorted[i], true
}

// listing puts together what was read for one group; of is the number of its list, or -1.
func (n *needs) listing(g *Group, of int, lists []*list) Listing {
	own := &list{}
	if of >= 0 {
		own = lists[of]
	}
	out := Listing{rows: own.rows, Err: own.err}
	if n.byID(g) {
		for _, id := range slices.Sorted(maps.Keys(g.named)) {
			query, asked := n.queryOf(id)
			if _, read := findRow(own.rows, id); read || !asked {
				continue
			}
			if in, known := findRow(lists[query].rows, id); known {
				out.named = append(out.named, in)
			}
			out.Err = cmp.Or(out.Err, lists[query].err)
		}
	}
	if out.Err != nil {
		return Listing{Err: out.Err}
	}
	return out
}

// list is one query's list, sorted by id, or why there is none.
type list struct {
	of    apiclient.InstanceQuery // without a page
	began time.Time               // when its first page was asked for
	rows  []apiclient.Instance
	err   error
}

// narrow spares the groups that share the list the rows that their filters would have kept back. by
// are their numbers.
func (l *list) narrow(listings []Listing, groups []*Group, by []int) {
	if len(by) < 2 {
		return
	}
	filters := make([]apiclient.InstanceQuery, len(by))
	for k, i := range by {
		filters[k] = groups[i].Filter()
	}
	found := indexOf(l.rows, filters)
	for k, i := range by {
		listings[i].places, listings[i].narrowed = found.candidates(filters[k])
	}
}
