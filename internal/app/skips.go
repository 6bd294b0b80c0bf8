package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"zecpower/internal/store"
	"zecpower/internal/strictyaml"
	"zecpower/scheduler"
)

const (
	// maxSkips bounds the skips of times that lie ahead, of all schedules together.
	maxSkips = 1000
	// skipListed is for how long a skip is listed once its time is over.
	skipListed = 7 * 24 * time.Hour
	// skipPatience bounds how long an order waits for the scheduler, which may wait for the store.
	skipPatience = 10 * time.Second
	// zonedTime is a time as a person reads it: with the offset, which differs on the two sides of a
	// change of clocks.
	zonedTime = "Mon 2006-01-02 15:04:05 -0700"
)

// skips are the times of schedules that people leave out. It is safe for concurrent use.
type skips struct {
	daemon *Daemon
	mu     sync.Mutex                   // one change at a time
	all    atomic.Pointer[[]store.Skip] // in the order of the times; nil: not read yet
}

// SkipOrder asks to leave out one time of a schedule.
type SkipOrder struct {
	Schedule string    `json:"schedule"`
	At       time.Time `json:"at,omitzero"` // zero: that of its next run
	Reason   string    `json:"reason"`      // see [CheckReason]; required
	SudoUser string    `json:"sudo_user,omitempty"`
}

// UnskipOrder asks to take a skip back.
type UnskipOrder struct {
	ID       string `json:"id"`
	Reason   string `json:"reason,omitempty"` // see [CheckReason]
	SudoUser string `json:"sudo_user,omitempty"`
}

// recalled takes up what earlier processes left.
func (s *skips) recalled(all []store.Skip) { s.all.Store(&all) }

// listed are the skips whose time lies ahead, or is over for skipListed at most.
func (s *skips) listed(now time.Time) []store.Skip {
	all := s.all.Load()
	if all == nil {
		return nil
	}
	return after(*all, now.Add(-skipListed))
}

// after are the skips of times after an instant, in a list of their own.
func after(all []store.Skip, t time.Time) []store.Skip {
	return slices.DeleteFunc(slices.Clone(all), func(k store.Skip) bool { return !k.Nominal.After(t) })
}

// add leaves out the time that an order asks for. It is recorded, and the scheduler goes by it.
func (s *skips) add(ctx context.Context, o SkipOrder, who string) (store.Skip, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known, snap := s.all.Load(), s.daemon.loop.Snapshot()
	if known == nil {
		return store.Skip{}, errNotRecalled
	}
	of, err := s.daemon.current.Load().Schedule(o.Schedule)
	if err == nil {
		err = errors.Join(CheckReason(o.Reason), needReason(o.Reason), roomFor(*known, snap.At))
	}
	if err != nil {
		return store.Skip{}, &badOrder{err}
	}
	nominal, err := chooseTime(of.With(scheduler.SkipsOf(*known)), o.At, snap.At, waiting(snap, of.Name))
	if err != nil {
		return store.Skip{}, &badOrder{err}
	}
	skip := store.Skip{
		ID: scheduler.RunID(of.Name, nominal), Schedule: of.Name, Nominal: nominal.UTC(), Timezone: of.Zone.String(), Actor: who, Reason: o.Reason,
		At: time.Now().UTC(),
	}
	return skip, s.put(ctx, skip, *known)
}

// put records a skip beside those that are known, and puts them in force. Where that fails, or its run has
// begun meanwhile, the skip is taken back: a write that was given up may still be made.
func (s *skips) put(ctx context.Context, skip store.Skip, known []store.Skip) error {
	err := s.daemon.store.PutSkip(ctx, skip)
	if err == nil {
		next := append(after(known, time.Now().Add(-store.SkipKept)), skip)
		store.SortSkips(next)
		err = s.use(next)
	}
	if err == nil && s.daemon.loop.Made(skip.Schedule, skip.Nominal) {
		err = &badOrder{fmt.Errorf("the run of %s has begun: it is too late to skip it", skip.ID)}
	}
	if err == nil {
		return nil
	}
	err = fmt.Errorf("nothing is skipped: %w", err)
	if undo := errors.Join(s.daemon.store.RemoveSkip(ctx, skip.ID), s.use(known)); undo != nil {
		return fmt.Errorf("%w; and the skip, which may be recorded, cannot be taken back: see zecpower skip list: %w", err, undo)
	}
	return err
}

// use puts a list of skips in force.
func (s *skips) use(all []store.Skip) error {
	ctx, cancel := context.WithTimeout(context.Background(), skipPatience)
	defer cancel()
	if err := s.daemon.loop.SetSkips(ctx, scheduler.SkipsOf(all)); err != nil {
		return err
	}
	s.all.Store(&all)
	return nil
}

