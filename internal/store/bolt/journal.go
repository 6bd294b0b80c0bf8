package bolt

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"

	"go.etcd.io/bbolt"

	"zecpower/batcher"
	"zecpower/internal/power"
)

var _ batcher.Journal = (*Store)(nil)

// The kinds of progress, as they stand in the file.
const (
	kindAttempted = 'a'
	kindFinal     = 's'
)

// Progress is what an interrupted run had done, by group.
type Progress struct {
	Final     map[string][]power.InstanceResult // final outcomes, each id once
	Attempted map[string]map[string]int         // accepted requests by id
}

// Attempted implements batcher.Journal. Each call counts.
func (l *Store) Attempted(runID, group string, ids []string) error {
	value := joinIDs(ids)
	return l.progress("record accepted instances", runID, group, func(b *bbolt.Bucket, key []byte) error {
		n, err := b.NextSequence()
		if err != nil {
			return err
		}
		return b.Put(binary.BigEndian.AppendUint64(append(key, kindAttempted), n), value)
	})
}

// Final implements batcher.Journal. The same results again change nothing.
func (l *Store) Final(runID, group string, results []power.InstanceResult) error {
	value := encodeChunk(results)
	h := fnv.New64a()
	_, _ = h.Write(joinIDs(idsOf(results)))
	return l.progress("record outcomes", runID, group, func(b *bbolt.Bucket, key []byte) error {
		return b.Put(binary.BigEndian.AppendUint64(append(key, kindFinal), h.Sum64()), value)
	})
}

func (l *Store) progress(op, runID, group string, put func(b *bbolt.Bucket, key []byte) error) error {
	key, err := runKey(runID)
	if err != nil {
		return fmt.Errorf("store: %s: %w", op, err)
	}
	return l.update(op, func(tx *bbolt.Tx) error {
		if e, err := getEntry(tx, key); err != nil || e != nil && e.ended() {
			return err // progress of a run that has ended comes too late
		}
		return put(tx.Bucket(bucketProgress), groupKey(key, group))
	})
}

// Progress reads what is known of a run that has not ended.
func (l *Store) Progress(runID string) (p Progress, err error) {
	key, err := runKey(runID)
	if err != nil {
		return p, fmt.Errorf("store: read a run's progress: %w", err)
	}
	err = l.view("read a run's progress", func(tx *bbolt.Tx) error {
		p, err = readProgress(tx, key)
		return err
	})
	return p, err
}

func readProgress(tx *bbolt.Tx, key []byte) (Progress, error) {
	p := Progress{Final: map[string][]power.InstanceResult{}, Attempted: map[string]map[string]int{}}
	seen := map[string]map[string]bool{}
	prefix := ofEntry(key)
	err := under(tx.Bucket(bucketProgress), prefix, func(k, value []byte) error {
		end := len(k) - 9 // kind and number
		group := string(bytes.TrimSuffix(k[len(prefix):end], []byte{0}))
		if k[end] == kindAttempted {
			p.attempted(group, splitIDs(value))
			return nil
		}
		results, err := decodeChunk(value)
		if err != nil {
			return err
		}
		if seen[group] == nil {
			seen[group] = map[string]bool{}
		}
		for _, r := range results {
			if !seen[group][r.InstanceID] {
				seen[group][r.InstanceID] = true
				p.Final[group] = append(p.Final[group], r)
			}
		}
		return nil
	})
	return p, err
}

func (p Progress) attempted(group string, ids []string) {
	if p.Attempted[group] == nil {
		p.Attempted[group] = map[string]int{}
	}
	for _, id := range ids {
		p.Attempted[group][id]++
	}
}

// groupsFromProgress builds the groups of a run that ended without a report.
func groupsFromProgress(tx *bbolt.Tx, key []byte) (values []groupValues, err error) {
	p, err := readProgress(tx, key)
	if err != nil {
		return nil, err
	}
	for _, group := range slices.Sorted(maps.Keys(p.Final)) {
		v, err := encodeGroup(sumUp(group, p.Final[group]), p.Final[group])
		if err != nil {
			return nil, err
		}
		v.partial = true
		values = append(values, v)
	}
	return values, nil
}

// withProgress adds to the groups of a resumed run the instances that its earlier processes brought
// to an outcome and that its report lacks, because they left their group while the run was
// interrupted. With an error it returns reported as it is.
func withProgress(tx *bbolt.Tx, key []byte, groups []power.GroupReport, reported []groupValues) ([]groupValues, error) {
	p, err := readProgress(tx, key)
	if err != nil {
		return reported, err
	}
	values := slices.Clone(reported)
	for i, g := range groups {
		known := make(map[string]bool, len(g.Results))
		for _, r := range g.Results {
			known[r.InstanceID] = true
		}
		all := slices.Clip(g.Results)
		for _, r := range p.Final[g.Group] {
			if !known[r.InstanceID] {
				all = append(all, r)
			}
		}
		if len(all) == len(g.Results) {
			continue
		}
		sum := sumUp(g.Group, all)
		sum.Duplicates, sum.Err = g.Duplicates, g.Err
		if values[i], err = encodeGroup(sum, all); err != nil {
			return reported, err
		}
	}
	return values, nil
}

// sumUp counts outcomes as a report does.
func sumUp(group string, results []power.InstanceResult) totals {
	sum := totals{Group: group, Total: len(results)}
	for _, r := range results {
		switch r.Outcome {
		case power.OutcomeStarted, power.OutcomeStopped:
			sum.Done++
		case power.OutcomeAlreadyRunning, power.OutcomeAlreadyStopped:
			sum.Already++
		case power.OutcomeFailed:
			sum.Failed++
		}
	}
	return sum
}
