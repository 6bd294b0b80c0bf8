package members

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// quiet is how long no further group must come before lists are read, and gatherFor how long the
	// first waits at most. Groups that are due in the same minute come within milliseconds.
	quiet     = 20 * time.Millisecond
	gatherFor = time.Second
)

// Shared lets groups that are resolved at about the same time share their lists: what comes within
// 20 ms of another, up to a second after the first, and what comes while lists are read, goes
// together, and what comes within a second of the first page of a list uses that list. It is safe for
// concurrent use. While nothing is asked for it has no goroutine, and after a second no lists.
type Shared struct {
	lister *Lister

	recent recent // of the goroutine that serves; while there is none, guarded by mu

	mu      sync.Mutex // guards all below
	waiting []*ask
	came    time.Time // the newest of them
	busy    bool      // a goroutine serves
}

// ask is one call of List.
type ask struct {
	came   time.Time
	ctx    context.Context
	groups []*Group
	out    []Listing
	done   chan struct{} // closed once out is set
}

// NewShared shares the lists of a Lister.
func NewShared(l *Lister) *Shared { return &Shared{lister: l} }

// List is Lister.List. Where ctx ends before, every group has its cause as error; the lists go on as
// long as others wait for them.
func (s *Shared) List(ctx context.Context, groups []*Group) []Listing {
	a := &ask{came: time.Now(), ctx: ctx, groups: groups, done: make(chan struct{})}
	s.mu.Lock()
	s.waiting, s.came = append(s.waiting, a), a.came
	if !s.busy {
		s.busy = true
		go s.serve()
	}
	s.mu.Unlock()
	select {
	case <-a.done:
		return a.out
	case <-ctx.Done():
	}
	failed := make([]Listing, len(groups))
	for i := range failed {
		failed[i].Err = context.Cause(ctx)
	}
	return failed
}

// serve reads lists until none is asked for. What it leaves is dropped once it is too old to be used.
func (s *Shared) serve() {
	for {
		s.gather()
		s.mu.Lock()
		asks := s.waiting
		s.waiting = nil
		s.busy = len(asks) > 0
		s.mu.Unlock()
		if len(asks) == 0 {
			time.AfterFunc(fresh, s.drop)
			return
		}
		s.read(asks)
	}
}

// drop drops all lists, unless some are read or may be used just now.
func (s *Shared) drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.busy {
		s.recent.forget(time.Now())
	}
}

// gather waits until nothing more comes.
func (s *Shared) gather() {
	for begun := time.Now(); ; {
		s.mu.Lock()
		wait := time.Until(s.came.Add(quiet))
		none := len(s.waiting) == 0
		s.mu.Unlock()
		if none || wait <= 0 || time.Since(begun) >= gatherFor {
			return
		}
		time.Sleep(wait)
	}
}

// read answers asks together. It ends early once none of their callers waits any more.
func (s *Shared) read(asks []*ask) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var groups []*Group
	var waiting atomic.Int64
	waiting.Store(int64(len(asks)))
	var latest time.Time
	for _, a := range asks {
		if a.came.After(latest) {
			latest = a.came
		}
		groups = append(groups, a.groups...)
		stop := context.AfterFunc(a.ctx, func() {
			if waiting.Add(-1) == 0 {
				cancel()
			}
		})
		defer stop()
	}
	s.recent.forget(latest)
	listings := s.list(ctx, groups)
	for _, a := range asks {
		n := len(a.groups)
		a.out, listings = listings[:n:n], listings[n:]
		close(a.done)
	}
}

// list is the lister's. A panic there is the groups' error: it must not end the process.
func (s *Shared) list(ctx context.Context, groups []*Group) (listings []Listing) {
	defer func() {
		if v := recover(); v != nil {
			listings = make([]Listing, len(groups))
			for i := range listings {
				listings[i].Err = fmt.Errorf("listing instances panicked: %v", v)
			}
		}
	}()
	return s.lister.list(ctx, groups, (*Group).needsRows, &s.recent)
}
