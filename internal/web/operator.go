package web

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"

	"go.uber.org/zap"
)

// OperatorSocket is the operator socket's name, and OperatorFolder that of its folder where systemd
// gives the daemon one for its sockets.
const (
	OperatorSocket = "operator.sock"
	OperatorFolder = "operator"
)

// The operator socket's own paths.
const (
	PathRuns   = "/v1/runs"
	PathCancel = "/v1/runs/cancel"
	PathAccept = "/v1/members/accept"
	PathSkip   = "/v1/skips"
	PathUnskip = "/v1/skips/remove"
)

// OperatorConfig is what the operator server needs.
type OperatorConfig struct {
	// Path is that of the socket. Its folder must exist: who may open that may switch fleets.
	Path string
	// Control answers what the control socket does, too.
	Control ControlConfig
	// Runs answers POST /v1/runs, Cancel POST /v1/runs/cancel, and Accept POST /v1/members/accept.
	Runs, Cancel, Accept http.Handler
	// Skip answers POST /v1/skips, and Unskip POST /v1/skips/remove.
	Skip, Unskip http.Handler
}

// StartOperator binds the operator socket and serves, as StartControl does. Where its folder hands it
// a group of its own ([OperatorsShare]) it has mode 0660, else 0600: whoever may read must not be able
// to switch fleets.
func StartOperator(cfg OperatorConfig) (*Control, error) {
	if cfg.Runs == nil || cfg.Cancel == nil || cfg.Accept == nil || cfg.Skip == nil || cfg.Unskip == nil || cfg.Path == "" {
		return nil, errors.New("operator: path, runs, cancel, accept, skip and unskip must be given")
	}
	mux, err := cfg.Control.mux()
	if err != nil {
		return nil, err
	}
	mux.Handle("POST "+PathRuns, cfg.Runs)
	mux.Handle("POST "+PathCancel, cfg.Cancel)
	mux.Handle("POST "+PathAccept, cfg.Accept)
	mux.Handle("POST "+PathSkip, cfg.Skip)
	mux.Handle("POST "+PathUnskip, cfg.Unskip)
	mode := fs.FileMode(privateMode)
	if OperatorsShare(cfg.Path) {
		mode = controlMode
	}
	return serveSocket(cfg.Path, mode, mux, cfg.Control.Limits, cfg.Control.Logger)
}

// OperatorsShare reports whether the folder of an operator socket gives the socket a group of its
// own: it has the set-group-id bit, and a group that is not this process's, which the control socket
// has.
func OperatorsShare(path string) bool {
	info, err := os.Stat(filepath.Dir(path))
	return err == nil && givesGroup(info, os.Getegid())
}

// givesGroup reports whether what is made in a folder has another group than own.
func givesGroup(folder fs.FileInfo, own int) bool {
	stat, ok := folder.Sys().(*syscall.Stat_t)
	return ok && folder.Mode()&fs.ModeSetgid != 0 && int(stat.Gid) != own
}

// OperatorPath is where the operator socket is, for the folder of the control socket: in a folder of
// its own, whose group has the right to it, where there is one.
func OperatorPath(dir string) string {
	own := filepath.Join(dir, OperatorFolder)
	if info, err := os.Stat(own); err == nil && info.IsDir() || errors.Is(err, os.ErrPermission) {
		return filepath.Join(own, OperatorSocket)
	}
	return filepath.Join(dir, OperatorSocket)
}

// serveSocket binds a Unix socket and serves.
func serveSocket(path string, mode fs.FileMode, h http.Handler, limits Limits, logger *zap.Logger) (*Control, error) {
	listener, err := listenControl(path, mode)
	if err != nil {
		return nil, fmt.Errorf("socket %s: %w", path, err)
	}
	serve := func(l net.Listener, h *http.Server) error { return h.Serve(l) }
	return &Control{startServer(listener, &http.Server{Handler: h, ErrorLog: errorLog(logger)}, limits, serve)}, nil
}

// PeerUID is the user at the other end of a request's Unix socket, as the kernel says.
func PeerUID(r *http.Request) (uint32, error) {
	nc, _ := r.Context().Value(connKey{}).(net.Conn)
	if c, ok := nc.(*conn); ok {
		nc = c.Conn
	}
	unix, ok := nc.(*net.UnixConn)
	if !ok {
		return 0, errors.New("the request came over no Unix socket")
	}
	raw, err := unix.SyscallConn()
	if err != nil {
		return 0, err
	}
	var peer *syscall.Ucred
	var failed error
	err = raw.Control(func(fd uintptr) {
		peer, failed = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED) //nolint:gosec // a file descriptor
	})
	if err := errors.Join(err, failed); err != nil {
		return 0, fmt.Errorf("who asks: %w", err)
	}
	return peer.Uid, nil
}
