package credentials

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
)

// maxFile is far above any credentials file; it ends the reading of what is none.
const maxFile = 64 << 10

var errNoFile = errors.New("there is no such file; check the path")

// readFile reads a file that nobody but its owner can. The checks are made on the opened file, so that it cannot be
// exchanged between check and read; a symbolic link is followed and what it leads to is checked.
func readFile(path string, systemd bool) ([]byte, error) {
	// Without O_NONBLOCK a pipe in its place would hang the start.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, openError(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, openError(err)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil, errors.New("the owner of the file cannot be told on this system")
	}
	if err := checkFile(path, info.Mode(), int(stat.Uid), os.Geteuid(), systemd); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, openError(err)
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("the file is larger than %d KiB; is it the right one?", maxFile>>10)
	}
	return data, nil
}

// openError leaves the path out: the source has named it.
func openError(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return errNoFile
	case errors.Is(err, fs.ErrPermission):
		return errors.New("permission denied; let the user that runs zecpower own it")
	}
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		err = pathErr.Err
	}
	return fmt.Errorf("cannot be read: %w", err)
}

// checkFile decides whether a file is private enough. systemd hands out credentials of mode 0400, or 0440 owned by
// root with an access list that names the service's user (252 and later, User= or DynamicUser=); the group bits are
// that list's mask then, and the folder lets only the service in. So a group may read there, and nowhere else.
func checkFile(path string, mode fs.FileMode, owner, user int, systemd bool) error {
	allowed := fs.FileMode(0o600)
	if systemd {
		allowed = 0o640
	}
	switch {
	case mode.IsDir():
		return errors.New("is a folder; name a file in it")
	case !mode.IsRegular():
		return errors.New("is not a regular file")
	case owner != 0 && owner != user:
		return fmt.Errorf("is owned by uid %d, who could change it; type: chown %d %s", owner, user, shellWord(path))
	case mode.Perm()&^allowed != 0:
		return fmt.Errorf("has mode %04o, wanted is %04o or stricter; type: chmod 600 %s", mode.Perm(), allowed, shellWord(path))
	}
	return nil
}

// shellWord is a path as one can type it.
func shellWord(path string) string {
	if strings.Trim(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+@:") == "" {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
