package scheduler

import (
	"context"
	"fmt"
	"slices"
	"time"

	"zecpower/internal/store"
)

// Skip is one nominal time of a schedule that a person leaves out. Such a time is decided and recorded,
// and does not run; it is no intention.
type Skip struct {
	Nominal time.Time
	Actor   string // who left it out
	Reason  string // why
}

// Skips are those of all schedules, by schedule name, each list in the order of the times.
type Skips map[string][]Skip

// SkipsOf returns what the store keeps as the loop works with it. all must be in the order of the times.
func SkipsOf(all []store.Skip) Skips {
	skips := Skips{}
	for _, s := range all {
		skips[s.Schedule] = append(skips[s.Schedule], Skip{s.Nominal, s.Actor, s.Reason})
	}
	return skips
}

// With returns s with the times that are left out.
func (s *Schedule) With(skips Skips) *Schedule {
	with := *s
	with.Skips = skips[s.Name]
	return &with
}

// skipAt is the skip of a nominal time; nil: there is none.
func (s *Schedule) skipAt(nominal time.Time) *Skip {
	i, found := slices.BinarySearchFunc(s.Skips, nominal, func(k Skip, t time.Time) int { return k.Nominal.Compare(t) })
	if !found {
		return nil
	}
	return &s.Skips[i]
}

// At returns what is to become of the nominal time of s at an instant; false: s has none there.
func (s *Schedule) At(nominal time.Time) (Occurrence, bool) {
	for o := range s.Occurrences(nominal.Add(-1), nominal) {
		return o, true
	}
	return Occurrence{}, false
}

// Around returns the newest due time of s in (after, at), and the first one after at. Where there is
// none, or none among the last 100,000 nominal times before at, its Nominal is zero.
func (s *Schedule) Around(at, after time.Time) (before, next Occurrence) {
	before, _ = s.newestDue(after, at.Add(-1))
	next, _ = s.NextDue(at)
	return before, next
}

// SetSkips replaces the times that people leave out. It returns once the loop goes by them: a time that
// comes due later, and one that was claimed and waits, for jitter or its predecessor, does not run any
// more. A run that has begun goes on: see [Loop.Made]. A time that was skipped and is over does not
// come back. The error is that of ctx, or ErrStopped. It is safe for concurrent use, and before Run it
// waits for that.
func (l *Loop) SetSkips(ctx context.Context, skips Skips) error {
	done := make(chan struct{})
	change := func() {
		l.applySkips(skips)
		close(done)
	}
	select {
	case l.changes <- change:
	case <-ctx.Done():
		return fmt.Errorf("the scheduler does not answer: %w", context.Cause(ctx))
	case <-l.stopped:
		return ErrStopped
	}
	select {
	case <-done:
		return nil
	case <-l.stopped:
		return ErrStopped
	}
}

// Made reports whether the run of a nominal time was made, or waits to be. It knows the newest 128 runs
// of each schedule. It is safe for concurrent use.
func (l *Loop) Made(schedule string, nominal time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[schedule]
	return e != nil && e.made(nominal)
}

// applySkips puts skips in force. It belongs to the goroutine of Run.
func (l *Loop) applySkips(skips Skips) {
	// 1. Replace them in one step, so that a snapshot shows the old ones or the new ones. The nominal
	// times of each schedule that they concern are sought anew. A claim that waits ends.
	now := l.cfg.Clock.Read().Wall
	round := store.Round{}
	var changed []*entry
	l.lock(func() {
		l.skips = skips
		for _, e := range l.entries {
			if e.schedule == nil || slices.EqualFunc(e.schedule.Skips, skips[e.name], Skip.equal) {
				continue
			}
			e.schedule = e.schedule.With(skips)
			e.seek()
			e.seekDue(true)
			e.dropSkipped(&round, now)
			l.queue.place(e)
			changed = append(changed, e)
		}
	})

	// 2. Record before reporting, as a reload does.
	if !round.Empty() {
		l.record(round)
		l.abandoned(round.Abandons)
	}
	for _, e := range changed {
		l.notifyNext(e)
	}
}

func (k Skip) equal(other Skip) bool {
	return k.Nominal.Equal(other.Nominal) && k.Actor == other.Actor && k.Reason == other.Reason
}

// dropSkipped ends the claims of e that wait and that are skipped by now, and records that in r.
func (e *entry) dropSkipped(r *store.Round, now time.Time) {
	drop := func(f Firing) bool {
		skip := e.schedule.skipAt(f.Nominal)
		if skip == nil || f.Waits == WaitNone {
			return false
		}
		r.Abandons = append(r.Abandons, skipped(f, *skip, now))
		return true
	}
	e.waiting = slices.DeleteFunc(slices.Clone(e.waiting), drop)
	if e.queued != nil && drop(*e.queued) {
		e.queued = nil
	}
}

// skipped records that a claimed run does not begin because a person skipped it.
func skipped(f Firing, skip Skip, now time.Time) store.Abandonment {
	a := abandonment(f, DecisionSkipped, "", now)
	a.Actor, a.Reason = skip.Actor, skip.Reason
	return a
}
