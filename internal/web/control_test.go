package web

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"
)

func controlConfig(dir string) ControlConfig {
	return ControlConfig{
		Dir:    dir,
		Logger: zap.NewNop(),
		Status: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(map[string]int{"runs": 2}) }),
		History: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("since") == "nonsense" {
				http.Error(w, "since: not a time", http.StatusBadRequest)
				return
			}
			_ = json.NewEncoder(w).Encode(r.URL.Query())
		}),
		Members: http.NotFoundHandler(), Groups: http.NotFoundHandler(),
	}
}

// socketIn is the control socket's path.
func socketIn(cfg ControlConfig) string { return filepath.Join(cfg.Dir, ControlSocket) }

func startControl(t *testing.T, cfg ControlConfig) *Control {
	t.Helper()
	c, err := StartControl(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stopNow(t, c.Stop) })
	return c
}

// Whatever the umask, there is no moment in which others could connect.
func TestSocketIsMadeWithItsRights(t *testing.T) {
	before := syscall.Umask(0)
	defer syscall.Umask(before)
	path := filepath.Join(t.TempDir(), ControlSocket)
	listener, err := bindControl(path, controlMode)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != controlMode {
		t.Errorf("made with mode %v, %v; want %o", info.Mode().Perm(), err, controlMode)
	}
}

func TestControlAnswersStatusAndHistory(t *testing.T) {
	cfg := controlConfig(t.TempDir())
	startControl(t, cfg)
	client := ControlClient(socketIn(cfg))
	var status map[string]int
	if err := client.GetJSON(t.Context(), PathStatus, nil, &status); err != nil || status["runs"] != 2 {
		t.Errorf("status: %v, %v", status, err)
	}
	var query url.Values
	want := url.Values{"instance": {"i-1 &x"}}
	if err := client.GetJSON(t.Context(), PathHistory, want, &query); err != nil || query.Get("instance") != "i-1 &x" {
		t.Errorf("history: %v, %v", query, err)
	}
	err := client.GetJSON(t.Context(), PathHistory, url.Values{"since": {"nonsense"}}, &query)
	if err == nil || !strings.Contains(err.Error(), "since: not a time") {
		t.Errorf("a refusal: %v", err)
	}
	if _, err := client.Get(t.Context(), "/v1/else", nil); err == nil {
		t.Error("an unknown path was answered")
	}
}

func TestControlSocketIsForOwnerAndGroupOnly(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0))
	cfg := controlConfig(t.TempDir())
	startControl(t, cfg)
	info, err := os.Stat(socketIn(cfg))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o660 {
		t.Errorf("mode %v", info.Mode())
	}
}

func TestStaleSocketIsReplaced(t *testing.T) {
	dir := t.TempDir()
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, ControlSocket), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false) // as after kill -9
	_ = dead.Close()
	startControl(t, controlConfig(dir))
	if body, err := ControlClient(socketIn(controlConfig(dir))).Get(t.Context(), PathStatus, nil); err != nil {
		t.Error(err)
	} else {
		_ = body.Close()
	}
}

func TestSocketThatAnswersIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	startControl(t, controlConfig(dir))
	if _, err := StartControl(controlConfig(dir)); !errors.Is(err, ErrControlBusy) {
		t.Errorf("second daemon: %v", err)
	}
	if body, err := ControlClient(socketIn(controlConfig(dir))).Get(t.Context(), PathStatus, nil); err != nil {
		t.Errorf("the first daemon lost its socket: %v", err)
	} else {
		_ = body.Close()
	}
}

func TestFileInTheWayIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, ControlSocket)
	write(t, path, "precious")
	if _, err := StartControl(controlConfig(dir)); err == nil {
		t.Error("started over a file")
	}
	if content, err := os.ReadFile(path); err != nil || string(content) != "precious" {
		t.Errorf("the file: %q, %v", content, err)
	}
}

func TestPathTooLongForASocketIsExplained(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("d", 100))
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := StartControl(controlConfig(dir)); err == nil || !strings.Contains(err.Error(), "--state-dir") {
		t.Errorf("%v", err)
	}
}

func TestNoDaemonDiffersFromOneThatMayNotBeAsked(t *testing.T) {
	dir := t.TempDir()
	client := ControlClient(filepath.Join(dir, ControlSocket))
	if _, err := client.Get(t.Context(), PathStatus, nil); !errors.Is(err, ErrNoDaemon) {
		t.Errorf("no socket: %v", err)
	}
	c := startControl(t, controlConfig(dir))
	stopNow(t, c.Stop)
	if _, err := client.Get(t.Context(), PathStatus, nil); !errors.Is(err, ErrNoDaemon) {
		t.Errorf("after a stop: %v", err)
	}
	if _, err := os.Lstat(socketIn(controlConfig(dir))); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket stayed: %v", err)
	}
	err := client.explain(&url.Error{Op: "Get", URL: "http://zecpower/", Err: os.NewSyscallError("connect", syscall.EACCES)})
	if errors.Is(err, ErrNoDaemon) || !strings.Contains(err.Error(), "permission denied") {
		t.Errorf("no permission: %v", err)
	}
}

func TestControlClientHonoursItsContext(t *testing.T) {
	cfg := controlConfig(t.TempDir())
	cfg.Status = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	startControl(t, cfg)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := ControlClient(socketIn(cfg)).Get(ctx, PathStatus, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

func TestSlowControlClientIsDropped(t *testing.T) {
	cfg := controlConfig(t.TempDir())
	cfg.Limits = Limits{ReadHeader: 100 * time.Millisecond}
	startControl(t, cfg)
	conn, err := net.Dial("unix", socketIn(cfg))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET /v1"); err != nil {
		t.Fatal(err)
	}
	if !dropped(conn) {
		t.Error("kept")
	}
}

func TestControlServingThatEndsByItselfSaysSo(t *testing.T) {
	c := startControl(t, controlConfig(t.TempDir()))
	if c.Err() != nil {
		t.Errorf("an error while it serves: %v", c.Err())
	}
	_ = c.server.listener.Close()
	<-c.Done()
	if c.Err() == nil {
		t.Error("no reason given")
	}
}
