package scheduler

import (
	"container/heap"
	"slices"
	"time"
)

// slot is what the loop knows of one schedule name. Only the goroutine of
// Loop.Run writes it, under Loop.mu.
type entry struct {
	name     string
	schedule *Schedule // nil once removed, while its last runs end
	spec     string    // of schedule

	through  time.Time // every nominal time up to here is decided
	next     Occurrence
	hasNext  bool       // next is the first nominal time after through
	due      Occurrence // the first one that will run; zero Run: none
	notified time.Time  // what the observer knows of the next run

	waiting []Firing // claimed, begin at their RunAt, in that order
	queued  *Firing  // claimed, begins when running is 0
	running []Running
	ran     []int64 // nominal times (Unix) that ran: the latest maxRemembered, in order
	last    LastRun

	index int // in the heap; -1: not there
}

// maxRemembered bounds what the process itself remembers of runs: enough for
// any clock step while the ledger works, and for short ones while it does not.
const maxRemembered = 128

func (s *entry) remember(nominal time.Time) {
	at, known := slices.BinarySearch(s.ran, nominal.Unix())
	if known {
		return
	}
	s.ran = slices.Insert(s.ran, at, nominal.Unix())
	if len(s.ran) > maxRemembered {
		s.ran = append(s.ran[:0], s.ran[1:]...)
	}
}

func (s *entry) hasRun(nominal time.Time) bool {
	_, found := slices.BinarySearch(s.ran, nominal.Unix())
	return found
}

// seek finds the next nominal time after through.
func (s *entry) seek() {
	s.hasNext = false
	for o := range s.schedule.Occurrences(s.through, time.Time{}) {
		s.next, s.hasNext = o, true
		return
	}
}

// seekDue finds the next nominal time after through that will run. It is kept
// until it passes: a schedule of every second on an excluded day would look
// through the rest of the day each second otherwise.
func (s *entry) seekDue(always bool) {
	switch {
	case s.schedule.Paused:
		s.due = Occurrence{}
	case !always && s.due.Nominal.After(s.through):
	case s.hasNext && s.next.Status == StatusDue:
		s.due = s.next
	default:
		s.due, _ = s.schedule.NextDue(s.through)
	}
}

// wake is when the slot next needs a round; false: never.
func (s *entry) wake() (time.Time, bool) {
	at, ok := s.next.Nominal, s.hasNext
	if len(s.waiting) > 0 && (!ok || s.waiting[0].RunAt.Before(at)) {
		at, ok = s.waiting[0].RunAt, true
	}
	return at, ok
}

// nextRun is when the schedule next runs, as far as planned; zero: not at all.
func (s *entry) nextRun() time.Time {
	if s.schedule == nil {
		return time.Time{}
	}
	at := s.due.Run
	if len(s.waiting) > 0 && (at.IsZero() || s.waiting[0].RunAt.Before(at)) {
		at = s.waiting[0].RunAt
	}
	return at
}

func (s *entry) wait(f Firing) {
	at, _ := slices.BinarySearchFunc(s.waiting, f.RunAt, func(w Firing, t time.Time) int { return w.RunAt.Compare(t) })
	s.waiting = slices.Insert(s.waiting, at, f)
}

// idle says that nothing but its schedule keeps the slot.
func (s *entry) idle() bool { return len(s.running) == 0 && s.queued == nil && len(s.waiting) == 0 }

// agenda holds the slots by their wake time, so that a round touches those
// that need it and no other.
type queue struct{ entries []*entry }

func (a *queue) Len() int { return len(a.entries) }

func (a *queue) Less(i, j int) bool {
	x, _ := a.entries[i].wake()
	y, _ := a.entries[j].wake()
	return x.Before(y)
}

func (a *queue) Swap(i, j int) {
	a.entries[i], a.entries[j] = a.entries[j], a.entries[i]
	a.entries[i].index, a.entries[j].index = i, j
}

// Push implements heap.Interface.
func (a *queue) Push(x any) {
	s := x.(*entry)
	s.index = len(a.entries)
	a.entries = append(a.entries, s)
}

// Pop implements heap.Interface.
func (a *queue) Pop() any {
	s := a.entries[len(a.entries)-1]
	a.entries[len(a.entries)-1] = nil
	a.entries = a.entries[:len(a.entries)-1]
	s.index = -1
	return s
}

// place puts s where its wake time belongs, or takes it out.
func (a *queue) place(s *entry) {
	_, wakes := s.wake()
	switch {
	case wakes && s.index < 0:
		heap.Push(a, s)
	case wakes:
		heap.Fix(a, s.index)
	case s.index >= 0:
		heap.Remove(a, s.index)
	}
}

// first is the earliest wake time; false: none.
func (a *queue) first() (time.Time, bool) {
	if len(a.entries) == 0 {
		return time.Time{}, false
	}
	return a.entries[0].wake()
}

// take removes and gives the slots whose wake time has come.
func (a *queue) take(now time.Time) []*entry {
	var due []*entry
	for len(a.entries) > 0 {
		if at, _ := a.entries[0].wake(); at.After(now) {
			break
		}
		due = append(due, heap.Pop(a).(*entry))
	}
	return due
}
