package bolt

import (
	"bytes"
	"context"
	"time"

	"go.etcd.io/bbolt"

	"zecpower/internal/store"
)

// readSlice bounds one read transaction of a query. While one is open, the file's map cannot grow
// and freed pages cannot be used again, so that writes would wait, or the file grow.
const readSlice = 50 * time.Millisecond

// History implements store.Store.
func (l *Store) History(ctx context.Context, q store.Query) ([]store.Entry, error) {
	s, err := store.NewSearch(q, l.process)
	if err != nil {
		return nil, err
	}
	w := walk{query: q, search: s}
	for !w.done {
		err := l.view(ctx, "read the history", func(tx *bbolt.Tx) error {
			return w.slice(ctx, tx)
		})
		if err != nil {
			return nil, err
		}
	}
	return s.Entries(), nil
}

// walk passes the records to a search, newest first, in several transactions.
type walk struct {
	query  store.Query
	search *store.Search
	last   []byte // key of the last record that was passed; nil before the first
	done   bool
}

// slice goes on with the walk for readSlice.
func (w *walk) slice(ctx context.Context, tx *bbolt.Tx) error {
	f := finder{tx}
	if err := w.search.Prepare(f); err != nil {
		return err
	}
	begin := time.Now()
	c := tx.Bucket(bucketRecords).Cursor()
	for k, data := w.next(c); time.Since(begin) < readSlice; k, data = c.Prev() {
		if k == nil || w.search.Full() || w.passed(k) {
			w.done = true
			return nil
		}
		if err := w.add(ctx, f, k, data); err != nil {
			return err
		}
		w.last = bytes.Clone(k)
	}
	return nil
}

// next is the newest record that was not passed yet.
func (w *walk) next(c *bbolt.Cursor) (key, data []byte) {
	switch {
	case w.last != nil:
		if k, _ := c.Seek(w.last); k != nil {
			return c.Prev()
		}
	case !w.query.Until.IsZero():
		if k, _ := c.Seek(timeKey(w.query.Until.Add(1))); k != nil {
			return c.Prev()
		}
	}
	return c.Last()
}

// passed reports that neither the record nor an older one is asked for. A stretch of the day before
// Since may reach into the time asked for.
func (w *walk) passed(key []byte) bool {
	nominal, _, _ := splitRecordKey(key)
	return nominal.Before(w.query.Since) && !store.SameDay(nominal, w.query.Since)
}

func (w *walk) add(ctx context.Context, f finder, key, data []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := w.search.Count(); err != nil {
		return err
	}
	if w.query.Schedule != "" && !ofSchedule(key, w.query.Schedule) && !ofSchedule(key, store.ManualSchedule) {
		return nil
	}
	r, err := decodeRecord(key, data)
	if err != nil {
		return err
	}
	return w.search.Add(f, r)
}

// ofSchedule spares decoding the records of other schedules. A run by hand may be of any.
func ofSchedule(key []byte, schedule string) bool {
	name, _, _ := bytes.Cut(key[8:], []byte{0})
	return string(name) == schedule
}

// finder implements store.Finder in one transaction.
type finder struct{ tx *bbolt.Tx }

// Progress implements store.Finder.
func (f finder) Progress(runID string) (store.Progress, error) { return readProgress(f.tx, runID) }

// List implements store.Finder.
func (f finder) List(key []byte) []byte { return f.tx.Bucket(bucketLists).Get(key) }

// Results implements store.Finder.
func (f finder) Results(runID, group string) []byte {
	return f.tx.Bucket(bucketOutcomes).Get(groupKey(runID, group))
}

// NewestLists implements store.Finder.
func (f finder) NewestLists(do func(group string, list []byte) error) error {
	return f.tx.Bucket(bucketGroups).ForEach(func(name, hash []byte) error { return do(string(name), hash) })
}
