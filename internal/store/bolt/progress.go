package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	"zecpower/internal/power"
	"zecpower/internal/store"
)

// The kinds of steps, as they stand in the file.
const (
	kindAccepted = 'a'
	kindFinal    = 's'
)

// Accepted implements store.Store.
func (l *Store) Accepted(ctx context.Context, a store.Acceptance) error {
	return l.step(ctx, "record accepted instances", a.RunID, a.Group, kindAccepted, a.Request, store.EncodeIDs(a.IDs))
}

// Final implements store.Store.
func (l *Store) Final(ctx context.Context, runID, group string, results []power.InstanceResult) error {
	value := store.EncodeChunk(results)
	return l.step(ctx, "record outcomes", runID, group, kindFinal, store.ChunkKey(results), value)
}

func (l *Store) step(ctx context.Context, op, id, group string, kind byte, which string, value []byte) error {
	if err := errors.Join(checkKey("run id", id), checkKey("group", group)); err != nil {
		return fmt.Errorf("store: %s: %w", op, err)
	}
	key := append(append(groupKey(id, group), kind), which...)
	return l.update(ctx, op, func(tx *bbolt.Tx) error {
		if r, err := getRun(tx, id); err != nil || r != nil && r.Ended() {
			return err // progress of a run that has ended comes too late
		}
		return tx.Bucket(bucketSteps).Put(key, value)
	})
}

// Progress implements store.Store.
func (l *Store) Progress(ctx context.Context, runID string) (p store.Progress, err error) {
	err = l.view(ctx, "read a run's progress", func(tx *bbolt.Tx) error {
		p, err = readProgress(tx, runID)
		return err
	})
	return p, err
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
			p.AddAccepted(group, store.DecodeIDs(value))
			return nil
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
