package scheduler

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"zecpower/internal/power"
	"zecpower/internal/store"
)

// prepareWait is how long a round waits for the runs that it begins to be ready, so that their
// beginnings are recorded with it. A file of ids on a disk that hangs must not hold up the others.
const prepareWait = 100 * time.Millisecond

// launch is a run that begins now.
type launch struct {
	firing Firing
	done   chan struct{} // closed once ready is set
	ready  Prepared
	// recorded: its beginning is in the store, or among what the loop writes until the store takes
	// it. The goroutine of Loop.Run sets it before the run's own goroutine begins.
	recorded bool
}

// prepare makes a run ready in a goroutine of its own. That ends with Config.Prepare, which may be
// never where a disk hangs; nothing waits for it then but its own run.
func (l *Loop) prepare(f Firing) *launch {
	p := &launch{firing: f, done: make(chan struct{})}
	ctx := l.runs
	go func() {
		defer close(p.done)
		defer func() {
			if v := recover(); v != nil {
				failed := panicked(v)
				p.ready = Prepared{Run: func(context.Context) RunEnd { return failed }}
			}
		}()
		p.ready = l.cfg.Prepare(ctx, f)
	}()
	return p
}

// prepareAll makes runs ready that begin together.
func (l *Loop) prepareAll(firings []Firing) []*launch {
	var round Round
	if len(firings) > 1 && l.cfg.Gather != nil {
		round = l.cfg.Gather(len(firings))
	}
	launches := make([]*launch, 0, len(firings))
	for _, f := range firings {
		f.Round = round
		launches = append(launches, l.prepare(f))
	}
	return launches
}

// cancel says that a run does not begin after all.
func (p *launch) cancel() {
	if p.firing.Round != nil {
		p.firing.Round.Leave()
	}
}

// panicked is the end of a run that panicked with v.
func panicked(v any) RunEnd {
	return RunEnd{Result: power.ResultFailed, Err: &PanicError{Value: v, Stack: debug.Stack()}}
}

// addBeginnings waits up to prepareWait for runs to be ready, and adds the beginnings of those that
// are to r. The others record theirs once they are ready.
func addBeginnings(r *store.Round, launches []*launch, now time.Time) {
	patience := time.NewTimer(prepareWait)
	defer patience.Stop()
	late := false
	for _, p := range launches {
		if !late {
			select {
			case <-p.done:
			case <-patience.C:
				late = true
			}
		}
		select {
		case <-p.done:
			r.Begins = append(r.Begins, p.beginning(now))
			p.recorded = true
		default:
		}
	}
}

// beginning is what the store keeps of a run that is ready and begins at now.
func (p *launch) beginning(now time.Time) store.Beginning {
	return store.Beginning{Run: p.firing.Record(), At: now, Groups: p.ready.Groups}
}

// await waits until the run is ready. The error says why it never was.
func (p *launch) await(ctx context.Context) error {
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("its groups could not be read in time: check the disk of their files: %w", context.Cause(ctx))
	}
}

// recordLate records the beginning of a run that was not ready in time for its round. It runs in
// the run's goroutine. What the store does not take is written with the rounds that follow.
func (l *Loop) recordLate(p *launch) {
	b := p.beginning(l.cfg.Clock.Read().Wall)
	if _, err := l.cfg.Store.Claim(l.writing, store.Round{Begins: []store.Beginning{b}}); err != nil {
		l.lock(func() { l.unbegun = append(l.unbegun, unbegun{b, err}) })
	}
}

// unbegun is a beginning that the store did not take from a run's goroutine.
type unbegun struct {
	store.Beginning
	err error
}

// takeUnbegun adds the beginnings that the store did not take to those that the loop writes.
func (l *Loop) takeUnbegun() {
	var all []unbegun
	l.lock(func() { all, l.unbegun = l.unbegun, nil })
	for _, b := range all {
		l.unrecorded.Begins = append(l.unrecorded.Begins, b.Beginning)
		l.storeFailed("record a run's beginning", b.err)
	}
}

// dropBeginning forgets the beginning of a run that has ended. Its end says as much, and a store
// that fails for days must not fill the memory with lists of ids.
func (l *Loop) dropBeginning(runID string) {
	kept := l.unrecorded.Begins[:0:0] // a new array: the store may still write the present one
	for _, b := range l.unrecorded.Begins {
		if b.Run.ID != runID {
			kept = append(kept, b)
		}
	}
	l.unrecorded.Begins = kept
}
