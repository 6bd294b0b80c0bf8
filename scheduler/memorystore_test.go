package scheduler

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"zecpower/internal/power"
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
	watermarks map[string]Watermark
	runs       map[string]*memoryRun
	other      []Decision
	last       map[string]LastRun
	fault      func(op string) fault
}

type memoryRun struct {
	firing Firing
	kind   DecisionKind // DecisionOverlap and so on once abandoned
	result power.Result // once finished
}

func (r *memoryRun) open() bool { return r.kind == "" && r.result == "" }

func newMemoryStore() *memoryStore {
	return &memoryStore{
		watermarks: map[string]Watermark{}, runs: map[string]*memoryRun{}, last: map[string]LastRun{},
		fault: func(string) fault { return noFault },
	}
}

// session is one process's access to the store. Once the process is killed, it refuses everything.
type session struct {
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

func (s *session) Load(recent time.Time) (state State, err error) {
	err = s.write("load", func() {
		state = State{Watermarks: map[string]Watermark{}, Ran: map[string][]time.Time{}, Last: map[string]LastRun{}, DecidedThrough: s.through}
		for k, v := range s.watermarks {
			state.Watermarks[k] = v
		}
		for k, v := range s.last {
			state.Last[k] = v
		}
		for _, r := range s.runs {
			if r.open() {
				state.Unfinished = append(state.Unfinished, r.firing)
			}
			if r.firing.Nominal.After(recent) {
				state.Ran[r.firing.Schedule] = append(state.Ran[r.firing.Schedule], r.firing.Nominal)
			}
		}
		for _, times := range state.Ran {
			slices.SortFunc(times, time.Time.Compare)
		}
		slices.SortFunc(state.Unfinished, func(a, b Firing) int { return a.Nominal.Compare(b.Nominal) })
	})
	if err != nil {
		return State{}, err
	}
	return state, nil
}

func (s *session) Decide(r Round) (held []string, err error) {
	err = s.write("decide", func() {
		if !r.At.IsZero() {
			s.through = r.At
		}
		for _, d := range r.Decisions {
			if !d.Claims() {
				s.other = append(s.other, d)
				continue
			}
			f := d.Firing()
			if s.runs[f.RunID] != nil {
				held = append(held, f.RunID)
				continue
			}
			s.runs[f.RunID] = &memoryRun{firing: f}
		}
		for _, f := range r.Begins {
			if run := s.run(f); run.open() {
				run.firing = f
			}
		}
		for _, a := range r.Abandons {
			if run := s.run(a.Firing); run.open() {
				run.kind = a.Kind
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

func (s *session) run(f Firing) *memoryRun {
	if s.runs[f.RunID] == nil {
		s.runs[f.RunID] = &memoryRun{firing: f}
	}
	return s.runs[f.RunID]
}

func (s *session) Finish(f Firing, r RunEnd, at time.Time) error {
	return s.write("finish", func() {
		s.run(f).result = r.Result
		s.last[f.Schedule] = LastRun{RunID: f.RunID, Nominal: f.Nominal, FinishedAt: at, Result: r.Result}
	})
}
