package bolt

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Owner is the process that holds a store, as OwnerName records it.
type Owner struct {
	PID     int       `json:"pid"`
	Host    string    `json:"host"`
	Started time.Time `json:"started"`
}

// HeldError says that another process holds the store.
type HeldError struct {
	Path  string
	Owner Owner // zero where the holder is not known
	Alive bool  // whether the owner runs on this host
}

// Error implements error.
func (e *HeldError) Error() string {
	ask := fmt.Sprintf("see `fuser %s %s`", e.Path, filepath.Dir(e.Path))
	switch {
	case e.Owner.PID == 0:
		return fmt.Sprintf("store %s: held by another process that left no name; %s", e.Path, ask)
	case !e.Alive:
		return fmt.Sprintf("store %s: held by another process; the last to sign was pid %d on %s, which does not run here: %s",
			e.Path, e.Owner.PID, e.Owner.Host, ask)
	}
	return fmt.Sprintf("store %s: held by the zecpower with pid %d on %s, since %s; stop that one, or use another --state-dir",
		e.Path, e.Owner.PID, e.Owner.Host, e.Owner.Started.UTC().Format(time.RFC3339))
}

func heldError(dir string) *HeldError {
	e := &HeldError{Path: filepath.Join(dir, FileName)}
	data, err := os.ReadFile(filepath.Join(dir, OwnerName)) //nolint:gosec // our own state folder
	if err != nil || json.Unmarshal(data, &e.Owner) != nil {
		e.Owner = Owner{}
		return e
	}
	host, _ := os.Hostname()
	e.Alive = e.Owner.PID > 0 && e.Owner.Host == host && alive(e.Owner.PID)
	return e
}

func alive(pid int) bool {
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}

// lockFolder excludes a second daemon where the file's own lock cannot: in a read-only folder, on a
// full disk, beside a damaged file. It returns nil where the folder cannot be locked; opening the
// file then reports why.
func lockFolder(cfg Config) (*os.File, error) {
	_ = os.MkdirAll(cfg.Dir, 0o700)
	f, err := os.Open(cfg.Dir)
	if err != nil {
		return nil, nil //nolint:nilerr,nilnil // as documented
	}
	for begin := time.Now(); ; time.Sleep(lockEvery) {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			return f, nil
		case !errors.Is(err, syscall.EWOULDBLOCK):
			_ = f.Close()
			return nil, nil //nolint:nilnil // some network file systems lock no folders
		case time.Since(begin) >= cfg.LockWait:
			_ = f.Close()
			return nil, heldError(cfg.Dir)
		}
	}
}

// lockEvery is how often a lock that is held is tried again, as bbolt does.
const lockEvery = 50 * time.Millisecond

func unlockFolder(f *os.File) {
	if f != nil {
		_ = f.Close()
	}
}

// writeOwner names this process as the holder. It replaces the file whole, so that no reader sees
// half of it.
func writeOwner(dir string) error {
	host, _ := os.Hostname()
	data, err := json.Marshal(Owner{PID: os.Getpid(), Host: host, Started: time.Now().UTC().Truncate(time.Second)})
	if err != nil {
		return err
	}
	draft := filepath.Join(dir, OwnerName+".new")
	if err := os.WriteFile(draft, append(data, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(draft, filepath.Join(dir, OwnerName))
}

// removeOwner ignores errors: a reader of a leftover name checks whether that process is alive.
func removeOwner(dir string) { _ = os.Remove(filepath.Join(dir, OwnerName)) }
