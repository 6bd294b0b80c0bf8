package batcher

import (
	"time"

	"zecpower/apiclient"
	"zecpower/internal/power"
)

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
	t := newTargets(r.Groups)
	plan := Plan{Action: r.Action}
	for g, tg := range t.groups {
		gp := GroupPlan{Group: tg.name, Duplicates: tg.duplicates, Err: tg.err}
		for _, piece := range cut(t.own(g), size) {
			ids := make([]string, len(piece))
			for k, i := range piece {
				ids[k] = t.ids[i]
			}
			gp.Chunks = append(gp.Chunks, ids)
		}
		plan.Requests += len(gp.Chunks)
		plan.Groups = append(plan.Groups, gp)
	}
	if late := plan.Requests - burst; late > 0 {
		plan.AtLeast = spread(float64(late), rate)
	}
	return plan
}
