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
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

const testSecret = "hunter2-secret"

// serve starts a server on loopback and a client of it.
func serve(t *testing.T, handler http.HandlerFunc) (*Client, *httptest.Server) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return clientOf(t, Config{Endpoint: server.URL, Timeout: time.Minute}), server
}

func clientOf(t *testing.T, cfg Config) *Client {
	t.Helper()
	cfg.Credentials = Credentials{AccessKeyID: "KEY", AccessKeySecret: NewSecret(testSecret)}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func answer(status int, header http.Header, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for k, v := range header {
			w.Header()[k] = v
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func failureOf(t *testing.T, err error) *Error {
	t.Helper()
	e, ok := errors.AsType[*Error](err)
	if !ok {
		t.Fatalf("the error is %T %v, want *Error", err, err)
	}
	return e
}

func TestEveryReplyHasItsClass(t *testing.T) {
	for name, tc := range map[string]struct {
		status int
		body   string
		class  Class
		maybe  bool // a start may have been applied
	}{
		"429":                           {429, `{"requestId":"T1","code":"TOO_MANY"}`, ClassThrottled, false},
		"429 from a proxy":              {429, `<html>slow down</html>`, ClassThrottled, false},
		"limit exceeded under 400":      {400, `{"requestId":"T1","code":"REQUEST_LIMIT_EXCEEDED"}`, ClassThrottled, false},
		"limit exceeded under 403":      {403, `{"requestId":"T1","code":"REQUEST_LIMIT_EXCEEDED"}`, ClassThrottled, false},
		"401":                           {401, `{"requestId":"T1","code":"UNAUTHORIZED"}`, ClassCredentials, false},
		"401 from a station":            {401, ``, ClassTransient, false},
		"auth failure under 403":        {403, `{"requestId":"T1","code":"AUTHFAILURE_SIGNATURE_FAILURE"}`, ClassCredentials, false},
		"another auth failure":          {403, `{"requestId":"T1","code":"AUTHFAILURE_SOMETHING_NEW"}`, ClassCredentials, false},
		"not found":                     {404, `{"requestId":"T1","code":"INVALID_INSTANCE_NOT_FOUND"}`, ClassInstance, false},
		"recycled":                      {403, `{"requestId":"T1","code":"OPERATION_DENIED_INSTANCE_RECYCLED"}`, ClassInstance, false},
		"not stopped":                   {403, `{"requestId":"T1","code":"OPERATION_DENIED_INSTANCE_NOT_STOPPED"}`, ClassInstance, false},
		"not running":                   {403, `{"requestId":"T1","code":"OPERATION_DENIED_INSTANCE_NOT_RUNNING"}`, ClassInstance, false},
		"500":                           {500, `{"requestId":"T1","code":"INTERNAL_SERVER_ERROR"}`, ClassTransient, true},
		"503":                           {503, `{"requestId":"T1","code":"SERVICE_TEMPORARY_UNAVAILABLE"}`, ClassTransient, true},
		"504":                           {504, `{"requestId":"T1","code":"REQUEST_TIMED_OUT"}`, ClassTransient, true},
		"a proxy's 502":                 {502, `<html>bad gateway</html>`, ClassTransient, true},
		"408":                           {408, ``, ClassTransient, false},
		"timed out under 408":           {408, `{"requestId":"T1","code":"REQUEST_TIMED_OUT"}`, ClassTransient, true},
		"internal error under 400":      {400, `{"requestId":"T1","code":"INTERNAL_SERVER_ERROR"}`, ClassTransient, true},
		"bad parameter":                 {400, `{"requestId":"T1","code":"INVALID_PARAMETER_X"}`, ClassUnknown, false},
		"bad parameter under 500":       {500, `{"requestId":"T1","code":"INVALID_PARAMETER_X"}`, ClassTransient, true},
		"404 without a code":            {404, `not here`, ClassTransient, false},
		"a refusal of another shape":    {400, `{"requestId":"T1","code":400,"message":"no"}`, ClassTransient, false},
		"its code is read all the same": {404, `{"requestId":1,"code":"INVALID_INSTANCE_NOT_FOUND"}`, ClassInstance, false},
		"a refusal cut short":           {403, `{"requestId":"T1","co`, ClassTransient, false},
		"not found in other words":      {404, `{"requestId":"T1","code":"OPERATION_FAILED_RESOURCE_NOT_FOUND"}`, ClassInstance, false},
		"sold out":                      {403, `{"requestId":"T1","code":"RESOURCE_INSUFFICIENT_PRODUCT_SOLD_OUT"}`, ClassUnknown, false},
		"a new word about an instance":  {403, `{"requestId":"T1","code":"OPERATION_DENIED_INSTANCE_LOCKED"}`, ClassUnknown, false},
		"arrears under 402":             {402, `{"requestId":"T1","code":"ACCOUNT_ARREARS"}`, ClassUnknown, false},
		"a proxy's 400":                 {400, `<html>bad request</html>`, ClassTransient, false},
		"a gateway's 404":               {404, `<html>not found</html>`, ClassTransient, false},
		"a proxy's 407":                 {407, `<html>sign in</html>`, ClassTransient, false},
		"a proxy's 413":                 {413, `<html>too large</html>`, ClassTransient, false},
		"a CDN's 403":                   {403, `<html>forbidden</html>`, ClassTransient, false},
		"a gateway's JSON":              {403, `{"message":"Forbidden"}`, ClassTransient, false},
		"451":                           {451, `<html>unavailable</html>`, ClassBlocked, false},
		"451 with the envelope":         {451, `{"requestId":"T1","code":"WHAT"}`, ClassUnknown, false},
		"a passing redirect":            {307, ``, ClassTransient, false},
		"a lasting redirect":            {308, ``, ClassTransient, false},
		"202":                           {202, ``, ClassAmbiguous, true},
		"200 with a code":               {200, `{"requestId":"T1","code":"REQUEST_LIMIT_EXCEEDED"}`, ClassThrottled, false},
		"200 with an unknown code":      {200, `{"requestId":"T1","code":"WHAT"}`, ClassAmbiguous, true},
		"200 in HTML":                   {200, `<html>sign in</html>`, ClassAmbiguous, true},
		"200 without a response":        {200, `{"requestId":"T1"}`, ClassAmbiguous, true},
		"200 with null":                 {200, `{"requestId":"T1","response":null}`, ClassAmbiguous, true},
		"200 with a list":               {200, `{"requestId":"T1","response":[]}`, ClassAmbiguous, true},
		"200 with ids that are numbers": {200, `{"requestId":"T1","response":{"instanceIds":[1]}}`, ClassAmbiguous, true},
		"200 cut short":                 {200, `{"requestId":"T1","response":{"instanceIds":[`, ClassAmbiguous, true},
		"200 and more after it":         {200, `{"requestId":"T1","response":{"instanceIds":[]}}{}`, ClassAmbiguous, true},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := serve(t, answer(tc.status, http.Header{"Location": {"https://elsewhere.invalid/"}}, tc.body))
			_, err := c.StartInstances(t.Context(), []string{"i-1"})
			if e := failureOf(t, err); e.Class != tc.class || e.MaybeApplied != tc.maybe || e.HTTPStatus != tc.status || ClassOf(err) != tc.class {
				t.Errorf("start: class %s, maybe applied %v, status %d", e.Class, e.MaybeApplied, e.HTTPStatus)
			}
			_, err = c.DescribeInstancesStatus(t.Context(), StatusQuery{InstanceIDs: []string{"i-1"}})
			want := tc.class
			if want == ClassAmbiguous {
				want = ClassTransient // a look changes nothing
			}
			if e := failureOf(t, err); e.Class != want || e.MaybeApplied {
				t.Errorf("look: class %s, maybe applied %v", e.Class, e.MaybeApplied)
			}
		})
	}
}

// Without a count a list proves no absence, and no list is no empty one.
func TestLookWithoutCountOrListIsNotBelieved(t *testing.T) {
	for body, ok := range map[string]bool{
		`{"requestId":"T1","response":{"totalCount":0,"dataSet":[]}}`:   true,
		`{"requestId":"T1","response":{"dataSet":[]}}`:                  false,
		`{"requestId":"T1","response":{"totalCount":0}}`:                false,
		`{"requestId":"T1","response":{"totalCount":0,"dataSet":null}}`: true,
		`{"requestId":"T1","response":{"dataSet":null}}`:                false,
		`{"requestId":"T1","response":{"instanceIds":[]}}`:              false,
	} {
		c, _ := serve(t, answer(200, nil, body))
		_, err := c.DescribeInstancesStatus(t.Context(), StatusQuery{})
		if ok != (err == nil) || !ok && failureOf(t, err).Class != ClassTransient {
			t.Errorf("%s: %v", body, err)
		}
		if _, err := c.DescribeInstances(t.Context(), InstanceQuery{}); ok != (err == nil) {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// A CDN that wants a browser to prove itself says so in a header.
func TestChallengeOfACDNIsBlocked(t *testing.T) {
	for value, want := range map[string]Class{"challenge": ClassBlocked, "": ClassTransient, "block": ClassTransient} {
		c, _ := serve(t, answer(403, http.Header{"Cf-Mitigated": {value}}, `<html>Just a moment...</html>`))
		_, err := c.StartInstances(t.Context(), []string{"i-1"})
		if e := failureOf(t, err); e.Class != want || e.MaybeApplied || e.FromAPI() {
			t.Errorf("cf-mitigated %q: %+v", value, e)
		}
	}
	c, _ := serve(t, answer(403, http.Header{"Cf-Mitigated": {"challenge"}}, `{"requestId":"T1","code":"OPERATION_DENIED_INSTANCE_RECYCLED"}`))
	_, err := c.StartInstances(t.Context(), []string{"i-1"})
	if e := failureOf(t, err); e.Class != ClassInstance || !e.FromAPI() {
		t.Errorf("with the API's envelope: %+v", e)
	}
}

func TestErrorCarriesWhatTheAPISaid(t *testing.T) {
	c, _ := serve(t, answer(403, nil, `{"requestId":"T77","code":"OPERATION_DENIED_INSTANCE_RECYCLED","message":"in\nthe bin"}`))
	_, err := c.StartInstances(t.Context(), []string{"i-1"})
	e := failureOf(t, err)
	if e.RequestID != "T77" || e.Code != CodeInstanceRecycled || e.Message != "in the bin" {
		t.Errorf("%+v", e)
	}
	if want := "StartInstances: HTTP 403 OPERATION_DENIED_INSTANCE_RECYCLED: in the bin (request T77)"; err.Error() != want {
		t.Errorf("%q, want %q", err, want)
	}
}

func TestRetryAfterIsReadInBothForms(t *testing.T) {
	now := time.Now().UTC().Truncate(time.Second)
	date := func(ahead time.Duration) string { return now.Add(ahead).Format(http.TimeFormat) }
	for name, tc := range map[string]struct {
		value string
		want  time.Duration
	}{
		"seconds":          {"7", 7 * time.Second},
		"nothing":          {"", 0},
		"zero":             {"0", 0},
		"nonsense":         {"soon", 0},
		"negative":         {"-3", 0},
		"absurd":           {"4000000000", maxRetryAfter},
		"beyond 32 bits":   {"99999999999", maxRetryAfter},
		"beyond 64 bits":   {"99999999999999999999999", maxRetryAfter},
		"a date":           {date(30 * time.Second), 30 * time.Second},
		"a date gone by":   {date(-time.Hour), 0},
		"a date too far":   {date(24 * time.Hour), maxRetryAfter},
		"the end of dates": {"Fri, 31 Dec 9999 23:59:59 GMT", maxRetryAfter},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := serve(t, answer(429, http.Header{"Retry-After": {tc.value}, "Date": {date(0)}}, ``))
			_, err := c.StartInstances(t.Context(), []string{"i-1"})
			if got := failureOf(t, err).RetryAfter; got != tc.want {
				t.Errorf("retry after %s, want %s", got, tc.want)
			}
		})
	}
}

// A date is the server's, so it counts from the server's clock: from ours, two
// minutes behind, each throttled reply would stop the account for two minutes.
func TestRetryAfterOfASkewedServerCountsFromItsOwnClock(t *testing.T) {
	for _, ahead := range []time.Duration{2 * time.Minute, -2 * time.Minute} {
		c, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			server := time.Now().Add(ahead).UTC()
			w.Header().Set("Date", server.Format(http.TimeFormat))
			w.Header().Set("Retry-After", server.Add(3*time.Second).Format(http.TimeFormat))
			w.WriteHeader(http.StatusTooManyRequests)
		})
		_, err := c.StartInstances(t.Context(), []string{"i-1"})
		if got := failureOf(t, err).RetryAfter; got != 3*time.Second {
			t.Errorf("the server's clock is ahead by %s: retry after %s, want 3 s", ahead, got)
		}
	}
}

