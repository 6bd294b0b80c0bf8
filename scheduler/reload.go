package scheduler

import (
	"errors"
	"time"
)

// ErrStopped is the answer to a Reload of a loop that has ended.
var ErrStopped = errors.New("scheduler: the loop has ended")

// Reload swaps the schedules for others, all or none, and returns when they
// hold. Runs that are going are not disturbed. What came due up to now is
// decided by the old schedules, what comes later by the new ones: no schedule
// fires for a time before it, or its edit, was loaded. Runs that wait for their
// jittered time or in a queue keep their place unless their schedule is gone or
// paused, and begin with the groups that it has then. Before Run it replaces Config.Schedules. It is safe for concurrent use.
func (l *Loop) Reload(schedules []Schedule) error {
	if err := validate(schedules); err != nil {
		return err
	}
	request, running := l.submit(schedules)
	if !running {
		return nil
	}
	select {
	case l.poke <- struct{}{}:
	default: // the loop has yet to answer an earlier one, and will see this one too
	}
	select {
	case <-request.done:
		return nil
	case <-l.stopped:
		return ErrStopped
	}
}

func (l *Loop) submit(schedules []Schedule) (request *reload, running bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.started {
		l.cfg.Schedules = schedules
		return nil, false
	}
	request = &reload{schedules: schedules, done: make(chan struct{})}
	if l.pending != nil {
		close(l.pending.done) // overtaken by a newer one before it could hold
	}
	l.pending = request
	return request, true
}

// applyReload makes a waiting reload true; everything up to now is decided.
func (l *Loop) applyReload(now time.Time) {
	l.mu.Lock()
	request := l.pending
	l.pending = nil
	l.mu.Unlock()
	if request == nil {
		return
	}
	l.ahead = Reading{} // no schedule goes back to before it was loaded
	round := Round{At: now}
	var dropped []Firing
	l.lock(func() {
		round.Forget, dropped = l.remove(request.schedules)
		round.Watermarks = l.adopt(request.schedules, now)
		dropped = append(dropped, l.dropPaused()...)
		l.rebuildQueue()
	})
	for _, f := range dropped {
		a := Abandonment{f, DecisionPaused, "", now}
		if s := l.entries[f.Schedule]; s == nil || s.schedule == nil {
			a.Kind, a.Reason = DecisionMissed, MissedRemoved
		}
		round.Abandons = append(round.Abandons, a)
	}
	l.record(round)
	l.notifyAbandoned(round.Abandons)
	for _, name := range round.Forget {
		l.cfg.Observer.NextRun(name, time.Time{})
	}
	l.notifyAll()
	close(request.done)
}

// remove takes the schedules out that are not among next.
func (l *Loop) remove(next []Schedule) (names []string, dropped []Firing) {
	stays := make(map[string]bool, len(next))
	for i := range next {
		stays[next[i].Name] = true
	}
	for name, s := range l.entries {
		if stays[name] || s.schedule == nil {
			continue
		}
		names = append(names, name)
		dropped = append(dropped, s.dropClaims()...)
		s.schedule, s.hasNext, s.notified = nil, false, time.Time{}
		if s.idle() {
			delete(l.entries, name)
		}
	}
	return names, dropped
}

// adopt puts next in force from now on.
func (l *Loop) adopt(next []Schedule, now time.Time) (marks []Watermark) {
	for i := range next {
		s := l.entries[next[i].Name]
		isNew := s == nil || s.schedule == nil
		if s == nil {
			s = l.newEntry(&next[i])
		}
		edited := s.spec != next[i].spec()
		s.schedule, s.spec, s.through = &next[i], next[i].spec(), now
		s.seek()
		s.seekDue(true)
		if isNew || edited {
			marks = append(marks, s.watermark())
		}
	}
	return marks
}

func (l *Loop) dropPaused() (dropped []Firing) {
	for _, s := range l.entries {
		if s.schedule != nil && s.schedule.Paused {
			dropped = append(dropped, s.dropClaims()...)
		}
	}
	return dropped
}

// dropClaims takes what has not begun.
func (s *entry) dropClaims() []Firing {
	claims := s.waiting
	if s.queued != nil {
		claims = append(claims, *s.queued)
	}
	s.waiting, s.queued = nil, nil
	return claims
}
