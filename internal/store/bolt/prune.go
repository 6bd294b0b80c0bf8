package bolt

import (
	"bytes"
	"errors"
	"time"

	"go.etcd.io/bbolt"

	"zecpower/internal/store"
)

const (
	// pruneEvery is how often old records are searched for.
	pruneEvery = time.Hour
	// pruneBatch is how many records one step removes. A step delays writes by milliseconds, and
	// writes go before steps.
	pruneBatch = 500
)

// considerPruning starts pruning once pruneEvery of the loop's own time has passed. A clock that
// jumps starts the hour anew: a clock set forward by a year for a minute must not cost the history.
func (l *Store) considerPruning(now time.Time) {
	between := now.Sub(l.roundAt)
	l.roundAt = now
	if between < 0 || between > pruneEvery || l.prunedAt.IsZero() {
		l.prunedAt = now
		return
	}
	if now.Sub(l.prunedAt) >= pruneEvery {
		l.prunedAt, l.pruning = now, true
	}
}

// pruneStep removes some of what is older than the retention.
func (l *Store) pruneStep() {
	cutoff := l.prunedAt.Add(-l.cfg.Retention)
	more := false
	err := l.transact(func(tx *bbolt.Tx) (err error) {
		more, err = pruneRecords(tx, cutoff)
		if err != nil || more {
			return err
		}
		return errors.Join(pruneLists(tx, cutoff), pruneMembers(tx, cutoff), pruneSkips(tx, l.prunedAt.Add(-store.SkipKept)))
	})
	l.pruning = more && err == nil // the next write meets the error again and reports it
}

func pruneRecords(tx *bbolt.Tx, cutoff time.Time) (more bool, err error) {
	end := timeKey(cutoff)
	unfinished := tx.Bucket(bucketUnfinished)
	var old [][]byte
	c := tx.Bucket(bucketRecords).Cursor()
	for k, _ := c.First(); k != nil && bytes.Compare(k, end) < 0; k, _ = c.Next() {
		if _, _, id := splitRecordKey(k); unfinished.Get([]byte(id)) != nil {
			continue // it has no end yet
		}
		if len(old) == pruneBatch {
			more = true
			break
		}
		old = append(old, bytes.Clone(k))
	}
	for _, k := range old {
		if err := pruneRecord(tx, k); err != nil {
			return false, err
		}
	}
	return more, nil
}

func pruneRecord(tx *bbolt.Tx, key []byte) error {
	_, _, id := splitRecordKey(key)
	return errors.Join(deleteUnder(tx.Bucket(bucketOutcomes), ofRun(id)),
		tx.Bucket(bucketIDs).Delete([]byte(id)), tx.Bucket(bucketRecords).Delete(key))
}

// pruneLists removes the lists that no remaining run refers to.
func pruneLists(tx *bbolt.Tx, cutoff time.Time) error {
	end := timeKey(cutoff)
	old, _ := keysOf(tx.Bucket(bucketSeen), func(_, seen []byte) (bool, error) { return bytes.Compare(seen, end) < 0, nil })
	for _, hash := range old {
		if err := tx.Bucket(bucketLists).Delete(hash); err != nil {
			return err
		}
		if err := tx.Bucket(bucketSeen).Delete(hash); err != nil {
			return err
		}
	}
	return nil
}

// keysOf lists the keys of b whose entries are chosen, to be removed: what ForEach visits must not change
// under it.
func keysOf(b *bbolt.Bucket, chosen func(key, value []byte) (bool, error)) (keys [][]byte, err error) {
	err = b.ForEach(func(key, value []byte) error {
		yes, err := chosen(key, value)
		if yes {
			keys = append(keys, bytes.Clone(key))
		}
		return err
	})
	return keys, err
}