func TestSkewedClockIsNamed(t *testing.T) {
	for name, tc := range map[string]struct {
		status int
		ahead  time.Duration // the server's clock
		word   string
	}{
		"behind":           {401, 10 * time.Minute, "behind the API's"},
		"behind under 403": {403, 10 * time.Minute, "behind the API's"},
		"ahead":            {401, -10 * time.Minute, "ahead of the API's"},
		"right":            {401, 20 * time.Second, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Date", time.Now().Add(tc.ahead).UTC().Format(http.TimeFormat))
				answer(tc.status, nil, `{"code":"AUTHFAILURE_SIGNATURE_FAILURE"}`)(w, nil)
			})
			_, err := c.StartInstances(t.Context(), []string{"i-1"})
			if named := strings.Contains(err.Error(), "clock"); named != (tc.word != "") || !strings.Contains(err.Error(), tc.word) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestRedirectIsNotFollowed(t *testing.T) {
	var elsewhere atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	defer other.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		c, _ := serve(t, answer(status, http.Header{"Location": {other.URL}}, ``))
		_, err := c.StartInstances(t.Context(), []string{"i-1"})
		if err == nil || !strings.Contains(err.Error(), "redirect") {
			t.Errorf("%d: %v", status, err)
		}
	}
	if elsewhere.Load() != 0 {
		t.Errorf("%d requests went elsewhere", elsewhere.Load())
	}
}

