package bolt

import (
	"errors"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/bbolt"

	"zecpower/internal/store"
)

// A run that is resumed reads its progress, and the loop its state, before they send anything.
func TestReadsGoOnWhileTheFileIsReopenedOnAHangingDisk(t *testing.T) {
	hang := make(chan struct{})
	var tries atomic.Int32
	l := open(t, t.TempDir(), func(c *Config) {
		c.WriteTimeout = time.Second // Close has no longer, on a machine that is busy
		c.openFile = func(name string, flag int, mode os.FileMode) (*os.File, error) {
			if tries.Add(1) <= 1 {
				return nil, &os.PathError{Op: "open", Path: name, Err: syscall.EROFS}
			}
			<-hang
			return os.OpenFile(name, flag, mode)
		}
	})
	if _, err := l.Claim(bg, roundOf(runAt(morning))); !errors.Is(err, store.ErrSlow) {
		t.Errorf("a write: %v", err)
	}
	read := make(chan error, 2)
	go func() { read <- l.Trouble() }()
	go func() {
		_, err := l.Progress(bg, runAt(morning).ID)
		read <- err
	}()
	for range 2 {
		select {
		case err := <-read:
			if !errors.Is(err, syscall.EROFS) {
				t.Errorf("got %v", err)
			}
		case <-time.After(5 * time.Second):
			t.Error("a reader waits for the disk")
		}
	}
	close(hang)
	for end := time.Now().Add(5 * time.Second); l.Trouble() != nil; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(l.Trouble())
		}
	}
	must(t, l.Close())
}

// The claim of a run waits for the disk, and so may its beginning, but not one after the other:
// the first request would leave after twice the time.
func TestAWriteAfterOneThatTimedOutDoesNotWaitAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := open(t, t.TempDir())
		hang := make(chan struct{})
		go func() {
			_ = l.update(bg, "slow", func(*bbolt.Tx) error { time.Sleep(3 * time.Second); return nil })
		}()
		synctest.Wait()
		go func() { _ = l.update(bg, "hang", func(*bbolt.Tx) error { <-hang; return nil }) }()
		synctest.Wait()
		if _, err := l.Claim(bg, roundOf(runAt(morning))); !errors.Is(err, store.ErrSlow) {
			t.Errorf("the claim: %v", err)
		}
		now := time.Now()
		if err := begin(l, store.Beginning{Run: runAt(morning), At: now}); !errors.Is(err, store.ErrSlow) || time.Since(now) > 0 {
			t.Errorf("the beginning waited %s for %v", time.Since(now), err)
		}
		close(hang)
		synctest.Wait()
		must(t, begin(l, store.Beginning{Run: runAt(morning), At: now}))
		must(t, l.Close())
	})
}
