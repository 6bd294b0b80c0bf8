package bolt

import (
	"context"
	"encoding/json"
	"time"

	"go.etcd.io/bbolt"

	"zecpower/internal/store"
)

// PutSkip implements store.Store. Its bucket is made by the first call, because a file of this schema may
// be older than the bucket.
func (l *Store) PutSkip(ctx context.Context, s store.Skip) error {
	if err := checkKey("skip id", s.ID); err != nil {
		return err
	}
	return l.update(ctx, "record a skip", func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists(bucketSkips)
		if err != nil {
			return err
		}
		return putJSON(b, []byte(s.ID), s)
	})
}

// RemoveSkip implements store.Store.
func (l *Store) RemoveSkip(ctx context.Context, id string) error {
	return l.update(ctx, "remove a skip", func(tx *bbolt.Tx) error {
		b := tx.Bucket(bucketSkips)
		if b == nil {
			return nil
		}
		return b.Delete([]byte(id))
	})
}

func loadSkips(tx *bbolt.Tx, state *store.State) error {
	b := tx.Bucket(bucketSkips)
	if b == nil {
		return nil
	}
	err := b.ForEach(func(_, data []byte) error {
		var s store.Skip
		if err := json.Unmarshal(data, &s); err != nil {
			return err
		}
		state.Skips = append(state.Skips, s)
		return nil
	})
	store.SortSkips(state.Skips)
	return err
}

// pruneSkips removes the skips whose time was over before cutoff.
func pruneSkips(tx *bbolt.Tx, cutoff time.Time) error {
	b := tx.Bucket(bucketSkips)
	if b == nil {
		return nil
	}
	old, err := keysOf(b, func(_, data []byte) (bool, error) {
		var s store.Skip
		err := json.Unmarshal(data, &s)
		return err == nil && s.Nominal.Before(cutoff), err
	})
	for _, id := range old {
		if err := b.Delete(id); err != nil {
			return err
		}
	}
	return err
}