// remove takes a skip back whose time lies ahead, and returns it.
func (s *skips) remove(ctx context.Context, o UnskipOrder) (store.Skip, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.all.Load()
	if known == nil {
		return store.Skip{}, errNotRecalled
	}
	at := slices.IndexFunc(*known, func(k store.Skip) bool { return k.ID == o.ID })
	if at < 0 {
		return store.Skip{}, &badOrder{fmt.Errorf("there is no skip %s: zecpower skip list lists them", strictyaml.Quote(o.ID))}
	}
	skip := (*known)[at]
	if err := CheckReason(o.Reason); err != nil {
		return skip, &badOrder{err}
	}
	if !skip.Nominal.After(s.daemon.loop.Snapshot().At) {
		return skip, &badOrder{fmt.Errorf("the time of %s is over, and does not come back: zecpower trigger %s makes a run now", skip.ID, skip.Schedule)}
	}
	if err := s.daemon.store.RemoveSkip(ctx, skip.ID); err != nil {
		// It may be removed all the same: put it back.
		return skip, errors.Join(fmt.Errorf("the skip stays: %w", err), s.daemon.store.PutSkip(ctx, skip))
	}
	return skip, s.use(slices.Delete(slices.Clone(*known), at, at+1))
}

func needReason(text string) error {
	if text == "" {
		return errors.New("give a reason: --reason TEXT")
	}
	return nil
}

func roomFor(known []store.Skip, now time.Time) error {
	if len(after(known, now)) >= maxSkips {
		return fmt.Errorf("%d times are skipped already, and no more can be: pause the schedule instead (paused: true)", maxSkips)
	}
	return nil
}

// waiting are the nominal times of a schedule whose runs wait, for jitter or their predecessor.
func waiting(snap scheduler.Snapshot, schedule string) (times []time.Time) {
	for _, f := range snap.Waiting {
		if f.Schedule == schedule && f.Waits != scheduler.WaitNone {
			times = append(times, f.Nominal)
		}
	}
	return times
}

// chooseTime finds the nominal time of s that a person means: the one at an instant, or where that is
// zero, the one of the next run. waiting are those whose runs have not begun though their time has come.
func chooseTime(s *scheduler.Schedule, at, now time.Time, waiting []time.Time) (time.Time, error) {
	if at.IsZero() {
		if len(waiting) > 0 {
			return waiting[0], nil
		}
		if o, due := s.NextDue(now); due {
			return o.Nominal, nil
		}
		return at, fmt.Errorf("schedule %s has no run ahead: zecpower next --schedule %[1]s says why", s.Name)
	}
	if slices.ContainsFunc(waiting, at.Equal) {
		return at, nil
	}
	shown := at.In(s.Zone).Format(zonedTime)
	if !at.After(now) {
		return at, fmt.Errorf("%s is over: only a run that has not begun can be skipped%s", shown, nearest(s, now, now))
	}
	o, ok := s.At(at)
	switch {
	case !ok:
		return at, fmt.Errorf("schedule %s has no run at %s%s", s.Name, shown, nearest(s, at, now))
	case o.Status == scheduler.StatusSkipped:
		return at, fmt.Errorf("%s at %s is skipped already, by %s: %s", s.Name, shown, o.Skip.Actor, o.Skip.Reason)
	case o.Status == scheduler.StatusExcluded:
		return at, fmt.Errorf("%s at %s does not run anyhow: the calendar %s leaves that date out", s.Name, shown, o.Calendar)
	case o.Status == scheduler.StatusPaused:
		return at, fmt.Errorf("schedule %s is paused: none of its times runs", s.Name)
	}
	return at, nil
}

// nearest names the runs of s around an instant that lie ahead.
func nearest(s *scheduler.Schedule, at, now time.Time) string {
	before, next := s.Around(at, now)
	var words string
	if !before.Nominal.IsZero() {
		words = "; the one before it is at " + before.Nominal.In(s.Zone).Format(zonedTime)
	}
	if !next.Nominal.IsZero() {
		words += "; the next is at " + next.Nominal.In(s.Zone).Format(zonedTime)
	}
	return words
}

// skipHandler leaves out the time of an order, and answers with the store.Skip.
func (d *Daemon) skipHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var o SkipOrder
		who, ok := d.asked(w, r, store.ActSkip, &o, &o.SudoUser)
		if !ok {
			return
		}
		act := store.Act{Kind: store.ActSkip, Actor: who, Reason: o.Reason}
		aboutSchedule(&act, d.current.Load(), o.Schedule)
		if !o.At.IsZero() && act.Schedule != "" {
			act.Subject = scheduler.RunID(act.Schedule, o.At)
		}
		skip, err := d.skips.add(context.WithoutCancel(r.Context()), o, who)
		if err != nil {
			d.refuse(w, act, err)
			return
		}
		act.Subject = skip.ID
		d.audit.done(act)
		writeJSON(w, skip)
	})
}

// unskipHandler takes back the skip of an order, and answers with it.
func (d *Daemon) unskipHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var o UnskipOrder
		who, ok := d.asked(w, r, store.ActUnskip, &o, &o.SudoUser)
		if !ok {
			return
		}
		act := store.Act{Kind: store.ActUnskip, Actor: who, Reason: o.Reason, Subject: o.ID}
		skip, err := d.skips.remove(context.WithoutCancel(r.Context()), o)
		aboutSchedule(&act, d.current.Load(), skip.Schedule)
		if err != nil {
			d.refuse(w, act, err)
			return
		}
		d.audit.done(act)
		writeJSON(w, skip)
	})
}
