package bolt

import (
	"context"
	"encoding/json"
	"time"

	"go.etcd.io/bbolt"

	"zecpower/internal/store"
)

// Load implements store.Store.
func (l *Store) Load(ctx context.Context, recent time.Time) (store.State, error) {
	state := store.NewState()
	err := l.view(ctx, "load", func(tx *bbolt.Tx) error {
		if data := tx.Bucket(bucketMeta).Get(keyThrough); data != nil {
			if err := json.Unmarshal(data, &state.DecidedThrough); err != nil {
				return err
			}
		}
		if err := loadMap(tx.Bucket(bucketWatermarks), state.Watermarks); err != nil {
			return err
		}
		if err := loadMap(tx.Bucket(bucketLast), state.Last); err != nil {
			return err
		}
		if err := loadSkips(tx, &state); err != nil {
			return err
		}
		if err := loadRecent(tx, recent, &state); err != nil {
			return err
		}
		return loadUnfinished(tx, &state)
	})
	if err != nil {
		return store.State{}, err
	}
	return state, nil
}

func loadMap[V any](b *bbolt.Bucket, into map[string]V) error {
	return b.ForEach(func(k, data []byte) error {
		var v V
		if err := json.Unmarshal(data, &v); err != nil {
			return err
		}
		into[string(k)] = v
		return nil
	})
}

func loadRecent(tx *bbolt.Tx, recent time.Time, state *store.State) error {
	c := tx.Bucket(bucketRecords).Cursor()
	for k, data := c.Seek(timeKey(recent.Add(1))); k != nil; k, data = c.Next() {
		r, err := decodeRecord(k, data)
		if err != nil {
			return err
		}
		state.AddRecent(r)
	}
	return nil
}

func loadUnfinished(tx *bbolt.Tx, state *store.State) error {
	err := tx.Bucket(bucketUnfinished).ForEach(func(id, _ []byte) error {
		r, err := getRun(tx, string(id))
		if err == nil && r != nil {
			state.Unfinished = append(state.Unfinished, r.Run())
		}
		return err
	})
	state.SortUnfinished()
	return err
}
