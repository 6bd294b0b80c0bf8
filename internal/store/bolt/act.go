package bolt

import (
	"context"

	"go.etcd.io/bbolt"

	"zecpower/internal/store"
)

// RecordAct implements store.Store. Acts are records like those of nominal times, so that the history
// and the retention have them; the key of the newest stands among the tails, under a name that no
// schedule has.
func (l *Store) RecordAct(ctx context.Context, a store.Act) error {
	return l.update(ctx, "record what a person did", func(tx *bbolt.Tx) error {
		tails := tx.Bucket(bucketTails)
		if key := tails.Get([]byte(store.ManualSchedule)); key != nil {
			tail, err := getRecord(tx, key)
			if err != nil {
				return err
			}
			if tail != nil && tail.ContinueAct(a) {
				return putRecord(tx, tail)
			}
		}
		r := store.NewAct(a)
		if err := putRecord(tx, &r); err != nil {
			return err
		}
		return tails.Put([]byte(store.ManualSchedule), recordKey(placeOf(r.Nominal, r.Schedule), r.ID))
	})
}
