package bolt

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"zecpower/internal/store"
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

// Store is an open store file.
type Store struct {
	cfg      Config
	readOnly bool
	folder   *os.File // locked; nil where it cannot be

	mu      sync.RWMutex // guards db, file and trouble
	db      *bbolt.DB    // nil while there is nothing to read
	file    os.FileInfo  // of the file that db has open; nil without one
	trouble error        // why the file cannot be written; nil when it can
	triedAt time.Time    // owned by the writer: when it last tried to reopen the file

	requests chan *request
	quit     chan struct{}
	done     chan struct{} // closed when the writer has ended
	once     sync.Once
	process  string                    // identifies this opening of the file; empty: read only
	busy     atomic.Pointer[time.Time] // since when the writer waits for the disk; nil: it does not
	late     atomic.Pointer[time.Time] // the busy that a write last gave up on

	// The writer owns these.
	prunedAt time.Time // when pruning last began
	roundAt  time.Time // the newest Round.At
	pruning  bool      // whether records older than the retention are left
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
		process: rand.Text(),
	}
	if l.folder, err = lockFolder(cfg); err != nil {
		return nil, err
	}
	if l.db, l.file, err = openWritable(cfg); err != nil {
		if errors.As(err, new(*HeldError)) {
			unlockFolder(l.folder)
			return nil, err
		}
		l.trouble = err
		l.db, l.file, _ = openReadable(cfg) // earlier decisions still count
		cfg.Warn("the store cannot be written: runs go on, and would be forgotten by a restart", err)
	}
	go l.writer()
	return l, nil
}

// OpenReadOnly opens the store for reading while no daemon runs. It fails with a *HeldError while
// one runs (ask its control socket then), and with fs.ErrNotExist where nothing was ever recorded. A
// file of an older zecpower is migrated first, which needs the right to write it.
func OpenReadOnly(dir string) (*Store, error) {
	cfg, err := Config{Dir: dir}.withDefaults()
	if err != nil {
		return nil, err
	}
	db, _, err := openReadable(cfg)
	if errors.Is(err, errOlder) {
		if db, err = openMigrated(cfg); err != nil {
			return nil, err
		}
	}
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
			err = fmt.Errorf("store: close %s: %w", l.cfg.path(), store.ErrSlow)
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

func openWritable(cfg Config) (*bbolt.DB, os.FileInfo, error) {
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, nil, fmt.Errorf("store: make the state folder: %w", err)
	}
	wasEmpty, err := clearEmpty(cfg)
	if err != nil {
		return nil, nil, err
	}
	db, file, err := openDB(cfg, false)
	if err != nil {
		return nil, nil, err
	}
	if err := prepare(db); err != nil {
		_ = db.Close()
		return nil, nil, unusable(cfg.path(), err)
	}
	if wasEmpty {
		cfg.Warn("the store was empty, as after a power loss: it is made anew", fmt.Errorf("%s: no records", cfg.path()))
	}
	if err := writeOwner(cfg.Dir); err != nil {
		cfg.Warn("a second daemon could not name the holder of the store", err)
	}
	return db, file, nil
}

func openReadable(cfg Config) (*bbolt.DB, os.FileInfo, error) {
	empty, err := isEmptyFile(cfg.path())
	if err != nil {
		return nil, nil, fmt.Errorf("store: %w", err)
	}
	if empty {
		return nil, nil, fmt.Errorf("store %s: empty: %w", cfg.path(), fs.ErrNotExist)
	}
	db, file, err := openDB(cfg, true)
	if err != nil {
		return nil, nil, err
	}
	err = viewOf(db, func(tx *bbolt.Tx) error {
		if tx.Bucket(bucketMeta) == nil {
			return fs.ErrNotExist
		}
		version, err := schemaOf(tx)
		if err == nil && version < schemaVersion {
			return errOlder
		}
		return err
	})
	if err != nil {
		_ = db.Close()
		return nil, nil, unusable(cfg.path(), err)
	}
	return db, file, nil
}

// openMigrated migrates the file of an older zecpower, and opens it to be read.
func openMigrated(cfg Config) (*bbolt.DB, error) {
	db, _, err := openDB(cfg, false)
	switch {
	case errors.As(err, new(*HeldError)):
		return nil, err // a daemon has begun meanwhile
	case err != nil:
		return nil, fmt.Errorf("%w: it is of an older zecpower, and is migrated by the first that may write it: start the daemon", err)
	}
	if err := errors.Join(prepare(db), db.Close()); err != nil {
		return nil, unusable(cfg.path(), err)
	}
	db, _, err = openReadable(cfg)
	return db, err
}

// unusable wraps what is wrong with the contents of a file that could be opened.
func unusable(path string, err error) error {
	if errors.Is(err, errBroken) {
		return damaged(path, err)
	}
	return fmt.Errorf("store %s: %w", path, err)
}

// openDB opens the file, and says which one that is. It sorts bbolt's errors and panics into held,
// disk trouble and damaged.
func openDB(cfg Config, readOnly bool) (db *bbolt.DB, info os.FileInfo, err error) {
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
		MaxSize: cfg.maxSize, InitialMmapSize: mapSize(cfg.path(), readOnly),
		OpenFile: func(name string, flag int, mode os.FileMode) (_ *os.File, err error) {
			if file, err = openFile(name, flag, mode); err == nil {
				info, err = file.Stat()
			}
			return file, err
		},
	}
	db, err = bbolt.Open(cfg.path(), 0o600, &options)
	if errors.Is(err, syscall.ENOMEM) { // a limit on address space
		options.InitialMmapSize = 0
		db, err = bbolt.Open(cfg.path(), 0o600, &options)
	}
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, nil, heldError(cfg.Dir)
	case err != nil && (isDiskTrouble(err) || errors.As(err, new(syscall.Errno))):
		return nil, nil, fmt.Errorf("store %s: %w", cfg.path(), err)
	case err != nil:
		return nil, nil, damaged(cfg.path(), err)
	}
	db.AllocSize = int(max(minGrowth, info.Size()/8))
	if err := wholeFile(db); err != nil {
		_ = db.Close()
		return nil, nil, damaged(cfg.path(), err)
	}
	return db, info, nil
}

// minMap is how far the file is mapped at least. bbolt cannot extend the map while a read
// transaction is open, and a write that needs it to waits. The map takes address space and no
// memory.
const minMap = 1 << (14 + strconv.IntSize/4) // 1 GiB; 4 MiB where addresses have 32 bits

// minGrowth is by how much the file grows at least. bbolt's own rule would give a new file 16 MiB,
// because it goes by the size of the map.
const minGrowth = 64 << 10

// mapSize leaves a file room to grow to four times its size before its map must be extended.
func mapSize(path string, readOnly bool) int {
	info, err := os.Stat(path)
	if readOnly || err != nil {
		return minMap
	}
	return int(max(minMap, min(4*info.Size(), math.MaxInt/2)))
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
