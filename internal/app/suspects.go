package app

import (
	"maps"
	"sync"

	"zecpower/internal/event"
	"zecpower/internal/power"
)

// suspects has, by group, the ids that failed in its last finished run for a reason that will most
// likely hold in the next one. It is safe for concurrent use.
type suspects struct {
	mu sync.Mutex // guards the map; what is in it never changes
	of map[string]map[string]power.Reason
}

func newSuspects() *suspects { return &suspects{of: map[string]map[string]power.Reason{}} }

// Receive implements event.Listener.
func (s *suspects) Receive(e event.Event) {
	if e, ok := e.(event.RunFinished); ok && e.Report != nil {
		s.finished(*e.Report)
	}
}

// finished takes over what the last run of its groups shows. A group that could not be run at all
// shows nothing.
func (s *suspects) finished(r power.Report) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range r.Groups {
		if g.Err != "" {
			continue
		}
		found := map[string]power.Reason{}
		for _, f := range g.Results {
			switch f.Reason {
			case power.ReasonNotFound, power.ReasonRecycled, power.ReasonRejected:
				found[f.InstanceID] = f.Reason
			}
		}
		s.of[g.Group] = found
	}
}

// restore does the same for a run of an earlier process, where no newer one is known.
func (s *suspects) restore(r power.Report) {
	s.mu.Lock()
	known := maps.Clone(s.of)
	s.mu.Unlock()
	older := power.Report{}
	for _, g := range r.Groups {
		if known[g.Group] == nil {
			older.Groups = append(older.Groups, g)
		}
	}
	s.finished(older)
}

func (s *suspects) group(name string) map[string]power.Reason {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.of[name]
}
