package main

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"zecpower/apiclient"
	"zecpower/internal/store"
	"zecpower/internal/zecsim"
)

// world is a simulated account and the folder of the daemons that work on it.
// The account outlives daemons, which are processes of their own.
type world struct {
	t        *testing.T
	sim      *zecsim.Simulator
	endpoint string
	dir      string // short: it holds a socket
	env      []string
	budget   string                           // keys of the api section
	flush    time.Duration                    // how long a flush of a daemon's disk takes; 0: as long as it does
	front    atomic.Pointer[http.HandlerFunc] // answers in the place of the account, as an outage does; nil: nothing does
	blind    atomic.Bool                      // no look is answered well, so no run of instances that boot can end

	mu      sync.Mutex
	started map[string]int // requests to start an instance that had reached RUNNING before, or started there
	flying  int            // starts that are being answered
}

// healthyFleet is n instances that are up within moments.
func healthyFleet(n int) zecsim.Options {
	o := zecsim.DefaultOptions()
	o.Instances, o.Overrides = n, map[int]zecsim.InstanceSpec{}
	o.Boot = zecsim.Boot{Time: 50 * time.Millisecond, Jitter: 50 * time.Millisecond}
	o.Latency = zecsim.Latency{Fixed: 2 * time.Millisecond}
	return o
}

func newWorld(t *testing.T, o zecsim.Options) *world {
	t.Helper()
	sim, err := zecsim.New(o)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "zp")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	w := &world{t: t, sim: sim, dir: dir, started: map[string]int{}, budget: "requests_per_second: 200, burst: 20", env: []string{
		"ZENLAYER_ACCESS_KEY_ID=demo", "ZENLAYER_ACCESS_KEY_SECRET=demo", "HOME=" + dir, "XDG_STATE_HOME=" + dir + "/xdg",
	}}
	server := httptest.NewServer(http.HandlerFunc(w.serve))
	t.Cleanup(server.Close)
	w.endpoint = server.URL
	return w
}

// serve notes starts of what runs already, and hands the request on.
func (w *world) serve(rw http.ResponseWriter, r *http.Request) {
	if front := w.front.Load(); front != nil {
		(*front)(rw, r)
		return
	}
	if r.Header.Get(apiclient.HeaderAction) == "StartInstances" {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the client is gone
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		defer w.noteStarts(body)()
	}
	if w.blind.Load() && r.Header.Get(apiclient.HeaderAction) == apiclient.ActionDescribeInstancesStatus {
		http.Error(rw, "no look is answered just now", http.StatusServiceUnavailable)
		return
	}
	w.sim.ServeHTTP(rw, r)
}

// noteStarts is called before a start is judged, and answered after.
func (w *world) noteStarts(body []byte) (answered func()) {
	var request struct {
		InstanceIDs []string `json:"instanceIds"`
	}
	_ = json.Unmarshal(body, &request) // what cannot be read names no instance
	w.mu.Lock()
	defer w.mu.Unlock()
	w.flying++
	for _, id := range request.InstanceIDs {
		if in, ok := w.sim.Instance(id); ok && !in.FirstRunning.IsZero() {
			w.started[id]++
		}
	}
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.flying--
	}
}

// atRest says that the simulator is still answering starts.
func (w *world) atRest() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.flying > 0 {
		return fmt.Errorf("%d starts are in flight", w.flying)
	}
	return nil
}