func TestEndpointsAreChecked(t *testing.T) {
	for endpoint, ok := range map[string]bool{
		"https://console.zenlayer.com":        true,
		"https://console.zenlayer.com/":       true,
		"http://127.0.0.1:8080":               true,
		"http://localhost:8080":               true,
		"http://[::1]:8080":                   true,
		"http://console.zenlayer.com":         false,
		"http://127.0.0.1.example.com":        false,
		"http://10.0.0.1":                     false,
		"http://0.0.0.0":                      false,
		"ftp://console.zenlayer.com":          false,
		"console.zenlayer.com":                false,
		"https://":                            false,
		"https://user:pass@h":                 false,
		"https://h/api":                       false,
		"https://h?x=1":                       false,
		"https://h\x7f":                       false,
		"":                                    false,
		"https://console.zenlayer.com#anchor": false,
	} {
		if _, err := ParseEndpoint(endpoint); (err == nil) != ok {
			t.Errorf("%q: %v", endpoint, err)
		}
	}
	if _, err := ParseEndpoint("https://user:" + testSecret + "@h"); strings.Contains(err.Error(), testSecret) {
		t.Errorf("a password was printed: %v", err)
	}
}

func TestPlainHTTPIsDialledToLoopbackOnly(t *testing.T) {
	if err := dialLoopbackOnly("tcp", "192.0.2.1:80", nil); err == nil {
		t.Error("a name that resolves elsewhere was dialled")
	}
	if err := dialLoopbackOnly("tcp", "[::1]:80", nil); err != nil {
		t.Error(err)
	}
	c := clientOf(t, Config{Endpoint: "http://localhost:80"})
	if _, err := c.transport.DialContext(t.Context(), "tcp", "192.0.2.1:80"); err == nil || !strings.Contains(err.Error(), "not a loopback address") {
		t.Errorf("the client dials elsewhere: %v", err)
	}
}

