package app

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"

	"zecpower/apiclient"
	"zecpower/internal/config"
	"zecpower/internal/store"
	"zecpower/internal/web"
)

// socketWorld is a daemon with its real sockets. Its API cannot be reached; each try is counted.
type socketWorld struct {
	t      *testing.T
	daemon *Daemon
	dir    string
	dials  atomic.Int64
	ended  chan error
	stop   context.CancelFunc
}

const socketSecret = "a-secret-that-no-answer-may-hold"

func startSocketWorld(t *testing.T) *socketWorld {
	t.Helper()
	dir, err := os.MkdirTemp("", "zec") // the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	w := &socketWorld{t: t, dir: dir, ended: make(chan error, 1)}
	ready := make(chan struct{})
	dial := func(context.Context, string, string) (net.Conn, error) {
		w.dials.Add(1)
		return nil, io.ErrUnexpectedEOF
	}
	w.daemon, err = New(Options{
		Config: ordersConfig(t), StateDir: filepath.Join(dir, "s"), RuntimeDir: dir, WebAddress: "127.0.0.1:0", Logger: zap.NewNop(),
		OnReady: func(net.Addr) { close(ready) },
		Access: func(config.Account) (Access, error) {
			c := apiclient.Credentials{AccessKeyID: "key", AccessKeySecret: apiclient.NewSecret(socketSecret)}
			return Access{Credentials: c, Source: "the test", DialContext: dial, Read: func() (apiclient.Credentials, error) { return c, nil }}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	var ctx context.Context
	ctx, w.stop = context.WithCancel(context.Background())
	go func() { w.ended <- w.daemon.Run(ctx) }()
	select {
	case <-ready:
	case err := <-w.ended:
		t.Fatal(err)
	}
	return w
}

func (w *socketWorld) path(socket string) string { return filepath.Join(w.dir, socket) }

// send writes raw bytes to a socket, and returns the answer; zero: there is none.
func (w *socketWorld) send(socket, raw string) (status int, body string) {
	conn, err := net.Dial("unix", w.path(socket))
	if err != nil {
		return 0, ""
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(2 * time.Second))
	go func() { // the daemon may answer, and close, before it has read all
		_, err := io.WriteString(conn, raw)
		for range hugePieces {
			if err == nil && strings.HasSuffix(raw, huge) {
				_, err = conn.Write(hugePiece)
			}
		}
		if strings.Contains(raw, "Content-Length: 9") {
			_ = conn.(*net.UnixConn).CloseWrite()
		}
	}()
	return readReply(conn)
}

func readReply(conn io.Reader) (status int, body string) {
	data, _ := io.ReadAll(io.LimitReader(conn, 1<<20))
	head, body, _ := strings.Cut(string(data), "\r\n\r\n")
	_, _ = fmt.Sscanf(head, "HTTP/1.1 %d", &status)
	return status, body
}

func post(path, body string) string {
	size := len(body)
	if body == huge {
		size += hugePieces * len(hugePiece)
	}
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: z\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", path, size, body)
}

func get(path string) string {
	return "GET " + path + " HTTP/1.1\r\nHost: z\r\nConnection: close\r\n\r\n"
}

// huge begins a body that is too large: hugePieces pieces follow.
const (
	huge       = `{"groups":["huge`
	hugePieces = 1000
)

var hugePiece = []byte(strings.Repeat("x", 4<<10))

// nonsense is one request that must do nothing.
func nonsense(r *rand.Rand) (socket, raw string) {
	id := fmt.Sprintf("manual/2026-11-25T07:50:00Z-%06x", r.Uint32()&0xffffff)
	junk := make([]byte, r.IntN(3000))
	for i := range junk {
		junk[i] = byte(r.Uint32())
	}
	paths := []string{web.PathRuns, web.PathRuns + "?detach", web.PathCancel, web.PathAccept}
	bodies := []string{
		string(junk), "", "{", "null", "[]", `{"run_id":` + strings.Repeat("[", 5000), `{"run_id":"` + string(junk) + `"}`,
		`{"run_id":"` + id + `","action":"start","groups":["web"],"unknown":1}`, `{"run_id":"` + id + `","action":"start","groups":["nope"]}`,
		`{"run_id":"` + id + `","action":"reboot","groups":["web"]}`, `{"run_id":"x","action":"stop","groups":["web"]}`,
		`{"run_id":"` + id + `","action":"stop","groups":["web"]} {}`, `{"run_id":"` + id + `","action":"stop","groups":["web"],"deadline_ns":1e300}`,
		`{"members":{"web":["i-1"]}}`, `{"members":{"` + strings.Repeat("g", 4000) + `":[""]}}`, `{"run_id":"` + strings.Repeat("\\u001b[31m", 9000) + `"}`,
		huge,
	}
	path, body := pick(r, paths...), pick(r, bodies...)
	switch r.IntN(8) {
	case 0:
		return web.OperatorSocket, string(junk)
	case 1: // less than it says
		return web.OperatorSocket, strings.Replace(post(path, body), "Content-Length: ", "Content-Length: 9", 1)
	case 2: // no right to change anything
		return web.ControlSocket, post(path, body)
	case 3:
		return pick(r, web.ControlSocket, web.OperatorSocket), pick(r, "PUT ", "DELETE ", "GET ") + strings.TrimPrefix(post(path, body), "POST ")
	case 4:
		return web.OperatorSocket, get("/v1/" + strings.Repeat("../", 30) + "etc/passwd")
	case 5:
		return web.ControlSocket, get("/v1/history?since=" + strings.Repeat("%00", r.IntN(6000)) + "x")
	}
	return web.OperatorSocket, post(path, body)
}

// Many clients at once send nonsense, huge, slow and truncated requests over real sockets. Each is
// refused in few words, nothing is done, who asks properly is served meanwhile, and nothing is left.
func TestSocketsStandNonsense(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	before := runtime.NumGoroutine()
	w := startSocketWorld(t)
	var heap, peak runtime.MemStats
	runtime.ReadMemStats(&heap)

	slow := w.holdOpen(100)
	var clients sync.WaitGroup
	for c := range 24 {
		r := rand.New(rand.NewPCG(seed, uint64(c))) //nolint:gosec // small
		clients.Go(func() {
			for range 25 {
				socket, raw := nonsense(r)
				status, body := w.send(socket, raw)
				if status != 0 && status < 300 || len(body) > 600 || strings.Contains(body, socketSecret) || strings.ContainsRune(body, 0x1b) {
					t.Errorf("%s: %.200q is answered with %d: %.300q", socket, raw, status, body)
				}
			}
		})
	}
	clients.Wait()
	runtime.ReadMemStats(&peak)
	if grown := int64(peak.HeapSys) - int64(heap.HeapSys); grown > 64<<20 {
		t.Errorf("the heap grew by %d MiB", grown>>20)
	}
	if status, body := w.send(web.ControlSocket, get(web.PathStatus)); status != http.StatusOK || strings.Contains(body, socketSecret) {
		t.Errorf("status: %d", status)
	}
	entries, acts := w.runsByHand()
	if n := w.dials.Load(); len(entries) > 0 || acts == 0 || acts > refusalsAtOnce || n > 0 || len(w.daemon.hands.inProgress()) > 0 {
		t.Errorf("%d requests of the API, recorded %+v, and %d refusals", n, entries, acts)
	}
	w.orderAtOnce(30)
	for _, c := range slow {
		_ = c.Close()
	}
	w.stop()
	if err := <-w.ended; err != nil {
		t.Error(err)
	}
	for end := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before+3; {
		if time.Now().After(end) {
			text := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, %d before\n%s", runtime.NumGoroutine(), before, text[:runtime.Stack(text, true)])
		}
		runtime.Gosched()
	}
}

// holdOpen opens connections that never finish a request.
func (w *socketWorld) holdOpen(n int) (all []net.Conn) {
	for i := range n {
		conn, err := net.Dial("unix", w.path(web.OperatorSocket))
		if err != nil {
			w.t.Fatal(err)
		}
		_, _ = io.WriteString(conn, []string{"", "POST /v1/runs HT", "POST /v1/runs HTTP/1.1\r\nHost: z\r\nContent-Length: 50\r\n\r\n{\"run_id\""}[i%3])
		all = append(all, conn)
	}
	return all
}

// runsByHand are the runs by hand that are recorded, and how many refusals.
func (w *socketWorld) runsByHand() (runs []store.Entry, refusals int) {
	entries, err := w.daemon.store.History(w.t.Context(), store.Query{Schedule: store.ManualSchedule, Limit: 1000})
	if err != nil {
		w.t.Error(err)
	}
	for _, e := range entries {
		if e.Kind == store.KindAct {
			refusals++
		} else {
			runs = append(runs, e)
		}
	}
	return runs, refusals
}

// orderAtOnce sends one order over n connections at the same time: it is one run.
func (w *socketWorld) orderAtOnce(n int) {
	order, err := json.Marshal(Order{RunID: NewRunID(time.Now()), Action: "start", Groups: []string{"web"}})
	if err != nil {
		w.t.Fatal(err)
	}
	var clients sync.WaitGroup
	for range n {
		clients.Go(func() {
			if status, body := w.send(web.OperatorSocket, post(web.PathRuns+"?detach", string(order))); status != http.StatusOK {
				w.t.Errorf("%d %s", status, body)
			}
		})
	}
	clients.Wait()
	if entries, _ := w.runsByHand(); len(entries) != 1 || len(w.daemon.hands.inProgress()) != 1 {
		w.t.Errorf("%+v", entries)
	}
}

// A request that comes over no Unix socket has no person.
func TestAnOrderOverNoSocketIsRefused(t *testing.T) {
	d := &Daemon{log: zap.NewNop()}
	for _, h := range []http.Handler{d.runsHandler(), d.cancelHandler(), d.acceptHandler()} {
		out := httptest.NewRecorder()
		h.ServeHTTP(out, httptest.NewRequest(http.MethodPost, "/", strings.NewReader("{}")))
		if out.Code != http.StatusForbidden {
			t.Errorf("%d %s", out.Code, out.Body)
		}
	}
}