// startsOfRunning is how often an instance was named in a start although it had reached RUNNING.
func (w *world) startsOfRunning(id string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.started[id]
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

func (w *world) write(name, text string) {
	w.t.Helper()
	// Renamed into place, so that no daemon reads half of it.
	if err := os.WriteFile(w.path(name+".new"), []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	if err := os.Rename(w.path(name+".new"), w.path(name)); err != nil {
		w.t.Fatal(err)
	}
}

// configure writes the configuration: an eager api and batch section, and the rest as given.
func (w *world) configure(rest string) {
	w.t.Helper()
	w.write("c.yaml", "api: {endpoint: \""+w.endpoint+"\", "+w.budget+", timeout: 5s}\n"+
		"batch: {poll_interval: 30ms, backoff: {initial: 10ms, max: 100ms}, batch_size: 10, boot_timeout: 20s}\n"+rest)
}

func (w *world) state() string { return w.path("state") }

// once gives a schedule that is due once, soon, and then not for minutes.
func once(after time.Time) (spec string, nominal time.Time) {
	for at := after.Unix() + 1; ; at++ {
		for k := int64(20); k < at/600; k++ { // 20: below, the duration is over 5 years and refused
			if at%k == 0 {
				return fmt.Sprintf("@every %ds", at/k), time.Unix(at, 0).UTC()
			}
		}
	}
}

// punctual starts a daemon that has seen its schedule before it is due, since
// it begins nothing of the time before it first saw it. configure is given the
// schedule's spec. A machine that is too busy for that is given more time.
func (w *world) punctual(configure func(spec string), args ...string) (d *process, nominal time.Time) {
	w.t.Helper()
	for lead := 1500 * time.Millisecond; lead < patience; lead *= 2 {
		spec, nominal := once(time.Now().Add(lead))
		configure(spec)
		d := w.daemon(args...).ready()
		if time.Until(nominal) > lead/4 { // its first look comes right after it is ready
			return d, nominal
		}
		d.kill()
		if err := os.RemoveAll(w.state()); err != nil {
			w.t.Fatal(err)
		}
	}
	w.t.Fatal("no daemon is ready in time, however much it gets")
	return nil, time.Time{}
}

// command is zecpower with arguments, in this world.
func (w *world) command(args ...string) *exec.Cmd {
	cmd := exec.Command("zecpower", args...)
	if w.flush > 0 && args[0] == "run" { // the tracer is a process apart, and ends with the daemon
		slow := fmt.Sprintf("inject=fdatasync:delay_enter=%d", w.flush.Microseconds())
		cmd = exec.Command("strace", append([]string{"-D", "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync", "-e", slow, "zecpower"}, args...)...)
	}
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "ZENLAYER") && !strings.HasPrefix(v, "CREDENTIALS_DIRECTORY=") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, w.env...) // the last one of a name counts
	cmd.Dir = w.dir
	return cmd
}

