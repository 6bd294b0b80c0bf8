package bolt

import (
	"context"
	"time"

	"go.etcd.io/bbolt"
)

// keyAccepted is the prefix, in the meta bucket, of what is known of access keys.
const keyAccepted = "accepted/"

// AcceptKey implements store.Store.
func (l *Store) AcceptKey(ctx context.Context, name string, at time.Time) error {
	return l.update(ctx, "record an accepted access key", func(tx *bbolt.Tx) error {
		return tx.Bucket(bucketMeta).Put([]byte(keyAccepted+name), []byte(at.UTC().Format(time.RFC3339)))
	})
}

// KeyAccepted implements store.Store.
func (l *Store) KeyAccepted(ctx context.Context, name string) (at time.Time, err error) {
	err = l.view(ctx, "read an access key's record", func(tx *bbolt.Tx) error {
		value := tx.Bucket(bucketMeta).Get([]byte(keyAccepted + name))
		if value == nil {
			return nil
		}
		at, err = time.Parse(time.RFC3339, string(value))
		return err
	})
	return at, err
}
