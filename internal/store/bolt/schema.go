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

	"zecpower/internal/power"
	"zecpower/scheduler"
)

var (
	bucketMeta       = []byte("meta")     // schema, through
	bucketWatermarks = []byte("marks")    // schedule → scheduler.Watermark
	bucketEntries    = []byte("entries")  // entry key → entry
	bucketOpen       = []byte("open")     // entry key of a run without an end → nothing
	bucketProgress   = []byte("progress") // entry key, group, kind, number → ids or results
	bucketResults    = []byte("results")  // entry key, group → outcomes in the order of the list
	bucketLists      = []byte("lists")    // hash → ids
	bucketSeen       = []byte("seen")     // hash → newest nominal time of a run that had this list
	bucketGroups     = []byte("groups")   // group → hash of its newest list
	bucketLast       = []byte("last")     // schedule → scheduler.LastRun

	keySchema  = []byte("schema")
	keyThrough = []byte("through")
)

func buckets() [][]byte {
	return [][]byte{
		bucketMeta, bucketWatermarks, bucketEntries, bucketOpen, bucketProgress, bucketResults, bucketLists, bucketSeen,
		bucketGroups, bucketLast,
	}
}

// ManualSchedule stands in the place of a schedule's name in runs by hand.
const ManualSchedule = "manual"

// entry is what became of one nominal time. A zero field is left out of the file.
type entry struct {
	// Decision is scheduler.DecisionRun for a run, begun or yet to begin; else why there is none.
	Decision scheduler.DecisionKind `json:"v"`
	Action   power.Action           `json:"a,omitempty"`
	Groups   []string               `json:"g,omitempty"`
	Last     time.Time              `json:"l,omitzero"`
	Count    int                    `json:"n,omitempty"`
	AtLeast  bool                   `json:"m,omitempty"`
	Reason   scheduler.MissedReason `json:"r,omitempty"`
	Calendar string                 `json:"c,omitempty"`

	RunAt        time.Time      `json:"at,omitzero"`
	Deadline     time.Time      `json:"dl,omitzero"`
	CatchUp      bool           `json:"cu,omitempty"`
	Waits        scheduler.Wait `json:"w,omitempty"`
	Resumes      int            `json:"rs,omitempty"`
	ResumedBy    string         `json:"rb,omitempty"` // the Store.session that counted the last resume
	StartedAt    time.Time      `json:"st,omitzero"`
	FirstRequest time.Time      `json:"fr,omitzero"`
	FinishedAt   time.Time      `json:"fi,omitzero"`
	Result       power.Result   `json:"o,omitempty"` // set by the end
	Err          string         `json:"e,omitempty"`
	Totals       []totals       `json:"t,omitempty"` // set by the end
}

// totals is the sum of one group, and where its instances are.
type totals struct {
	Group      string `json:"g"`
	Total      int    `json:"t,omitempty"`
	Done       int    `json:"d,omitempty"`
	Already    int    `json:"a,omitempty"`
	Failed     int    `json:"f,omitempty"`
	Duplicates int    `json:"u,omitempty"`
	Err        string `json:"e,omitempty"`
	List       []byte `json:"l,omitempty"`
}

func (e *entry) isRun() bool { return e.Decision == scheduler.DecisionRun }

// reported reports whether the run ended with a report. Its results are then complete.
func (e *entry) reported() bool { return !e.StartedAt.IsZero() }

// entryKey orders entries by time, then by schedule.
func entryKey(schedule string, nominal time.Time) []byte {
	key := make([]byte, 8, 8+len(schedule))
	binary.BigEndian.PutUint64(key, uint64(nominal.UnixNano())) //nolint:gosec // after 1970
	return append(key, schedule...)
}

func splitKey(key []byte) (schedule string, nominal time.Time) {
	return string(key[8:]), time.Unix(0, int64(binary.BigEndian.Uint64(key))).UTC() //nolint:gosec // as above
}

// runKey is the entry key of a run id, `<schedule>/<time>`.
func runKey(runID string) ([]byte, error) {
	at := strings.LastIndexByte(runID, '/')
	if at <= 0 {
		return nil, fmt.Errorf("run id %q: not schedule/time", runID)
	}
	nominal, err := time.Parse(time.RFC3339Nano, runID[at+1:])
	if err != nil {
		return nil, fmt.Errorf("run id %q: %w", runID, err)
	}
	return entryKey(runID[:at], nominal), nil
}

// groupKey is the key, or the prefix of the keys, of an entry's part of a group.
func groupKey(entryKey []byte, group string) []byte {
	key := make([]byte, 0, len(entryKey)+len(group)+2+9)
	key = append(key, entryKey...)
	key = append(key, 0)
	key = append(key, group...)
	return append(key, 0)
}

// ofEntry is the prefix of all group keys of an entry.
func ofEntry(entryKey []byte) []byte { return append(bytes.Clone(entryKey), 0) }

func putJSON(b *bbolt.Bucket, key []byte, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return b.Put(key, data)
}

// getEntry is nil where there is none.
func getEntry(tx *bbolt.Tx, key []byte) (*entry, error) {
	data := tx.Bucket(bucketEntries).Get(key)
	if data == nil {
		return nil, nil //nolint:nilnil // absence is no error here
	}
	var e entry
	if err := json.Unmarshal(data, &e); err != nil {
		return nil, fmt.Errorf("entry: %w", err)
	}
	return &e, nil
}

func putEntry(tx *bbolt.Tx, key []byte, e *entry) error {
	return putJSON(tx.Bucket(bucketEntries), key, e)
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

// newTotals is the sum of a group report.
func newTotals(g power.GroupReport) totals {
	return totals{
		Group: g.Group, Total: g.Total, Done: g.Done, Already: g.Already, Failed: g.Failed,
		Duplicates: g.Duplicates, Err: g.Err,
	}
}