// run runs a command to its end.
func (w *world) run(args ...string) (stdout, stderr string, status int) {
	w.t.Helper()
	var out, errs bytes.Buffer
	cmd := w.command(args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		w.t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// runJSON runs a command that has to succeed, and decodes what it prints.
func (w *world) runJSON(into any, args ...string) {
	w.t.Helper()
	stdout, stderr, status := w.run(append(args, "--output", "json")...)
	if status != 0 {
		w.t.Fatalf("%s: status %d: %s", strings.Join(args, " "), status, stderr)
	}
	if err := json.Unmarshal([]byte(stdout), into); err != nil {
		w.t.Fatalf("%s: %v in %s", strings.Join(args, " "), err, stdout)
	}
}

func (w *world) history(args ...string) []store.Entry {
	w.t.Helper()
	var entries []store.Entry
	w.runJSON(&entries, append([]string{"history", "--state-dir", w.state()}, args...)...)
	return entries
}

// process is a zecpower that runs beside the test.
type process struct {
	t        *testing.T
	cmd      *exec.Cmd
	out, log lockedBuffer
	ended    chan struct{} // closed once it was waited for
}

// daemon starts `zecpower run`; more arguments follow the usual ones.
func (w *world) daemon(args ...string) *process {
	w.t.Helper()
	return w.begin(append([]string{"run", "--config", w.path("c.yaml"), "--state-dir", w.state(), "--web.listen-address", "127.0.0.1:0"}, args...)...)
}

// begin starts any command. It does not outlive the test.
func (w *world) begin(args ...string) *process {
	w.t.Helper()
	p := &process{t: w.t, cmd: w.command(args...), ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.log
	p.cmd.WaitDelay = 10 * time.Second // a tracer of a killed daemon may hold its output open for ever
	if err := p.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait() // its status is in ProcessState
	}()
	w.t.Cleanup(func() {
		p.kill()
		if w.t.Failed() {
			w.t.Logf("%s:\n%s%s", strings.Join(args, " "), p.out.String(), p.log.String())
		}
		if strings.Contains(p.log.String(), "DATA RACE") {
			w.t.Errorf("data race:\n%s", p.log.String())
		}
	})
	return p
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill() // perhaps it is gone
	<-p.ended
}

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// wait waits for the end and gives the exit status.
func (p *process) wait() int {
	p.t.Helper()
	select {
	case <-p.ended:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		p.t.Fatalf("it does not end:\n%s", p.log.String())
		return -1
	}
}

// stop asks for an orderly end.
func (p *process) stop() {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	if status := p.wait(); status != 0 {
		p.t.Errorf("after SIGTERM: status %d, want 0", status)
	}
}

// logged is one line of the log.
type logged map[string]any

func (e logged) text(key string) string { return cmp.Or(fmt.Sprint(e[key]), "") }

func (e logged) texts(key string) []string {
	list, _ := e[key].([]any)
	texts := make([]string, 0, len(list))
	for _, v := range list {
		texts = append(texts, fmt.Sprint(v))
	}
	return texts
}

// events are the log's lines with a message, so far.
func (p *process) events(message string) []logged {
	var found []logged
	lines := bufio.NewScanner(strings.NewReader(p.log.String()))
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e logged
		if json.Unmarshal(lines.Bytes(), &e) == nil && e["msg"] == message {
			found = append(found, e)
		}
	}
	return found
}

// await waits for the n-th line with a message.
func (p *process) await(message string, n int) logged {
	p.t.Helper()
	var found []logged
	err := eventually(func() error {
		if found = p.events(message); len(found) >= n {
			return nil
		}
		select {
		case <-p.ended:
			return nil
		default:
			return errors.New("not there yet")
		}
	})
	if err != nil || len(found) < n {
		p.t.Fatalf("%d lines %q, want %d:\n%s%s", len(found), message, n, p.out.String(), p.log.String())
	}
	return found[n-1]
}

func (p *process) ready() *process {
	p.t.Helper()
	p.await("ready", 1)
	return p
}

// get asks the daemon's web address.
func (p *process) get(path string) (int, string) {
	p.t.Helper()
	res, err := http.Get("http://" + p.await("ready", 1).text("web") + path)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

// metric gives the samples of a metric: labels as printed → value as printed.
func (p *process) metric(name string) map[string]string {
	p.t.Helper()
	_, body := p.get("/metrics")
	samples := map[string]string{}
	for line := range strings.Lines(body) {
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), name)
		if !ok || (rest[0] != '{' && rest[0] != ' ') {
			continue
		}
		i := strings.LastIndexByte(rest, ' ')
		samples[rest[:i]] = rest[i+1:]
	}
	return samples
}

// awaitMetric waits until a sample has a value.
func (p *process) awaitMetric(name, labels, value string) {
	p.t.Helper()
	if err := eventually(func() error {
		if got := p.metric(name)[labels]; got != value {
			return fmt.Errorf("%s%s is %q, want %q", name, labels, got, value)
		}
		return nil
	}); err != nil {
		p.t.Fatal(err)
	}
}

// failedInMetrics lists group and id of instance_failed_info, sorted.
func (p *process) failedInMetrics() []string {
	p.t.Helper()
	failed := []string{}
	for labels := range p.metric("zecpower_instance_failed_info") {
		failed = append(failed, label(labels, "group")+" "+label(labels, "instance_id")+" "+label(labels, "reason"))
	}
	slices.Sort(failed)
	return failed
}

func label(labels, name string) string {
	_, rest, _ := strings.Cut(labels, name+`="`)
	value, _, _ := strings.Cut(rest, `"`)
	return value
}

// lockedBuffer is a buffer that a process fills while the test reads.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// running says that so many instances are not RUNNING.
func (w *world) running(want int) error {
	if got := w.sim.Truth().ByState[apiclient.StateRunning]; got != want {
		return fmt.Errorf("%d instances are RUNNING, want %d", got, want)
	}
	return nil
}

func awaitRequests(t *testing.T, w *world, action string, n int) {
	t.Helper()
	if err := eventually(func() error {
		if got := requestsOf(w.sim, action); got < n {
			return fmt.Errorf("%d requests of %s, want %d", got, action, n)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}
