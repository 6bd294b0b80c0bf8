package credentials

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
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
// in systemd's credentials folder, where other modes are allowed; see fileInfo.check. A missing
// file gives errNoFile.
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
	about := fileInfo{path: path, mode: info.Mode(), owner: int(stat.Uid), group: int(stat.Gid), systemd: systemd}
	if err := about.check(thisProcess()); err != nil {
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
		return errors.New("permission denied; let the user that runs zecpower own it, or let root own it and a group of that user read it (mode 0440)")
	}
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		err = pathErr.Err
	}
	return fmt.Errorf("cannot be read: %w", err)
}

// reader is the process that reads a file.
type reader struct {
	user   int
	groups []int // its own and the supplementary ones
}

func thisProcess() reader {
	groups, err := os.Getgroups()
	if err != nil {
		groups = nil // then its own group alone
	}
	return reader{user: os.Geteuid(), groups: append(groups, os.Getegid())}
}

// fileInfo is what decides whether a file is private enough.
type fileInfo struct {
	path         string
	mode         fs.FileMode
	owner, group int
	systemd      bool // it lies in systemd's credentials folder
}

// check refuses a file that is not private enough. The file must be a regular one, owned by root or
// by the reader, with mode 0600 or stricter.
//
// One that root owns may be readable for its group, too, where that is a group of the reader. So
// containers mount secrets for a process that is not root.
//
// In systemd's credentials folder that holds for any group. systemd writes credentials with mode
// 0400, or with mode 0440, owned by root and with an access list that names the service's user
// (systemd 252 and later, User= or DynamicUser=). In the second case the group bits are the mask of
// that list, and the folder itself admits only the service. Anywhere else, group bits give the file
// to a real group.
func (f fileInfo) check(r reader) error {
	switch {
	case f.mode.IsDir():
		return errors.New("is a folder; name a file in it")
	case !f.mode.IsRegular():
		return errors.New("is not a regular file")
	case f.owner != 0 && f.owner != r.user:
		return fmt.Errorf("is owned by uid %d, who could change it; type: chown %d %s", f.owner, r.user, shellWord(f.path))
	case f.mode.Perm()&^f.allowed(r) != 0:
		return f.tooOpen(r)
	}
	return nil
}

// allowed is the most that the mode of the file may permit.
func (f fileInfo) allowed(r reader) fs.FileMode {
	if f.systemd || f.owner == 0 && slices.Contains(r.groups, f.group) {
		return 0o640
	}
	return 0o600
}

// tooOpen words the refusal of the file's mode. The command in it leaves the file readable for r.
func (f fileInfo) tooOpen(r reader) error {
	switch {
	case f.owner == r.user:
		return fmt.Errorf("has mode %04o, wanted is 0600 or stricter; type: chmod 600 %s", f.mode.Perm(), shellWord(f.path))
	case f.allowed(r)&0o040 != 0:
		return fmt.Errorf("has mode %04o, wanted is 0640 or stricter; type: chmod 440 %s", f.mode.Perm(), shellWord(f.path))
	}
	return fmt.Errorf("has mode %04o and group %d, which this process is not in; run it with that group (supplementalGroups, group_add), or type: chgrp %d %s && chmod 440 %[4]s",
		f.mode.Perm(), f.group, r.groups[len(r.groups)-1], shellWord(f.path))
}

// shellWord quotes a path where a POSIX shell needs that, so that the command in an error can be
// typed as it is.
func shellWord(path string) string {
	if strings.Trim(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+@:") == "" {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
