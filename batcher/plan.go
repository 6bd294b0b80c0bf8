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

// GroupPlan lists a group's part of the requests: of each, from First on, the ids that are the
// group's. A request may have ids of several groups.
type GroupPlan struct {
	Group      string
	Duplicates int
	First      int // number of the request that has the first chunk, from 1
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

// APIActions lists the API's names of what an account sends.
func APIActions() []string {
	return []string{
		apiclient.ActionStartInstances, apiclient.ActionStopInstances, apiclient.ActionDescribeInstancesStatus, apiclient.ActionDescribeInstances,
	}
}

// PlanRun says what a run would send, were it alone, and sends nothing. size is Settings.Size; rate
// and burst are those of Limits.
func PlanRun(r Run, size int, rate float64, burst int) Plan {
	t := newTargets(r.Groups)
	plan, sent := Plan{Action: r.Action}, 0
	for g, tg := range t.groups {
		gp := GroupPlan{Group: tg.name, Duplicates: tg.duplicates, First: sent/size + 1, Err: tg.err}
		for own := t.own(g); len(own) > 0; {
			n := min(len(own), size-sent%size) // what the request has room for
			ids := make([]string, n)
			for k, i := range own[:n] {
				ids[k] = t.ids[i]
			}
			gp.Chunks = append(gp.Chunks, ids)
			own, sent = own[n:], sent+n
		}
		plan.Groups = append(plan.Groups, gp)
	}
	plan.Requests = requests(sent, size)
	if late := plan.Requests - burst; late > 0 {
		plan.AtLeast = spread(float64(late), rate)
	}
	return plan
}
