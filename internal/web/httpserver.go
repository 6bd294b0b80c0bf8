package web

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"
)

// Limits bounds what one client, and all clients, can use. A zero field has the default in
// brackets.
type Limits struct {
	// ReadHeader is from the first byte to the end of the headers, also for a TLS handshake (5s).
	ReadHeader time.Duration
	Read       time.Duration // the whole request (10s)
	Write      time.Duration // the reply, from the end of the headers (30s)
	// Idle is between two requests of a connection (2m: longer than scrapes are apart).
	Idle time.Duration

	MaxHeaderBytes int // (16 KiB)
	MaxConns       int // (64)
}

func (l Limits) withDefaults() Limits {
	return Limits{
		ReadHeader:     orDefault(l.ReadHeader, 5*time.Second),
		Read:           orDefault(l.Read, 10*time.Second),
		Write:          orDefault(l.Write, 30*time.Second),
		Idle:           orDefault(l.Idle, 2*time.Minute),
		MaxHeaderBytes: orDefault(l.MaxHeaderBytes, 16<<10),
		MaxConns:       orDefault(l.MaxConns, 64),
	}
}

func orDefault[T int | time.Duration](v, otherwise T) T {
	if v == 0 {
		return otherwise
	}
	return v
}

// server is an http.Server with its listener and the goroutine that serves it.
type server struct {
	http     *http.Server
	listener net.Listener
	done     chan struct{} // closed when serving has ended
	err      error         // why, once done is closed; nil after Stop

	stopOnce sync.Once
	stopErr  error
}

// startServer serves h on listener through serve, which returns when the
// server is shut down, as http.Server.Serve does.
func startServer(listener net.Listener, h *http.Server, limits Limits, serve func(net.Listener, *http.Server) error) *server {
	limits = limits.withDefaults()
	conns := newConns(limits.MaxConns)
	h.ReadHeaderTimeout, h.ReadTimeout = limits.ReadHeader, limits.Read
	h.WriteTimeout, h.IdleTimeout = limits.Write, limits.Idle
	h.MaxHeaderBytes = limits.MaxHeaderBytes
	h.ConnContext, h.Handler = connContext, conns.counted(h.Handler)
	s := &server{http: h, listener: listener, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		if err := serve(limitListener{listener, conns}, h); !errors.Is(err, http.ErrServerClosed) {
			s.err = err
			_ = listener.Close() // serve may have failed before it served
		}
	}()
	return s
}

// reason returns why serving ended by itself; nil before done is closed and after stop.
func (s *server) reason() error {
	select {
	case <-s.done:
		return s.err
	default:
		return nil
	}
}

// stop lets requests finish until ctx ends, then cuts them, and joins.
func (s *server) stop(ctx context.Context) error {
	s.stopOnce.Do(func() {
		if s.stopErr = s.http.Shutdown(ctx); s.stopErr != nil {
			_ = s.http.Close()
		}
		// If serving had not begun before Shutdown, it does not own the listener.
		_ = s.listener.Close()
		<-s.done
	})
	return s.stopErr
}
