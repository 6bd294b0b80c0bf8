package web

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"go.uber.org/zap"
)

// ControlSocket is the control socket's name in its directory.
const ControlSocket = "control.sock"

const (
	// controlMode is the mode of a socket that a group shares, privateMode of one that only the daemon's
	// own user and root may open.
	controlMode = 0o660
	privateMode = 0o600
	// maxSocketPath is how long the path of a Unix socket may be on Linux, in bytes.
	maxSocketPath = 107
	// probeTimeout bounds the check whether a process answers on a socket.
	probeTimeout = time.Second
)

// ErrControlBusy means that another daemon answers on the control socket.
var ErrControlBusy = errors.New("another zecpower answers on it; stop that one first")

// ControlConfig is what the control server needs.
type ControlConfig struct {
	// Dir holds the socket, control.sock. It must exist.
	Dir string
	// Status, History, Members and Groups answer GET /v1/status, /v1/history, /v1/members and
	// /v1/groups.
	Status, History, Members, Groups http.Handler

	Logger *zap.Logger
	Limits Limits
}

// Control serves the commands that ask about the running daemon.
type Control struct{ server *server }

// StartControl binds the control socket, mode 0660, and serves. It replaces the socket of a process
// that died. It does not replace one that answers ([ErrControlBusy]), nor anything that is no
// socket.
func StartControl(cfg ControlConfig) (*Control, error) {
	mux, err := cfg.mux()
	if err != nil {
		return nil, err
	}
	return serveSocket(filepath.Join(cfg.Dir, ControlSocket), controlMode, mux, cfg.Limits, cfg.Logger)
}

// mux routes what can be asked.
func (cfg ControlConfig) mux() (*http.ServeMux, error) {
	if cfg.Status == nil || cfg.History == nil || cfg.Members == nil || cfg.Groups == nil || cfg.Logger == nil {
		return nil, errors.New("control: status, history, members, groups and logger must be given")
	}
	mux := http.NewServeMux()
	mux.Handle("GET "+PathStatus, cfg.Status)
	mux.Handle("GET "+PathHistory, cfg.History)
	mux.Handle("GET "+PathMembers, cfg.Members)
	mux.Handle("GET "+PathGroups, cfg.Groups)
	return mux, nil
}

func listenControl(path string, mode fs.FileMode) (net.Listener, error) {
	if len(path) > maxSocketPath {
		return nil, fmt.Errorf("its path has %d bytes, the system allows %d; use a shorter --state-dir", len(path), maxSocketPath)
	}
	if err := removeStale(path); err != nil {
		return nil, err
	}
	listener, err := bindControl(path, mode)
	if err != nil {
		return nil, err
	}
	// A stricter umask than usual took bits away.
	if err := os.Chmod(path, mode); err != nil {
		_ = listener.Close()
		return nil, err
	}
	return listener, nil
}

// bindControl creates the socket. It never has wider rights than mode, not even for the moment before
// a chmod: Linux makes the file with the mode of the socket that is bound, less the umask.
func bindControl(path string, mode fs.FileMode) (net.Listener, error) {
	narrow := func(_, _ string, raw syscall.RawConn) error {
		var failed error
		err := raw.Control(func(fd uintptr) { failed = syscall.Fchmod(int(fd), uint32(mode.Perm())) })
		return errors.Join(err, failed)
	}
	return (&net.ListenConfig{Control: narrow}).Listen(context.Background(), "unix", path)
}

// removeStale removes a socket on which no process answers.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return errors.New("it is in the way and no socket; move it elsewhere")
	}
	conn, err := net.DialTimeout("unix", path, probeTimeout)
	if err == nil {
		_ = conn.Close()
		return ErrControlBusy
	}
	// Only a refusal proves that no process listens. A full queue, for one, does not.
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("it may be in use: %w", err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Done is closed once serving has ended, after Stop or by itself.
func (c *Control) Done() <-chan struct{} { return c.server.done }

// Err returns why serving ended by itself; nil before Done is closed and after Stop.
func (c *Control) Err() error { return c.server.reason() }

// Stop lets requests finish until ctx ends, then cuts them, removes the socket and returns once
// every goroutine has ended. It may be called twice.
func (c *Control) Stop(ctx context.Context) error { return c.server.stop(ctx) }
