package batcher

import (
	"errors"
	"maps"
	"slices"
	"time"

	"zecpower/apiclient"
	"zecpower/internal/power"
)

var errIncomplete = errors.New("the reply lists fewer instances than it counts")

// settle makes an instance's outcome final. It is called once an instance.
func (x *run) settle(i int) {
	it := &x.roster.items[i]
	it.settled = true
	x.open--
	if it.outcome == power.OutcomeFailed {
		x.failed++
	}
	result := it.result()
	x.settled[it.group] = append(x.settled[it.group], result)
	for _, g := range x.roster.also[i] {
		x.settled[g] = append(x.settled[g], result)
	}
}

// flush tells journal and observer of what was settled since the last flush.
func (x *run) flush() {
	for _, g := range inOrder(x.settled) {
		results := x.settled[g]
		delete(x.settled, g)
		name := x.roster.groups[g].name
		_ = x.cfg.Journal.Final(x.run.RunID, name, results) // reported by its owner; the run goes on
		x.cfg.Observer.Final(x.info, name, results)
	}
}

func (x *run) journalAttempted(items []int) {
	byGroup := map[int][]int{}
	for _, i := range items {
		g := x.roster.items[i].group
		byGroup[g] = append(byGroup[g], i)
	}
	for _, g := range inOrder(byGroup) {
		items := byGroup[g]
		_ = x.cfg.Journal.Attempted(x.run.RunID, x.roster.groups[g].name, x.roster.ids(items)) // as above
	}
}

// inOrder lists the groups that have something, so that what a run does does not
// depend on the order of a map.
func inOrder[T any](byGroup map[int]T) []int { return slices.Sorted(maps.Keys(byGroup)) }

// settleRest gives every instance that the run's end left open its reason.
func (x *run) settleRest() {
	for i := range x.roster.items {
		it := &x.roster.items[i]
		if it.settled {
			continue
		}
		switch x.ended {
		case endAuth:
			it.fail(power.ReasonAuth)
			it.code, it.requestID = x.denied.Code, x.denied.RequestID
		case endCancelled:
			it.fail(power.ReasonCancelled)
		default:
			it.fail(it.unfinished(x.run.Action, x.failing))
		}
		x.settle(i)
	}
	x.flush()
}

func (x *run) unsettled(items []int) []int {
	open := items[:0]
	for _, i := range items {
		if !x.roster.items[i].settled {
			open = append(open, i)
		}
	}
	return open
}

func (x *run) report() power.Report {
	r := power.Report{
		RunID: x.run.RunID, Schedule: x.run.Schedule, Action: x.run.Action,
		ScheduledAt: x.run.ScheduledAt, StartedAt: x.started, FinishedAt: time.Now(), FirstRequestAt: x.firstRequest,
	}
	for _, g := range x.roster.groups {
		r.Groups = append(r.Groups, x.groupReport(g))
	}
	return r
}

func (x *run) groupReport(g rosterGroup) power.GroupReport {
	report := power.GroupReport{Group: g.name, Total: len(g.members), Duplicates: g.duplicates, Results: make([]power.InstanceResult, 0, len(g.members))}
	if g.err != nil {
		report.Err = g.err.Error()
	}
	done := power.Outcomes(x.run.Action)
	for _, i := range g.members {
		result := x.roster.items[i].result()
		switch result.Outcome {
		case done[0]:
			report.Done++
		case done[1]:
			report.Already++
		default:
			report.Failed++
		}
		report.Results = append(report.Results, result)
	}
	return report
}

// adopt takes a final outcome over from an earlier process.
func (it *item) adopt(r power.InstanceResult) {
	it.settled = true
	it.outcome, it.reason, it.code, it.state = r.Outcome, r.Reason, apiclient.Code(r.Code), apiclient.State(r.State)
	it.requestID, it.attempts, it.reachedAt = r.RequestID, r.Attempts, r.ReachedAt
	if r.BootDuration > 0 {
		it.taken, it.acceptedAt = true, r.ReachedAt.Add(-r.BootDuration)
	}
}

// inherit takes over that a start was accepted n times; the last one may still be on its way.
func (it *item) inherit(n int, now time.Time) {
	it.taken, it.booting, it.acceptedAt = true, true, now
	it.attempts, it.fallen = n, n-1
}
