package bolt

import (
	"errors"
	"io/fs"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/bbolt"

	"zecpower/internal/store"
)

func TestPanickingWriteDoesNotSpoilItsNeighbours(t *testing.T) {
	l := open(t, t.TempDir())
	good := &request{func(tx *bbolt.Tx) error { return putJSON(tx.Bucket(bucketMeta), []byte("good"), 1) }, make(chan error, 1)}
	bad := &request{func(*bbolt.Tx) error { panic("boom") }, make(chan error, 1)}
	l.commit([]*request{good, bad})
	if err := <-good.done; err != nil {
		t.Errorf("the good one: %v", err)
	}
	if err := <-bad.done; err == nil {
		t.Error("the bad one passed")
	}
}

func TestFileThatCannotBeReadIsNotTakenForEmpty(t *testing.T) {
	if empty, err := onlyZeros(brokenReader{}); empty || !isDiskTrouble(err) {
		t.Errorf("empty: %v, error: %v", empty, err)
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: FileName, Err: syscall.EIO}
}

// A freeze of the machine ends a write's time and the write at one moment.
func TestDiskThatAnswersAtTheLastMomentIsNotGivenUp(t *testing.T) {
	for range 50 {
		synctest.Test(t, func(t *testing.T) {
			l := open(t, t.TempDir())
			_ = l.update(bg, "slow", func(*bbolt.Tx) error { time.Sleep(l.cfg.WriteTimeout); return nil })
			synctest.Wait()
			_, err := l.Claim(bg, store.Round{At: morning})
			must(t, errors.Join(err, l.Close()))
		})
	}
}
