package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// ErrNoDaemon means that no process answers on the control socket: no daemon runs, or it runs with
// another state folder.
var ErrNoDaemon = errors.New("no daemon answers")

// The control socket's paths.
const (
	PathStatus  = "/v1/status"
	PathHistory = "/v1/history"
	PathMembers = "/v1/members"
	PathGroups  = "/v1/groups"
)

// maxRefusal is how much of a refusal's text is shown, in bytes.
const maxRefusal = 1 << 10

// Client asks a running daemon over one of its sockets. It is safe for concurrent use and keeps no
// connection.
type Client struct {
	path string
	http *http.Client
}

// ControlClient returns a client of the control socket at path. A user who has no right to that, and
// has one to the operator socket beside it, asks there. Nothing is dialled yet.
func ControlClient(path string) *Client {
	return newClient(path, func(ctx context.Context, dial dialUnix) (net.Conn, error) {
		conn, err := dial(ctx, path)
		if errors.Is(err, fs.ErrPermission) {
			if conn, err := dial(ctx, OperatorPath(filepath.Dir(path))); err == nil {
				return conn, nil
			}
		}
		return conn, err
	})
}

// OperatorClient returns a client of the operator socket at path. Nothing is dialled yet.
func OperatorClient(path string) *Client {
	return newClient(path, func(ctx context.Context, dial dialUnix) (net.Conn, error) { return dial(ctx, path) })
}

// dialUnix connects to a Unix socket.
type dialUnix func(ctx context.Context, path string) (net.Conn, error)

func newClient(path string, connect func(context.Context, dialUnix) (net.Conn, error)) *Client {
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	dial := func(ctx context.Context, path string) (net.Conn, error) { return dialer.DialContext(ctx, "unix", path) }
	return &Client{path: path, http: &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return connect(ctx, dial) },
	}}}
}

// Get asks for a path and returns the body of the reply, which the caller must close. The error is
// ErrNoDaemon where no process answers. A missing permission is another error, so that a running
// daemon is not taken for a stopped one. A *Refused says that the daemon answers otherwise.
func (c *Client) Get(ctx context.Context, path string, query url.Values) (io.ReadCloser, error) {
	return c.do(ctx, http.MethodGet, path, query, nil)
}

// Post sends a request as JSON. Its reply and errors are as those of Get.
func (c *Client) Post(ctx context.Context, path string, query url.Values, request any) (io.ReadCloser, error) {
	data, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	return c.do(ctx, http.MethodPost, path, query, bytes.NewReader(data))
}

func (c *Client) do(ctx context.Context, method, path string, query url.Values, body io.Reader) (io.ReadCloser, error) {
	u := url.URL{Scheme: "http", Host: "zecpower", Path: path, RawQuery: query.Encode()}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		return nil, err
	}
	reply, err := c.http.Do(req)
	if err != nil {
		return nil, c.explain(err)
	}
	if reply.StatusCode/100 != 2 {
		defer reply.Body.Close()
		text, _ := io.ReadAll(io.LimitReader(reply.Body, maxRefusal)) // a partial text still helps
		return nil, &Refused{
			Status: reply.StatusCode, Text: strings.TrimSpace(string(text)),
			what: fmt.Sprintf("socket %s: %s %s: %s", c.path, method, path, reply.Status),
		}
	}
	return reply.Body, nil
}

// Refused is the answer of a daemon that does not do what it is asked for.
type Refused struct {
	Status int    // of HTTP; 503: it may later
	Text   string // why
	what   string // was asked
}

// Error implements error.
func (e *Refused) Error() string { return e.what + ": " + e.Text }

// GetJSON asks for a path and decodes the reply into dst.
func (c *Client) GetJSON(ctx context.Context, path string, query url.Values, dst any) error {
	body, err := c.Get(ctx, path, query)
	if err != nil {
		return err
	}
	defer body.Close()
	if err := json.NewDecoder(body).Decode(dst); err != nil {
		return fmt.Errorf("socket %s: GET %s: %w", c.path, path, err)
	}
	return nil
}

func (c *Client) explain(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("socket %s: %w", c.path, ErrNoDaemon)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("socket %s: %w; %s", c.path, fs.ErrPermission, WhoMay(c.path))
	}
	var op *url.Error
	if errors.As(err, &op) {
		err = op.Err // its URL is a placeholder
	}
	return fmt.Errorf("socket %s: %w", c.path, err)
}
