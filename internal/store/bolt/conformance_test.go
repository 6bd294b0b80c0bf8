package bolt

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"zecpower/internal/store"
	"zecpower/internal/store/storetest"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T, o storetest.Options) storetest.Place {
		dir := t.TempDir()
		cfg := Config{Dir: dir, LockWait: 100 * time.Millisecond, Retention: o.Retention}
		if o.SmallDisk {
			cfg.maxSize = 512 << 10
		}
		return storetest.Place{
			Open: func(t testing.TB) store.Store {
				l, err := Open(cfg)
				must(t, err)
				return l
			},
			MoveAway: func(t testing.TB) {
				must(t, os.Rename(filepath.Join(dir, FileName), filepath.Join(dir, "elsewhere")))
			},
			Freeze: freeze,
			HoldRead: func(t testing.TB, s store.Store, during func()) {
				must(t, s.(*Store).view(bg, "hold", func(*bbolt.Tx) error { during(); return nil }))
			},
		}
	})
}

// freeze makes the writer wait, as for a disk, and returns once callers no longer wait for it.
func freeze(t testing.TB, s store.Store) (thaw func()) {
	t.Helper()
	hang := make(chan struct{})
	l := s.(*Store)
	l.cfg.WriteTimeout = 100 * time.Millisecond
	if err := l.update(bg, "hang", func(*bbolt.Tx) error { <-hang; return nil }); !errors.Is(err, store.ErrSlow) {
		t.Fatalf("got %v", err)
	}
	return func() {
		l.cfg.WriteTimeout = 10 * time.Second
		close(hang)
	}
}
