package bolt

import (
	"fmt"
	"os"
	"time"
)

// inPlace reports that the open file is no longer the one under its name: it was moved away,
// deleted or replaced, and what is written to it would be lost with it. The writer calls it before
// each commit; the next try to reopen the file then finds what is in its place, or makes a new one.
func (l *Store) inPlace() error {
	defer l.atWork()() // the folder's disk may hang as well
	l.mu.RLock()
	file := l.file
	l.mu.RUnlock()
	now, err := os.Stat(l.cfg.path())
	switch {
	case err != nil && !os.IsNotExist(err):
		return nil //nolint:nilerr // the write itself reports trouble of the disk better
	case err == nil && os.SameFile(now, file):
		return nil
	}
	moved := fmt.Errorf("store %s: moved away, deleted or replaced while it was in use: what is written now would be lost; "+
		"put it back, or go on with what is in its place in %s (a new store where there is nothing)", l.cfg.path(), reopenEvery)
	l.mu.Lock()
	l.trouble = moved
	l.mu.Unlock()
	l.triedAt = time.Now()
	l.cfg.Warn("the store's file is gone from its place: runs go on, and would be forgotten by a restart", moved)
	return moved
}
