package main

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"zecpower/scheduler"
)

// Bounds of one answer, in rows: "@every 1s" in a holiday, or ten thousand schedules, must fill
// neither the memory nor the screen.
const (
	maxExcluded = 1000    // excluded times of one schedule
	maxRows     = 100_000 // of all schedules together
	maxCounted  = 100_000 // excluded times that are counted without being listed
)

// coming is the answer to `next`: rows in time order, and notes on what is not among them.
type coming struct {
	runs  []scheduler.Occurrence
	notes []string
}

// comingRuns is findRuns for a caller that needs the rows alone.
func comingRuns(schedules []scheduler.Schedule, from time.Time, count int) []scheduler.Occurrence {
	return findRuns(schedules, from, count, maxExcluded).runs
}

// findRuns lists count due runs of each schedule after from, with the excluded and skipped times between them.
// Of a paused schedule it lists count paused times. excluded bounds the excluded times that it lists
// of one schedule; it finds the due runs behind them all the same.
func findRuns(schedules []scheduler.Schedule, from time.Time, count, excluded int) coming {
	return findRunsFrom(schedules, func(*time.Location) time.Time { return from }, count, excluded)
}

// findRunsFrom is findRuns with a time that depends on the zone of the schedule.
func findRunsFrom(schedules []scheduler.Schedule, from func(*time.Location) time.Time, count, excluded int) coming {
	var c coming
	n := max(1, len(schedules))
	share := max(1, maxRows/n)
	if count > share {
		c.notes = append(c.notes, fmt.Sprintf("%d of %d runs of each schedule are shown; --schedule NAME shows more of one", share, count))
		count = share
	}
	excluded = min(excluded, max(1, share-count))
	for i := range schedules {
		w := walk{schedule: &schedules[i], count: count, excluded: excluded, counted: max(1, maxCounted/n)}
		w.run(from(w.schedule.Zone))
		c.runs = append(c.runs, w.runs...)
		if note := w.note(); note != "" {
			c.notes = append(c.notes, note)
		}
	}
	slices.SortStableFunc(c.runs, func(a, b scheduler.Occurrence) int {
		return cmp.Or(a.Nominal.Compare(b.Nominal), cmp.Compare(a.Schedule, b.Schedule))
	})
	return c
}

// walk goes through the times of one schedule.
type walk struct {
	schedule        *scheduler.Schedule
	count, excluded int // rows that may still be listed
	counted         int // excluded times without a row that may still be counted

	runs    []scheduler.Occurrence
	omitted int       // excluded times without a row
	more    bool      // … and there are more of them than were counted
	since   time.Time // the first of them
}

func (w *walk) run(after time.Time) {
	for w.count > 0 {
		next, ok := w.stretch(after)
		if !ok {
			return
		}
		// The excluded times that may be counted are used up: go to the next time that is not
		// excluded at once, over years if need be.
		open := *w.schedule
		open.Paused = false
		o, ok := open.NextDue(next)
		if !ok {
			return
		}
		after = o.Nominal.Add(-1)
	}
}

// stretch lists and counts times after an instant. It ends with false where there is no more to
// list, and with the time that it has reached where there is nothing left to count.
func (w *walk) stretch(after time.Time) (reached time.Time, more bool) {
	for o := range w.schedule.Occurrences(after, time.Time{}) {
		if o.Status == scheduler.StatusSkipped { // there are few
			w.runs = append(w.runs, o)
			continue
		}
		if o.Status != scheduler.StatusExcluded {
			w.runs = append(w.runs, o)
			if w.count--; w.count == 0 {
				return time.Time{}, false
			}
			continue
		}
		if w.excluded > 0 {
			w.runs = append(w.runs, o)
			w.excluded--
			continue
		}
		if w.counted == 0 {
			w.more = true
			return o.Nominal, true
		}
		w.counted--
		if w.omitted++; w.omitted == 1 {
			w.since = o.Nominal
		}
	}
	return time.Time{}, false
}

// note says what the walk has left out and how to see it; "" where that is nothing.
func (w *walk) note() string {
	if w.omitted == 0 {
		return ""
	}
	n := count(w.omitted, "more excluded time")
	if w.more {
		n = "at least " + n
	}
	return fmt.Sprintf("%s: %s not shown, the first at %s; --schedule %s --from %s goes on there", w.schedule.Name, n,
		w.since.Format(time.RFC3339), w.schedule.Name, w.since.Add(-time.Second).Format(time.RFC3339))
}
