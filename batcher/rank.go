package batcher

import (
	"time"

	"zecpower/internal/power"
)

// clockSlack is how far ahead of the clock a run may be planned and still rank by that: a clock that
// was wrong once must not rule for ever.
const clockSlack = 2 * time.Second

func rankOf(r Run) power.Rank {
	k := power.Rank{Planned: r.Planned, ByHand: r.Schedule == "", Action: r.Action, RunID: r.RunID}
	if k.Planned.IsZero() {
		k.Planned = r.ScheduledAt
	}
	return k
}

// outranks reports whether k wins against other at now. One that was planned for a time that lies
// ahead loses against all others.
func outranks(k, other power.Rank, now time.Time) bool {
	ahead := func(k power.Rank) bool { return k.Planned.After(now.Add(clockSlack)) }
	if ahead(k) != ahead(other) {
		return ahead(other)
	}
	return k.Compare(other) > 0
}

// memory has the highest rank that wanted each instance, for as long as an older run may still come.
type memory struct {
	of      map[string]int32 // by id: index of entries
	index   map[string]int32 // by run id: its newest entry
	entries []remembered
	swept   time.Time // when what is too old was last removed
	later   *time.Timer
}

// remembered is one run that had instances.
type remembered struct {
	rank power.Rank
	at   time.Time // when it was last seen to want some
}

// note remembers that a run of a rank wanted ids. An entry of a higher rank stays.
func (m *memory) note(k power.Rank, ids []string, now time.Time) {
	at, known := m.index[k.RunID]
	if !known || m.entries[at].rank != k {
		at = int32(len(m.entries)) //nolint:gosec // a number of runs
		m.index[k.RunID] = at
		m.entries = append(m.entries, remembered{rank: k})
	}
	m.entries[at].at = now
	for _, id := range ids {
		if known, ok := m.of[id]; !ok || !outranks(m.entries[known].rank, k, now) {
			m.of[id] = at
		}
	}
}

// above returns the rank that wants id otherwise than a run of rank k and wins against it.
func (m *memory) above(id string, k power.Rank, now time.Time) (power.Rank, bool) {
	at, ok := m.of[id]
	if !ok {
		return power.Rank{}, false
	}
	other := m.entries[at].rank
	return other, other.Action != k.Action && outranks(other, k, now)
}

// sweepEvery bounds how often the memory is searched for what is too old.
const sweepEvery = time.Minute

// forget removes what is older than the settings say, once no run is in progress. What is not old
// enough is removed later, also where no run comes any more.
func (m *memory) forget(a *Account, now time.Time) {
	a.forgetLeft(now)
	if len(m.entries) == 0 || len(a.runs) > 0 {
		return
	}
	if m.later != nil {
		m.later.Stop()
	}
	m.later = time.AfterFunc(max(a.settings.Remember, sweepEvery), func() {
		a.do(func(now time.Time) { a.memory.forget(a, now) })
	})
	if now.Sub(m.swept) < sweepEvery && a.settings.Remember > 0 {
		return
	}
	m.swept = now
	kept, moved := m.entries[:0:0], make([]int32, len(m.entries))
	for i, e := range m.entries {
		moved[i] = -1
		if now.Sub(e.at) < a.settings.Remember {
			moved[i] = int32(len(kept)) //nolint:gosec // a number of runs
			kept = append(kept, e)
		}
	}
	if len(kept) == len(m.entries) {
		return
	}
	old := m.of
	m.of = make(map[string]int32, len(old))
	for id, at := range old {
		if moved[at] >= 0 {
			m.of[id] = moved[at]
		}
	}
	m.entries = kept
	m.index = make(map[string]int32, len(kept))
	for at, e := range kept {
		m.index[e.rank.RunID] = int32(at) //nolint:gosec // a number of runs
	}
}

// Remember notes what a run of an earlier process wanted of ids: an older run of the opposite action
// is superseded by it. It is forgotten after Settings.Remember.
func (a *Account) Remember(r Run, ids []string) {
	a.do(func(now time.Time) { a.memory.note(rankOf(r), ids, now) })
}
