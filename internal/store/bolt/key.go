package bolt

import (
	"time"

	"go.etcd.io/bbolt"
)

// keyAccepted is the prefix, in the meta bucket, of what is known of access keys.
const keyAccepted = "accepted/"

// AcceptKey records that the API accepted an access key at a time. name identifies the key and is no
// secret.
func (l *Store) AcceptKey(name string, at time.Time) error {
	return l.update("record an accepted access key", func(tx *bbolt.Tx) error {
		return tx.Bucket(bucketMeta).Put([]byte(keyAccepted+name), []byte(at.UTC().Format(time.RFC3339)))
	})
}

// KeyAccepted is when the API last accepted an access key, to within an hour; zero where that is
// not on record.
func (l *Store) KeyAccepted(name string) (at time.Time, err error) {
	err = l.view("read an access key's record", func(tx *bbolt.Tx) error {
		value := tx.Bucket(bucketMeta).Get([]byte(keyAccepted + name))
		if value == nil {
			return nil
		}
		at, err = time.Parse(time.RFC3339, string(value))
		return err
	})
	return at, err
}
