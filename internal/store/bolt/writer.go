package bolt

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"time"

	"go.etcd.io/bbolt"

	"zecpower/internal/store"
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

// update passes a write to the writer and waits until it is committed, until ctx ends, or for
// Config.WriteTimeout.
func (l *Store) update(ctx context.Context, op string, do func(*bbolt.Tx) error) error {
	if l.readOnly {
		return store.ErrReadOnly
	}
	slow := fmt.Errorf("store: %s: %w", op, store.ErrSlow)
	if l.overdue() {
		return slow
	}
	timeout := time.NewTimer(l.cfg.WriteTimeout)
	defer timeout.Stop()
	r := &request{do: do, done: make(chan error, 1)}
	requests, answer := l.requests, chan error(nil)
	for {
		select {
		case requests <- r:
			requests, answer = nil, r.done
		case err := <-answer:
			if err != nil {
				return fmt.Errorf("store: %s: %w", op, err)
			}
			return nil
		case <-l.done:
			return l.closed(op, r)
		case <-ctx.Done():
			return fmt.Errorf("store: %s: %w", op, context.Cause(ctx))
		case <-timeout.C:
			l.late.Store(l.busy.Load())
			return slow
		}
	}
}

// closed is the answer to a write during which the store was closed. The writer may have committed
// it before it ended.
func (l *Store) closed(op string, r *request) error {
	select {
	case err := <-r.done:
		if err == nil {
			return nil
		}
		return fmt.Errorf("store: %s: %w", op, err)
	default:
		return fmt.Errorf("store: %s: closed", op)
	}
}

// overdue reports whether the writer has waited for the disk for longer than a write may take, or
// for so long that a write gave up on it. Further callers need not wait as well: a run's claim and
// its beginning are written one after the other, before its first request.
func (l *Store) overdue() bool {
	since := l.busy.Load()
	return since != nil && (time.Since(*since) >= l.cfg.WriteTimeout || since == l.late.Load())
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
	err := l.writable()
	if err == nil {
		err = l.inPlace()
	}
	if err != nil {
		for _, r := range group {
			r.done <- err
		}
		return
	}
	var bad error
	err = l.transact(func(tx *bbolt.Tx) error {
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
	l.replace(nil, nil, trouble) // its shared lock excludes the exclusive one
	db, file, err := openWritable(l.cfg)
	if err != nil {
		readable, file, _ := openReadable(l.cfg)
		l.replace(readable, file, err)
		return err
	}
	l.replace(db, file, nil)
	l.cfg.Warn("the store can be written again", nil)
	return nil
}

// replace makes readers use db; nil: there is nothing to read. mu is not held while a file is opened
// or closed: the disk may hang, and readers must not wait for it.
func (l *Store) replace(db *bbolt.DB, file os.FileInfo, trouble error) {
	l.mu.Lock()
	before := l.db
	l.db, l.file, l.trouble = db, file, trouble
	l.mu.Unlock()
	if before != nil {
		_ = before.Close() // no reader is left: each holds mu
	}
}

// view reads.
func (l *Store) view(ctx context.Context, op string, do func(*bbolt.Tx) error) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("store: %s: %w", op, err)
		}
	}()
	if err := ctx.Err(); err != nil {
		return err
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.db == nil {
		return cmp.Or(l.trouble, errNothing)
	}
	return viewOf(l.db, do)
}

var errNothing = errors.New("there is nothing to read")
