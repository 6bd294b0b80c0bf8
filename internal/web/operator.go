package web

import (
	"errors"
	"fmt"
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

// StartOperator binds the operator socket, mode 0660, and serves, as StartControl does. Its group is
// that of its folder where the folder has the set-group-id bit.
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
	return serveSocket(cfg.Path, mux, cfg.Control.Limits, cfg.Control.Logger)
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
func serveSocket(path string, h http.Handler, limits Limits, logger *zap.Logger) (*Control, error) {
	listener, err := listenControl(path)
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