// endless writes until the client has had enough, and reports how much that was.
func endless(w http.ResponseWriter, sent *atomic.Int64) {
	block := bytes.Repeat([]byte("x"), 64<<10)
	_, _ = io.WriteString(w, `{"requestId":"`)
	for {
		n, err := w.Write(block)
		sent.Add(int64(n))
		if err != nil {
			return
		}
	}
}

func TestReplyIsReadUpToTheCap(t *testing.T) {
	for name, length := range map[string]string{"two gigabytes": "2147483648", "no end": ""} {
		t.Run(name, func(t *testing.T) {
			var sent atomic.Int64
			c, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				if length != "" {
					w.Header().Set("Content-Length", length)
				}
				endless(w, &sent)
			})
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := c.StartInstances(t.Context(), []string{"i-1"})
			runtime.ReadMemStats(&after)
			if e := failureOf(t, err); e.Class != ClassAmbiguous || !strings.Contains(err.Error(), "larger than 8 MiB") {
				t.Errorf("%v", err)
			}
			if sent.Load() > 64<<20 || after.TotalAlloc-before.TotalAlloc > 100<<20 {
				t.Errorf("%d bytes sent, %d allocated", sent.Load(), after.TotalAlloc-before.TotalAlloc)
			}
		})
	}
}

