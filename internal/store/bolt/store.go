// Package ledger is the durable record of decisions and runs: one bbolt file in
// the state folder.
//
// Contract. A write that returned nil survives a crash and a power loss. Every
// write but Attempted may be repeated without harm. An error means "not, or
// perhaps not, written". Writes of many goroutines share commits; each returns
// within Config.WriteTimeout, also when the disk hangs. A state folder that
// cannot be written, or a damaged file, does not fail Open: the ledger then answers
// every write with an error, serves what it can read, and tries again with later writes.
// Everything is safe for concurrent use; Close may be called twice.
//
// Losing the file costs the history, the catch-up of what is missed up to the
// next start, and the resumption of a run that is under way; no schedule and no
// instance. The file keeps Config.Retention and never shrinks by itself.
//
// Buckets: entries (time and schedule → what became of that time, in time
// order, so that pruning and "what happened" are ranges), open (runs without an
// end), progress (what an open run has done, a value a chunk), results (of an
// ended run, a value a group: outcomes only), lists (the ids of a group, once
// for as many runs as had the same), marks, last, groups, meta.
package bolt

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// Names of the files in the state folder.
const (
	FileName  = "ledger.db"
	OwnerName = "ledger.owner" // tells who holds the lock; the lock itself is on the ledger
)

// DefaultRetention is how long entries are kept.
const DefaultRetention = 90 * 24 * time.Hour

// Config says where a ledger is and how it behaves.
type Config struct {
	Dir string // the state folder; made with mode 0700 where it is missing

	// Retention is how long entries are kept; 0: DefaultRetention. Longer:
	// history reaches further back, at some 2 bytes an instance and run.
	Retention time.Duration

	// LockWait is how long to wait for another process to let go; 0: 2s. A
	// `history` that reads the file holds it for moments.
	LockWait time.Duration

	// WriteTimeout bounds a write; 0: 5s. Longer: a slow disk is waited for.
	// Shorter: a fleet waits less for a disk that hangs.
	WriteTimeout time.Duration

	// Warn is told what is odd without being an error of a call: a ledger that
	// was made anew, one that cannot be written or can be again. nil: nobody is.
	Warn func(message string, err error)

	openFile func(string, int, os.FileMode) (*os.File, error) // a test's; nil: os.OpenFile
	maxSize  int                                              // a test's small disk; 0: none
}

func (c Config) withDefaults() (Config, error) {
	if c.Dir == "" {
		return c, errors.New("ledger: no state folder")
	}
	if c.Retention < 0 || c.LockWait < 0 || c.WriteTimeout < 0 {
		return c, errors.New("ledger: a negative duration")
	}
	if c.Retention == 0 {
		c.Retention = DefaultRetention
	}
	if c.LockWait == 0 {
		c.LockWait = 2 * time.Second
	}
	if c.WriteTimeout == 0 {
		c.WriteTimeout = 5 * time.Second
	}
	if c.Warn == nil {
		c.Warn = func(string, error) {}
	}
	return c, nil
}

func (c Config) path() string { return filepath.Join(c.Dir, FileName) }

// ErrReadOnly is the answer to a write where the ledger was opened to be read.
var ErrReadOnly = errors.New("ledger: opened to be read only")

// ErrSlow is the answer to a write that the disk did not take in time. It may
// be written later.
var ErrSlow = errors.New("ledger: the disk does not answer")

// Ledger is an open ledger.
type Store struct {
	cfg      Config
	readOnly bool
	folder   *os.File // locked; nil where it cannot be

	mu      sync.RWMutex // guards db and trouble
	db      *bbolt.DB    // nil while there is nothing to read
	trouble error        // why it cannot be written; nil when it can
	triedAt time.Time    // the writer's: when it last tried to get out of trouble

	requests chan *request
	quit     chan struct{}
	done     chan struct{} // closed when the writer has ended
	once     sync.Once
	session  string                    // tells this opening of the file from others
	busy     atomic.Pointer[time.Time] // since when the writer waits for the disk; nil: it does not

	tails    map[string][]byte // the writer's: a schedule's newest entry that is no run
	prunedAt time.Time         // the writer's
	roundAt  time.Time         // the writer's: the newest Round.At
	pruning  bool              // the writer's
}

