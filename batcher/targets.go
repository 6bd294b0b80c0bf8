package batcher

import (
	"slices"
	"sort"
	"strings"
)

// targets are the instances of a run, each once, whichever of its groups name it.
type targets struct {
	// ids stand together by the group that they are worked on under, in the order of the groups.
	ids    []string
	groups []targetGroup
	// also lists, for the few ids that several groups name, the groups after the first.
	also map[int][]int
}

type targetGroup struct {
	name string
	err  error
	// from and to bound the indexes of ids that are worked on under the group.
	from, to int
	// shared are the indexes of all that it names, in the order given, where it names some of a group
	// before it; else nil.
	shared     []int
	duplicates int
}

// newTargets cleans the lists: blanks trimmed, repeats dropped and counted, order kept. An id of two
// groups is one instance, worked on under the first. The lists must not change from then on.
func newTargets(groups []Group) *targets {
	n := 0
	for _, group := range groups {
		n += len(group.IDs)
	}
	t := &targets{ids: make([]string, 0, n), also: map[int][]int{}}
	index := make(map[string]int, n)
	for g, group := range groups {
		tg := targetGroup{name: group.Name, err: group.Err, from: len(t.ids)}
		if group.Err == nil {
			t.add(&tg, g, group.IDs, index)
		}
		tg.to = len(t.ids)
		t.groups = append(t.groups, tg)
	}
	if len(groups) == 1 && slices.Equal(t.ids, groups[0].IDs) {
		t.ids = groups[0].IDs // one list of a million is enough
	}
	return t
}

func (t *targets) add(tg *targetGroup, g int, ids []string, index map[string]int) {
	for _, id := range ids {
		id = strings.TrimSpace(id)
		if id == "" {
			continue
		}
		i, known := index[id]
		switch {
		case !known:
			i = len(t.ids)
			index[id] = i
			t.ids = append(t.ids, id)
		case i >= tg.from || t.alsoIn(i, g):
			tg.duplicates++
			continue
		default:
			t.also[i] = append(t.also[i], g)
			if tg.shared == nil {
				tg.shared = indexes(tg.from, len(t.ids))
			}
		}
		if tg.shared != nil {
			tg.shared = append(tg.shared, i)
		}
	}
}

// alsoIn reports whether instance i of an earlier group is in group g already, the one being added.
// The last group that names it is enough to check: groups come in order.
func (t *targets) alsoIn(i, g int) bool {
	also := t.also[i]
	return len(also) > 0 && also[len(also)-1] == g
}

// groupOf is the group that instance i is worked on under.
func (t *targets) groupOf(i int) int {
	return sort.Search(len(t.groups), func(g int) bool { return t.groups[g].to > i })
}

// members are the indexes of the instances that group g names, in the order given.
func (t *targets) members(g int) []int {
	if tg := &t.groups[g]; tg.shared == nil {
		return indexes(tg.from, tg.to)
	}
	return t.groups[g].shared
}

// size is how many instances group g names.
func (t *targets) size(g int) int {
	if tg := &t.groups[g]; tg.shared == nil {
		return tg.to - tg.from
	}
	return len(t.groups[g].shared)
}

// own lists the instances that are worked on under group g.
func (t *targets) own(g int) []int { return indexes(t.groups[g].from, t.groups[g].to) }

func indexes(from, to int) []int {
	all := make([]int, to-from)
	for k := range all {
		all[k] = from + k
	}
	return all
}

// cut splits a list into pieces of at most size, in order.
func cut[T any](all []T, size int) [][]T {
	pieces := make([][]T, 0, (len(all)+size-1)/size)
	for len(all) > size {
		pieces = append(pieces, all[:size:size])
		all = all[size:]
	}
	if len(all) > 0 {
		pieces = append(pieces, all)
	}
	return pieces
}
