package batcher

import (
	"time"

	"zecpower/internal/power"
)

// restoreFinal keeps what an earlier process of the run brought to its end. What it recorded under
// one group of an instance, and not under the others any more, is passed on.
func (a *Account) restoreFinal(x *run) {
	if !x.run.Resumed {
		return
	}
	index := x.index()
	for _, group := range x.run.Groups {
		for _, r := range group.Final {
			if i, ok := index[r.InstanceID]; ok && x.results.open(i) {
				x.settled(i, r)
			}
		}
	}
	recorded := x.recorded()
	for g, all := range x.finals {
		left := all[:0]
		for _, i := range all {
			if len(x.targets.also[i]) > 0 && !recorded[g][x.targets.ids[i]] {
				left = append(left, i)
			}
		}
		if x.finals[g] = left; len(left) == 0 {
			delete(x.finals, g)
		}
	}
}

// recorded lists, by group, the ids of several groups whose outcome is recorded there.
func (x *run) recorded() map[int]map[string]bool {
	recorded := map[int]map[string]bool{}
	if len(x.targets.also) == 0 {
		return recorded
	}
	for g, group := range x.run.Groups {
		recorded[g] = map[string]bool{}
		for _, r := range group.Final {
			recorded[g][r.InstanceID] = true
		}
	}
	return recorded
}

func (x *run) index() map[string]int {
	index := make(map[string]int, len(x.targets.ids))
	for i, id := range x.targets.ids {
		index[id] = i
	}
	return index
}

// restoreAttempted continues with what an earlier process of the run sent. What another run has in
// work is better known there.
func (a *Account) restoreAttempted(x *run, now time.Time) {
	accepted := map[string]int{}
	for _, group := range x.run.Groups {
		for id, n := range group.Attempted {
			accepted[id] = max(accepted[id], n)
		}
	}
	for _, w := range x.works {
		if w == nil || len(w.runs) > 1 || w.at != nowhere {
			continue
		}
		if n := accepted[w.id]; n > 0 {
			w.inherit(n, now)
			continue
		}
		w.inheritDoubt(now)
	}
}

// decided makes the outcomes final that were decided before the run began.
func (a *Account) decided(x *run) {
	for g, group := range x.run.Groups {
		if len(group.Decided) == 0 {
			continue
		}
		results := make(map[string]power.InstanceResult, len(group.Decided))
		for _, r := range group.Decided {
			results[r.InstanceID] = r
		}
		for _, i := range x.targets.own(g) {
			if r, ok := results[x.targets.ids[i]]; ok && x.results.open(i) {
				x.settled(i, r)
			}
		}
	}
}