// Open opens the ledger to be written, and makes it where there is none. It
// fails with a *HeldError where another process has it. Any other trouble (the
// disk, a file that is no ledger, is damaged, or comes from a newer zecpower) is
// warned of and told by every write: a fleet is powered without a ledger, too.
// A file is never replaced unless it is empty; once it is moved away, a new one
// is made.
func Open(cfg Config) (*Store, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	l := &Store{
		cfg: cfg, requests: make(chan *request, maxGroup), quit: make(chan struct{}), done: make(chan struct{}),
		tails: map[string][]byte{}, session: rand.Text(),
	}
	if l.folder, err = lockFolder(cfg); err != nil {
		return nil, err
	}
	if l.db, err = openWritable(cfg); err != nil {
		if errors.As(err, new(*HeldError)) {
			unlockFolder(l.folder)
			return nil, err
		}
		l.trouble = err
		l.db, _ = openReadable(cfg) // what was decided before is worth knowing
		cfg.Warn("the ledger cannot be written: runs go on, and would be forgotten by a restart", err)
	}
	go l.writer()
	return l, nil
}

// OpenReadOnly opens the ledger to be read while no daemon runs. It fails with
// a *HeldError while one does (ask its control socket then), and with
// fs.ErrNotExist where nothing was ever recorded.
func OpenReadOnly(dir string) (*Store, error) {
	cfg, err := Config{Dir: dir}.withDefaults()
	if err != nil {
		return nil, err
	}
	db, err := openReadable(cfg)
	if err != nil {
		return nil, err
	}
	l := &Store{cfg: cfg, readOnly: true, db: db, done: make(chan struct{}), quit: make(chan struct{})}
	close(l.done)
	return l, nil
}

// Trouble is why the ledger cannot be written at present; nil when it can.
func (l *Store) Trouble() error {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.trouble
}

// Close waits for the writes under way, at most Config.WriteTimeout, and lets
// the file go.
func (l *Store) Close() error {
	var err error
	l.once.Do(func() {
		close(l.quit)
		select {
		case <-l.done:
		case <-time.After(l.cfg.WriteTimeout):
			err = fmt.Errorf("ledger: close %s: %w", l.cfg.path(), ErrSlow)
			return
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		defer unlockFolder(l.folder)
		if l.db == nil {
			return
		}
		if !l.readOnly && l.trouble == nil {
			removeOwner(l.cfg.Dir)
		}
		err = l.db.Close()
		l.db = nil
	})
	return err
}

func openWritable(cfg Config) (*bbolt.DB, error) {
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("ledger: make the state folder: %w", err)
	}
	wasEmpty, err := clearEmpty(cfg)
	if err != nil {
		return nil, err
	}
	db, err := openDB(cfg, false)
	if err != nil {
		return nil, err
	}
	if err := prepare(db); err != nil {
		_ = db.Close()
		return nil, unusable(cfg.path(), err)
	}
	if wasEmpty {
		cfg.Warn("the ledger was empty, as after a power loss: it is made anew", fmt.Errorf("%s: no records", cfg.path()))
	}
	if err := writeOwner(cfg.Dir); err != nil {
		cfg.Warn("a second daemon could not be told who holds the ledger", err)
	}
	return db, nil
}

func openReadable(cfg Config) (*bbolt.DB, error) {
	empty, err := isEmptyFile(cfg.path())
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	if empty {
		return nil, fmt.Errorf("ledger %s: empty: %w", cfg.path(), fs.ErrNotExist)
	}
	db, err := openDB(cfg, true)
	if err != nil {
		return nil, err
	}
	err = viewOf(db, func(tx *bbolt.Tx) error {
		if tx.Bucket(bucketMeta) == nil {
			return fs.ErrNotExist
		}
		return checkSchema(tx)
	})
	if err != nil {
		_ = db.Close()
		return nil, unusable(cfg.path(), err)
	}
	return db, nil
}

// unusable words what was found wrong in a file that could be opened.
func unusable(path string, err error) error {
	if errors.Is(err, errBroken) {
		return damaged(path, err)
	}
	return fmt.Errorf("ledger %s: %w", path, err)
}