// pipe connects a client to a handler in memory, for virtual time.
func pipe(t *testing.T, handler http.Handler, timeout time.Duration) *Client {
	t.Helper()
	return pipeTo(t, &http.Server{Handler: handler}, Config{Endpoint: "http://127.0.0.1", Timeout: timeout}) //nolint:gosec // no timeouts: the client's are tested
}

// pipeTo does that with a server, TLS where it has certificates; wraps stand
// between the client and each connection.
func pipeTo(t *testing.T, server *http.Server, cfg Config, wraps ...func(net.Conn) net.Conn) *Client {
	t.Helper()
	conns := make(chan net.Conn)
	listener := &chanListener{conns: conns, done: make(chan struct{})}
	served := make(chan struct{})
	go func() {
		defer close(served)
		if server.TLSConfig != nil {
			_ = server.ServeTLS(listener, "", "")
			return
		}
		_ = server.Serve(listener)
	}()
	cfg.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		for _, wrap := range wraps {
			ours = wrap(ours)
		}
		select {
		case conns <- theirs:
			return ours, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	c := clientOf(t, cfg)
	t.Cleanup(func() {
		c.Close()
		_ = server.Close()
		<-served
		time.Sleep(2 * time.Second) // virtual: handlers notice
	})
	return c
}

type chanListener struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (l *chanListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}
func (l *chanListener) Close() error   { l.once.Do(func() { close(l.done) }); return nil }
func (l *chanListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

func TestTrickleIsBoundedByTheTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := pipe(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			for r.Context().Err() == nil {
				_, _ = io.WriteString(w, " ")
				_ = http.NewResponseController(w).Flush()
				time.Sleep(time.Second)
			}
		}), 30*time.Second)
		start := time.Now()
		_, err := c.StartInstances(context.Background(), []string{"i-1"})
		if took := time.Since(start); took != 30*time.Second {
			t.Errorf("took %s", took)
		}
		if e := failureOf(t, err); !e.MaybeApplied || !strings.HasPrefix(err.Error(), "StartInstances: HTTP 200: ") || !strings.Contains(err.Error(), "no complete reply from 127.0.0.1 within 30s") {
			t.Errorf("%v", err)
		}
	})
}

func TestSilenceIsBoundedByTheTimeoutAndTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // else the server does not notice that the client leaves
			<-r.Context().Done()
		})
		c := pipe(t, silent, 30*time.Second)
		start := time.Now()
		_, err := c.StartInstances(context.Background(), []string{"i-1"})
		if took := time.Since(start); took != 30*time.Second || failureOf(t, err).Class != ClassAmbiguous {
			t.Errorf("took %s: %v", took, err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		start = time.Now()
		_, err = c.DescribeInstancesStatus(ctx, StatusQuery{})
		if took := time.Since(start); took != 3*time.Second || !errors.Is(err, context.DeadlineExceeded) || failureOf(t, err).Class != ClassTransient {
			t.Errorf("took %s: %v", took, err)
		}
	})
}

// forgetful is a connection that a firewall in between may forget: from then on
// nothing arrives at either end, and neither is told.
type forgetful struct {
	net.Conn
	forgotten *atomic.Bool
	closed    chan struct{}
	once      sync.Once
}

func (c *forgetful) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.forgotten.Load() {
		<-c.closed
		return 0, net.ErrClosed
	}
	return n, err
}

func (c *forgetful) Write(b []byte) (int, error) {
	if c.forgotten.Load() {
		return len(b), nil
	}
	return c.Conn.Write(b)
}

func (c *forgetful) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

