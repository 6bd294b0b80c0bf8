package bolt

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"zecpower/internal/store"
)

// idsKey is the key of the ids of a group's accepted list; the rest stands under the group's name.
func idsKey(group string) []byte { return []byte(group + "\x00ids") }

// Membership implements store.Store.
func (l *Store) Membership(ctx context.Context, group string) (m store.Membership, err error) {
	err = l.view(ctx, "read the accepted members of a group", func(tx *bbolt.Tx) error {
		b := tx.Bucket(bucketMembers)
		if b == nil {
			return nil
		}
		m, _, err = getMembership(b, group)
		return err
	})
	return m, err
}

// AcceptMembers implements store.Store.
func (l *Store) AcceptMembers(ctx context.Context, all []store.Acceptance) error {
	return l.update(ctx, "record the accepted members of groups", func(tx *bbolt.Tx) error { return acceptMembers(tx, all) })
}

// acceptMembers changes the accepted lists. Their bucket is made by the first call, because a file of this
// schema may be older than the bucket.
func acceptMembers(tx *bbolt.Tx, all []store.Acceptance) error {
	if len(all) == 0 {
		return nil
	}
	b, err := tx.CreateBucketIfNotExists(bucketMembers)
	if err != nil {
		return err
	}
	for _, a := range all {
		if err := acceptOne(b, a); err != nil {
			return fmt.Errorf("group %s: %w", a.Group, err)
		}
	}
	return nil
}

// acceptOne writes the ids only where they changed: they may be a million.
func acceptOne(b *bbolt.Bucket, a store.Acceptance) error {
	if err := checkKey("group", a.Group); err != nil {
		return err
	}
	before, sum, err := getMembership(b, a.Group)
	if err != nil {
		return err
	}
	next := store.EncodeMembership(before.After(a))
	if !bytes.Equal(next.Sum, sum) {
		packed, err := next.Pack()
		if err != nil {
			return err
		}
		if err := b.Put(idsKey(a.Group), packed); err != nil {
			return err
		}
	}
	return putJSON(b, []byte(a.Group), next)
}

// getMembership is zero where there is no list.
func getMembership(b *bbolt.Bucket, group string) (m store.Membership, sum []byte, err error) {
	data := b.Get([]byte(group))
	if data == nil {
		return m, nil, nil
	}
	var v store.MembershipValue
	if err := json.Unmarshal(data, &v); err != nil {
		return m, nil, err
	}
	m, err = v.Decode(b.Get(idsKey(group)))
	return m, v.Sum, err
}

// pruneMembers removes the lists of groups that no run has confirmed since cutoff.
func pruneMembers(tx *bbolt.Tx, cutoff time.Time) error {
	b := tx.Bucket(bucketMembers)
	if b == nil {
		return nil
	}
	old, err := keysOf(b, func(key, value []byte) (bool, error) {
		if bytes.IndexByte(key, 0) >= 0 {
			return false, nil // the ids of a list
		}
		var v store.MembershipValue
		err := json.Unmarshal(value, &v)
		return err == nil && v.At.Before(cutoff), err
	})
	for _, group := range old {
		if err := b.Delete(group); err != nil {
			return err
		}
		if err := b.Delete(idsKey(string(group))); err != nil {
			return err
		}
	}
	return err
}
