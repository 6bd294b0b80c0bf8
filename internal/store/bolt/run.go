package bolt

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"go.etcd.io/bbolt"

	"zecpower/internal/power"
	"zecpower/internal/store"
)

// encodedBeginning is a beginning whose groups are encoded.
type encodedBeginning struct {
	store.Beginning
	targets []store.GroupValue
}

// encodeBeginnings encodes outside of the writer, which others wait for.
func (l *Store) encodeBeginnings(begins []store.Beginning) ([]encodedBeginning, error) {
	encoded := make([]encodedBeginning, 0, len(begins))
	for _, b := range begins {
		targets := store.EncodeTargets(b.Groups)
		if err := l.packNew(targets); err != nil {
			return nil, fmt.Errorf("store: record the beginning of %s: %w", b.Run.ID, err)
		}
		encoded = append(encoded, encodedBeginning{b, targets})
	}
	return encoded, nil
}

// packNew packs the lists that the store does not have, outside of the writer. One that is removed
// meanwhile, or cannot be read, is packed there.
func (l *Store) packNew(groups []store.GroupValue) error {
	known := make([]bool, len(groups))
	_ = l.view(context.Background(), "find lists", func(tx *bbolt.Tx) error {
		for i := range groups {
			hash := groups[i].Totals.List
			known[i] = hash == nil || tx.Bucket(bucketLists).Get(hash) != nil
		}
		return nil
	})
	for i := range groups {
		if known[i] {
			continue
		}
		if err := groups[i].Pack(); err != nil {
			return err
		}
	}
	return nil
}

// byRun finds beginnings by the id of their run.
func byRun(begins []encodedBeginning) map[string]*encodedBeginning {
	found := make(map[string]*encodedBeginning, len(begins))
	for i := range begins {
		found[begins[i].Run.ID] = &begins[i]
	}
	return found
}

func (l *Store) begin(tx *bbolt.Tx, b encodedBeginning) error {
	return changeRun(tx, b.Run, func(r *store.Record) error { return l.putBeginning(tx, r, &b) })
}

// putBeginning changes r to a run that begins, and puts its lists.
func (l *Store) putBeginning(tx *bbolt.Tx, r *store.Record, b *encodedBeginning) error {
	r.Begin(b.Beginning, b.targets, l.process)
	return putGroups(tx, r, b.targets)
}

// Finish implements store.Store. A run without a report is closed with its progress.
func (l *Store) Finish(ctx context.Context, run store.Run, e store.End) error {
	const op = "record a run's end"
	var groups []power.GroupReport
	if e.Report != nil {
		groups = e.Report.Groups
	}
	reported, err := store.EncodeReport(groups) // as in encodeBeginnings
	if err == nil {
		err = l.packNew(reported)
	}
	if err != nil {
		return fmt.Errorf("store: %s: %w", op, err)
	}
	return l.update(ctx, op, func(tx *bbolt.Tx) error {
		return changeRun(tx, run, func(r *store.Record) error {
			values, damage, err := endOf(tx, run, e, reported)
			if err != nil {
				return err
			}
			r.Finish(e, values, damage)
			if err := closeRun(tx, r, values); err != nil {
				return err
			}
			if err := acceptMembers(tx, e.Accepted); err != nil || run.Schedule == store.ManualSchedule {
				return err
			}
			return putLast(tx, r)
		})
	})
}

// endOf returns the groups that a run ends with, and why its progress cannot be read.
func endOf(tx *bbolt.Tx, run store.Run, e store.End, reported []store.GroupValue) (values []store.GroupValue, damage, err error) {
	if e.Report != nil && !run.Resumed {
		return reported, nil, nil
	}
	done, damage := readProgress(tx, run.ID)
	if e.Report == nil {
		values, err = store.EncodeProgress(done)
		return values, damage, err
	}
	if damage != nil {
		return reported, damage, nil
	}
	values, err = store.WithProgress(done, e.Report.Groups, reported)
	return values, nil, err
}

// closeRun moves what a run did from steps to outcomes and lists.
func closeRun(tx *bbolt.Tx, r *store.Record, groups []store.GroupValue) error {
	if err := putGroups(tx, r, groups); err != nil {
		return err
	}
	if err := deleteUnder(tx.Bucket(bucketSteps), ofRun(r.ID)); err != nil {
		return err
	}
	return tx.Bucket(bucketUnfinished).Delete([]byte(r.ID))
}

func putGroups(tx *bbolt.Tx, r *store.Record, groups []store.GroupValue) error {
	for _, g := range groups {
		if err := putGroup(tx, r, g); err != nil {
			return err
		}
	}
	return nil
}

func putGroup(tx *bbolt.Tx, r *store.Record, g store.GroupValue) error {
	hash := g.Totals.List
	if hash == nil {
		return nil
	}
	if lists := tx.Bucket(bucketLists); lists.Get(hash) == nil {
		if err := g.Pack(); err != nil {
			return err
		}
		if err := lists.Put(hash, g.List); err != nil {
			return err
		}
	}
	nominal := timeKey(r.Nominal)
	if seen := tx.Bucket(bucketSeen); bytes.Compare(seen.Get(hash), nominal) < 0 {
		if err := seen.Put(hash, nominal); err != nil {
			return err
		}
	}
	// Most runs have the list of the run before: a write that changes nothing is left out.
	newest := tx.Bucket(bucketGroups)
	if before := newest.Get([]byte(g.Totals.Group)); before == nil || !g.Partial && !bytes.Equal(before, hash) {
		if err := newest.Put([]byte(g.Totals.Group), hash); err != nil {
			return err
		}
	}
	if g.Results == nil {
		return nil
	}
	return tx.Bucket(bucketOutcomes).Put(groupKey(r.ID, g.Totals.Group), g.Results)
}

func putLast(tx *bbolt.Tx, r *store.Record) error {
	b := tx.Bucket(bucketLast)
	var last store.LastRun
	if data := b.Get([]byte(r.Schedule)); data != nil {
		if err := json.Unmarshal(data, &last); err != nil {
			return err
		}
	}
	return putJSON(b, []byte(r.Schedule), last.Follow(r.ID, r))
}
