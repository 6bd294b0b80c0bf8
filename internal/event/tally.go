package event

import "sync"

// Tally has how far the runs in progress are. It listens, and is safe for concurrent use. The zero
// value is ready.
type Tally struct {
	mu   sync.Mutex
	runs map[string]map[string]Progress // by run id and account
}

// Receive implements Listener.
func (t *Tally) Receive(e Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch e := e.(type) {
	case RunStarted:
		for account, n := range e.Accounts {
			t.set(e.Run.ID, account, Progress{Total: n})
		}
	case Progressed:
		t.set(e.Run.ID, e.Account, e.Progress)
	case RunFinished:
		delete(t.runs, e.Run.ID)
	case RunSuspended:
		delete(t.runs, e.Run.ID)
	}
}

func (t *Tally) set(runID, account string, p Progress) {
	if t.runs == nil {
		t.runs = map[string]map[string]Progress{}
	}
	if t.runs[runID] == nil {
		t.runs[runID] = map[string]Progress{}
	}
	t.runs[runID][account] = p
}

// Progress is how far a run is, over all its accounts; ok is false where it has not begun, or has
// ended.
func (t *Tally) Progress(runID string) (p Progress, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	accounts, ok := t.runs[runID]
	for _, of := range accounts {
		p.Total += of.Total
		p.Final += of.Final
		p.Failed += of.Failed
		p.Pending += of.Pending
	}
	return p, ok
}
