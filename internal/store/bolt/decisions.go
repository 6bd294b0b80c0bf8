package bolt

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"zecpower/internal/power"
	"zecpower/scheduler"
)

var _ scheduler.Store = (*Store)(nil)

// Load implements scheduler.Store.
func (l *Store) Load(recent time.Time) (scheduler.State, error) {
	state := scheduler.State{
		Watermarks: map[string]scheduler.Watermark{}, Ran: map[string][]time.Time{}, Last: map[string]scheduler.LastRun{},
	}
	err := l.view("load", func(tx *bbolt.Tx) error {
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
		if err := loadRecent(tx, recent, state.Ran); err != nil {
			return err
		}
		var err error
		state.Unfinished, err = loadOpen(tx)
		return err
	})
	if err != nil {
		return scheduler.State{}, err
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

func loadRecent(tx *bbolt.Tx, recent time.Time, ran map[string][]time.Time) error {
	c := tx.Bucket(bucketEntries).Cursor()
	for k, data := c.Seek(entryKey("", recent)); k != nil; k, data = c.Next() {
		var e entry
		if err := json.Unmarshal(data, &e); err != nil {
			return err
		}
		if name, nominal := splitKey(k); e.isRun() || !e.RunAt.IsZero() {
			ran[name] = append(ran[name], nominal)
		}
	}
	return nil
}

// loadOpen lists the runs without an end.
func loadOpen(tx *bbolt.Tx) (open []scheduler.Firing, err error) {
	err = tx.Bucket(bucketOpen).ForEach(func(k, _ []byte) error {
		e, err := getEntry(tx, k)
		if err != nil || e == nil {
			return err
		}
		name, nominal := splitKey(k)
		open = append(open, scheduler.Firing{
			RunID: scheduler.RunID(name, nominal), Schedule: name, Action: e.Action, Groups: e.Groups,
			Nominal: nominal, RunAt: e.RunAt, Deadline: e.Deadline, CatchUp: e.CatchUp, Waits: e.Waits,
		})
		return nil
	})
	return open, err
}

// Decide implements scheduler.Store.
func (l *Store) Decide(r scheduler.Round) ([]string, error) {
	// Owned by the writer until update returns nil: a write that timed out may still set it.
	var held []string
	err := l.update("record decisions", func(tx *bbolt.Tx) error {
		held = nil
		for _, d := range r.Decisions {
			already, err := l.decide(tx, d)
			if err != nil {
				return err
			}
			if already {
				held = append(held, scheduler.RunID(d.Schedule, d.Nominal))
			}
		}
		for _, f := range r.Begins {
			if err := l.begin(tx, f); err != nil {
				return err
			}
		}
		for _, a := range r.Abandons {
			if err := abandon(tx, a); err != nil {
				return err
			}
		}
		return l.putWatermarks(tx, r)
	})
	if err != nil {
		return nil, err
	}
	return held, nil
}

func (l *Store) putWatermarks(tx *bbolt.Tx, r scheduler.Round) error {
	if !r.At.IsZero() {
		if err := putJSON(tx.Bucket(bucketMeta), keyThrough, r.At); err != nil {
			return err
		}
		l.considerPruning(r.At)
	}
	for _, m := range r.Watermarks {
		if err := putJSON(tx.Bucket(bucketWatermarks), []byte(m.Schedule), m); err != nil {
			return err
		}
	}
	for _, name := range r.Forget {
		for _, bucket := range [][]byte{bucketWatermarks, bucketLast} {
			if err := tx.Bucket(bucket).Delete([]byte(name)); err != nil {
				return err
			}
		}
		delete(l.tails, name)
	}
	return nil
}

// decide writes one decision. held reports that its run is recorded already.
func (l *Store) decide(tx *bbolt.Tx, d scheduler.Decision) (held bool, err error) {
	key := entryKey(d.Schedule, d.Nominal)
	there, err := getEntry(tx, key)
	if err != nil {
		return false, err
	}
	if there != nil && !there.RunAt.IsZero() {
		return d.Claims(), nil // a recorded run stays, whatever is decided about its time later
	}
	if d.Claims() {
		return false, claim(tx, key, d)
	}
	return false, l.note(tx, key, d)
}

func claim(tx *bbolt.Tx, key []byte, d scheduler.Decision) error {
	e := entry{
		Decision: scheduler.DecisionRun, Action: d.Action, Groups: d.Groups, RunAt: d.RunAt.UTC(), Deadline: utc(d.Deadline),
		CatchUp: d.Kind == scheduler.DecisionCatchUp, Waits: d.Firing().Waits,
	}
	if err := tx.Bucket(bucketOpen).Put(key, nil); err != nil {
		return err
	}
	return putEntry(tx, key, &e)
}

// note writes why a time did not run. It extends the schedule's newest such entry where that is of
// the same day and kind, so that a paused "@every 10s" is one entry a day, not 8,640.
func (l *Store) note(tx *bbolt.Tx, key []byte, d scheduler.Decision) error {
	if tail := l.tails[d.Schedule]; tail != nil {
		e, err := getEntry(tx, tail)
		if err != nil {
			return err
		}
		if e != nil && e.continuedBy(tail, d) {
			if d.Last.After(e.Last) { // else this decision is repeated
				e.Last, e.Count, e.AtLeast = d.Last.UTC(), e.Count+d.Count, d.AtLeast
			}
			return putEntry(tx, tail, e)
		}
	}
	l.tails[d.Schedule] = key
	return putEntry(tx, key, &entry{
		Decision: d.Kind, Action: d.Action, Groups: d.Groups, Last: d.Last.UTC(), Count: d.Count,
		AtLeast: d.AtLeast, Reason: d.Reason, Calendar: d.Calendar,
	})
}

func (e *entry) continuedBy(key []byte, d scheduler.Decision) bool {
	_, first := splitKey(key)
	return e.RunAt.IsZero() && e.Decision == d.Kind && e.Reason == d.Reason && e.Calendar == d.Calendar && !e.AtLeast &&
		scheduler.SameDay(first, d.Nominal) && !d.Nominal.Before(first)
}

func (l *Store) begin(tx *bbolt.Tx, f scheduler.Firing) error {
	return changeRun(tx, f, func(_ []byte, e *entry) error {
		e.Groups, e.RunAt, e.Deadline, e.CatchUp, e.Waits = f.Groups, f.RunAt.UTC(), utc(f.Deadline), f.CatchUp, f.Waits
		// A process resumes a run once; where it is recorded, this begin is repeated.
		if f.Resumed && e.ResumedBy != l.session {
			e.Resumes++
			e.ResumedBy = l.session
		}
		return nil
	})
}

func abandon(tx *bbolt.Tx, a scheduler.Abandonment) error {
	return changeRun(tx, a.Firing, func(key []byte, e *entry) error {
		groups, err := groupsFromProgress(tx, key)
		e.noteDamage(err)
		e.Decision, e.Reason, e.FinishedAt, e.Count, e.Last = a.Kind, a.Reason, a.At.UTC(), 1, a.Firing.Nominal.UTC()
		return closeRun(tx, key, a.Firing.Nominal, e, groups)
	})
}

// Finish implements scheduler.Store. A run without a report is closed with what the journal holds
// of it.
func (l *Store) Finish(f scheduler.Firing, r scheduler.RunEnd, at time.Time) error {
	report := power.Report{}
	if r.Report != nil {
		report = *r.Report
	}
	reported, err := encodeGroups(report.Groups) // here and not in the writer, which others wait for
	if err != nil {
		return fmt.Errorf("store: record a run's end: %w", err)
	}
	return l.update("record a run's end", func(tx *bbolt.Tx) error {
		return changeRun(tx, f, func(key []byte, e *entry) (err error) {
			e.Result, e.FinishedAt, e.Waits = r.Result, at.UTC(), scheduler.WaitNone
			if r.Err != nil {
				e.Err = r.Err.Error()
			}
			groups := reported
			switch {
			case r.Report == nil:
				groups, err = groupsFromProgress(tx, key)
			case f.Resumed:
				groups, err = withProgress(tx, key, report.Groups, reported)
			}
			e.noteDamage(err)
			e.StartedAt, e.FirstRequest = utc(report.StartedAt), utc(report.FirstRequestAt)
			if err := closeRun(tx, key, f.Nominal, e, groups); err != nil || f.Schedule == ManualSchedule {
				return err
			}
			return putLast(tx, f, e)
		})
	})
}

// RecordManual records a run by hand that has ended.
func (l *Store) RecordManual(r power.Report) error {
	f := scheduler.Firing{
		RunID: r.RunID, Schedule: ManualSchedule, Action: r.Action, Nominal: r.ScheduledAt, RunAt: r.StartedAt,
	}
	for _, g := range r.Groups {
		f.Groups = append(f.Groups, g.Group)
	}
	return l.Finish(f, scheduler.RunEnd{Result: r.Result(), Report: &r}, r.FinishedAt)
}

// changeRun changes a run that has not ended. One that has ended stays as it is.
func changeRun(tx *bbolt.Tx, f scheduler.Firing, change func(key []byte, e *entry) error) error {
	key, err := runKey(f.RunID)
	if err != nil {
		return err
	}
	e, err := getEntry(tx, key)
	if err != nil {
		return err
	}
	if e == nil || e.RunAt.IsZero() { // its claim was lost, or its time was noted as missed before
		e = &entry{
			Decision: scheduler.DecisionRun, Action: f.Action, Groups: f.Groups, RunAt: f.RunAt.UTC(), Deadline: utc(f.Deadline),
			CatchUp: f.CatchUp, Waits: f.Waits,
		}
	}
	if e.ended() {
		return nil
	}
	if err := change(key, e); err != nil {
		return err
	}
	if !e.ended() {
		if err := tx.Bucket(bucketOpen).Put(key, nil); err != nil {
			return err
		}
	}
	return putEntry(tx, key, e)
}

// noteDamage keeps a run's end where its progress cannot be read. The end of one run must not fail
// the writes that share its commit.
func (e *entry) noteDamage(err error) {
	if err == nil {
		return
	}
	damage := "what it did before it was interrupted cannot be read: " + err.Error()
	if e.Err != "" {
		damage = e.Err + "; " + damage
	}
	e.Err = damage
}

func (e *entry) ended() bool { return e.Result != "" || !e.isRun() }

// closeRun moves what a run did from the journal to results and lists.
func closeRun(tx *bbolt.Tx, key []byte, nominal time.Time, e *entry, groups []groupValues) error {
	e.Totals = nil
	for _, g := range groups {
		if err := putGroup(tx, key, nominal, g); err != nil {
			return err
		}
		e.Totals = append(e.Totals, g.totals)
	}
	if err := deleteUnder(tx.Bucket(bucketProgress), ofEntry(key)); err != nil {
		return err
	}
	return tx.Bucket(bucketOpen).Delete(key)
}

func putLast(tx *bbolt.Tx, f scheduler.Firing, e *entry) error {
	b := tx.Bucket(bucketLast)
	var last scheduler.LastRun
	if data := b.Get([]byte(f.Schedule)); data != nil {
		if err := json.Unmarshal(data, &last); err != nil {
			return err
		}
	}
	if e.Result == power.ResultOK && e.FinishedAt.After(last.LastSuccess) {
		last.LastSuccess = e.FinishedAt
	}
	if !e.FinishedAt.Before(last.FinishedAt) { // else a newer run's end is recorded already
		last.RunID, last.Nominal, last.FinishedAt, last.Result = f.RunID, f.Nominal.UTC(), e.FinishedAt, e.Result
	}
	return putJSON(b, []byte(f.Schedule), last)
}

// groupValues is a group as the file holds it.
type groupValues struct {
	totals  totals
	list    []byte // packed; nil where the group has no instance
	results []byte // packed
	partial bool   // the group had more instances than the list
}

func encodeGroups(groups []power.GroupReport) ([]groupValues, error) {
	values := make([]groupValues, 0, len(groups))
	for _, g := range groups {
		v, err := encodeGroup(newTotals(g), g.Results)
		if err != nil {
			return nil, err
		}
		values = append(values, v)
	}
	return values, nil
}

func encodeGroup(sum totals, results []power.InstanceResult) (v groupValues, err error) {
	v.totals = sum
	if len(results) == 0 {
		return v, nil
	}
	ids := joinIDs(idsOf(results))
	v.totals.List = listHash(ids)
	if v.list, err = pack(ids); err != nil {
		return v, err
	}
	v.results, err = pack(appendResults(nil, results))
	return v, err
}

func putGroup(tx *bbolt.Tx, key []byte, nominal time.Time, g groupValues) error {
	if g.list == nil {
		return nil
	}
	hash := g.totals.List
	if lists := tx.Bucket(bucketLists); lists.Get(hash) == nil {
		if err := lists.Put(hash, g.list); err != nil {
			return err
		}
	}
	if seen := tx.Bucket(bucketSeen); bytes.Compare(seen.Get(hash), unixKey(nominal)) < 0 {
		if err := seen.Put(hash, unixKey(nominal)); err != nil {
			return err
		}
	}
	if newest := tx.Bucket(bucketGroups); !g.partial || newest.Get([]byte(g.totals.Group)) == nil {
		if err := newest.Put([]byte(g.totals.Group), hash); err != nil {
			return err
		}
	}
	return tx.Bucket(bucketResults).Put(groupKey(key, g.totals.Group), g.results)
}

func unixKey(t time.Time) []byte {
	return binary.BigEndian.AppendUint64(nil, uint64(t.UnixNano())) //nolint:gosec // after 1970
}

// utc keeps a zero time zero, so that it is left out of the file.
func utc(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC()
}
