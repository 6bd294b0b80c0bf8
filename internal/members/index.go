package members

import (
	"math"

	"zecpower/apiclient"
)

// attribute is a line of a filter that an instance meets exactly or not at all. kind is "tag",
// "zone" or "resource group"; key is of a tag alone.
type attribute struct{ kind, key, value string }

// attributesOf are the exact lines of a filter; its name is none.
func attributesOf(q apiclient.InstanceQuery) []attribute {
	var all []attribute
	for _, t := range q.Tags {
		all = append(all, attribute{"tag", t.Key, t.Value})
	}
	if q.ZoneID != "" {
		all = append(all, attribute{"zone", "", q.ZoneID})
	}
	if q.ResourceGroupID != "" {
		all = append(all, attribute{"resource group", "", q.ResourceGroupID})
	}
	return all
}

// index holds, by attribute, where the rows stand that have it. Many groups that share a long list
// would each go through all of it else.
type index map[attribute][]int32

// indexOf goes through the rows once for the attributes that the filters ask for.
func indexOf(rows []apiclient.Instance, filters []apiclient.InstanceQuery) index {
	found := index{}
	for _, q := range filters {
		for _, a := range attributesOf(q) {
			found[a] = nil
		}
	}
	note := func(i int, a attribute) {
		if at, wanted := found[a]; wanted {
			found[a] = append(at, int32(i))
		}
	}
	for i := range rows {
		in := &rows[i]
		note(i, attribute{"zone", "", in.ZoneID})
		note(i, attribute{"resource group", "", in.ResourceGroupID})
		for _, t := range in.Tags {
			note(i, attribute{"tag", t.Key, t.Value})
		}
	}
	return found
}

// candidates are the places of the rows that a selector can match: those with the rarest attribute
// of its filter. False where the filter has none, so that any row may.
func (x index) candidates(q apiclient.InstanceQuery) (places []int32, narrowed bool) {
	fewest := math.MaxInt
	for _, a := range attributesOf(q) {
		if at, known := x[a]; known && len(at) < fewest {
			places, narrowed, fewest = at, true, len(at)
		}
	}
	return places, narrowed
}
