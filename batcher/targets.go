package batcher

import "strings"

// targets are the instances of a run, each once, whichever of its groups name it.
type targets struct {
	ids    []string
	of     []int32 // the group that each is worked on under
	groups []targetGroup
	// also lists, for the few ids that several groups name, the groups after the first.
	also map[int][]int
}

type targetGroup struct {
	name       string
	err        error
	members    []int // indexes of ids, in the order given
	duplicates int
}

// newTargets cleans the lists: blanks trimmed, repeats dropped and counted, order kept. An id of two
// groups is one instance, worked on under the first.
func newTargets(groups []Group) *targets {
	t := &targets{also: map[int][]int{}}
	n := 0
	for _, group := range groups {
		n += len(group.IDs)
	}
	t.ids, t.of = make([]string, 0, n), make([]int32, 0, n)
	index := make(map[string]int, n)
	for g, group := range groups {
		tg := targetGroup{name: group.Name, err: group.Err}
		if group.Err == nil {
			t.add(&tg, g, group.IDs, index)
		}
		t.groups = append(t.groups, tg)
	}
	return t
}

func (t *targets) add(tg *targetGroup, g int, ids []string, index map[string]int) {
	tg.members = make([]int, 0, len(ids))
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
			t.of = append(t.of, int32(g)) //nolint:gosec // a number of groups
		case t.has(i, g):
			tg.duplicates++
			continue
		default:
			t.also[i] = append(t.also[i], g)
		}
		tg.members = append(tg.members, i)
	}
}

// has reports whether instance i is in group g already, the one being added. The last group that
// names an instance is enough to check: groups come in order.
func (t *targets) has(i, g int) bool {
	if also := t.also[i]; len(also) > 0 {
		return also[len(also)-1] == g
	}
	return int(t.of[i]) == g
}

// own lists the members of group g that are worked on under it.
func (t *targets) own(g int) []int {
	own := make([]int, 0, len(t.groups[g].members))
	for _, i := range t.groups[g].members {
		if int(t.of[i]) == g {
			own = append(own, i)
		}
	}
	return own
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
