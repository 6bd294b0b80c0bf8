package scheduler

import (
	"errors"
	"fmt"
	"time"

	"zecpower/internal/event"
	"zecpower/internal/store"
)

// saveEvery is how often the loop records how far everything is decided, where it has nothing else
// to record. After a crash the next start decides at most this much of the past again.
const saveEvery = 5 * time.Minute

// maxWrites bounds the ends of runs, with their reports, that are kept while the store fails.
const maxWrites = 256

// write is a write that the store has not accepted yet.
type write struct {
	op string // what it does, for StoreFailed
	do func() error
}

// record writes r, and all that the store did not accept before, in one step. It returns the ids of
// the runs that the store already had: they must not begin again. While the store fails it returns
// nil and keeps r for the next round: the fleet is powered on all the same.
func (l *Loop) record(r store.Round) (held map[string]bool) {
	// 1. Join r to what is left over. The store receives rounds in order and as one: a newer
	// watermark must not become durable before the decisions that it covers.
	l.wrote = true
	join(&l.unrecorded, r)
	ids, err := l.cfg.Store.Claim(l.writing, l.unrecorded)
	if err != nil {
		// 2. On failure keep everything, up to a bound on memory. The round may be durable all the
		// same; Claim is idempotent, so writing it again is safe.
		if dropped := trim(&l.unrecorded); dropped > 0 {
			l.storeFailed("remember decisions", fmt.Errorf("%d decisions will never be recorded: the store has not accepted any for too long", dropped))
		}
		l.storeFailed("record decisions", err)
		return nil
	}

	// 3. The round is durable, and nothing of it is left over. Write the ends of runs that are left
	// over: they come after the claims of those runs.
	l.unrecorded = store.Round{}
	held = make(map[string]bool, len(ids))
	for _, id := range ids {
		held[id] = true
	}
	l.rewrite()
	return held
}

// rewrite tries the writes that failed before, in order, up to the first that fails again. Where
// all succeed the store counts as working.
func (l *Loop) rewrite() {
	for len(l.writes) > 0 {
		if err := l.writes[0].do(); err != nil {
			l.storeFailed(l.writes[0].op, err)
			return // the later ones would most likely fail too, and each may take its time
		}
		l.writes[0] = write{} // the backing array must not keep the report alive
		l.writes = l.writes[1:]
	}
	l.setStoreErr(nil)
}

// writeLater reports that w failed with err, and keeps it for rewrite. Above maxWrites the oldest
// is dropped and reported.
func (l *Loop) writeLater(w write, err error) {
	l.storeFailed(w.op, err)
	if len(l.writes) >= maxWrites {
		l.storeFailed(l.writes[0].op, errors.New("given up: too many writes wait for the store"))
		l.writes = append([]write(nil), l.writes[1:]...)
	}
	l.writes = append(l.writes, w)
}

// recordRest records what the other steps of the round left: what the store did not accept before,
// the first state of the schedules, and every saveEvery that there was nothing to decide.
func (l *Loop) recordRest(r Reading) {
	leftover := !l.unrecorded.Empty() || len(l.writes) > 0
	if l.wrote {
		l.savedAt = r.Monotonic
		return
	}
	if leftover || l.starting || r.Monotonic-l.savedAt >= saveEvery {
		l.record(store.Round{At: r.Wall})
		l.savedAt = r.Monotonic
	}
}

// storeFailed reports a failed write or load, in the snapshot and as an event. op says what was
// tried.
func (l *Loop) storeFailed(op string, err error) {
	l.setStoreErr(err)
	l.cfg.Emit(event.StoreFailed{Op: op, Err: err})
}

func (l *Loop) setStoreErr(err error) {
	l.lock(func() { l.storeErr = err })
}