// openDB opens the file, with what bbolt answers turned into what to do about it.
func openDB(cfg Config, readOnly bool) (db *bbolt.DB, err error) {
	openFile := cfg.openFile
	if openFile == nil {
		openFile = os.OpenFile
	}
	var file *os.File // bbolt's
	defer func() {
		if v := recover(); v != nil {
			letGo(file)
			db, err = nil, damaged(cfg.path(), fmt.Errorf("opening it fails with: %v", v))
		}
	}()
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true)) // a file cut short faults where it is mapped
	options := bbolt.Options{
		Timeout: cfg.LockWait, ReadOnly: readOnly, FreelistType: bbolt.FreelistMapType,
		MaxSize: cfg.maxSize,
		OpenFile: func(name string, flag int, mode os.FileMode) (_ *os.File, err error) {
			file, err = openFile(name, flag, mode)
			return file, err
		},
	}
	db, err = bbolt.Open(cfg.path(), 0o600, &options)
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, heldError(cfg.Dir)
	case err != nil && (isDiskTrouble(err) || errors.As(err, new(syscall.Errno))):
		return nil, fmt.Errorf("ledger %s: %w", cfg.path(), err)
	case err != nil:
		return nil, damaged(cfg.path(), err)
	}
	if err := wholeFile(db); err != nil {
		_ = db.Close()
		return nil, damaged(cfg.path(), err)
	}
	return db, nil
}

// wholeFile refuses a file that is shorter than what it says it holds.
func wholeFile(db *bbolt.DB) error {
	return viewOf(db, func(tx *bbolt.Tx) error {
		info, err := os.Stat(db.Path())
		if err != nil {
			return err
		}
		if info.Size() < tx.Size() {
			return fmt.Errorf("cut short: %d of %d bytes are there", info.Size(), tx.Size())
		}
		return nil
	})
}

// letGo unlocks and closes the file that bbolt was opening when it panicked. Its mapping
// cannot be undone from here, and would keep the lock of a file that is merely closed.
func letGo(file *os.File) {
	if file == nil {
		return
	}
	_ = syscall.Flock(int(file.Fd()), syscall.LOCK_UN)
	_ = file.Close()
}

// damagedError says that the file is no ledger that can be used.
type damagedError struct {
	path string
	file os.FileInfo // as it was then; nil where that is not known
	err  error
}

func damaged(path string, err error) error {
	file, _ := os.Stat(path)
	return &damagedError{path: path, file: file, err: err}
}

// Error implements error.
func (e *damagedError) Error() string {
	return fmt.Sprintf("ledger %s: damaged, or not a ledger: %v; restore it from a backup, or move it away to begin an empty one "+
		"(history is lost then, and runs missed up to the next start are not caught up)", e.path, e.err)
}

func (e *damagedError) Unwrap() error { return e.err }

// stays reports whether the same file is still there. Opening it again would
// tell nothing new, and cost a mapping where bbolt panics.
func (e *damagedError) stays() bool {
	now, err := os.Stat(e.path)
	return err == nil && e.file != nil && os.SameFile(now, e.file) && now.Size() == e.file.Size() && now.ModTime().Equal(e.file.ModTime())
}

// isDiskTrouble tells a disk that may recover from a ledger that is wrong.
func isDiskTrouble(err error) bool {
	for _, trouble := range []error{
		syscall.EROFS, syscall.ENOSPC, syscall.EDQUOT, syscall.EACCES, syscall.EPERM, syscall.EIO, syscall.ENOTDIR,
		syscall.EMFILE, syscall.ENFILE, bolterrors.ErrMaxSizeReached,
	} {
		if errors.Is(err, trouble) {
			return true
		}
	}
	return false
}

// schemaVersion is the layout that this package writes. A higher one in a file
// is refused; a lower one would be converted here.
const schemaVersion = 1

// prepare makes the buckets and checks the version, without a write where all is there.
func prepare(db *bbolt.DB) error {
	ready := false
	err := viewOf(db, func(tx *bbolt.Tx) error {
		ready = tx.Bucket(bucketMeta) != nil
		if ready {
			return checkSchema(tx)
		}
		return nil
	})
	if err != nil || ready {
		return err
	}
	return updateOf(db, func(tx *bbolt.Tx) error {
		for _, name := range buckets() {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		return putJSON(tx.Bucket(bucketMeta), keySchema, schemaVersion)
	})
}

func checkSchema(tx *bbolt.Tx) error {
	var version int
	if err := json.Unmarshal(tx.Bucket(bucketMeta).Get(keySchema), &version); err != nil {
		return fmt.Errorf("schema version: %w", err)
	}
	if version > schemaVersion {
		return fmt.Errorf("written by a newer zecpower (schema %d, this one knows %d); use that version, or move the file away", version, schemaVersion)
	}
	return nil
}
