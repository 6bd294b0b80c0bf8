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

// maxFile, in bytes, is far above the size of any credentials file. It bounds the memory that
// reading a wrong file takes.
const maxFile = 64 << 10

// errNoFile means that a file is absent, as opposed to unreadable. Only optional sources treat it
// as "this source is absent".
var errNoFile = errors.New("there is no such file; check the path")

// readFile reads a private credentials file of up to maxFile bytes. systemd says that the file lies
// in systemd's credentials folder, where other modes are allowed; see checkFile. A missing file
// gives errNoFile.
//
// The checks use the opened file, so that the file cannot be exchanged between check and read. A
// symbolic link is followed, and its target is checked.
func readFile(path string, systemd bool) ([]byte, error) {
	// Without O_NONBLOCK, opening a named pipe would block the start until a writer comes.
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
		return nil, errors.New("the owner of the file cannot be determined on this system")
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

// openError words an error of opening or reading a file. It leaves the path out, because the
// source's name already contains it.
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

// checkFile decides whether a file is private enough. The file must be a regular one, owned by root
// or by user, with mode 0600 or stricter.
//
// In systemd's credentials folder 0640 is allowed too. systemd writes credentials with mode 0400,
// or with mode 0440, owned by root and with an access list that names the service's user (systemd
// 252 and later, User= or DynamicUser=). In the second case the group bits are the mask of that
// list, and the folder itself admits only the service. Anywhere else, group bits give the file to a
// real group.
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

// shellWord quotes a path where a POSIX shell needs that, so that the command in an error can be
// typed as it is.
func shellWord(path string) string {
	if strings.Trim(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+@:") == "" {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
