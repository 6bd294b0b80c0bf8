package scheduler

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"zecpower/internal/power"
	"zecpower/internal/store"
)

// fault is how one write to a store fails.
type fault int

const (
	noFault    fault = iota
	lost             // not written, and the write returns an error
	unreported       // written, and the write returns an error all the same
)

var errDisk = errors.New("no space left on device")

// memoryStore is a store that survives the simulated processes of a test.
type memoryStore struct {
	mu         sync.Mutex
	through    time.Time
	watermarks map[string]store.Watermark
	runs       map[string]*memoryRun
	other      []store.Note
	last       map[string]store.LastRun
	skips      []store.Skip
	fault      func(op string) fault
	given      [][]store.Beginning // by the rounds to claim, as they were passed
}

type memoryRun struct {
	run    store.Run
	kind   store.Kind   // KindOverlap and so on once abandoned
	result power.Result // once finished
	begun  []store.Targets
}

func (r *memoryRun) open() bool { return r.kind == "" && r.result == "" }

func newMemoryStore() *memoryStore {
	return &memoryStore{
		watermarks: map[string]store.Watermark{}, runs: map[string]*memoryRun{}, last: map[string]store.LastRun{},
		fault: func(string) fault { return noFault },
	}
}

// session is one process's access to the store. Once the process is killed, it refuses everything.
// The loop calls what session has; of the embedded interface it calls nothing.
type session struct {
	store.Store
	*memoryStore
	dead bool
}

func (s *session) write(op string, do func()) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead {
		return errors.New("the process is dead")
	}
	f := s.fault(op)
	if f != lost {
		do()
	}
	if f != noFault {
		return fmt.Errorf("%s: %w", op, errDisk)
	}
	return nil
}

func (s *session) kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dead = true
}

func (s *session) Load(_ context.Context, recent time.Time) (state store.State, err error) {
	err = s.write("load", func() {
		state = store.NewState()
		state.DecidedThrough, state.Skips = s.through, slices.Clone(s.skips)
		maps.Copy(state.Watermarks, s.watermarks)
		maps.Copy(state.Last, s.last)
		for _, r := range s.runs {
			if r.open() {
				state.Unfinished = append(state.Unfinished, r.run)
			}
			if r.run.Nominal.After(recent) {
				record := store.NewClaim(r.run)
				if r.kind != "" {
					record.Kind = r.kind
				}
				state.AddRecent(&record)
			}
		}
		for _, times := range state.Ran {
			slices.SortFunc(times, time.Time.Compare)
		}
		state.SortUnfinished()
	})
	if err != nil {
		return store.State{}, err
	}
	return state, nil
}

func (s *session) Claim(_ context.Context, r store.Round) (held []string, err error) {
	s.mu.Lock()
	s.given = append(s.given, r.Begins)
	s.mu.Unlock()
	err = s.write("decide", func() {
		if !r.At.IsZero() {
			s.through = r.At
		}
		s.other = append(s.other, r.Notes...)
		for _, run := range r.Claims {
			if s.runs[run.ID] != nil {
				held = append(held, run.ID)
				continue
			}
			s.runs[run.ID] = &memoryRun{run: run}
		}
		for _, run := range r.Updates {
			if known := s.run(run); known.open() {
				known.run = run
			}
		}
		for _, b := range r.Begins {
			if known := s.run(b.Run); known.open() {
				known.begun = b.Groups
			}
		}
		for _, a := range r.Abandons {
			if known := s.run(a.Run); known.open() {
				known.kind = a.Kind
			}
		}
		for _, m := range r.Watermarks {
			s.watermarks[m.Schedule] = m
		}
		for _, name := range r.Forget {
			delete(s.watermarks, name)
		}
	})
	if err != nil {
		return nil, err
	}
	return held, nil
}

func (s *session) run(r store.Run) *memoryRun {
	if s.runs[r.ID] == nil {
		s.runs[r.ID] = &memoryRun{run: r}
	}
	return s.runs[r.ID]
}

func (s *session) Finish(_ context.Context, r store.Run, e store.End) error {
	return s.write("finish", func() {
		s.run(r).result = e.Result
		s.last[r.Schedule] = store.LastRun{RunID: r.ID, Nominal: r.Nominal, FinishedAt: e.At, Result: e.Result}
	})
}
