package scheduler

import (
	"cmp"
	"slices"
	"time"
)

// Ledger remembers decisions and runs where a crash cannot lose them.
//
// Every write is idempotent: the loop repeats one whose success it did not
// see. An error means "not, or perhaps not, recorded"; the loop then goes on
// with what it remembers itself. A write may take its time but must end: the
// decision loop waits for it. Implementations are safe for concurrent use,
// since Finish is called from the goroutines of runs.
type Store interface {
	// Load tells what earlier processes decided and left undone. recent bounds
	// State.Ran from below.
	Load(recent time.Time) (State, error)
	// Decide records a round in one durable step, before any of its runs
	// begins. It answers with the ids of those runs that it already held, in
	// whatever state; their records stay as they are. A run replaces any other
	// record of its nominal time; one that has ended stays ended.
	Decide(r Round) (held []string, err error)
	// Finish records the end of a run, claimed or not.
	Finish(f Firing, r RunEnd, at time.Time) error
}

// State is what a ledger remembers.
type State struct {
	// Marks by schedule: how far each is decided.
	Watermarks map[string]Watermark
	// DecidedThrough holds for every schedule that has a mark: no nominal time
	// up to here is undecided. Zero where nothing was ever recorded.
	DecidedThrough time.Time
	// Unfinished are the runs without an end, in nominal order.
	Unfinished []Firing
	// Ran holds, by schedule, the nominal times after Load's recent that ran.
	Ran map[string][]time.Time
	// Last by schedule.
	Last map[string]LastRun
}

// Mark says how far one schedule is decided, and under which timing.
type Watermark struct {
	Schedule string
	Through  time.Time // every nominal time up to here is decided
	Spec     string    // of the schedule at that time; a different one now means an edit
}

// Round is what one decision round has to record.
type Round struct {
	At         time.Time // all schedules are decided up to here; zero: no further than before
	Decisions  []Decision
	Begins     []Firing      // claimed runs that begin, begin again (Resumed), or now wait for something else
	Abandons   []Abandonment // claimed runs that will not begin, or not go on
	Watermarks []Watermark   // replace those of the same schedules
	Forget     []string      // schedules that are gone: their marks go too
}

// Abandonment is the end of a claimed run that nobody makes, or goes on with.
type Abandonment struct {
	Firing Firing
	Kind   DecisionKind // VerdictOverlap, VerdictPaused, VerdictMissed or VerdictInterrupted
	Reason MissedReason
	At     time.Time
}

func (r *Round) empty() bool {
	return len(r.Decisions) == 0 && len(r.Begins) == 0 && len(r.Abandons) == 0 && len(r.Watermarks) == 0 && len(r.Forget) == 0
}

// maxUnrecorded bounds what the loop remembers of rounds that a failing ledger
// did not take: a day of 10,000 schedules every ten minutes would be more, yet
// by then the memory matters more than the record.
const maxUnrecorded = 100_000

// add appends other, which is newer, to r.
func (r *Round) add(other Round) {
	if !other.At.IsZero() {
		r.At = other.At
	}
	r.Decisions = append(r.Decisions, other.Decisions...)
	r.Begins = append(r.Begins, other.Begins...)
	r.Abandons = append(r.Abandons, other.Abandons...)
	r.Watermarks = latestWatermarks(append(r.Watermarks, other.Watermarks...), other.Forget)
	r.Forget = forgotten(append(r.Forget, other.Forget...), r.Watermarks)
}

// trim holds r to the bound and answers how much that pushed out. Runs go last:
// what is forgotten of a time that did not run is a line of the history, what is
// forgotten of a run is its resumption.
func (r *Round) trim() (dropped int) {
	var over [3]int
	if len(r.Decisions) > maxUnrecorded {
		slices.SortStableFunc(r.Decisions, func(a, b Decision) int { return cmp.Compare(rank(a), rank(b)) })
	}
	r.Decisions, over[0] = newest(r.Decisions)
	r.Begins, over[1] = newest(r.Begins)
	r.Abandons, over[2] = newest(r.Abandons)
	return over[0] + over[1] + over[2]
}

func rank(d Decision) int {
	if d.Claims() {
		return 1
	}
	return 0
}

func newest[T any](all []T) (kept []T, dropped int) {
	if len(all) <= maxUnrecorded {
		return all, 0
	}
	dropped = len(all) - maxUnrecorded
	return append([]T(nil), all[dropped:]...), dropped
}

func latestWatermarks(marks []Watermark, forget []string) []Watermark {
	gone := make(map[string]bool, len(forget))
	for _, name := range forget {
		gone[name] = true
	}
	at := make(map[string]int, len(marks))
	kept := marks[:0:0]
	for _, m := range marks {
		if gone[m.Schedule] {
			continue
		}
		if i, ok := at[m.Schedule]; ok {
			kept[i] = m
			continue
		}
		at[m.Schedule] = len(kept)
		kept = append(kept, m)
	}
	return kept
}

func forgotten(names []string, marks []Watermark) []string {
	back := make(map[string]bool, len(marks)+len(names))
	for _, m := range marks {
		back[m.Schedule] = true
	}
	kept := names[:0:0]
	for _, name := range names {
		if !back[name] {
			back[name] = true
			kept = append(kept, name)
		}
	}
	return kept
}
