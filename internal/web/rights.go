package web

import (
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// WhoMay says, to a user who may not open a socket of a daemon, who may, as far as the files show it.
func WhoMay(socket string) string {
	name, known := mayOpen(socket)
	switch {
	case !known:
		return "ask as root, or join the daemon's groups (INSTALL.md, \"Who may read, who may switch\")"
	case name == "":
		return "only root and the daemon's own user have one (INSTALL.md, \"Who may read, who may switch\")"
	}
	return fmt.Sprintf("ask as root, or join the group %s (usermod -aG %[1]s USER, then log in anew)", name)
}

// mayOpen names the group that may open a socket; empty: none may. known is false where neither the
// socket nor its folder can be seen.
func mayOpen(socket string) (name string, known bool) {
	need := fs.FileMode(0o020) // a socket is opened by who may write it
	info, err := os.Stat(socket)
	if err != nil { // its folder is closed: who may enter that?
		need = 0o010
		info, err = os.Stat(filepath.Dir(socket))
	}
	switch {
	case err != nil:
		return "", false
	case info.Mode().Perm()&need == 0:
		return "", true
	}
	return groupOf(info)
}

// groupOf names the group of a file: its number where it has no name.
func groupOf(info fs.FileInfo) (name string, known bool) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return "", false
	}
	gid := strconv.FormatUint(uint64(stat.Gid), 10)
	if g, err := user.LookupGroupId(gid); err == nil {
		return g.Name, true
	}
	return gid, true
}