// Else an outage would last as long as the connection, and outlive the run.
func TestDeadConnectionIsGivenUp(t *testing.T) {
	certified := httptest.NewTLSServer(nil)
	defer certified.Close()
	trusted := certified.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	for _, protocol := range []string{"h2", "http/1.1"} {
		t.Run(protocol, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var spoken string
				server := &http.Server{ //nolint:gosec // no timeouts: the client's are tested
					TLSConfig: &tls.Config{Certificates: certified.TLS.Certificates, NextProtos: []string{protocol}}, //nolint:gosec // a test's
					Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						spoken = r.TLS.NegotiatedProtocol
						answer(200, nil, `{"requestId":"T1","response":{"instanceIds":[]}}`)(w, r)
					}),
				}
				var last *atomic.Bool
				c := pipeTo(t, server, Config{Endpoint: "https://127.0.0.1", TLS: &tls.Config{RootCAs: trusted}}, func(conn net.Conn) net.Conn { //nolint:gosec // a test's
					last = &atomic.Bool{}
					return &forgetful{Conn: conn, forgotten: last, closed: make(chan struct{})}
				})
				if _, err := c.StartInstances(t.Context(), []string{"i-1"}); err != nil || spoken != protocol {
					t.Fatalf("over %s: %v", spoken, err)
				}
				last.Store(true)
				if _, err := c.StartInstances(t.Context(), []string{"i-1"}); err == nil || failureOf(t, err).Class != ClassAmbiguous {
					t.Errorf("a request that was swallowed: %v", err)
				}
				if _, err := c.StartInstances(t.Context(), []string{"i-1"}); err != nil {
					t.Errorf("the next one: %v", err)
				}
			})
		})
	}
}

func TestLostBeforeSendingIsNotAmbiguous(t *testing.T) {
	_, server := serve(t, answer(200, nil, ``))
	address := server.URL
	server.Close()
	c := clientOf(t, Config{Endpoint: address})
	_, err := c.StartInstances(t.Context(), []string{"i-1"})
	if e := failureOf(t, err); e.Class != ClassTransient || e.MaybeApplied || e.HTTPStatus != 0 {
		t.Errorf("%+v", e)
	}
}

func TestLostAfterSendingIsAmbiguous(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"no reply":     func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"half a reply": answer(200, http.Header{"Content-Length": {"100"}}, `{"requestId":`),
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := serve(t, handler)
			_, err := c.StartInstances(t.Context(), []string{"i-1"})
			if e := failureOf(t, err); e.Class != ClassAmbiguous || !e.MaybeApplied {
				t.Errorf("%+v", e)
			}
		})
	}
}

func TestConnectionIsReused(t *testing.T) {
	var conns atomic.Int32
	server := httptest.NewUnstartedServer(answer(200, nil, `{"requestId":"T1","response":{"instanceIds":[]}}`))
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			conns.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	c := clientOf(t, Config{Endpoint: server.URL})
	for range 50 {
		if _, err := c.StartInstances(t.Context(), []string{"i-1"}); err != nil {
			t.Fatal(err)
		}
	}
	if conns.Load() != 1 {
		t.Errorf("%d connections for 50 requests", conns.Load())
	}
}

// As many as the budget lets be in flight are kept, so that no batch dials.
func TestConnectionsOfRequestsAtOnceAreReused(t *testing.T) {
	const atOnce = 8
	var conns atomic.Int32
	var arrived sync.WaitGroup // those of one round wait for each other
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		arrived.Done()
		arrived.Wait()
		answer(200, nil, `{"requestId":"T1","response":{"instanceIds":[]}}`)(w, r)
	}))
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			conns.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	c := clientOf(t, Config{Endpoint: server.URL, MaxConns: atOnce})
	for range 5 {
		arrived.Add(atOnce)
		var round sync.WaitGroup
		for range atOnce {
			round.Go(func() {
				if _, err := c.StartInstances(t.Context(), []string{"i-1"}); err != nil {
					t.Error(err)
				}
			})
		}
		round.Wait()
	}
	if conns.Load() != atOnce {
		t.Errorf("%d connections for 5 rounds of %d requests", conns.Load(), atOnce)
	}
}

