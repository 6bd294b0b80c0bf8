package web

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

// conns bounds a server's connections. A connection beyond the bound replaces the one that has been
// without a request longest; where all have one, the one that has been served longest. If it were
// refused or queued instead, a client that opens connections and sends nothing could exclude all
// others.
type conns struct {
	limit int

	mu   sync.Mutex
	open map[*conn]bool
}

// conn is a connection that conns counts. Its set's mu guards the fields.
type conn struct {
	net.Conn
	set     *conns
	serving int       // requests in their handler: several over HTTP/2
	since   time.Time // when serving last became or ceased to be 0; at first, when it was accepted
}

// Close implements net.Conn.
func (c *conn) Close() error {
	c.set.mu.Lock()
	delete(c.set.open, c)
	c.set.mu.Unlock()
	return c.Conn.Close()
}

func newConns(limit int) *conns {
	return &conns{limit: limit, open: make(map[*conn]bool, limit)}
}

// admit adds nc and closes another connection where the limit is reached.
func (s *conns) admit(nc net.Conn) *conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.open) >= s.limit {
		victim := s.idlest()
		delete(s.open, victim)
		_ = victim.Conn.Close() // its server goroutine sees the error and ends
	}
	c := &conn{Conn: nc, set: s, since: time.Now()}
	s.open[c] = true
	return c
}

// idlest is the connection to close first. There must be at least one.
func (s *conns) idlest() *conn {
	var found *conn
	for c := range s.open {
		if found == nil || c.idlerThan(found) {
			found = c
		}
	}
	return found
}

func (c *conn) idlerThan(other *conn) bool {
	if busy := c.serving > 0; busy != (other.serving > 0) {
		return !busy
	}
	return c.since.Before(other.since)
}

// count adds by to the number of requests that c serves.
func (s *conns) count(c *conn, by int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	idle := c.serving == 0
	c.serving += by
	if idle != (c.serving == 0) {
		c.since = time.Now()
	}
}

// connKey is the context key of a request's conn. net/http offers no other way to it.
type connKey struct{}

// connContext is a http.Server's ConnContext.
func connContext(ctx context.Context, nc net.Conn) context.Context {
	if over, ok := nc.(interface{ NetConn() net.Conn }); ok { // TLS
		nc = over.NetConn()
	}
	return context.WithValue(ctx, connKey{}, nc)
}

// counted marks connections as serving while h has a request of theirs.
func (s *conns) counted(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, ok := r.Context().Value(connKey{}).(*conn); ok {
			s.count(c, +1)
			defer s.count(c, -1)
		}
		h.ServeHTTP(w, r)
	})
}

// limitListener passes its connections through conns.
type limitListener struct {
	net.Listener
	conns *conns
}

// Accept implements net.Listener.
func (l limitListener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return l.conns.admit(nc), nil
}
