package app

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"zecpower/apiclient"
	"zecpower/internal/power"
)

// cloud is one account at Zenlayer as a world sees it: an HTTP server over in-memory connections. It
// keeps what truly happened, which the daemon cannot see.
type cloud struct {
	name       string
	latency    time.Duration // of each request; half of it before it is applied
	lag        time.Duration // describes show the state of this long ago
	boot, halt time.Duration
	listsBad   bool // a bad id is listed as failed; else it refuses the whole request

	mu       sync.Mutex // guards all below
	rng      *rand.Rand
	machines map[string]*machine
	faults   []fault
	keys     map[string]bool // access key ids that are good
	requests []*request

	conns  chan net.Conn
	closed chan struct{}
	served sync.WaitGroup
	server *http.Server
}

// machine is one instance.
type machine struct {
	missing, refuses, hangs bool
	sick                    bool
	falls, stopFalls        int // boots, or stops, that will fail
	fell                    map[power.Action]int
	history                 []moment
	shown                   []moment // what describes have shown, when the reply left
	accepted                []acceptance
	others                  []time.Time // when another actor switched it
	doubts                  []time.Time // of requests whose reply did not say what became of them
}

type moment struct {
	at    time.Time
	state apiclient.State
}

// acceptance is one action that the API took for an instance.
type acceptance struct {
	action      power.Action
	came, taken time.Time // when the request arrived, and when it was applied
	process     int
	forced      bool
}

// request is one that arrived.
type request struct {
	at, done time.Time // done: when its reply left; zero: none did
	action   string
	ids      int
	process  int
}

// fault is what goes wrong with some requests for a while.
type fault struct {
	kind     faultKind
	from, to time.Time
	share    float64
	action   string // empty: all
}

type faultKind string

const (
	faultLost     faultKind = "lost"      // before it is applied
	faultReply    faultKind = "reply"     // it is applied, and the reply is lost
	faultSlow     faultKind = "slow"      // the reply comes after the client has given up
	faultHTML     faultKind = "html"      // 502 by a gateway
	faultCode     faultKind = "code"      // 500 with the envelope; a start or stop may be applied
	faultThrottle faultKind = "throttle"  // 429
	faultBlocked  faultKind = "blocked"   // 451
	faultKey      faultKind = "key"       // the credentials are refused
	faultArrears  faultKind = "arrears"   // an undocumented code refuses each start and stop
	slowReply               = time.Minute // longer than any client waits
)

func faultKinds() []faultKind {
	return []faultKind{faultLost, faultReply, faultSlow, faultHTML, faultCode, faultThrottle, faultBlocked, faultKey, faultArrears}
}

func (m *machine) state(at time.Time) apiclient.State {
	for _, h := range slices.Backward(m.history) {
		if !h.at.After(at) {
			return h.state
		}
	}
	return m.history[0].state
}

// turn makes the machine go through states from now on.
func (m *machine) turn(now time.Time, next ...moment) {
	m.history = slices.DeleteFunc(m.history, func(h moment) bool { return h.at.After(now) })
	m.history = append(m.history, next...)
}

func (c *cloud) start(m *machine, now time.Time) {
	end := moment{now.Add(c.boot), apiclient.StateRunning}
	if m.falls > 0 {
		m.falls--
		m.fell[power.ActionStart]++
		end.state = apiclient.StateStopped
	}
	if m.hangs {
		end = moment{now.Add(2 * time.Hour), apiclient.StateStopped}
	}
	m.turn(now, moment{now, apiclient.StateStarting}, end)
}

func (c *cloud) stop(m *machine, now time.Time) {
	end := moment{now.Add(c.halt), apiclient.StateStopped}
	if m.stopFalls > 0 {
		m.stopFalls--
		m.fell[power.ActionStop]++
		end.state = apiclient.StateRunning
	}
	m.turn(now, moment{now, apiclient.StateStopping}, end)
}

// other is another actor that switches an instance, where it can be switched.
func (c *cloud) other(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m, now := c.machines[id], time.Now()
	if m == nil || m.missing {
		return
	}
	switch m.state(now) {
	case apiclient.StateRunning:
		c.stop(m, now)
	case apiclient.StateStopped:
		c.start(m, now)
	default:
		return
	}
	m.others = append(m.others, now)
}

