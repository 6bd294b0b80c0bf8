package members

import (
	"fmt"
	"maps"
	"slices"

	"zecpower/apiclient"
)

// needs are the lists that answer several groups at once.
type needs struct {
	// queries are those to read, none covered by another: filters first, then named instances by
	// id, whose rows decide whether they are excluded.
	queries []apiclient.InstanceQuery
	// of is, by group, the query whose list has all that its selector wants; -1 where it has no
	// selector, and the account is not listed.
	of []int
	// byID reports whether the named instances of a group are read.
	byID func(*Group) bool
	// ids are those instances, sorted, where they are asked for by id; the queries from firstByID
	// on have them in their order, apiclient.MaxInstanceIDs each.
	ids       []string
	firstByID int
}

// needsOf finds the fewest lists that the filters allow. A filter that another covers, the same or
// a wider one, is not asked for.
func needsOf(groups []*Group, byID func(*Group) bool) needs {
	filters := make([]apiclient.InstanceQuery, len(groups)) // by group
	distinct := map[string]apiclient.InstanceQuery{}
	for i, g := range groups {
		if g.selects {
			filters[i] = g.Filter()
			distinct[keyOf(filters[i])] = filters[i]
		}
	}
	n := needs{of: make([]int, len(groups)), byID: byID}
	keys := slices.Sorted(maps.Keys(distinct))
	for _, key := range keys {
		narrow := distinct[key]
		if !slices.ContainsFunc(keys, func(other string) bool { wide := distinct[other]; return other != key && covers(&wide, &narrow) }) {
			n.queries = append(n.queries, narrow)
		}
	}
	for i, g := range groups {
		n.of[i] = -1
		if g.selects {
			n.of[i] = slices.IndexFunc(n.queries, func(wide apiclient.InstanceQuery) bool { return covers(&wide, &filters[i]) })
		}
	}
	n.addNamed(groups)
	return n
}

// addNamed adds queries by id, as full as they may be, unless the whole account is listed anyway.
func (n *needs) addNamed(groups []*Group) {
	ids := map[string]bool{}
	for _, g := range groups {
		if n.byID(g) {
			maps.Copy(ids, g.named)
		}
	}
	if len(n.queries) == 1 && keyOf(n.queries[0]) == keyOf(apiclient.InstanceQuery{}) {
		for i := range groups {
			n.of[i] = 0
		}
		return
	}
	n.ids, n.firstByID = slices.Sorted(maps.Keys(ids)), len(n.queries)
	for chunk := range slices.Chunk(n.ids, apiclient.MaxInstanceIDs) {
		n.queries = append(n.queries, apiclient.InstanceQuery{InstanceIDs: chunk})
	}
}

// queryOf is the number of the query that asks for a named instance; false where none does.
func (n *needs) queryOf(id string) (int, bool) {
	i, ok := slices.BinarySearch(n.ids, id)
	return n.firstByID + i/apiclient.MaxInstanceIDs, ok
}

// keyOf is a text that only equal filters share.
func keyOf(q apiclient.InstanceQuery) string {
	return fmt.Sprintf("%q %q %q %q", q.ZoneID, q.ResourceGroupID, q.Name, q.Tags)
}
