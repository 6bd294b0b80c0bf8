package batcher

import (
	"cmp"
	"time"

	"zecpower/internal/power"
)

// rank orders runs that want opposite things of one instance. Queue, catch-up and resume do not
// change it.
type rank struct {
	planned time.Time
	byHand  bool
	action  power.Action
	runID   string
}

// clockSlack is how far ahead of the clock a run may be planned and still rank by that: a clock that
// was wrong once must not rule for ever.
const clockSlack = 2 * time.Second

func rankOf(r Run) rank {
	k := rank{planned: r.Planned, byHand: r.Schedule == "", action: r.Action, runID: r.RunID}
	if k.planned.IsZero() {
		k.planned = r.ScheduledAt
	}
	return k
}

// outranks reports whether k wins against other at now: the later planned; of two planned for the
// same time the one by hand, then a start, then that whose id sorts last. One that was planned for a
// time that lies ahead loses against all others.
func (k rank) outranks(other rank, now time.Time) bool {
	one := func(is bool) int {
		if is {
			return 1
		}
		return 0
	}
	ahead := func(k rank) int { return one(k.planned.After(now.Add(clockSlack))) }
	return cmp.Or(
		cmp.Compare(ahead(other), ahead(k)),
		k.planned.Compare(other.planned),
		cmp.Compare(one(k.byHand), one(other.byHand)),
		cmp.Compare(one(k.action == power.ActionStart), one(other.action == power.ActionStart)),
		cmp.Compare(k.runID, other.runID),
	) > 0
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
	rank rank
	at   time.Time // when it was last seen to want some
}

// note remembers that a run of a rank wanted ids. An entry of a higher rank stays.
func (m *memory) note(k rank, ids []string, now time.Time) {
	at, known := m.index[k.runID]
	if !known || m.entries[at].rank != k {
		at = int32(len(m.entries)) //nolint:gosec // a number of runs
		m.index[k.runID] = at
		m.entries = append(m.entries, remembered{rank: k})
	}
	m.entries[at].at = now
	for _, id := range ids {
		if known, ok := m.of[id]; !ok || !m.entries[known].rank.outranks(k, now) {
			m.of[id] = at
		}
	}
}

// above returns the rank that wants id otherwise than a run of rank k and wins against it.
func (m *memory) above(id string, k rank, now time.Time) (rank, bool) {
	at, ok := m.of[id]
	if !ok {
		return rank{}, false
	}
	other := m.entries[at].rank
	return other, other.action != k.action && other.outranks(k, now)
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
		m.index[e.rank.runID] = int32(at) //nolint:gosec // a number of runs
	}
}

// Remember notes what a run of an earlier process wanted of ids: an older run of the opposite action
// is superseded by it. It is forgotten after Settings.Remember.
func (a *Account) Remember(r Run, ids []string) {
	a.do(func(now time.Time) { a.memory.note(rankOf(r), ids, now) })
}
