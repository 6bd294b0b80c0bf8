package web

import (
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Who may read must not be able to switch: an operator socket that has no group of its own is for the
// daemon's user alone, and so is one whose folder is what a failing preparation left behind.
func TestAnOperatorSocketIsSharedOnlyThroughAGroupOfItsOwn(t *testing.T) {
	type place struct {
		folder fs.FileMode // 0: none
		group  int
		want   fs.FileMode
		who    string // may open it, as a user who may not is told
	}
	ours, other := os.Getegid(), anotherGroup(t)
	places := map[string]place{
		"no folder of its own":             {0, ours, 0o600, "only root and the daemon's own user"},
		"a folder with the readers' group": {fs.ModeSetgid | 0o750, ours, 0o600, "only root and the daemon's own user"},
		"a folder that hands on no group":  {0o755, other, 0o600, "only root and the daemon's own user"},
		"a folder that is not ready":       {0o700, ours, 0o600, "only root and the daemon's own user"},
	}
	if other != ours { // a user of one group can make no such folder
		places["a folder with its own group"] = place{fs.ModeSetgid | 0o750, other, 0o660, "join the group "}
	}
	for name, c := range places {
		t.Run(name, func(t *testing.T) {
			dir, err := os.MkdirTemp("", "z") // short: it holds a socket
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = os.RemoveAll(dir) })
			if c.folder != 0 {
				folderOf(t, filepath.Join(dir, OperatorFolder), c.folder, c.group)
			}
			path := OperatorPath(dir)
			startOperator(t, path)
			info, err := os.Stat(path)
			if err != nil || info.Mode().Perm() != c.want {
				t.Fatalf("made with mode %v, %v; want %o", info.Mode().Perm(), err, c.want)
			}
			if gid := int(info.Sys().(*syscall.Stat_t).Gid); c.want == 0o660 && gid != other {
				t.Errorf("made with the group %d, want that of its folder, %d", gid, other)
			}
			if got := WhoMay(path); !strings.Contains(got, c.who) {
				t.Errorf("who may open it: %q, want %q", got, c.who)
			}
		})
	}
}

// A folder that hands the readers' own group on shares the socket with all of them.
func TestAFolderGivesAGroupOfItsOwn(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		mode fs.FileMode
		own  int
		want bool
	}{
		{fs.ModeSetgid | 0o750, os.Getegid() + 1, true},
		{fs.ModeSetgid | 0o750, os.Getegid(), false},
		{0o750, os.Getegid() + 1, false},
	} {
		if err := errors.Join(os.Chown(dir, -1, os.Getegid()), os.Chmod(dir, c.mode)); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(dir)
		if err != nil || givesGroup(info, c.own) != c.want {
			t.Errorf("mode %v, a process of the group %d in one of %d: %v, want %v", c.mode, c.own, os.Getegid(), !c.want, c.want)
		}
	}
}

// A user to whom a folder is closed is told the group that may enter it.
func TestWhoMayOpenASocketInAClosedFolder(t *testing.T) {
	folder := filepath.Join(t.TempDir(), OperatorFolder)
	folderOf(t, folder, fs.ModeSetgid|0o750, os.Getegid())
	socket := filepath.Join(folder, OperatorSocket) // it cannot be seen, as in a folder that is closed
	info, err := os.Stat(folder)
	if err != nil {
		t.Fatal(err)
	}
	if name, _ := groupOf(info); !strings.Contains(WhoMay(socket), "join the group "+name+" ") {
		t.Errorf("%q does not name the group %s", WhoMay(socket), name)
	}
	if err := os.Chmod(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if got := WhoMay(socket); !strings.HasPrefix(got, "only root") {
		t.Errorf("a folder that no group may enter: %q", got)
	}
	if got := WhoMay(filepath.Join(folder, "none", "x.sock")); !strings.HasPrefix(got, "ask as root, or join the daemon's groups") {
		t.Errorf("a folder that cannot be seen: %q", got)
	}
}

// A refusal for want of a right is told apart from a daemon that does not run.
func TestNoRightIsAnErrorOfItsOwn(t *testing.T) {
	client := OperatorClient(filepath.Join(t.TempDir(), OperatorSocket))
	if err := client.explain(os.NewSyscallError("connect", syscall.EACCES)); !errors.Is(err, fs.ErrPermission) || errors.Is(err, ErrNoDaemon) {
		t.Error(err)
	}
}

func startOperator(t *testing.T, path string) {
	t.Helper()
	none := http.NotFoundHandler()
	o, err := StartOperator(OperatorConfig{Path: path, Control: controlConfig(filepath.Dir(path)), Runs: none, Cancel: none, Accept: none, Skip: none, Unskip: none})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stopNow(t, o.Stop) })
}

func folderOf(t *testing.T, path string, mode fs.FileMode, group int) {
	t.Helper()
	err := errors.Join(os.Mkdir(path, 0o700), os.Chown(path, -1, group), os.Chmod(path, mode))
	if err != nil {
		t.Fatal(err)
	}
}

// anotherGroup is a group, beside the process's own, that it may give to a folder; its own where there
// is none.
func anotherGroup(t *testing.T) int {
	t.Helper()
	if os.Geteuid() == 0 {
		return os.Getegid() + 1
	}
	groups, err := os.Getgroups()
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range groups {
		if g != os.Getegid() {
			return g
		}
	}
	return os.Getegid()
}
