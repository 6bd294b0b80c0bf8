package web

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

// The user of the tests: cheap to check, since cost 4 is bcrypt's least.
const (
	password     = "correct horse"
	passwordHash = "$2a$04$473h875Wio4vetojeNqIO.Q1w7AAYnXeBfwz0jPHXioWlcxJE.uIG"
)

var metricsPage = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "up 1\n") })

func start(t *testing.T, cfg Config) *Server {
	t.Helper()
	if cfg.Address == "" {
		cfg.Address = "127.0.0.1:0"
	}
	if cfg.Metrics == nil {
		cfg.Metrics = metricsPage
	}
	if cfg.Logger == nil {
		cfg.Logger = zap.NewNop()
	}
	s, err := Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stopNow(t, s.Stop) })
	return s
}

func stopNow(t *testing.T, stop func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = stop(ctx) // cut connections are what some tests are about
}

func get(t *testing.T, client *http.Client, url string) (int, string, http.Header) {
	t.Helper()
	reply, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	body, err := io.ReadAll(reply.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply.StatusCode, string(body), reply.Header
}

// fresh is a client that keeps no connection, so that no test waits for another's.
func fresh() *http.Client {
	return &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
}

func TestEveryPageAnswers(t *testing.T) {
	s := start(t, Config{Version: "1.2.3"})
	for _, c := range []struct {
		path   string
		status int
		want   string
	}{
		{"/metrics", 200, "up 1"},
		{"/-/healthy", 200, "healthy"},
		{"/-/ready", 200, "zecpower is ready"},
		{"/", 200, `href="/metrics"`},
		{"/", 200, "1.2.3"},
		{"/nothing", 404, ""},
		{"/debug/pprof/", 404, ""},
	} {
		status, body, _ := get(t, fresh(), "http://"+s.Addr().String()+c.path)
		if status != c.status || !strings.Contains(body, c.want) {
			t.Errorf("GET %s: %d %q; want %d with %q", c.path, status, body, c.status, c.want)
		}
	}
}

func TestOnlyReadingIsAllowed(t *testing.T) {
	s := start(t, Config{})
	reply, err := fresh().Post("http://"+s.Addr().String()+"/metrics", "text/plain", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	if reply.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %s", reply.Status)
	}
}

func TestReadyFollowsTheDaemonAndSaysWhyNot(t *testing.T) {
	var ready atomic.Bool
	s := start(t, Config{Ready: func() error {
		if ready.Load() {
			return nil
		}
		return errors.New("the store is not loaded yet")
	}})
	url := "http://" + s.Addr().String() + "/-/ready"
	if status, body, _ := get(t, fresh(), url); status != 503 || !strings.Contains(body, "the store is not loaded yet") {
		t.Errorf("before: %d %q", status, body)
	}
	if status, _, _ := get(t, fresh(), "http://"+s.Addr().String()+"/-/healthy"); status != 200 {
		t.Errorf("healthy before ready: %d", status)
	}
	ready.Store(true)
	if status, _, _ := get(t, fresh(), url); status != 200 {
		t.Errorf("after: %d", status)
	}
}

func TestLoopbackIsTheDefault(t *testing.T) {
	if host, _, err := net.SplitHostPort(DefaultAddress); err != nil || !net.ParseIP(host).IsLoopback() {
		t.Errorf("%s: %v", DefaultAddress, err)
	}
}

func TestOpenAddressWithoutConfigFileIsWarnedOf(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "web.yml")
	write(t, empty, "http_server_config:\n  http2: false\n")
	for _, c := range []struct {
		address, file string
		warned        int
	}{
		{"127.0.0.1:0", "", 0},
		{"[::1]:0", "", 0},
		{"0.0.0.0:0", "", 1},
		{":0", "", 1},
		{"0.0.0.0:0", empty, 0},
	} {
		core, logs := observer.New(zapcore.WarnLevel)
		start(t, Config{Address: c.address, ConfigFile: c.file, Logger: zap.New(core)})
		if logs.Len() != c.warned {
			t.Errorf("%s with file %q: %d warnings, want %d", c.address, c.file, logs.Len(), c.warned)
		}
	}
}

