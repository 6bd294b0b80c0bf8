package app

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"go.uber.org/zap"

	"zecpower/apiclient"
	"zecpower/internal/config"
	"zecpower/internal/event"
	"zecpower/internal/power"
)

// process is one life of the daemon, without its web server and its control socket: what they serve
// is read from the same parts, and a goroutine that waits for a real socket would stop the bubble's
// clock.
type process struct {
	*world
	n            int
	daemon       *Daemon
	disk         *disk
	down         teardown
	cancel       context.CancelFunc
	ctx          context.Context //nolint:containedctx // of the process, as main has it
	gone         chan struct{}
	hands        sync.WaitGroup // those who wait for an answer
	began, ended time.Time      // ended: when it had stopped, or was killed
	stopped      time.Time      // when it was asked to
	stoppedWall  time.Time      // as the wall clock showed it
	killed       bool

	connMu sync.Mutex // guards the two below
	conns  []net.Conn
	dead   bool
}

// begin starts a process.
func (w *world) begin() *process {
	p := &process{world: w, n: len(w.processes), gone: make(chan struct{}), began: time.Now()}
	p.disk = &disk{records: w.records, world: w, turn: make(chan struct{}, 1)}
	load := func() (*config.Config, error) { return config.LoadRunnable(w.path) }
	cfg, err := load()
	if err != nil {
		w.t.Fatal(err)
	}
	p.daemon, err = New(Options{
		Config: cfg, Load: load, StateDir: "-", RuntimeDir: "-", Access: p.access, Logger: zap.NewNop(), Clock: w.clock, Listener: p,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	p.daemon.store = p.disk
	p.ctx, p.cancel = context.WithCancel(context.Background())
	if err := p.daemon.begin(cfg, &p.down); err != nil {
		w.t.Fatal(err)
	}
	p.daemon.hands.start(p.ctx, &p.down)
	w.editions = append(w.editions, edition{w.plan, w.clock.Read().Wall, w.clock.Read().Wall, time.Now(), p.n})
	w.note("process %d begins", p.n)
	go func() {
		defer close(p.gone)
		if err := p.daemon.loop.Run(p.ctx); err != nil {
			w.t.Error(err)
		}
	}()
	return p
}

func (p *process) access(a config.Account) (Access, error) {
	read := func() (apiclient.Credentials, error) {
		for i, c := range p.clouds {
			if c.name == a.Name {
				p.mu.Lock()
				defer p.mu.Unlock()
				return apiclient.Credentials{AccessKeyID: p.keys[i], AccessKeySecret: apiclient.NewSecret("s")}, nil
			}
		}
		return apiclient.Credentials{}, fmt.Errorf("no account %s", a.Name)
	}
	c, err := read()
	return Access{Credentials: c, Source: "the world", Read: read, DialContext: p.dial}, err
}

func (p *process) dial(ctx context.Context, _, address string) (net.Conn, error) {
	conn, err := p.world.dial(ctx, address, p.n)
	if err != nil {
		return nil, err
	}
	p.connMu.Lock()
	defer p.connMu.Unlock()
	if p.dead {
		return nil, conn.Close()
	}
	p.conns = append(p.conns, conn)
	return conn, nil
}

// hangUp breaks all connections, and lets no other be made.
func (p *process) hangUp() {
	p.connMu.Lock()
	defer p.connMu.Unlock()
	p.dead = true
	for _, c := range p.conns {
		_ = c.Close()
	}
}

// stop ends the process in order.
func (p *process) stop() {
	p.note("process %d stops", p.n)
	p.stopped, p.stoppedWall = time.Now(), p.clock.Read().Wall
	p.end()
	p.disk.kill() // what it could not write in time it never writes
	p.ended = time.Now()
	p.note("process %d has stopped", p.n)
	p.hangUp()
}

// kill is kill -9: nothing more is written, sent or received.
func (p *process) kill() {
	p.note("process %d is killed", p.n)
	p.disk.kill()
	p.mu.Lock()
	p.killed = true
	p.mu.Unlock()
	p.ended, p.stopped, p.stoppedWall = time.Now(), time.Now(), p.clock.Read().Wall
	p.hangUp()
	p.end()
}

// end lets the goroutines of the process end.
func (p *process) end() {
	p.cancel()
	<-p.gone
	p.hands.Wait()
	if err := p.down.run(zap.NewNop()); err != nil {
		p.t.Error(err)
	}
}

// reload has the process read its configuration, as a hangup does.
func (p *process) reload(next plan) {
	asked := p.clock.Read().Wall
	p.daemon.reload(p.ctx, newWatch(nil))
	if err := p.daemon.reloaded.Load().err; err != nil {
		p.t.Errorf("the configuration was refused: %v\n%s", err, next.config())
	}
	p.editions = append(p.editions, edition{next, asked, p.clock.Read().Wall, time.Now(), p.n})
	p.note("reloaded")
}

// history is what events said.
type history struct {
	log      []string
	began    map[string][]beginning // by run
	reports  map[string]power.Report
	finals   map[finalKey]int
	first    map[finalKey]outcome // by run and id
	missed   []event.Missed
	skipped  []event.Skipped
	panicked map[string]bool // runs
	panics   int
	unread   bool // some process could not read what an earlier one had recorded
}

type beginning struct {
	at       time.Time
	process  int
	resumed  bool
	deadline time.Time
	groups   []string
}

// outcome is the first one that an event called final.
type outcome struct {
	result  power.InstanceResult
	at      time.Time
	process int
	group   string
}

type finalKey struct {
	process        int
	run, group, id string
}

func newHistory() history {
	return history{began: map[string][]beginning{}, reports: map[string]power.Report{}, finals: map[finalKey]int{}, first: map[finalKey]outcome{}, panicked: map[string]bool{}}
}

// armed is a panic of a listener at the first event of a kind from a time on.
type armed struct {
	at   time.Time
	kind string
}

func panicKinds() []string {
	return []string{"requested", "accepted", "final", "progressed", "started", "finished", "missed"}
}

// note writes a line of the log, which -world.log prints.
func (w *world) note(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.logf(format, args...)
}

func (w *world) logf(format string, args ...any) {
	if *worldLog {
		w.history.log = append(w.history.log, time.Now().Format("15:04:05.000 ")+fmt.Sprintf(format, args...))
	}
}

// Receive implements event.Listener.
func (p *process) Receive(e event.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.killed {
		return
	}
	kind, run := p.keep(e)
	for i, a := range p.armed {
		if a.kind == kind && kind != "" && !time.Now().Before(a.at) {
			p.armed[i].kind = ""
			p.history.panicked[run] = true
			p.history.panics++
			p.logf("panic at %s of %s", kind, run)
			panic("injected at " + kind)
		}
	}
}

// keep notes an event, and returns its kind and run.
func (p *process) keep(e event.Event) (kind, run string) {
	h := &p.history
	switch e := e.(type) {
	case event.Requested:
		return "requested", ""
	case event.Accepted:
		p.logf("accepted %s %s %d %v", e.Run.ID, e.Group, len(e.IDs), e.IDs)
		return "accepted", e.Run.ID
	case event.Progressed:
		return "progressed", e.Run.ID
	case event.Final:
		for _, r := range e.Results {
			h.finals[finalKey{p.n, e.Run.ID, e.Group, r.InstanceID}]++
			if k := (finalKey{run: e.Run.ID, id: r.InstanceID}); h.first[k].at.IsZero() {
				h.first[k] = outcome{r, time.Now(), p.n, e.Group}
			}
		}
		p.logf("final %s %s %s", e.Run.ID, e.Group, briefly(e.Results))
		return "final", e.Run.ID
	case event.RunStarted:
		b := beginning{at: time.Now(), process: p.n, resumed: e.Resumed, deadline: e.Deadline}
		for _, g := range e.Groups {
			b.groups = append(b.groups, g.Name)
		}
		h.began[e.Run.ID] = append(h.began[e.Run.ID], b)
		p.logf("began %s %v resumed %v until %s", e.Run.ID, e.Groups, e.Resumed, e.Deadline)
		return "started", e.Run.ID
	case event.RunFinished:
		if e.Report != nil {
			h.reports[e.Run.ID] = *e.Report
		}
		p.logf("finished %s %s %v", e.Run.ID, e.Result, e.Err)
		return "finished", e.Run.ID
	case event.RunSuspended:
		p.logf("suspended %s", e.Run.ID)
	case event.Missed:
		h.missed = append(h.missed, e)
		p.logf("missed %s %s..%s %s", e.Schedule, e.First, e.Last, e.Reason)
		return "missed", ""
	case event.Skipped:
		h.skipped = append(h.skipped, e)
		p.logf("skipped %s %s..%s %s", e.Schedule, e.First, e.Last, e.Cause)
	case event.StoreFailed:
		h.unread = h.unread || e.Op == "load"
		p.logf("store: %s: %v", e.Op, e.Err)
	case event.ProgressUnread:
		h.unread = true
	case event.InternalError:
		p.logf("internal error: %v", e.Err)
		if p.history.panics == 0 {
			p.t.Errorf("seed %d: a panic that was not injected: %v\n%s", p.seed, e.Err, e.Stack)
		}
	}
	return "", ""
}

func briefly(results []power.InstanceResult) (text string) {
	for _, r := range results {
		text += fmt.Sprintf(" %s=%s%s", r.InstanceID, r.Outcome, r.Reason)
		if r.By != "" {
			text += "<" + r.By
		}
	}
	return text
}
