package scheduler

import (
	"cmp"
	"slices"
	"time"
)

// Round is what one decision round has to record. The zero value records nothing.
type Round struct {
	At         time.Time     // every schedule is decided up to here; zero: no further than before
	Decisions  []Decision    // new decisions, claims among them
	Begins     []Firing      // claimed runs that begin, resume, or now wait for something else
	Abandons   []Abandonment // claimed runs that do not begin, or do not go on
	Watermarks []Watermark   // replace those of the same schedules
	Forget     []string      // names of schedules that were removed: their watermarks are deleted
}

// Abandonment is the end of a claimed run that does not begin or does not go on.
type Abandonment struct {
	Firing Firing
	Kind   DecisionKind // DecisionOverlap, DecisionPaused, DecisionMissed or DecisionInterrupted
	Reason MissedReason // of DecisionMissed and DecisionInterrupted; empty otherwise
	At     time.Time    // when that was decided
}

// empty reports that r has nothing but perhaps At.
func (r *Round) empty() bool {
	return len(r.Decisions) == 0 && len(r.Begins) == 0 && len(r.Abandons) == 0 && len(r.Watermarks) == 0 && len(r.Forget) == 0
}

// maxUnrecorded bounds each list of a round while the store fails. A day of 10,000 schedules that
// fire every ten minutes would be more. By then the memory of the process matters more than the
// record.
const maxUnrecorded = 100_000

// add appends other, which is newer, to r. Of two watermarks of a schedule the newer one stays. A
// schedule that was removed and added again keeps its watermark, and one that was removed has none.
func (r *Round) add(other Round) {
	if !other.At.IsZero() {
		r.At = other.At
	}
	r.Decisions = append(r.Decisions, other.Decisions...)
	r.Begins = append(r.Begins, other.Begins...)
	r.Abandons = append(r.Abandons, other.Abandons...)
	r.Watermarks = latestWatermarks(append(r.Watermarks, other.Watermarks...), other.Forget)
	r.Forget = stillForgotten(append(r.Forget, other.Forget...), r.Watermarks)
}

// trim cuts each list of r to maxUnrecorded, and returns how many elements that dropped. The oldest
// go first. Among decisions those without a run go first: losing one loses a line of the history,
// while losing a claim loses the run's resumption after a crash.
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

// rank orders decisions for trim: the lower rank is dropped first.
func rank(d Decision) int {
	if d.Claims() {
		return 1
	}
	return 0
}

// newest returns the last maxUnrecorded elements of all, in a new array where it drops some.
func newest[T any](all []T) (kept []T, dropped int) {
	if len(all) <= maxUnrecorded {
		return all, 0
	}
	dropped = len(all) - maxUnrecorded
	return append([]T(nil), all[dropped:]...), dropped
}

// latestWatermarks keeps the last watermark of each schedule, and none of those to forget.
func latestWatermarks(watermarks []Watermark, forget []string) []Watermark {
	gone := make(map[string]bool, len(forget))
	for _, name := range forget {
		gone[name] = true
	}
	at := make(map[string]int, len(watermarks))
	kept := watermarks[:0:0]
	for _, w := range watermarks {
		if gone[w.Schedule] {
			continue
		}
		if i, ok := at[w.Schedule]; ok {
			kept[i] = w
			continue
		}
		at[w.Schedule] = len(kept)
		kept = append(kept, w)
	}
	return kept
}

// stillForgotten keeps each of names once, and none that has a watermark again.
func stillForgotten(names []string, watermarks []Watermark) []string {
	seen := make(map[string]bool, len(watermarks)+len(names))
	for _, w := range watermarks {
		seen[w.Schedule] = true
	}
	kept := names[:0:0]
	for _, name := range names {
		if !seen[name] {
			seen[name] = true
			kept = append(kept, name)
		}
	}
	return kept
}
