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
	OwnerName = "ledger.owner" // names the process that holds the lock; the lock itself is on FileName
)

// DefaultRetention is how long entries are kept.
const DefaultRetention = 90 * 24 * time.Hour

// Config says where a store is and how it behaves.
type Config struct {
	Dir string // the state folder; made with mode 0700 where it is missing

	// Retention is how long entries are kept; 0: DefaultRetention. A longer one costs about 2 bytes
	// an instance and run.
	Retention time.Duration

	// LockWait is how long Open waits for another process to release the file; 0: 2s. A `history`
	// that reads the file holds it for milliseconds.
	LockWait time.Duration

	// WriteTimeout bounds a write; 0: 5s. A longer one waits for a slow disk; a shorter one delays
	// a fleet less when the disk hangs.
	WriteTimeout time.Duration

	// Warn reports what is no error of a call: the file was made anew, cannot be written, or can be
	// again (err is nil then). nil discards these reports.
	Warn func(message string, err error)

	openFile func(string, int, os.FileMode) (*os.File, error) // for tests; nil: os.OpenFile
	maxSize  int                                              // for tests, as a small disk; 0: unlimited
}

func (c Config) withDefaults() (Config, error) {
	if c.Dir == "" {
		return c, errors.New("store: no state folder")
	}
	if c.Retention < 0 || c.LockWait < 0 || c.WriteTimeout < 0 {
		return c, errors.New("store: a negative duration")
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

// ErrReadOnly is the answer to a write where the store was opened to be read.
var ErrReadOnly = errors.New("store: opened to be read only")

// ErrSlow is the answer to a write that the disk did not finish in time. It may still be written
// later.
var ErrSlow = errors.New("store: the disk does not answer")

// Store is an open store file.
type Store struct {
	cfg      Config
	readOnly bool
	folder   *os.File // locked; nil where it cannot be

	mu      sync.RWMutex // guards db and trouble
	db      *bbolt.DB    // nil while there is nothing to read
	trouble error        // why the file cannot be written; nil when it can
	triedAt time.Time    // owned by the writer: when it last tried to reopen the file

	requests chan *request
	quit     chan struct{}
	done     chan struct{} // closed when the writer has ended
	once     sync.Once
	session  string                    // identifies this opening of the file
	busy     atomic.Pointer[time.Time] // since when the writer waits for the disk; nil: it does not

	// The writer owns these.
	tails    map[string][]byte // key of a schedule's newest entry that is no run
	prunedAt time.Time         // when pruning last began
	roundAt  time.Time         // the newest Round.At
	pruning  bool              // whether entries older than the retention are left
}

// Open opens the store for writing, and makes it where there is none. It fails with a *HeldError
// where another process holds it. Any other trouble (the disk, a file that is no store, is damaged,
// or was written by a newer zecpower) is passed to Warn and returned by every write, because a
// fleet must be powered without a store, too. A file is never replaced unless it is empty; once it
// is moved away, a new one is made.
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
		l.db, _ = openReadable(cfg) // earlier decisions still count
		cfg.Warn("the store cannot be written: runs go on, and would be forgotten by a restart", err)
	}
	go l.writer()
	return l, nil
}

// OpenReadOnly opens the store for reading while no daemon runs. It fails with a *HeldError while
// one runs (ask its control socket then), and with fs.ErrNotExist where nothing was ever recorded.
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

// Trouble says why the store cannot be written at present; nil when it can.
func (l *Store) Trouble() error {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.trouble
}

// Close waits for the writes in progress, at most Config.WriteTimeout, and releases the file.
func (l *Store) Close() error {
	var err error
	l.once.Do(func() {
		close(l.quit)
		select {
		case <-l.done:
		case <-time.After(l.cfg.WriteTimeout):
			err = fmt.Errorf("store: close %s: %w", l.cfg.path(), ErrSlow)
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
		return nil, fmt.Errorf("store: make the state folder: %w", err)
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
		cfg.Warn("the store was empty, as after a power loss: it is made anew", fmt.Errorf("%s: no records", cfg.path()))
	}
	if err := writeOwner(cfg.Dir); err != nil {
		cfg.Warn("a second daemon could not name the holder of the store", err)
	}
	return db, nil
}

func openReadable(cfg Config) (*bbolt.DB, error) {
	empty, err := isEmptyFile(cfg.path())
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	if empty {
		return nil, fmt.Errorf("store %s: empty: %w", cfg.path(), fs.ErrNotExist)
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

// unusable wraps what is wrong with the contents of a file that could be opened.
func unusable(path string, err error) error {
	if errors.Is(err, errBroken) {
		return damaged(path, err)
	}
	return fmt.Errorf("store %s: %w", path, err)
}

// openDB opens the file. It sorts bbolt's errors and panics into held, disk trouble and damaged.
func openDB(cfg Config, readOnly bool) (db *bbolt.DB, err error) {
	openFile := cfg.openFile
	if openFile == nil {
		openFile = os.OpenFile
	}
	var file *os.File // the one that bbolt opened
	defer func() {
		if v := recover(); v != nil {
			release(file)
			db, err = nil, damaged(cfg.path(), fmt.Errorf("opening it fails with: %v", v))
		}
	}()
	// A file that is cut short faults where it is mapped.
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
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
		return nil, fmt.Errorf("store %s: %w", cfg.path(), err)
	case err != nil:
		return nil, damaged(cfg.path(), err)
	}
	if err := wholeFile(db); err != nil {
		_ = db.Close()
		return nil, damaged(cfg.path(), err)
	}
	return db, nil
}

// wholeFile refuses a file that is shorter than the size that its own pages state.
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

// release unlocks and closes the file that bbolt was opening when it panicked. bbolt's mapping
// cannot be undone from here and keeps the lock of a file that is only closed, so the lock is
// released first.
func release(file *os.File) {
	if file == nil {
		return
	}
	_ = syscall.Flock(int(file.Fd()), syscall.LOCK_UN)
	_ = file.Close()
}

// damagedError says that the file is not a usable store.
type damagedError struct {
	path string
	file os.FileInfo // of the damaged file; nil where it could not be read
	err  error
}

func damaged(path string, err error) error {
	file, _ := os.Stat(path)
	return &damagedError{path: path, file: file, err: err}
}

// Error implements error.
func (e *damagedError) Error() string {
	return fmt.Sprintf("store %s: damaged, or not a store: %v; restore it from a backup, or move it away to begin an empty one "+
		"(history is lost then, and runs missed up to the next start are not caught up)", e.path, e.err)
}

func (e *damagedError) Unwrap() error { return e.err }

// stays reports whether the damaged file is still in place. Opening it again would give the same
// error, and leak a mapping where bbolt panics.
func (e *damagedError) stays() bool {
	now, err := os.Stat(e.path)
	return err == nil && e.file != nil && os.SameFile(now, e.file) && now.Size() == e.file.Size() && now.ModTime().Equal(e.file.ModTime())
}

// isDiskTrouble reports an error of the disk, which may recover, as opposed to one of the file's
// contents.
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

// schemaVersion is the layout that this package writes. A higher one in a file is refused; a lower
// one would be converted here.
const schemaVersion = 1

// prepare makes the buckets and checks the version. It writes nothing where the buckets exist.
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
