package scheduler

import "zecpower/internal/store"

// maxUnrecorded bounds each list of a round while the store fails. A day of 10,000 schedules that
// fire every ten minutes would be more. By then the memory of the process matters more than the
// record.
const maxUnrecorded = 100_000

// join appends other, which is newer, to r. Of two watermarks of a schedule the newer one stays. A
// schedule that was removed and added again keeps its watermark, and one that was removed has none.
func join(r *store.Round, other store.Round) {
	if !other.At.IsZero() {
		r.At = other.At
	}
	r.Claims = append(r.Claims, other.Claims...)
	r.Updates = append(r.Updates, other.Updates...)
	r.Begins = append(r.Begins, other.Begins...)
	r.Notes = append(r.Notes, other.Notes...)
	r.Abandons = append(r.Abandons, other.Abandons...)
	r.Watermarks = latestWatermarks(append(r.Watermarks, other.Watermarks...), other.Forget)
	r.Forget = stillForgotten(append(r.Forget, other.Forget...), r.Watermarks)
}

// trim cuts each list of r to maxUnrecorded, and returns how many elements that dropped. The oldest
// go first. Of claims and notes together notes go first: losing one loses a line of the history,
// while losing a claim loses the run's resumption after a crash.
func trim(r *store.Round) (dropped int) {
	var over [4]int
	r.Claims, over[0] = newest(r.Claims, maxUnrecorded)
	r.Notes, over[1] = newest(r.Notes, maxUnrecorded-len(r.Claims))
	r.Updates, over[2] = newest(r.Updates, maxUnrecorded)
	r.Abandons, over[3] = newest(r.Abandons, maxUnrecorded)
	return over[0] + over[1] + over[2] + over[3]
}

// newest returns the last most elements of all, in a new array where it drops some.
func newest[T any](all []T, most int) (kept []T, dropped int) {
	if len(all) <= most {
		return all, 0
	}
	dropped = len(all) - most
	return append([]T(nil), all[dropped:]...), dropped
}

// latestWatermarks keeps the last watermark of each schedule, and none of those to forget.
func latestWatermarks(watermarks []store.Watermark, forget []string) []store.Watermark {
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
func stillForgotten(names []string, watermarks []store.Watermark) []string {
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
