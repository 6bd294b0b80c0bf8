package bolt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

// clearEmpty truncates a file in which nothing was ever recorded, so that bbolt makes it anew. A
// power loss right after the first start, or a disk that was full then, leaves a file of no bytes,
// of zeros, or of some of a store's first pages.
func clearEmpty(cfg Config) (wasEmpty bool, err error) {
	f, err := os.OpenFile(cfg.path(), os.O_RDWR, 0)
	if err != nil {
		return false, nil //nolint:nilerr // missing at the first start; bbolt reports other errors better
	}
	defer func() { _ = f.Close() }()
	if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		return false, nil // another process has it open
	}
	empty, err := isEmpty(f)
	if err != nil || !empty {
		return false, err
	}
	if err := f.Truncate(0); err != nil {
		return false, fmt.Errorf("store: clear the empty file: %w", err)
	}
	return true, nil
}

// isEmptyFile reports whether nothing was ever recorded in the file.
func isEmptyFile(path string) (bool, error) {
	f, err := os.Open(path) //nolint:gosec // our own state folder
	if err != nil {
		return false, err
	}
	defer func() { _ = f.Close() }()
	return isEmpty(f)
}

func isEmpty(f io.Reader) (bool, error) {
	head := make([]byte, firstPages*os.Getpagesize()+1)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return false, fmt.Errorf("store: read the file: %w", err)
	}
	head = head[:n]
	if allZeros(head) {
		return onlyZeros(f)
	}
	return neverCommitted(head), nil
}

// bbolt makes a file of two meta pages, a list of free pages and an empty root. A transaction
// rewrites one of the metas with a higher number.
const (
	firstPages = 4
	metaPages  = 2
	metaMagic  = 0xED0CDAED
	magicAt    = 16 // in a meta page
	txidAt     = 64
)

// neverCommitted reports whether head is the beginning of a store that no transaction has reached:
// each meta page is as it was made, or was not written at all. head holds one byte more than
// firstPages where the file is that long.
func neverCommitted(head []byte) bool {
	size := os.Getpagesize()
	if len(head) > firstPages*size {
		return false
	}
	seen := false
	for i := range metaPages {
		page := head[min(i*size, len(head)):min((i+1)*size, len(head))]
		if allZeros(page) {
			continue
		}
		if len(page) < txidAt+8 || binary.NativeEndian.Uint32(page[magicAt:]) != metaMagic || binary.NativeEndian.Uint64(page[txidAt:]) != uint64(i) {
			return false
		}
		seen = true
	}
	return seen
}

func allZeros(b []byte) bool {
	for _, v := range b {
		if v != 0 {
			return false
		}
	}
	return true
}

// onlyZeros reads on until it finds another byte or the end.
func onlyZeros(f io.Reader) (bool, error) {
	buf := make([]byte, 64<<10)
	for {
		n, err := f.Read(buf)
		switch {
		case !allZeros(buf[:n]):
			return false, nil
		case errors.Is(err, io.EOF):
			return true, nil
		case err != nil:
			return false, fmt.Errorf("store: read the file: %w", err)
		}
	}
}
