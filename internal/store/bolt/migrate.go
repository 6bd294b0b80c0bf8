package bolt

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"zecpower/internal/power"
	"zecpower/internal/store"
)

// schemaVersion is the layout that this package writes. A higher one in a file is refused; a lower
// one is migrated in place.
//
// Schema 1 had a run's schedule and nominal time as its key, and its id only in memory; and results
// without a version. An older zecpower refuses a file of schema 2.
const schemaVersion = 2

// errOlder says that a file must be migrated before it can be read.
var errOlder = errors.New("of an older schema")

// prepare brings the file to schemaVersion. It writes nothing where that is so already.
func prepare(db *bbolt.DB) error {
	version := 0 // of a new file
	err := viewOf(db, func(tx *bbolt.Tx) (err error) {
		if tx.Bucket(bucketMeta) != nil {
			version, err = schemaOf(tx)
		}
		return err
	})
	switch {
	case err != nil || version == schemaVersion:
		return err
	case version == 0:
		return updateOf(db, func(tx *bbolt.Tx) error {
			if err := makeBuckets(tx); err != nil {
				return err
			}
			return putJSON(tx.Bucket(bucketMeta), keySchema, schemaVersion)
		})
	}
	if err := migrateFrom1(db); err != nil {
		return fmt.Errorf("migrate it from schema %d to %d: %w", version, schemaVersion, err)
	}
	return nil
}

func makeBuckets(tx *bbolt.Tx) error {
	for _, name := range buckets() {
		if _, err := tx.CreateBucketIfNotExists(name); err != nil {
			return err
		}
	}
	return nil
}

func schemaOf(tx *bbolt.Tx) (version int, err error) {
	if err := json.Unmarshal(tx.Bucket(bucketMeta).Get(keySchema), &version); err != nil {
		return 0, fmt.Errorf("schema version: %w", err)
	}
	if version > schemaVersion {
		return 0, fmt.Errorf("written by a newer zecpower (schema %d, this one knows %d); use that version, or move the file away", version, schemaVersion)
	}
	if version < 1 {
		return 0, fmt.Errorf("schema version %d: there is none", version)
	}
	return version, nil
}

// The buckets of schema 1 that schema 2 has under other names, because their keys differ.
var (
	oldMarks    = []byte("marks")    // schedule → watermark
	oldEntries  = []byte("entries")  // time and schedule → record
	oldOpen     = []byte("open")     // time and schedule of a run without an end
	oldProgress = []byte("progress") // time and schedule, group, kind, number
	oldResults  = []byte("results")  // time and schedule, group
)

// migrateBatch is how many records one transaction of a migration copies.
const migrateBatch = 1000

// migrateFrom1 copies the records in batches, and then makes the rest and the version true in one
// transaction. A crash before that leaves a file of schema 1, and the next start begins anew.
func migrateFrom1(db *bbolt.DB) error {
	err := updateOf(db, func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{bucketRecords, bucketIDs, bucketOutcomes} {
			if tx.Bucket(name) == nil {
				continue
			}
			if err := tx.DeleteBucket(name); err != nil {
				return err
			}
		}
		return makeBuckets(tx)
	})
	for after := []byte(nil); err == nil; {
		err = updateOf(db, func(tx *bbolt.Tx) (err error) {
			after, err = migrateRecords(tx, after)
			return err
		})
		if after == nil {
			break
		}
	}
	if err != nil {
		return err
	}
	return updateOf(db, func(tx *bbolt.Tx) error {
		for _, step := range []func(*bbolt.Tx) error{migrateRuns, migrateSchedules, dropOld} {
			if err := step(tx); err != nil {
				return err
			}
		}
		return putJSON(tx.Bucket(bucketMeta), keySchema, schemaVersion)
	})
}

// oldID is the id of a record of schema 1: its schedule and nominal time, from its key.
func oldID(key []byte) (id string, err error) {
	if len(key) < 9 {
		return "", fmt.Errorf("entry %q: no time and schedule", key)
	}
	nominal := time.Unix(0, int64(binary.BigEndian.Uint64(key))).UTC() //nolint:gosec // after 1970
	return string(key[8:]) + "/" + nominal.Format(time.RFC3339), nil
}

// migrateRecords copies a batch of the records that follow after, with their results. last is the
// last one that it copied; nil: there are no more.
func migrateRecords(tx *bbolt.Tx, after []byte) (last []byte, err error) {
	c := tx.Bucket(oldEntries).Cursor()
	k, data := c.Seek(after)
	if k != nil && bytes.Equal(k, after) {
		k, data = c.Next()
	}
	for n := 0; k != nil; k, data = c.Next() {
		if n++; n > migrateBatch {
			return last, nil
		}
		if err := migrateRecord(tx, k, data); err != nil {
			return nil, err
		}
		last = bytes.Clone(k)
	}
	return nil, nil
}

func migrateRecord(tx *bbolt.Tx, key, data []byte) error {
	id, err := oldID(key)
	if err != nil {
		return err
	}
	r, err := decodeRecord(recordKey(key, id), data)
	if err != nil {
		return err
	}
	if err := putRecord(tx, r); err != nil {
		return err
	}
	prefix := ofRun(string(key))
	return under(tx.Bucket(oldResults), prefix, func(k, value []byte) error {
		return tx.Bucket(bucketOutcomes).Put(append(ofRun(id), k[len(prefix):]...), store.ResultsOfSchema1(value))
	})
}

// migrateRuns copies the runs without an end, with what they have done.
func migrateRuns(tx *bbolt.Tx) error {
	err := tx.Bucket(oldOpen).ForEach(func(k, _ []byte) error {
		id, err := oldID(k)
		if err != nil {
			return err
		}
		return tx.Bucket(bucketUnfinished).Put([]byte(id), present)
	})
	if err != nil {
		return err
	}
	return tx.Bucket(oldProgress).ForEach(func(k, value []byte) error {
		end := 8 + bytes.IndexByte(k[min(8, len(k)):], 0)
		id, err := oldID(k[:max(end, 0)])
		if err != nil {
			return err
		}
		key := append([]byte(id), k[end:]...)
		kind := len(k) - 9 // the last 8 bytes number it
		switch {
		case kind <= end:
		case k[kind] == kindFinal:
			value = store.ResultsOfSchema1(value)
		case k[kind] == kindAccepted:
			value = store.AcceptedOfSchema1(value)
		}
		return tx.Bucket(bucketSteps).Put(key, value)
	})
}

// migrateSchedules copies the watermarks, and reads the last runs under both names of their result.
func migrateSchedules(tx *bbolt.Tx) error {
	err := tx.Bucket(oldMarks).ForEach(func(name, data []byte) error {
		return tx.Bucket(bucketWatermarks).Put(name, data)
	})
	if err != nil {
		return err
	}
	last := map[string]struct {
		store.LastRun
		Outcome power.Result
	}{}
	if err := loadMap(tx.Bucket(bucketLast), last); err != nil {
		return err
	}
	for name, l := range last {
		if l.Result == "" {
			l.Result = l.Outcome
		}
		if err := putJSON(tx.Bucket(bucketLast), []byte(name), l.LastRun); err != nil {
			return err
		}
	}
	return nil
}

func dropOld(tx *bbolt.Tx) error {
	for _, name := range [][]byte{oldMarks, oldEntries, oldOpen, oldProgress, oldResults} {
		if err := tx.DeleteBucket(name); err != nil {
			return err
		}
	}
	return nil
}
