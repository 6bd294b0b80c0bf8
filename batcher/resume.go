package batcher

import (
	"time"

	"zecpower/apiclient"
	"zecpower/internal/power"
)

// restore continues with what an earlier process found out.
func (x *run) restore() {
	index := make(map[string]int, len(x.targets.instances))
	for i := range x.targets.instances {
		index[x.targets.instances[i].id] = i
	}
	recorded := make([]map[int]bool, len(x.run.Groups)) // of the few instances that several groups name
	for g, group := range x.run.Groups {
		recorded[g] = map[int]bool{}
		for _, r := range group.Final {
			i, ok := index[r.InstanceID]
			if !ok {
				continue
			}
			if len(x.targets.also[i]) > 0 {
				recorded[g][i] = true
			}
			if x.targets.instances[i].final {
				continue
			}
			x.targets.instances[i].adopt(r)
			x.open--
			if r.Outcome == power.OutcomeFailed {
				x.failed++
			}
		}
		for id, n := range group.Attempted {
			if i, ok := index[id]; ok && n > 0 && !x.targets.instances[i].final {
				x.targets.instances[i].inherit(n, x.started)
			}
		}
	}
	x.recordAlso(recorded)
	for i := range x.targets.instances {
		if in := &x.targets.instances[i]; !in.final && !in.booting {
			// It may have been in a request that was in flight when that process died.
			in.unconfirmed, in.unconfirmedAt = true, x.started
		}
	}
}

// decided makes the outcomes final that were decided before the run began.
func (x *run) decided() {
	for g, group := range x.run.Groups {
		if len(group.Decided) == 0 {
			continue
		}
		results := make(map[string]power.InstanceResult, len(group.Decided))
		for _, r := range group.Decided {
			results[r.InstanceID] = r
		}
		for _, i := range x.targets.own(g) {
			if r, ok := results[x.targets.instances[i].id]; ok && !x.targets.instances[i].final {
				x.targets.instances[i].adopt(r)
				x.final(i)
			}
		}
	}
}

// recordAlso passes on what the earlier process recorded under one group of an
// instance, and not under the others any more.
func (x *run) recordAlso(recorded []map[int]bool) {
	for i, also := range x.targets.also {
		in := &x.targets.instances[i]
		if !in.final {
			continue
		}
		for _, g := range append([]int{int(in.group)}, also...) {
			if !recorded[g][i] {
				x.finals[g] = append(x.finals[g], in.result())
			}
		}
	}
}

// adopt keeps a final outcome of an earlier process.
func (in *instance) adopt(r power.InstanceResult) {
	in.final = true
	in.outcome, in.reason, in.code, in.state = r.Outcome, r.Reason, apiclient.Code(r.Code), apiclient.State(r.State)
	in.by = r.By
	in.requestID, in.httpStatus, in.attempts, in.reachedAt = r.RequestID, int16(r.HTTPStatus), int32(r.Attempts), r.ReachedAt //nolint:gosec // small numbers of ours
	if r.BootDuration > 0 {
		in.ours, in.acceptedAt = true, r.ReachedAt.Add(-r.BootDuration)
	}
}

// inherit notes that an earlier process had an action accepted n times; the last
// one may still be on its way.
func (in *instance) inherit(n int, now time.Time) {
	in.ours, in.accepted, in.booting, in.acceptedAt = true, true, true, now
	in.attempts, in.fallen = int32(n), int32(n-1) //nolint:gosec // a count of requests for one instance
}
