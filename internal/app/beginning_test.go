package app

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"zecpower/batcher"
	"zecpower/internal/logging"
	"zecpower/internal/metrics"
	"zecpower/internal/power"
	"zecpower/internal/store"
	"zecpower/scheduler"
)

// brokenStore fails a number of beginnings, and keeps the last one that passes.
type brokenStore struct {
	store.Store
	fails int
	tried int
	kept  store.Beginning
}

func (s *brokenStore) Begin(_ context.Context, _ store.Run, b store.Beginning) error {
	if s.tried++; s.tried <= s.fails {
		return errors.New("no space left on device")
	}
	s.kept = b
	return nil
}

func TestABeginningIsRecordedOnceTheStoreTakesIt(t *testing.T) {
	for name, tc := range map[string]struct {
		fails, tried int
		kept         bool
	}{"at once": {0, 1, true}, "later": {2, 3, true}, "never": {100, 7, false}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &brokenStore{fails: tc.fails}
				d := &Daemon{store: s, metrics: metrics.New(), events: logging.NewEvents(logging.EventsConfig{Logger: zap.NewNop()})}
				begin := time.Now()
				stop := d.recordBeginning(t.Context(), scheduler.Firing{RunID: "wake/1"}, []batcher.Group{
					{Name: "web", IDs: []string{"i-1"}}, {Name: "db", Err: errors.New("no such file")},
				})
				if time.Since(begin) > 0 {
					t.Error("the run was held up")
				}
				time.Sleep(time.Minute + time.Second)
				stop()
				if s.tried != tc.tried || (len(s.kept.Groups) == 2) != tc.kept {
					t.Errorf("tried %d times, want %d; kept %+v", s.tried, tc.tried, s.kept)
				}
				if tc.kept && (s.kept.Groups[0].IDs[0] != "i-1" || s.kept.Groups[1].Err != "no such file" || !s.kept.At.Equal(begin)) {
					t.Errorf("kept %+v", s.kept)
				}
			})
		})
	}
}

func TestProgressThatTheStoreDoesNotTakeIsReported(t *testing.T) {
	var reported []string
	j := journal{fullStore{}, func(op string, _ error) { reported = append(reported, op) }}
	if err := errors.Join(j.Attempted("wake/1", "web", []string{"i-1"}), j.Final("wake/1", "web", nil)); err == nil || len(reported) != 2 {
		t.Errorf("reported %q, %v", reported, err)
	}
}

// fullStore takes no progress.
type fullStore struct{ store.Store }

func (fullStore) Accepted(context.Context, store.Acceptance) error {
	return errors.New("no space left on device")
}

func (fullStore) Final(context.Context, string, string, []power.InstanceResult) error {
	return errors.New("no space left on device")
}
