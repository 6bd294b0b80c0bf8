package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	"zecpower/internal/store"
)

// The kinds of steps, as they stand in the file.
const (
	kindAccepted = 'a'
	kindFinal    = 's'
)

// step is one value of a run's progress.
type step struct {
	runID      string
	key, value []byte
}

// RecordProgress implements store.Store.
func (l *Store) RecordProgress(ctx context.Context, facts []store.Facts) error {
	const op = "record progress"
	var steps []step // encoded here and not in the writer, which others wait for
	for _, f := range facts {
		if err := errors.Join(checkKey("run id", f.RunID), checkKey("group", f.Group), checkKey("key", f.Key)); err != nil {
			return fmt.Errorf("store: %s: %w", op, err)
		}
		if f.Requests > 0 || len(f.Accepted) > 0 {
			steps = append(steps, stepOf(f, kindAccepted, store.EncodeAccepted(f.Requests, f.Accepted)))
		}
		if len(f.Final) > 0 {
			steps = append(steps, stepOf(f, kindFinal, store.EncodeChunk(f.Final)))
		}
	}
	return l.update(ctx, op, func(tx *bbolt.Tx) error {
		ended := map[string]bool{}
		for _, s := range steps {
			over, known := ended[s.runID]
			if !known {
				r, err := getRun(tx, s.runID)
				if err != nil {
					return err
				}
				over = r != nil && r.Ended()
				ended[s.runID] = over
			}
			if over {
				continue
			}
			if err := tx.Bucket(bucketSteps).Put(s.key, s.value); err != nil {
				return err
			}
		}
		return nil
	})
}

func stepOf(f store.Facts, kind byte, value []byte) step {
	return step{f.RunID, append(append(groupKey(f.RunID, f.Group), kind), f.Key...), value}
}

// Progress implements store.Store.
func (l *Store) Progress(ctx context.Context, runID string) (p store.Progress, err error) {
	err = l.view(ctx, "read a run's progress", func(tx *bbolt.Tx) error {
		if p, err = readProgress(tx, runID); err != nil {
			return err
		}
		p.Groups, err = readTargets(tx, runID)
		return err
	})
	return p, err
}

// readTargets returns the groups with which a run began; nil where no beginning is recorded.
func readTargets(tx *bbolt.Tx, id string) ([]store.Targets, error) {
	r, err := getRun(tx, id)
	if err != nil || r == nil || r.BegunAt.IsZero() {
		return nil, err
	}
	return store.DecodeTargets(r.Totals, func(list []byte) []byte { return tx.Bucket(bucketLists).Get(list) })
}

// readProgress returns what it could read, also with an error.
func readProgress(tx *bbolt.Tx, id string) (store.Progress, error) {
	p := store.NewProgress()
	seen := map[string]map[string]bool{}
	prefix := ofRun(id)
	err := under(tx.Bucket(bucketSteps), prefix, func(k, value []byte) error {
		name, which, ok := bytes.Cut(k[len(prefix):], []byte{0})
		if !ok || len(which) == 0 {
			return fmt.Errorf("step %q: not a group and a kind", k)
		}
		group := string(name)
		if which[0] == kindAccepted {
			requests, ids, err := store.DecodeAccepted(value)
			p.AddAccepted(group, requests, ids)
			return err
		}
		results, err := store.DecodeChunk(value)
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
