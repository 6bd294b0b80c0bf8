package zecsim

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	maxConns          = 1024
	readHeaderTimeout = 10 * time.Second
	readTimeout       = 30 * time.Second
	// writeTimeout is longer than any client waits, for the sake of slow faults.
	writeTimeout   = 15 * time.Minute
	idleTimeout    = 2 * time.Minute
	maxHeaderBytes = 64 << 10
)

// server is the HTTP server around the simulator, for one listener.
func (s *Simulator) server(ctx context.Context) *http.Server {
	return &http.Server{
		Handler: s, BaseContext: func(net.Listener) context.Context { return ctx },
		ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
		ErrorLog: log.New(io.Discard, "", 0), // broken connections are the point
	}
}

// Serve answers requests from ln until ctx ends, then breaks off what is under way and returns nil.
// It closes ln. tlsConfig with certificates makes it TLS; nil is plain HTTP. At most 1,024
// connections are served at once. Choosing a loopback address is the caller's job.
func (s *Simulator) Serve(ctx context.Context, ln net.Listener, tlsConfig *tls.Config) error {
	srv := s.server(ctx)
	srv.TLSConfig = tlsConfig
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		_ = srv.Close()
	})
	defer func() {
		if !stop() {
			<-stopped
		}
	}()
	conns := trackConns(srv)
	defer conns.Wait()
	limited := newLimitListener(ln, maxConns)
	var err error
	if tlsConfig != nil {
		err = srv.ServeTLS(limited, "", "")
	} else {
		err = srv.Serve(limited)
	}
	_ = srv.Close()
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// Pipe serves the simulator over in-memory connections: dial makes one, close breaks them all,
// waits until the last request is over and may be called again. Both sides block on channels alone,
// so a testing/synctest bubble sees when all goroutines wait. Close idle connections of the client,
// too, before leaving a bubble.
func (s *Simulator) Pipe() (dial func(context.Context) (net.Conn, error), shut func()) {
	ln := &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
	srv := s.server(context.Background())
	conns := trackConns(srv)
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = srv.Serve(ln)
	}()
	return ln.dial, func() {
		_ = srv.Close()
		<-served
		conns.Wait()
	}
}

// trackConns returns a group that is done when no connection is being served any more. Serve itself
// reports new connections, so none can be added once it has returned.
func trackConns(srv *http.Server) *sync.WaitGroup {
	conns := &sync.WaitGroup{}
	srv.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			conns.Add(1)
		case http.StateClosed, http.StateHijacked:
			conns.Done()
		}
	}
	return conns
}

// pipeListener accepts the server's ends of in-memory connections.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *pipeListener) dial(ctx context.Context) (net.Conn, error) {
	client, server := net.Pipe()
	var err error
	select {
	case l.conns <- server:
		return client, nil
	case <-l.closed:
		err = net.ErrClosed
	case <-ctx.Done():
		err = ctx.Err()
	}
	return nil, errors.Join(err, client.Close(), server.Close())
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }

// limitListener accepts while fewer than a number of its connections are open.
type limitListener struct {
	net.Listener
	slots  chan struct{}
	closed chan struct{}
	once   sync.Once
}

func newLimitListener(ln net.Listener, n int) *limitListener {
	return &limitListener{Listener: ln, slots: make(chan struct{}, n), closed: make(chan struct{})}
}

func (l *limitListener) Accept() (net.Conn, error) {
	select {
	case l.slots <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.slots
		return nil, err
	}
	return &limitedConn{Conn: c, slots: l.slots}, nil
}

func (l *limitListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// limitedConn gives its slot back when it is closed for the first time.
type limitedConn struct {
	net.Conn
	slots chan struct{}
	once  sync.Once
}

func (c *limitedConn) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() { <-c.slots })
	return err
}