// serve begins to answer. close ends it.
func (c *cloud) serve() {
	c.conns, c.closed = make(chan net.Conn), make(chan struct{})
	c.server = &http.Server{
		Handler: c, ErrorLog: log.New(io.Discard, "", 0), ReadHeaderTimeout: time.Hour,
		ConnState: func(_ net.Conn, s http.ConnState) {
			switch s {
			case http.StateNew:
				c.served.Add(1)
			case http.StateClosed:
				c.served.Done()
			}
		},
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			return context.WithValue(ctx, processKey{}, conn.(tagged).process)
		},
	}
	c.served.Go(func() { _ = c.server.Serve(pipes{c}) })
}

func (c *cloud) close() {
	_ = c.server.Close()
	c.served.Wait()
}

// pipes is the listener of a cloud.
type pipes struct{ *cloud }

func (l pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l pipes) Close() error   { close(l.closed); return nil }
func (l pipes) Addr() net.Addr { return &net.UnixAddr{Name: l.name} }

// tagged is the server's end of a connection of a process.
type tagged struct {
	net.Conn
	process int
}

type processKey struct{}

func (c *cloud) dial(ctx context.Context, process int) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case c.conns <- tagged{there, process}:
		return here, nil
	case <-c.closed:
	case <-ctx.Done():
	}
	return nil, errors.Join(net.ErrClosed, here.Close(), there.Close())
}

// body is what any of the three actions asks for.
type body struct {
	InstanceIDs   []string `json:"instanceIds"`
	ForceShutdown bool     `json:"forceShutdown"`
	PageSize      int      `json:"pageSize"`
	PageNum       int      `json:"pageNum"`
}

// answer is a reply; ended: the connection breaks instead.
type answer struct {
	status  int
	code    string
	text    string // instead of JSON
	payload any
	ended   bool
	shown   map[string]apiclient.State
}

// ServeHTTP implements http.Handler.
func (c *cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var b body
	data, _ := io.ReadAll(r.Body)
	_ = json.Unmarshal(data, &b)
	action := r.Header.Get(apiclient.HeaderAction)
	q := &request{at: time.Now(), action: action, ids: len(b.InstanceIDs), process: r.Context().Value(processKey{}).(int)}
	f := c.arrive(q)
	time.Sleep(c.latency / 2)
	a := c.apply(r, q, b, f)
	wait := c.latency / 2
	if f == faultSlow {
		wait = slowReply
	}
	select {
	case <-time.After(wait):
	case <-r.Context().Done(): // no one waits for it
	}
	if a.ended || r.Context().Err() != nil {
		c.leave(q, nil)
		panic(http.ErrAbortHandler)
	}
	c.leave(q, a.shown)
	a.write(w)
}

// arrive notes a request and draws what goes wrong with it.
func (c *cloud) arrive(q *request) faultKind {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests = append(c.requests, q)
	for _, f := range c.faults {
		if !q.at.Before(f.from) && q.at.Before(f.to) && (f.action == "" || f.action == q.action) && c.rng.Float64() < f.share {
			return f.kind
		}
	}
	return ""
}

// apply does what a request asks, unless its fault forbids that.
func (c *cloud) apply(r *http.Request, q *request, b body, f faultKind) answer {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, credential, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	key, _, _ := strings.Cut(credential, ",")
	change := q.action != apiclient.ActionDescribeInstancesStatus
	if change && slices.Contains([]faultKind{faultLost, faultReply, faultSlow, faultHTML, faultCode}, f) {
		c.doubt(b.InstanceIDs)
	}
	switch {
	case f == faultLost:
		return answer{ended: true}
	case f == faultHTML:
		return answer{status: 502, text: "<html>bad gateway</html>"}
	case f == faultThrottle:
		return answer{status: 429, code: string(apiclient.CodeRequestLimitExceeded)}
	case f == faultBlocked:
		return answer{status: 451, text: "<html>blocked</html>"}
	case f == faultKey || !c.keys[key]:
		return answer{status: 401, code: string(apiclient.CodeSignatureFailure)}
	case f == faultArrears && change:
		return answer{status: 400, code: "ACCOUNT_ARREARS"}
	case f == faultCode && (!change || c.rng.IntN(2) == 0):
		return answer{status: 500, code: string(apiclient.CodeInternalServerError)}
	}
	a := answer{status: 200}
	if change {
		a = c.power(q, b)
	} else {
		a.payload, a.shown = c.describe(b)
	}
	switch f {
	case faultReply:
		a = answer{ended: true}
	case faultCode:
		a = answer{status: 500, code: string(apiclient.CodeInternalServerError)}
	}
	return a
}

