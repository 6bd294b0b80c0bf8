package scheduler

import (
	"slices"
	"time"

	"zecpower/internal/store"
)

// entry is the loop's state of one schedule name. The goroutine of Loop.Run is its only writer and
// writes it under Loop.mu; that goroutine reads it without.
type entry struct {
	name     string
	schedule *Schedule // nil once it is removed, until its last run ends
	spec     string    // of schedule

	since    time.Time  // its times from before it came in force are no intentions; zero: not known
	through  time.Time  // every nominal time up to here is decided
	next     Occurrence // the first nominal time after through; see hasNext
	hasNext  bool       // false: there is none, and next has no meaning
	due      Occurrence // the first one after through that will run; zero Run: none
	notified time.Time  // the next run of the last NextRun event

	waiting []Firing // claimed, begin at their RunAt, ordered by it
	queued  *Firing  // claimed, begins when no run is going; nil: none
	running []Running
	ran     []int64 // claimed nominal times (Unix seconds): the latest maxRemembered, in order
	// abandoned are those of ran whose run did not begin, or did not go on.
	abandoned map[int64]bool
	last      store.LastRun // the newest finished run; zero: none

	index int // in the queue; -1: not in it
}

// maxRemembered bounds entry.ran. While the store works it is the store that keeps a run from
// happening twice, however far the clock is set back. While the store fails, ran alone does, for
// this many runs.
const maxRemembered = 128

// remember notes that a nominal time was claimed as a run. Above maxRemembered the oldest is
// dropped.
func (e *entry) remember(nominal time.Time) {
	at, known := slices.BinarySearch(e.ran, nominal.Unix())
	if known {
		return
	}
	e.ran = slices.Insert(e.ran, at, nominal.Unix())
	if len(e.ran) > maxRemembered {
		delete(e.abandoned, e.ran[0])
		e.ran = append(e.ran[:0], e.ran[1:]...)
	}
}

// hasRun reports whether remember was called for a nominal time.
func (e *entry) hasRun(nominal time.Time) bool {
	_, found := slices.BinarySearch(e.ran, nominal.Unix())
	return found
}

// abandon notes that the run of a remembered nominal time does not begin, or does not go on.
func (e *entry) abandon(nominal time.Time) {
	if !e.hasRun(nominal) {
		return
	}
	if e.abandoned == nil {
		e.abandoned = map[int64]bool{}
	}
	e.abandoned[nominal.Unix()] = true
}

// made reports whether the run of a nominal time was made, or may still be.
func (e *entry) made(nominal time.Time) bool {
	return e.hasRun(nominal) && !e.abandoned[nominal.Unix()]
}

// seek sets next and hasNext: the first nominal time after through.
func (e *entry) seek() {
	e.hasNext = false
	for o := range e.schedule.Occurrences(e.through, time.Time{}) {
		e.next, e.hasNext = o, true
		return
	}
}

// seekDue sets due: the first nominal time after through that will run. Unless always is set, a due
// time that still lies ahead is kept. An "@every 1s" on an excluded day would otherwise search the
// rest of that day once every second.
func (e *entry) seekDue(always bool) {
	switch {
	case e.schedule.Paused:
		e.due = Occurrence{}
	case !always && e.due.Nominal.After(e.through):
	case e.hasNext && e.next.Status == StatusDue:
		e.due = e.next
	default:
		e.due, _ = e.schedule.NextDue(e.through)
	}
}

// wakeAt returns when the entry next needs a round: at its next nominal time, or when a claimed run
// begins. False: never.
func (e *entry) wakeAt() (time.Time, bool) {
	at, ok := e.next.Nominal, e.hasNext
	if len(e.waiting) > 0 && (!ok || e.waiting[0].RunAt.Before(at)) {
		at, ok = e.waiting[0].RunAt, true
	}
	return at, ok
}

// nextRun returns when the schedule next runs, jitter included, as far as planned. Zero: not at
// all.
func (e *entry) nextRun() time.Time {
	if e.schedule == nil {
		return time.Time{}
	}
	at := e.due.Run
	if len(e.waiting) > 0 && (at.IsZero() || e.waiting[0].RunAt.Before(at)) {
		at = e.waiting[0].RunAt
	}
	return at
}

// wait adds f to waiting, at its place by RunAt.
func (e *entry) wait(f Firing) {
	at, _ := slices.BinarySearchFunc(e.waiting, f.RunAt, func(w Firing, t time.Time) int { return w.RunAt.Compare(t) })
	e.waiting = slices.Insert(e.waiting, at, f)
}

// idle reports that the entry has no run, going or claimed. An idle entry without a schedule can be
// deleted.
func (e *entry) idle() bool { return len(e.running) == 0 && e.queued == nil && len(e.waiting) == 0 }

// watermark says how far e is decided, for the store.
func (e *entry) watermark() store.Watermark {
	return store.Watermark{Schedule: e.name, Through: e.through, Spec: e.spec, Since: e.since}
}
