package apiclient

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"
)

// Limits of one request.
const (
	// MaxReplyBytes caps what is read of a reply, unpacked. A full page of
	// DescribeInstances (1,000 instances) stays well below it.
	MaxReplyBytes = 8 << 20
	// MaxInstanceIDs is the API's limit of ids in one request.
	MaxInstanceIDs = 100
	// MaxPageSize is the API's limit of pageSize.
	MaxPageSize = 1000
	// MaxTagFilters is the API's limit of tags, and of tag keys, to filter by.
	MaxTagFilters = 20
	// DefaultTimeout bounds one request where Config.Timeout is 0.
	DefaultTimeout = 30 * time.Second

	defaultAPIVersion  = "2025-09-01"
	versionWithoutTags = "2024-04-01"
	dialTimeout        = 10 * time.Second
	idleConnTimeout    = 90 * time.Second
	maxHeaderBytes     = 64 << 10
	// After pingAfter without a word a connection of HTTP/2 is asked for one,
	// and closed when none comes within pingTimeout.
	pingAfter   = 10 * time.Second
	pingTimeout = 5 * time.Second
)

// Config says whom to call, and as whom.
type Config struct {
	// Endpoint is scheme and host, https but for loopback addresses. See [ParseEndpoint].
	Endpoint string
	// APIVersion is sent as X-ZC-Version; empty means 2025-09-01.
	APIVersion  string
	Credentials Credentials
	// Timeout bounds one request from dialling to the last byte; 0 means DefaultTimeout.
	Timeout time.Duration
	// MaxConns is how many connections are kept for reuse; 0 means 8.
	MaxConns int
	// UserAgent is sent as it is; empty means "zecpower".
	UserAgent string
	// Observer is called after each request; nil is fine.
	Observer Observer
	// RootCAs and the like for endpoints behind a private authority; nil means the system's.
	TLS *tls.Config
	// DialContext replaces the network, for tests over in-memory connections.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
}

// Observer is called once for every request, when it is over. code is the HTTP status,
// or "error" where no reply of the API arrived. It must be safe for concurrent use.
type Observer interface {
	Request(action, code string, took time.Duration)
}

// Client calls the API. It is safe for concurrent use; Close it when done.
type Client struct {
	url         *url.URL
	version     string
	userAgent   string
	credentials Credentials
	timeout     time.Duration
	http        *http.Client
	transport   *http.Transport
	observer    Observer
}

// New checks cfg and returns a Client. Nothing is dialled yet.
func New(cfg Config) (*Client, error) {
	u, err := ParseEndpoint(cfg.Endpoint)
	if err != nil {
		return nil, err
	}
	if err := cfg.Credentials.Validate(); err != nil {
		return nil, err
	}
	if cfg.Timeout < 0 || cfg.MaxConns < 0 {
		return nil, errors.New("api client: timeout and connections must not be negative")
	}
	transport := newTransport(cfg, u)
	return &Client{
		url:         u.JoinPath(Path),
		version:     or(cfg.APIVersion, defaultAPIVersion),
		userAgent:   or(cfg.UserAgent, "zecpower"),
		credentials: cfg.Credentials,
		timeout:     or(cfg.Timeout, DefaultTimeout),
		transport:   transport,
		http: &http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		observer: cfg.Observer,
	}, nil
}

func newTransport(cfg Config, u *url.URL) *http.Transport {
	dialer := &net.Dialer{Timeout: dialTimeout}
	conns := or(cfg.MaxConns, 8)
	t := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		OnProxyConnectResponse: checkProxy,
		DialContext:            dialer.DialContext,
		TLSClientConfig:        cfg.TLS,
		TLSHandshakeTimeout:    dialTimeout,
		MaxIdleConns:           conns,
		MaxIdleConnsPerHost:    conns,
		IdleConnTimeout:        idleConnTimeout,
		MaxResponseHeaderBytes: maxHeaderBytes,
		ForceAttemptHTTP2:      true,
		// HTTP/1 gives a connection up when a request on it times out. HTTP/2 goes
		// on with it, so one that a firewall forgot would swallow every request
		// until the kernel notices, which takes it a quarter of an hour.
		HTTP2: &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout},
	}
	if u.Scheme == "http" {
		t.Proxy = nil
		dialer.Control = dialLoopbackOnly
	}
	if cfg.DialContext != nil {
		t.Proxy, t.DialContext = nil, cfg.DialContext
	}
	return t
}

func or[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}

// Close drops idle connections. Calls in flight end as they would.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// call makes one request: sign, send, read, classify. mutating says whether the
// action changes an instance, so that a lost reply leaves its fate unknown.
func (c *Client) call(ctx context.Context, action string, mutating bool, in, out any) (requestID string, err error) {
	body, err := json.Marshal(in)
	if err != nil {
		return "", &Error{Action: action, Class: ClassRequest, Err: fmt.Errorf("encoding the request: %w", err)}
	}
	start := time.Now()
	reply, sent, err := c.exchange(ctx, action, body)
	took := time.Since(start)
	if err != nil {
		err = lost(action, mutating && sent, err)
	} else {
		requestID, err = reply.decode(action, mutating, start, out)
	}
	c.observe(action, reply.status, took, err)
	return requestID, err
}

// exchange sends body once and reads the whole reply. sent reports whether the
// request may have left this host: once a connection was had, only the server knows.
func (c *Client) exchange(ctx context.Context, action string, body []byte) (r reply, sent bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	var connected atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }})
	req, err := c.request(ctx, action, body)
	if err != nil {
		return r, false, err
	}
	res, err := c.http.Do(req)
	if err != nil {
		return r, connected.Load(), c.explain(ctx, err)
	}
	defer res.Body.Close()
	r = reply{status: res.StatusCode, header: res.Header}
	r.body, err = io.ReadAll(io.LimitReader(res.Body, MaxReplyBytes+1))
	switch {
	case err != nil:
		r.broken = fmt.Errorf("reading the reply: %w", c.explain(ctx, err))
	case len(r.body) > MaxReplyBytes:
		r.body, r.broken = nil, fmt.Errorf("the reply is larger than %d MiB", MaxReplyBytes>>20)
	}
	return r, true, nil
}

func (c *Client) request(ctx context.Context, action string, body []byte) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	now := time.Now()
	h := req.Header
	h.Set("Content-Type", contentTypeJSON)
	h.Set("User-Agent", c.userAgent)
	h.Set(HeaderAction, action)
	h.Set(HeaderVersion, c.version)
	h.Set(HeaderTimestamp, strconv.FormatInt(now.Unix(), 10))
	h.Set("X-ZC-Service", "zec")
	if c.credentials.Token.IsZero() {
		h.Set(HeaderSignatureMethod, SignatureMethod)
	}
	h.Set("Authorization", Sign(c.credentials, now, contentTypeJSON, c.url.Host, body))
	return req, nil
}

// explain strips net/http's "Post URL:" and names our own time limit instead of
// "context deadline exceeded", which could be anybody's.
func (c *Client) explain(ctx context.Context, err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	if errors.Is(err, context.DeadlineExceeded) && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("no complete reply from %s within %s: %w", c.url.Host, c.timeout, err)
	}
	return fmt.Errorf("%s: %w", c.url.Host, err)
}

// observe notifies the observer. A page of a station on the way is no reply of the API, whatever its
// status.
func (c *Client) observe(action string, status int, took time.Duration, err error) {
	if c.observer == nil {
		return
	}
	code := strconv.Itoa(status)
	if e, ok := errors.AsType[*Error](err); ok && !e.FromAPI() {
		code = "error"
	}
	c.observer.Request(action, code, took)
}
