package bolt

import (
	"context"

	"go.etcd.io/bbolt"

	"zecpower/internal/store"
)

// RecordCalendars implements store.Store. Its bucket is made by the first call, because a file of
// this schema may be older than the bucket.
func (l *Store) RecordCalendars(ctx context.Context, read map[string]store.CalendarDates, keep []string) error {
	return l.update(ctx, "record the dates of calendars", func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists(bucketCalendars)
		if err != nil {
			return err
		}
		if err := deleteOthers(b, read, keep); err != nil {
			return err
		}
		for name, dates := range read {
			if err := putJSON(b, []byte(name), dates); err != nil {
				return err
			}
		}
		return nil
	})
}

// deleteOthers removes the records of calendars that are in neither read nor keep.
func deleteOthers(b *bbolt.Bucket, read map[string]store.CalendarDates, keep []string) error {
	kept := make(map[string]bool, len(keep))
	for _, name := range keep {
		kept[name] = true
	}
	gone, _ := keysOf(b, func(name, _ []byte) (bool, error) {
		_, again := read[string(name)]
		return !again && !kept[string(name)], nil
	})
	for _, name := range gone {
		if err := b.Delete(name); err != nil {
			return err
		}
	}
	return nil
}

// Calendars implements store.Store.
func (l *Store) Calendars(ctx context.Context) (map[string]store.CalendarDates, error) {
	all := map[string]store.CalendarDates{}
	err := l.view(ctx, "read the dates of calendars", func(tx *bbolt.Tx) error {
		b := tx.Bucket(bucketCalendars)
		if b == nil {
			return nil
		}
		return loadMap(b, all)
	})
	return all, err
}
