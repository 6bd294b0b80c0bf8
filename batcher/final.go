package batcher

import (
	"maps"
	"slices"
	"time"

	"zecpower/internal/power"
)

// final makes an instance's outcome final. It is called once an instance.
func (x *run) final(i int) {
	in := &x.targets.instances[i]
	in.final = true
	x.open--
	if in.outcome == power.OutcomeFailed {
		x.failed++
	}
	result := in.result()
	x.finals[int(in.group)] = append(x.finals[int(in.group)], result)
	for _, g := range x.targets.also[i] {
		x.finals[g] = append(x.finals[g], result)
	}
}

// flush passes to journal and observer what became final since the last flush.
func (x *run) flush() {
	for _, g := range inOrder(x.finals) {
		results := x.finals[g]
		delete(x.finals, g)
		name := x.targets.groups[g].name
		_ = x.cfg.Journal.Final(x.run.RunID, name, results) // reported by its owner; the run goes on
		x.cfg.Observer.Final(x.info, name, results)
	}
}

func (x *run) journalAttempted(instances []int) {
	byGroup := map[int][]int{}
	for _, i := range instances {
		g := x.targets.groupOf(i)
		byGroup[g] = append(byGroup[g], i)
	}
	for _, g := range inOrder(byGroup) {
		_ = x.cfg.Journal.Attempted(x.run.RunID, x.targets.groups[g].name, x.targets.ids(byGroup[g])) // as above
	}
}

// inOrder lists the groups that have something, so that what a run does does not
// depend on the order of a map.
func inOrder[T any](byGroup map[int]T) []int { return slices.Sorted(maps.Keys(byGroup)) }

// finishRest gives every instance that the run's end left open its reason.
func (x *run) finishRest() {
	if x.ended == endPanic {
		x.flush()
		return
	}
	blocked := x.ended == endDeadline && x.cfg.Budget.Blocked()
	now := time.Now()
	refused := x.cfg.Budget.pausedBy() != ""
	for i := range x.targets.instances {
		in := &x.targets.instances[i]
		if in.final {
			continue
		}
		switch {
		case x.ended == endCancelled:
			in.fail(power.ReasonCancelled)
		case x.ended == endInvalid:
			in.blame(x.invalid)
			in.fail(power.ReasonInvalidRequest)
		case x.ended == endUnreached:
			in.fail(power.ReasonAPIError)
		case blocked:
			in.fail(power.ReasonBlocked)
		case refused && in.unsent(x.run.Action):
			in.fail(power.ReasonAuth)
		case x.refusals.state == refusalAccount && in.unsent(x.run.Action):
			in.blame(x.refusals.err)
			in.fail(power.ReasonRejected)
		default:
			in.fail(x.rules.unfinished(in, x.failing, now))
		}
		x.final(i)
	}
	x.flush()
}

// finishRestQuietly ends what a panic left open, and tries once more to pass it on.
func (x *run) finishRestQuietly() {
	if x.open == 0 && len(x.finals) == 0 {
		return
	}
	for i := range x.targets.instances {
		if in := &x.targets.instances[i]; !in.final {
			in.fail(power.ReasonInternalError)
			x.final(i)
		}
	}
	x.guard("an observer of a run's end", x.flush)
}

// openOf keeps the instances without an outcome.
func (x *run) openOf(instances []int) []int {
	open := instances[:0]
	for _, i := range instances {
		if !x.targets.instances[i].final {
			open = append(open, i)
		}
	}
	return open
}

func (x *run) groupReport(g targetGroup) power.GroupReport {
	report := power.GroupReport{Group: g.name, Total: len(g.members), Duplicates: g.duplicates, Results: make([]power.InstanceResult, 0, len(g.members))}
	if g.err != nil {
		report.Err = g.err.Error()
	}
	outcomes := power.Outcomes(x.run.Action)
	for _, i := range g.members {
		result := x.targets.instances[i].result()
		switch result.Outcome {
		case outcomes[0]:
			report.Done++
		case outcomes[1]:
			report.Already++
		case power.OutcomeSkipped:
			report.Skipped++
		default:
			report.Failed++
		}
		report.Results = append(report.Results, result)
	}
	return report
}
