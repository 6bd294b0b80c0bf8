package batcher

import (
	"strings"
	"time"

	"zecpower/apiclient"
	"zecpower/internal/power"
)

// roster is every instance of a run once, whichever of its groups name it.
type roster struct {
	items  []item
	groups []rosterGroup
	// also lists, for the few ids that several groups name, the groups after the first.
	also map[int][]int
}

type rosterGroup struct {
	name       string
	err        error
	members    []int // indexes of items, in the order given
	duplicates int
}

// newRoster cleans the lists: blanks trimmed, repeats dropped and counted,
// order kept. An id of two groups is one item, worked on under the first.
func newRoster(groups []Group) *roster {
	ro := &roster{also: map[int][]int{}}
	index := map[string]int{}
	for g, group := range groups {
		rg := rosterGroup{name: group.Name, err: group.Err}
		if group.Err == nil {
			ro.enrol(&rg, g, group.IDs, index)
		}
		ro.groups = append(ro.groups, rg)
	}
	return ro
}

func (ro *roster) enrol(rg *rosterGroup, g int, ids []string, index map[string]int) {
	for _, id := range ids {
		id = strings.TrimSpace(id)
		if id == "" {
			continue
		}
		i, known := index[id]
		switch {
		case !known:
			i = len(ro.items)
			index[id] = i
			ro.items = append(ro.items, item{id: id, group: g})
		case ro.has(i, g):
			rg.duplicates++
			continue
		default:
			ro.also[i] = append(ro.also[i], g)
		}
		rg.members = append(rg.members, i)
	}
}

// has reports whether item i is in group g already, the one being enrolled: the
// last that names an item is enough to ask, however many do.
func (ro *roster) has(i, g int) bool {
	if also := ro.also[i]; len(also) > 0 {
		return also[len(also)-1] == g
	}
	return ro.items[i].group == g
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

// Plan is what a run would send first, were everything in the state that the
// action needs.
type Plan struct {
	Action power.Action
	Groups []GroupPlan
	// Requests is the count of them; AtLeast is how long the budget spreads them.
	Requests int
	AtLeast  time.Duration
}

// GroupPlan lists a group's chunks.
type GroupPlan struct {
	Group      string
	Duplicates int
	Chunks     [][]string
	Err        error
}

// APIAction is the API's name for an action.
func APIAction(a power.Action) string {
	if a == power.ActionStop {
		return apiclient.ActionStopInstances
	}
	return apiclient.ActionStartInstances
}

// PlanRun says what Run would send, and sends nothing. size is Config.Size;
// rate and burst are those of the budget.
func PlanRun(r Run, size int, rate float64, burst int) Plan {
	ro := newRoster(r.Groups)
	plan := Plan{Action: r.Action}
	for g, rg := range ro.groups {
		gp := GroupPlan{Group: rg.name, Duplicates: rg.duplicates, Err: rg.err}
		for _, piece := range cut(ro.own(g), size) {
			gp.Chunks = append(gp.Chunks, ro.ids(piece))
		}
		plan.Requests += len(gp.Chunks)
		plan.Groups = append(plan.Groups, gp)
	}
	if late := plan.Requests - burst; late > 0 {
		plan.AtLeast = spread(float64(late), rate)
	}
	return plan
}

// own lists the members of group g that are worked on under it.
func (ro *roster) own(g int) []int {
	own := make([]int, 0, len(ro.groups[g].members))
	for _, i := range ro.groups[g].members {
		if ro.items[i].group == g {
			own = append(own, i)
		}
	}
	return own
}

func (ro *roster) ids(items []int) []string {
	ids := make([]string, len(items))
	for k, i := range items {
		ids[k] = ro.items[i].id
	}
	return ids
}
