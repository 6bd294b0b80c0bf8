package batcher

import "strings"

// targets holds every instance of a run once, whichever of its groups name it.
type targets struct {
	instances []instance
	groups    []targetGroup
	// also lists, for the few ids that several groups name, the groups after the first.
	also map[int][]int
}

type targetGroup struct {
	name       string
	err        error
	members    []int // indexes of instances, in the order given
	duplicates int
}

// newTargets cleans the lists: blanks trimmed, repeats dropped and counted, order
// kept. An id of two groups is one instance, worked on under the first.
func newTargets(groups []Group) *targets {
	t := &targets{also: map[int][]int{}}
	index := map[string]int{}
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
	for _, id := range ids {
		id = strings.TrimSpace(id)
		if id == "" {
			continue
		}
		i, known := index[id]
		switch {
		case !known:
			i = len(t.instances)
			index[id] = i
			t.instances = append(t.instances, instance{id: id, group: int32(g)})
		case t.has(i, g):
			tg.duplicates++
			continue
		default:
			t.also[i] = append(t.also[i], g)
		}
		tg.members = append(tg.members, i)
	}
}

// has reports whether instance i is in group g already, the one being added. The
// last group that names an instance is enough to check: groups come in order.
func (t *targets) has(i, g int) bool {
	if also := t.also[i]; len(also) > 0 {
		return also[len(also)-1] == g
	}
	return t.groupOf(i) == g
}

// groupOf is the group that instance i is worked on under.
func (t *targets) groupOf(i int) int { return int(t.instances[i].group) }

// own lists the members of group g that are worked on under it.
func (t *targets) own(g int) []int {
	own := make([]int, 0, len(t.groups[g].members))
	for _, i := range t.groups[g].members {
		if t.groupOf(i) == g {
			own = append(own, i)
		}
	}
	return own
}

func (t *targets) ids(instances []int) []string {
	ids := make([]string, len(instances))
	for k, i := range instances {
		ids[k] = t.instances[i].id
	}
	return ids
}

// cut splits ids into pieces of at most size, in order.
func cut(ids []int, size int) [][]int {
	pieces := make([][]int, 0, (len(ids)+size-1)/size)
	for len(ids) > size {
		pieces = append(pieces, ids[:size:size])
		ids = ids[size:]
	}
	if len(ids) > 0 {
		pieces = append(pieces, ids)
	}
	return pieces
}
