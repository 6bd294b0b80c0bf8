package bolt

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.etcd.io/bbolt"

	"zecpower/internal/store"
)

var (
	bucketMeta       = []byte("meta")       // schema, through, accepted keys
	bucketWatermarks = []byte("watermarks") // schedule → store.Watermark
	bucketRecords    = []byte("records")    // record key → store.Record
	bucketIDs        = []byte("ids")        // id of a run → its record key without the id
	bucketUnfinished = []byte("unfinished") // id of a run without an end → anything
	bucketTails      = []byte("tails")      // schedule → record key of its newest note; "manual" → that of the newest act
	bucketSteps      = []byte("steps")      // id, group, kind, which → ids or results
	bucketOutcomes   = []byte("outcomes")   // id, group → results in the order of the list
	bucketLists      = []byte("lists")      // hash → ids
	bucketSeen       = []byte("seen")       // hash → newest nominal time of a run that had this list
	bucketGroups     = []byte("groups")     // group → hash of its newest list
	bucketLast       = []byte("last")       // schedule → store.LastRun
	bucketCalendars  = []byte("calendars")  // calendar → store.CalendarDates
	bucketMembers    = []byte("members")    // group → store.MembershipValue; group, "ids" → its ids
	bucketSkips      = []byte("skips")      // id of a skip → store.Skip

	keySchema  = []byte("schema")
	keyThrough = []byte("through")
)

// buckets are those that every file has. bucketCalendars, bucketMembers and bucketSkips are made by the
// first write to them.
func buckets() [][]byte {
	return [][]byte{
		bucketMeta, bucketWatermarks, bucketRecords, bucketIDs, bucketUnfinished, bucketTails, bucketSteps, bucketOutcomes,
		bucketLists, bucketSeen, bucketGroups, bucketLast,
	}
}

// present is a value that only says that its key is there.
var present = []byte{1}

// checkKey refuses a text that cannot be part of a key. 0 ends the parts of a key.
func checkKey(what, text string) error {
	const most = 1 << 10
	if text == "" || len(text) > most || strings.IndexByte(text, 0) >= 0 {
		return fmt.Errorf("%s %.40q: it must have 1 to %d bytes, none of them 0", what, text, most)
	}
	return nil
}

// placeOf is a record's key without the id: it orders records by time, then by schedule.
func placeOf(nominal time.Time, schedule string) []byte {
	return append(timeKey(nominal), schedule...)
}

func timeKey(t time.Time) []byte {
	return binary.BigEndian.AppendUint64(nil, uint64(t.UnixNano())) //nolint:gosec // after 1970
}

func recordKey(place []byte, id string) []byte {
	key := make([]byte, 0, len(place)+1+len(id))
	key = append(key, place...)
	key = append(key, 0)
	return append(key, id...)
}

func splitRecordKey(key []byte) (nominal time.Time, schedule, id string) {
	nominal = time.Unix(0, int64(binary.BigEndian.Uint64(key))).UTC() //nolint:gosec // as in timeKey
	schedule, id, _ = strings.Cut(string(key[8:]), "\x00")
	return nominal, schedule, id
}

// groupKey is the key, or the prefix of the keys, of a run's part of a group.
func groupKey(id, group string) []byte { return []byte(id + "\x00" + group + "\x00") }

// ofRun is the prefix of all group keys of a run.
func ofRun(id string) []byte { return []byte(id + "\x00") }

func putJSON(b *bbolt.Bucket, key []byte, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return b.Put(key, data)
}

// getRun is the record of a run; nil where there is none.
func getRun(tx *bbolt.Tx, id string) (*store.Record, error) {
	place := tx.Bucket(bucketIDs).Get([]byte(id))
	if place == nil {
		return nil, nil //nolint:nilnil // absence is no error here
	}
	return getRecord(tx, recordKey(place, id))
}

// getRecord is nil where there is none.
func getRecord(tx *bbolt.Tx, key []byte) (*store.Record, error) {
	data := tx.Bucket(bucketRecords).Get(key)
	if data == nil {
		return nil, nil //nolint:nilnil // as above
	}
	return decodeRecord(key, data)
}

func decodeRecord(key, data []byte) (*store.Record, error) {
	var r store.Record
	r.Nominal, r.Schedule, r.ID = splitRecordKey(key)
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("record of %s: %w", r.ID, err)
	}
	return &r, nil
}

func putRecord(tx *bbolt.Tx, r *store.Record) error {
	if err := errors.Join(checkKey("run id", r.ID), checkKey("schedule", r.Schedule)); err != nil {
		return err
	}
	place := placeOf(r.Nominal, r.Schedule)
	if ids := tx.Bucket(bucketIDs); r.Claimed() && ids.Get([]byte(r.ID)) == nil {
		if err := ids.Put([]byte(r.ID), place); err != nil {
			return err
		}
	}
	return putJSON(tx.Bucket(bucketRecords), recordKey(place, r.ID), r)
}

// under calls do for each key with the prefix. do must not change the bucket.
func under(b *bbolt.Bucket, prefix []byte, do func(key, value []byte) error) error {
	c := b.Cursor()
	for k, v := c.Seek(prefix); k != nil && bytes.HasPrefix(k, prefix); k, v = c.Next() {
		if err := do(k, v); err != nil {
			return err
		}
	}
	return nil
}

// deleteUnder removes each key with the prefix.
func deleteUnder(b *bbolt.Bucket, prefix []byte) error {
	var keys [][]byte
	err := under(b, prefix, func(key, _ []byte) error {
		keys = append(keys, bytes.Clone(key))
		return nil
	})
	for _, key := range keys {
		err = errors.Join(err, b.Delete(key))
	}
	return err
}