func TestBadAddressIsRefusedWithItsFlag(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, address := range []string{"9821", "127.0.0.1:http:x", taken.Addr().String()} {
		_, err := Start(Config{Address: address, Metrics: metricsPage, Logger: zap.NewNop()})
		if err == nil || !strings.Contains(err.Error(), "--web.listen-address") {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestBasicAuthLetsOnlyItsUsersIn(t *testing.T) {
	file := filepath.Join(t.TempDir(), "web.yml")
	write(t, file, "basic_auth_users:\n  prometheus: "+passwordHash+"\n")
	core, logs := observer.New(zapcore.DebugLevel)
	s := start(t, Config{ConfigFile: file, Logger: zap.New(core)})
	base := "http://" + s.Addr().String()
	for _, c := range []struct {
		user, password string
		want           int
	}{{"prometheus", password, 200}, {"prometheus", "wrong", 401}, {"nobody", password, 401}, {"", "", 401}} {
		req, err := http.NewRequest(http.MethodGet, base+"/metrics", nil)
		if err != nil {
			t.Fatal(err)
		}
		if c.user != "" {
			req.SetBasicAuth(c.user, c.password)
		}
		reply, err := fresh().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = reply.Body.Close()
		if reply.StatusCode != c.want {
			t.Errorf("%s/%s: %d, want %d", c.user, c.password, reply.StatusCode, c.want)
		}
	}
	// The file goes bad under the running server: it is read at each request.
	write(t, file, "basic_auth_users: hunter2\n")
	if status, _, _ := get(t, fresh(), base+"/metrics"); status != 500 {
		t.Errorf("with a broken file: %d, want 500", status)
	}
	for _, entry := range logs.All() {
		assertSecretless(t, entry.Message+fmt.Sprint(entry.ContextMap()))
	}
	if logs.FilterMessage("Unable to parse configuration").Len() == 0 {
		t.Error("the broken file was not logged")
	}
}

func assertSecretless(t *testing.T, text string) {
	t.Helper()
	for _, secret := range []string{password, passwordHash, passwordHash[:7], "hunter2"} {
		if strings.Contains(text, secret) {
			t.Errorf("%q is shown in %q", secret, text)
		}
	}
}

func TestBadConfigFileIsRefusedAtStartWithoutItsContents(t *testing.T) {
	for name, c := range map[string]struct{ content, want string }{
		"a password instead of a hash":       {"basic_auth_users:\n  alice: hunter2\n", "not a bcrypt hash"},
		"a long password instead of a hash":  {"basic_auth_users:\n  alice: " + strings.Repeat("hunter2", 20) + "\n", "not a bcrypt hash"},
		"a password in the wrong place":      {"basic_auth_users: hunter2\n", "cannot unmarshal"},
		"a hash in the wrong place":          {"basic_auth_users: " + passwordHash + "\n", "cannot unmarshal"},
		"an unknown key":                     {"basic_auth: {}\n", "basic_auth"},
		"a certificate without a key":        {"tls_server_config:\n  cert_file: x.pem\n", "missing one of key or key_file"},
		"a certificate that is not there":    {"tls_server_config:\n  cert_file: x.pem\n  key_file: x.key\n", "x.pem"},
		"a header that may not be set":       {"http_server_config:\n  headers:\n    Server: x\n", "Server"},
		"not YAML":                           {"\t:", "yaml"},
		"client certificates without policy": {"tls_server_config:\n  client_auth_type: Sometimes\n", "cert"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "web.yml")
			write(t, file, c.content)
			_, err := Start(Config{Address: "127.0.0.1:0", ConfigFile: file, Metrics: metricsPage, Logger: zap.NewNop()})
			if err == nil {
				t.Fatal("accepted")
			}
			if !strings.Contains(err.Error(), file) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v; want the file and %q", err, c.want)
			}
			assertSecretless(t, err.Error())
		})
	}
	if _, err := Start(Config{Address: "127.0.0.1:0", ConfigFile: "/nonexistent/web.yml", Metrics: metricsPage, Logger: zap.NewNop()}); err == nil {
		t.Error("a file that is not there was accepted")
	}
}

func TestTLSIsServedAndPlainTextIsNot(t *testing.T) {
	file, pool := certificate(t)
	core, logs := observer.New(zapcore.DebugLevel)
	s := start(t, Config{ConfigFile: file, Logger: zap.New(core)})
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12},
	}}
	defer client.CloseIdleConnections()
	reply, err := client.Get("https://" + s.Addr().String() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	if reply.StatusCode != 200 || reply.TLS == nil || reply.ProtoMajor != 2 {
		t.Errorf("%s over %s, TLS %v", reply.Status, reply.Proto, reply.TLS != nil)
	}
	if status, _, _ := get(t, fresh(), "http://"+s.Addr().String()+"/metrics"); status != 400 {
		t.Errorf("plain text: %d, want 400", status)
	}
	if noisy := logs.Filter(func(e observer.LoggedEntry) bool { return e.Level >= zapcore.WarnLevel }); noisy.Len() > 0 {
		t.Errorf("a client's mistake was a warning: %v", noisy.All())
	}
}

// certificate writes a self-signed pair and the web configuration that names it.
func certificate(t *testing.T) (configFile string, pool *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	write(t, filepath.Join(dir, "tls.crt"), string(certPEM))
	write(t, filepath.Join(dir, "tls.key"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})))
	configFile = filepath.Join(dir, "web.yml")
	write(t, configFile, "tls_server_config:\n  cert_file: tls.crt\n  key_file: tls.key\n")
	pool = x509.NewCertPool()
	pool.AppendCertsFromPEM(certPEM)
	return configFile, pool
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// trickle opens a connection and sends the beginning of a request.
func trickle(t *testing.T, s *Server) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := io.WriteString(conn, "GET /metrics HTTP/1.1\r\nHost: x\r\nX-Slow: "); err != nil {
		t.Fatal(err)
	}
	return conn
}

