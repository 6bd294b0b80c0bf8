package scheduler

import (
	"errors"
	"time"

	"zecpower/internal/event"
	"zecpower/internal/store"
)

// ErrStopped is the error of a Reload of a loop that has ended.
var ErrStopped = errors.New("scheduler: the loop has ended")

// reload is a request to replace the schedules.
type reload struct {
	schedules []Schedule
	done      chan struct{} // closed when the request is applied, or a newer one has replaced it
}

// Reload replaces all schedules, or none where one of them is invalid. It returns when the new ones
// are in force. Before Run it replaces Config.Schedules. After Run has ended it returns ErrStopped.
// It is safe for concurrent use. Of two requests in the same round only the later one is applied,
// and both calls return nil.
//
// The old schedules decide what came due up to now, the new ones what comes later: no schedule
// fires for a time before it, or its edit, was loaded. Runs that are going are not disturbed. Runs
// that wait for their jittered time or in the queue keep their place and begin with the groups that
// their schedule has then, unless it is removed or paused, or its timing, zone or action is edited.
// In that case they are recorded and do not run.
func (l *Loop) Reload(schedules []Schedule) error {
	if err := validate(schedules); err != nil {
		return err
	}
	request, running := l.submit(schedules)
	if !running {
		return nil
	}
	select {
	case l.wake <- struct{}{}:
	default: // a wake-up is pending already; that round applies this request
	}
	select {
	case <-request.done:
		return nil
	case <-l.stopped:
		return ErrStopped
	}
}

// submit makes schedules the pending request; running is false where the loop has not begun, and
// they are in force at once.
func (l *Loop) submit(schedules []Schedule) (request *reload, running bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.started {
		l.cfg.Schedules = schedules
		return nil, false
	}
	request = &reload{schedules: schedules, done: make(chan struct{})}
	if l.pending != nil {
		close(l.pending.done) // this newer request replaces it before it was applied
	}
	l.pending = request
	return request, true
}

// applyReload applies the pending request, if there is one. Everything up to now is decided
// already, with the old schedules.
func (l *Loop) applyReload(now time.Time) {
	l.mu.Lock()
	request := l.pending
	l.pending = nil
	l.mu.Unlock()
	if request == nil {
		return
	}

	// 1. After this a step of the clock that is undone must not move a schedule back to before it
	// was loaded.
	l.beforeStep = Reading{}

	// 2. Replace the schedules in one step, so that a snapshot shows the old ones or the new ones.
	round := store.Round{At: now}
	l.lock(func() {
		l.remove(request.schedules, &round)
		l.adopt(request.schedules, &round)
		l.dropPaused(&round)
		l.rebuildQueue()
		l.remakeGroups()
	})

	// 3. Record before reporting, and answer the caller last: after that a crash finds the new
	// schedules' watermarks.
	l.record(round)
	l.abandoned(round.Abandons)
	for _, name := range round.Forget {
		l.cfg.Emit(event.NextRun{Schedule: name})
	}
	l.notifyAll()
	close(request.done)
}

// remove takes the schedules that are not among next out of force, with their claims that have not
// begun. An entry with runs that are going stays until the last of them ends.
func (l *Loop) remove(next []Schedule, r *store.Round) {
	stays := make(map[string]bool, len(next))
	for i := range next {
		stays[next[i].Name] = true
	}
	for name, e := range l.entries {
		if stays[name] || e.schedule == nil {
			continue
		}
		r.Forget = append(r.Forget, name)
		e.dropClaims(r, DecisionMissed, MissedRemoved)
		e.schedule, e.hasNext, e.notified = nil, false, time.Time{}
		if e.idle() {
			delete(l.entries, name)
		}
	}
}

// adopt puts next in force from r.At on. A new or edited schedule gets a watermark; the others keep
// theirs. Claims of an edited one that have not begun do not run: see [Firing.Fingerprint].
func (l *Loop) adopt(next []Schedule, r *store.Round) {
	for i := range next {
		e := l.entries[next[i].Name]
		isNew := e == nil || e.schedule == nil
		if e == nil {
			e = l.newEntry(&next[i])
		}
		if !isNew && e.schedule.fingerprint() != next[i].fingerprint() {
			e.dropClaims(r, DecisionMissed, MissedEdited)
		}
		respecified := e.spec != next[i].spec()
		if isNew || respecified {
			e.since = r.At
		}
		e.schedule, e.spec, e.through = next[i].With(l.skips), next[i].spec(), r.At
		e.seek()
		e.seekDue(true)
		if isNew || respecified {
			r.Watermarks = append(r.Watermarks, e.watermark())
		}
	}
}

// dropPaused ends the claims of paused schedules that have not begun.
func (l *Loop) dropPaused(r *store.Round) {
	for _, e := range l.entries {
		if e.schedule != nil && e.schedule.Paused {
			e.dropClaims(r, DecisionPaused, "")
		}
	}
}

// dropClaims ends the claims that have not begun, and records why in r. A run that an earlier
// process began, and that waits in the queue, is interrupted where it would be missed.
func (e *entry) dropClaims(r *store.Round, kind DecisionKind, reason MissedReason) {
	claims := e.waiting
	if e.queued != nil {
		claims = append(claims, *e.queued)
	}
	e.waiting, e.queued = nil, nil
	for _, f := range claims {
		as := kind
		if kind == DecisionMissed && f.Waits == WaitNone {
			as = DecisionInterrupted
		}
		r.Abandons = append(r.Abandons, abandonment(f, as, reason, r.At))
	}
}
