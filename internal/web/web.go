package web

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"syscall"

	"github.com/prometheus/exporter-toolkit/web"
	"go.uber.org/zap"

	"zecpower/internal/logging"
)

// DefaultAddress is on loopback; serving the metrics elsewhere is a choice.
const DefaultAddress = "127.0.0.1:9821"

// Config is what the web server needs.
type Config struct {
	// Address is --web.listen-address, HOST:PORT; empty is DefaultAddress, port 0 any free one.
	Address string
	// ConfigFile is --web.config.file, exporter-toolkit's file for TLS and basic auth; empty is
	// neither. Certificates and users are read again when they change.
	ConfigFile string
	// Metrics serves /metrics.
	Metrics http.Handler
	// Ready returns why the daemon is not ready; nil where it is. It is called at each request for
	// /-/ready, concurrently. Without a Ready the server is always ready.
	Ready func() error
	// Version is shown on the landing page.
	Version string
	Logger  *zap.Logger
	Limits  Limits
}

// Server serves metrics, health and the landing page.
type Server struct{ server *server }

// CheckConfigFile reports what is wrong with a --web.config.file, certificates and users included.
// Its error shows no contents of the file. An empty path is valid.
func CheckConfigFile(path string) error {
	if err := web.Validate(path); err != nil {
		return fmt.Errorf("web configuration file %s: %s; see https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md",
			path, describe(err))
	}
	return nil
}

// CheckAddress reports a --web.listen-address that is no HOST:PORT. An empty one is valid.
func CheckAddress(address string) error {
	if _, _, err := net.SplitHostPort(orString(address, DefaultAddress)); err != nil {
		return fmt.Errorf("--web.listen-address %q: %w; write HOST:PORT, such as %s", address, err, DefaultAddress)
	}
	return nil
}

// Start checks cfg, binds its address and serves. An error means that no server runs.
func Start(cfg Config) (*Server, error) {
	if cfg.Metrics == nil || cfg.Logger == nil {
		return nil, errors.New("web: metrics and logger must be given")
	}
	if err := CheckConfigFile(cfg.ConfigFile); err != nil {
		return nil, err
	}
	handler, err := newHandler(cfg)
	if err != nil {
		return nil, err
	}
	listener, err := listen(orString(cfg.Address, DefaultAddress))
	if err != nil {
		return nil, err
	}
	warnWhenOpen(cfg, listener.Addr())
	h := &http.Server{Handler: handler, ErrorLog: errorLog(cfg.Logger)}
	slogger := logging.Slog(cfg.Logger.WithOptions(zap.WrapCore(redact)), "web")
	return &Server{startServer(listener, h, cfg.Limits, func(l net.Listener, h *http.Server) error {
		return web.Serve(l, h, &web.FlagConfig{WebConfigFile: &cfg.ConfigFile}, slogger)
	})}, nil
}

func listen(address string) (net.Listener, error) {
	if err := CheckAddress(address); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("--web.listen-address %q: %w; another zecpower, most likely: stop it, or choose another port", address, err)
	case err != nil:
		return nil, fmt.Errorf("--web.listen-address %q: %w", address, err)
	}
	return listener, nil
}

// warnWhenOpen warns where anyone on the network can read the metrics: instance ids and schedules
// describe the fleet to an outsider.
func warnWhenOpen(cfg Config, addr net.Addr) {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok || tcp.IP.IsLoopback() || cfg.ConfigFile != "" {
		return
	}
	cfg.Logger.Warn("metrics are open to the network, unencrypted and to anyone: set --web.config.file (TLS, basic auth) or listen on loopback",
		zap.String("address", addr.String()))
}

func orString(v, otherwise string) string {
	if v == "" {
		return otherwise
	}
	return v
}

// Addr is the address that is listened on.
func (s *Server) Addr() net.Addr { return s.server.listener.Addr() }

// Done is closed once serving has ended, after Stop or by itself.
func (s *Server) Done() <-chan struct{} { return s.server.done }

// Err returns why serving ended by itself; nil before Done is closed and after Stop.
func (s *Server) Err() error { return s.server.reason() }

// Stop lets requests finish until ctx ends, then cuts them, and returns once every goroutine has
// ended. Its error says that some were cut. It may be called twice.
func (s *Server) Stop(ctx context.Context) error { return s.server.stop(ctx) }