// dropped waits until the server has closed conn.
func dropped(conn net.Conn) bool {
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	_, err := io.Copy(io.Discard, conn)
	return !errors.Is(err, os.ErrDeadlineExceeded)
}

func TestSlowClientIsDroppedWhileOthersAreServed(t *testing.T) {
	s := start(t, Config{Limits: Limits{ReadHeader: 200 * time.Millisecond}})
	slow := trickle(t, s)
	if status, _, _ := get(t, fresh(), "http://"+s.Addr().String()+"/metrics"); status != 200 {
		t.Errorf("beside a slow client: %d", status)
	}
	if !dropped(slow) {
		t.Error("the slow client was kept")
	}
}

func TestSlowClientsCannotFillTheServer(t *testing.T) {
	const limit = 4
	s := start(t, Config{Limits: Limits{MaxConns: limit, ReadHeader: time.Minute, Read: time.Minute}})
	var slow []net.Conn
	for range 5 * limit {
		slow = append(slow, trickle(t, s))
	}
	for range 3 {
		if status, _, _ := get(t, fresh(), "http://"+s.Addr().String()+"/metrics"); status != 200 {
			t.Errorf("behind slow clients: %d", status)
		}
	}
	for i, conn := range slow[:4*limit] {
		if !dropped(conn) {
			t.Errorf("slow client %d of %d was kept", i, len(slow))
		}
	}
}

func TestIdleConnectionGivesWayBeforeOneBeingServed(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	s := start(t, Config{
		Limits: Limits{MaxConns: 2},
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("X-Wait") != "" {
				close(entered)
				<-release
			}
			_, _ = io.WriteString(w, "up 1\n")
		}),
	})
	busy, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	if _, err := io.WriteString(busy, "GET /metrics HTTP/1.1\r\nHost: x\r\nX-Wait: 1\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	<-entered
	for range 5 { // each takes the place of the one before, never that of the oldest, which is at work
		if status, _, _ := get(t, fresh(), "http://"+s.Addr().String()+"/metrics"); status != 200 {
			t.Errorf("beside a busy connection: %d", status)
		}
		idle, err := net.Dial("tcp", s.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer idle.Close()
	}
	close(release)
	reply, err := http.ReadResponse(bufio.NewReader(busy), nil)
	if err != nil {
		t.Fatalf("the busy connection was cut: %v", err)
	}
	_ = reply.Body.Close()
}

func TestSlowReaderIsDropped(t *testing.T) {
	big := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		chunk := make([]byte, 1<<20)
		for range 64 {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	})
	s := start(t, Config{Metrics: big, Limits: Limits{Write: 200 * time.Millisecond}})
	conn, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := s.Stop(ctx); err != nil { // it waits for the request, whose reply is not read
		t.Errorf("the reader still held the server: %v", err)
	}
}

func TestLongHeadersAreRefused(t *testing.T) {
	s := start(t, Config{Limits: Limits{MaxHeaderBytes: 1 << 10}})
	req, err := http.NewRequest(http.MethodGet, "http://"+s.Addr().String()+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Long", strings.Repeat("x", 32<<10))
	reply, err := fresh().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = reply.Body.Close()
	if reply.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Error(reply.Status)
	}
}

func TestStopIsBoundedJoinsAndMayComeTwice(t *testing.T) {
	entered := make(chan struct{})
	s := start(t, Config{Metrics: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(entered)
		<-r.Context().Done()
	})})
	go func() {
		reply, err := fresh().Get("http://" + s.Addr().String() + "/metrics")
		if err == nil {
			_ = reply.Body.Close()
		}
	}()
	<-entered
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if err := s.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("with a request that never ends: %v", err)
	}
	select {
	case <-s.Done():
	default:
		t.Error("Stop returned before serving ended")
	}
	if err := s.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("second stop: %v", err)
	}
	if s.Err() != nil {
		t.Errorf("a stop is no failure: %v", s.Err())
	}
	if _, err := net.Dial("tcp", s.Addr().String()); err == nil {
		t.Error("still listening")
	}
}

func TestStopRightAfterStart(t *testing.T) {
	for range 50 {
		s := start(t, Config{})
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		if err := s.Stop(ctx); err != nil {
			t.Error(err)
		}
		cancel()
	}
}

func TestServingThatEndsByItselfSaysSo(t *testing.T) {
	s := start(t, Config{})
	_ = s.server.listener.Close() // as a kernel would, out of luck
	<-s.Done()
	if s.Err() == nil {
		t.Error("no reason given")
	}
}