func TestRequestIsAsDocumented(t *testing.T) {
	var got *http.Request
	var body map[string]any
	c, server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got = r
		raw, _ := io.ReadAll(r.Body)
		body = nil
		_ = json.Unmarshal(raw, &body)
		host := strings.TrimPrefix(r.Host, "http://")
		headers := "content-type:application/json\nhost:" + host + "\n"
		want := Signature(NewSecret(testSecret), r.Header.Get(HeaderTimestamp), headers, "content-type;host", raw)
		if !strings.HasSuffix(r.Header.Get("Authorization"), "Signature="+want) {
			t.Errorf("authorization %q, want the signature %s", r.Header.Get("Authorization"), want)
		}
		answer(200, nil, `{"requestId":"T1","response":{"instanceIds":["i-2"],"totalCount":1,"dataSet":[{"instanceId":"i-1","instanceStatus":"RUN\u0000NING"}]}}`)(w, r)
	})
	_ = server
	power, err := c.StopInstances(t.Context(), []string{"i-1", "i-2"}, false)
	if err != nil || fmt.Sprint(power) != "{T1 [i-2]}" {
		t.Errorf("%v %v", power, err)
	}
	if got.Method != "POST" || got.URL.Path != Path || got.Header.Get(HeaderAction) != "StopInstances" || got.Header.Get(HeaderVersion) != "2025-09-01" {
		t.Errorf("%s %s %v", got.Method, got.URL, got.Header)
	}
	if force, sent := body["forceShutdown"]; !sent || force != false {
		t.Errorf("forceShutdown is %v, sent %v", force, sent)
	}
	page, err := c.DescribeInstancesStatus(t.Context(), StatusQuery{InstanceIDs: []string{"i-1"}})
	if err != nil || page.TotalCount != 1 || page.Instances[0].State != "RUN NING" {
		t.Errorf("%+v %v", page, err)
	}
	if body["pageSize"] != 1000.0 || body["pageNum"] != 1.0 {
		t.Errorf("body %v", body)
	}
}

func TestRequestBeyondTheLimitsIsNotSent(t *testing.T) {
	c, _ := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("a request was sent") })
	for name, call := range map[string]func() error{
		"no ids":  func() error { _, err := c.StartInstances(t.Context(), nil); return err },
		"101 ids": func() error { _, err := c.StopInstances(t.Context(), make([]string, 101), true); return err },
		"look at 101": func() error {
			_, err := c.DescribeInstancesStatus(t.Context(), StatusQuery{InstanceIDs: make([]string, 101)})
			return err
		},
		"page too long": func() error { _, err := c.DescribeInstances(t.Context(), InstanceQuery{PageSize: 1001}); return err },
		"page below 1":  func() error { _, err := c.DescribeInstances(t.Context(), InstanceQuery{PageNum: -1}); return err },
		"list of 101": func() error {
			_, err := c.DescribeInstances(t.Context(), InstanceQuery{InstanceIDs: make([]string, 101)})
			return err
		},
		"21 tags": func() error {
			_, err := c.DescribeInstances(t.Context(), InstanceQuery{Tags: make([]Tag, 21)})
			return err
		},
		"21 tag keys": func() error {
			_, err := c.DescribeInstances(t.Context(), InstanceQuery{TagKeys: make([]string, 21)})
			return err
		},
	} {
		if err := call(); err == nil || failureOf(t, err).Class != ClassRequest {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// counter is an Observer.
type counter struct {
	mu    sync.Mutex
	codes []string
}

func (c *counter) Request(action, code string, _ time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.codes = append(c.codes, action+" "+code)
}

// A page of a station on the way is no reply of the API, whatever its status.
func TestObserverSeesEveryRequestOnce(t *testing.T) {
	seen := &counter{}
	for _, handler := range []http.HandlerFunc{
		answer(503, nil, `{"code":"SERVICE_TEMPORARY_UNAVAILABLE","message":"no"}`), answer(503, nil, ``), answer(403, nil, `<html>`), answer(200, nil, `<html>`),
	} {
		server := httptest.NewServer(handler)
		_, _ = clientOf(t, Config{Endpoint: server.URL, Observer: seen}).StartInstances(t.Context(), []string{"i-1"})
		server.Close()
		_, _ = clientOf(t, Config{Endpoint: server.URL, Observer: seen}).DescribeInstancesStatus(t.Context(), StatusQuery{})
	}
	const want = "StartInstances 503, DescribeInstancesStatus error, StartInstances error, DescribeInstancesStatus error, " +
		"StartInstances error, DescribeInstancesStatus error, StartInstances error, DescribeInstancesStatus error"
	if got := strings.Join(seen.codes, ", "); got != want {
		t.Errorf("observed %s", got)
	}
}

func TestSecretIsInNoError(t *testing.T) {
	handlers := []http.HandlerFunc{
		answer(401, nil, `{"code":"AUTHFAILURE_SIGNATURE_FAILURE","message":"no"}`),
		answer(200, nil, `<html>`),
		func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	}
	for _, h := range handlers {
		c, _ := serve(t, h)
		_, err := c.StartInstances(t.Context(), []string{"i-1"})
		printed := fmt.Sprintf("%v %+v %#v %#v", err, err, err, c)
		if strings.Contains(printed, testSecret) || strings.Contains(printed, "Signature=") {
			t.Errorf("a secret was printed: %s", printed)
		}
	}
}
