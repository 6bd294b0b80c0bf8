package bolt

import (
	"context"

	"go.etcd.io/bbolt"

	"zecpower/internal/store"
)

var _ store.Store = (*Store)(nil)

// Claim implements store.Store.
func (l *Store) Claim(ctx context.Context, r store.Round) (held []string, err error) {
	for _, part := range r.Parts(store.PartSize) {
		ids, err := l.claimPart(ctx, part)
		if err != nil {
			return nil, err
		}
		held = append(held, ids...)
	}
	return held, nil
}

func (l *Store) claimPart(ctx context.Context, r store.Round) ([]string, error) {
	// Owned by the writer until update returns nil: a write that timed out may still set it.
	var held []string
	begins, err := l.encodeBeginnings(r.Begins)
	if err != nil {
		return nil, err
	}
	err = l.update(ctx, "record decisions", func(tx *bbolt.Tx) error {
		held = nil
		// A run that is claimed and begins in this round is one record, written once: below remain
		// the beginnings of runs that were claimed before.
		open := byRun(begins)
		for _, run := range r.Claims {
			already, err := l.claim(tx, run, open)
			if err != nil {
				return err
			}
			if already {
				held = append(held, run.ID)
			}
		}
		for _, run := range r.Updates {
			if err := l.updateRun(tx, run); err != nil {
				return err
			}
		}
		for _, b := range begins {
			if open[b.Run.ID] == nil {
				continue
			}
			if err := l.begin(tx, b); err != nil {
				return err
			}
		}
		for _, a := range r.Abandons {
			if err := abandon(tx, a); err != nil {
				return err
			}
		}
		if err := putNotes(tx, r.Notes); err != nil {
			return err
		}
		return l.putWatermarks(tx, r)
	})
	if err != nil {
		return nil, err
	}
	return held, nil
}

func (l *Store) putWatermarks(tx *bbolt.Tx, r store.Round) error {
	if !r.At.IsZero() {
		if err := putJSON(tx.Bucket(bucketMeta), keyThrough, r.At); err != nil {
			return err
		}
		l.considerPruning(r.At)
	}
	for _, m := range r.Watermarks {
		if err := putJSON(tx.Bucket(bucketWatermarks), []byte(m.Schedule), m); err != nil {
			return err
		}
	}
	for _, name := range r.Forget {
		for _, bucket := range [][]byte{bucketWatermarks, bucketLast, bucketTails} {
			if err := tx.Bucket(bucket).Delete([]byte(name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// claim puts a run where its id has none, with its beginning where begins has that, and takes it out
// of them. held reports that the id has a run already.
func (l *Store) claim(tx *bbolt.Tx, run store.Run, begins map[string]*encodedBeginning) (held bool, err error) {
	there, err := getRun(tx, run.ID)
	if err != nil {
		return false, err
	}
	if there != nil && there.Claimed() {
		return true, nil // a recorded run stays, whatever is decided about its time later
	}
	r := store.NewClaim(run)
	if b := begins[run.ID]; b != nil {
		delete(begins, run.ID)
		if err := l.putBeginning(tx, &r, b); err != nil {
			return false, err
		}
	}
	if err := putRecord(tx, &r); err != nil {
		return false, err
	}
	return false, tx.Bucket(bucketUnfinished).Put([]byte(r.ID), present)
}

func (l *Store) updateRun(tx *bbolt.Tx, run store.Run) error {
	return changeRun(tx, run, func(r *store.Record) error {
		r.Update(run, l.process)
		return nil
	})
}

func abandon(tx *bbolt.Tx, a store.Abandonment) error {
	return changeRun(tx, a.Run, func(r *store.Record) error {
		done, damage := readProgress(tx, r.ID)
		groups, err := store.EncodeProgress(done)
		if err != nil {
			return err
		}
		r.Abandon(a, groups, damage)
		return closeRun(tx, r, groups)
	})
}

// changeRun changes a run that has not ended. One that has ended stays as it is. A run whose claim
// was lost, or whose time was noted as missed before, is claimed first.
func changeRun(tx *bbolt.Tx, run store.Run, change func(r *store.Record) error) error {
	r, err := getRun(tx, run.ID)
	if err != nil {
		return err
	}
	if r == nil || !r.Claimed() {
		claimed := store.NewClaim(run)
		r = &claimed
	}
	if r.Ended() {
		return nil
	}
	if err := change(r); err != nil {
		return err
	}
	if !r.Ended() {
		if err := tx.Bucket(bucketUnfinished).Put([]byte(r.ID), present); err != nil {
			return err
		}
	}
	return putRecord(tx, r)
}