// doubt notes that no reply will say what became of ids.
func (c *cloud) doubt(ids []string) {
	for _, id := range ids {
		if m := c.machines[id]; m != nil {
			m.doubts = append(m.doubts, time.Now())
		}
	}
}

func (c *cloud) power(q *request, b body) answer {
	now, ids, failed := time.Now(), b.InstanceIDs, []string{}
	of, act := power.ActionStart, c.start
	if q.action == apiclient.ActionStopInstances {
		of, act = power.ActionStop, c.stop
	}
	for _, id := range ids {
		status, code := c.deny(c.machines[id], of, now)
		if code != "" && !c.listsBad {
			return answer{status: status, code: string(code)}
		}
		if code != "" {
			failed = append(failed, id)
		}
	}
	for _, id := range ids {
		if !slices.Contains(failed, id) {
			m := c.machines[id]
			act(m, now)
			m.accepted = append(m.accepted, acceptance{of, q.at, now, q.process, b.ForceShutdown})
		}
	}
	return answer{status: 200, payload: map[string]any{"instanceIds": failed}}
}

// deny is why an instance does not take an action; empty: it does.
func (c *cloud) deny(m *machine, of power.Action, now time.Time) (int, apiclient.Code) {
	switch {
	case m == nil || m.missing:
		return 404, apiclient.CodeInstanceNotFound
	case m.refuses:
		return 400, "RESOURCE_INSUFFICIENT_PRODUCT_SOLD_OUT"
	case of == power.ActionStart && m.state(now) != apiclient.StateStopped:
		return 403, apiclient.CodeInstanceNotStopped
	case of == power.ActionStop && m.state(now) != apiclient.StateRunning:
		return 403, apiclient.CodeInstanceNotRunning
	}
	return 0, ""
}

func (c *cloud) describe(b body) (payload any, shown map[string]apiclient.State) {
	ids := b.InstanceIDs
	total := len(ids)
	if total == 0 {
		for id, m := range c.machines {
			if !m.missing {
				ids = append(ids, id)
			}
		}
		slices.Sort(ids)
		total = len(ids)
		from := min((b.PageNum-1)*b.PageSize, total)
		ids = ids[from:min(from+b.PageSize, total)]
	}
	at := time.Now().Add(-c.lag)
	shown = map[string]apiclient.State{}
	rows := []apiclient.InstanceStatus{}
	for _, id := range ids {
		m := c.machines[id]
		if m == nil || m.missing {
			total--
			continue
		}
		shown[id] = m.state(at)
		rows = append(rows, apiclient.InstanceStatus{InstanceID: id, State: shown[id]})
	}
	return map[string]any{"totalCount": total, "dataSet": rows}, shown
}

// leave notes that a request is over, and what its reply shows.
func (c *cloud) leave(q *request, shown map[string]apiclient.State) {
	c.mu.Lock()
	defer c.mu.Unlock()
	q.done = time.Now()
	for id, s := range shown {
		m := c.machines[id]
		m.shown = append(m.shown, moment{q.done, s})
	}
}

func (a answer) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(a.status)
	switch {
	case a.text != "":
		_, _ = io.WriteString(w, a.text)
	case a.code != "":
		_ = json.NewEncoder(w).Encode(map[string]string{"requestId": "T1", "code": a.code, "message": "no"})
	default:
		_ = json.NewEncoder(w).Encode(map[string]any{"requestId": "T1", "response": a.payload})
	}
}
