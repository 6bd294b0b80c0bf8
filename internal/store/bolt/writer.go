package bolt

import (
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"go.etcd.io/bbolt"
)

// maxGroup is how many writes share one commit at most. A commit costs one flush of the disk,
// however many writes it has.
const maxGroup = 256

// reopenEvery is how often the writer tries to reopen a store that cannot be written.
const reopenEvery = 10 * time.Second

// request is one write. do may be called more than once, and only one committed call counts; so
// each call must start from an empty state of its own.
type request struct {
	do   func(*bbolt.Tx) error
	done chan error // buffered by 1: the caller may have given up
}

// try calls do and returns a panic as an error.
func (r *request) try(tx *bbolt.Tx) (err error) {
	defer recovered(&err)
	return r.do(tx)
}

// update passes a write to the writer and waits until it is committed, at most Config.WriteTimeout.
func (l *Store) update(op string, do func(*bbolt.Tx) error) error {
	if l.readOnly {
		return ErrReadOnly
	}
	slow := fmt.Errorf("store: %s: %w", op, ErrSlow)
	if l.overdue() {
		return slow
	}
	timeout := time.NewTimer(l.cfg.WriteTimeout)
	defer timeout.Stop()
	r := &request{do: do, done: make(chan error, 1)}
	select {
	case l.requests <- r:
	case <-l.done:
		return fmt.Errorf("store: %s: closed", op)
	case <-timeout.C:
		return slow
	}
	select {
	case err := <-r.done:
		if err != nil {
			return fmt.Errorf("store: %s: %w", op, err)
		}
		return nil
	case <-l.done:
		return fmt.Errorf("store: %s: closed", op)
	case <-timeout.C:
		return slow
	}
}

// overdue reports whether the writer has waited for the disk for longer than a write may take.
// Further callers need not wait as well.
func (l *Store) overdue() bool {
	since := l.busy.Load()
	return since != nil && time.Since(*since) >= l.cfg.WriteTimeout
}

// atWork records that the writer waits for the disk, until done is called.
func (l *Store) atWork() (done func()) {
	now := time.Now()
	l.busy.Store(&now)
	return func() { l.busy.Store(nil) }
}

// writer commits the writes, one group after another, until quit. It owns the fields that Store
// marks as the writer's.
func (l *Store) writer() {
	defer close(l.done)
	for {
		select {
		case r := <-l.requests:
			l.commit(l.gather(r))
		case <-l.quit:
			for len(l.requests) > 0 {
				l.commit(l.gather(<-l.requests))
			}
			return
		}
		for l.pruning && len(l.requests) == 0 && !l.closing() {
			l.pruneStep()
		}
	}
}

func (l *Store) closing() bool {
	select {
	case <-l.quit:
		return true
	default:
		return false
	}
}

func (l *Store) gather(first *request) []*request {
	group := []*request{first}
	for len(group) < maxGroup {
		select {
		case r := <-l.requests:
			group = append(group, r)
		default:
			return group
		}
	}
	return group
}

// commit makes one transaction of a group of writes. Where one of them fails by itself, each gets a
// transaction of its own, so that one bad write costs no other.
func (l *Store) commit(group []*request) {
	if err := l.writable(); err != nil {
		for _, r := range group {
			r.done <- err
		}
		return
	}
	var bad error
	err := l.transact(func(tx *bbolt.Tx) error {
		for _, r := range group {
			if bad = r.try(tx); bad != nil {
				return bad
			}
		}
		return nil
	})
	if bad != nil && len(group) > 1 {
		for _, r := range group {
			r.done <- l.transact(r.try)
		}
		return
	}
	for _, r := range group {
		r.done <- err
	}
}

func (l *Store) transact(do func(*bbolt.Tx) error) error {
	defer l.atWork()()
	return updateOf(l.db, do)
}

// updateOf is db.Update with panics and faults as errors, and viewOf is db.View likewise: a damaged
// page must cost the record, not the daemon.
func updateOf(db *bbolt.DB, do func(*bbolt.Tx) error) (err error) {
	defer recovered(&err)
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	return db.Update(do)
}

func viewOf(db *bbolt.DB, do func(*bbolt.Tx) error) (err error) {
	defer recovered(&err)
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	return db.View(do)
}

// errBroken wraps every panic of bbolt.
var errBroken = errors.New("damaged")

func recovered(err *error) {
	if v := recover(); v != nil {
		*err = fmt.Errorf("%w: %v", errBroken, v)
	}
}

// writable tries to reopen a file that could not be written, at most every reopenEvery.
func (l *Store) writable() error {
	trouble := l.Trouble()
	if trouble == nil {
		return nil
	}
	if time.Since(l.triedAt) < reopenEvery {
		return trouble
	}
	l.triedAt = time.Now()
	if d, ok := errors.AsType[*damagedError](trouble); ok && d.stays() {
		return trouble
	}
	defer l.atWork()()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.db != nil {
		_ = l.db.Close() // its shared lock excludes the exclusive one
		l.db = nil
	}
	db, err := openWritable(l.cfg)
	if err != nil {
		l.trouble = err
		if readable, err := openReadable(l.cfg); err == nil {
			l.db = readable
		}
		return err
	}
	l.db, l.trouble = db, nil
	l.cfg.Warn("the store can be written again", nil)
	return nil
}

// view reads.
func (l *Store) view(op string, do func(*bbolt.Tx) error) (err error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.db == nil {
		why := errNothing
		if l.trouble != nil {
			why = l.trouble
		}
		return fmt.Errorf("store: %s: %w", op, why)
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("store: %s: %w", op, err)
		}
	}()
	return viewOf(l.db, do)
}

var errNothing = errors.New("there is nothing to read")
