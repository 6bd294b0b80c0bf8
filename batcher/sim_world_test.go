package batcher_test

import (
	"context"
	"fmt"
	"hash/fnv"
	"maps"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"zecpower/apiclient"
	"zecpower/batcher"
	"zecpower/internal/event"
	"zecpower/internal/metrics"
	"zecpower/internal/power"
	"zecpower/internal/zecsim"
)

// world is a scenario at work: the simulated account, the processes that call
// it one after the other, and what both sides saw.
type world struct {
	s      *scenario
	sim    *zecsim.Simulator
	began  time.Time
	report power.Report
	boots  []time.Time // when each process began
	// metrics are those of the last process.
	metrics *metrics.Metrics

	mu       sync.Mutex // guards all below
	journal  memoryJournal
	inFlight int
	peak     int
	starts   int // power requests that reached the API client
	asked    int // requests that the API client says arrived
	misfits  int // requests of no ids, or of more than the batch size
	// lost counts, by id, starts of unknown fate; unseen those of them that no
	// describe found on its way before the next start: no one else but the API could
	// know whether they were accepted.
	lost, unseen map[string]int
	pending      map[string]bool
	unjournaled  map[string]int // accepted, and not in the journal yet

	batches  int
	final    map[string][]power.InstanceResult // by group, as the observer was notified
	rejected int                               // CredentialsRejected calls
	afterEnd int                               // power requests or describes after the report
	ended    bool
}

// memoryJournal survives the processes of a world.
type memoryJournal struct {
	attempted map[string]map[string]int
	final     map[string][]power.InstanceResult
}

// process is one life of the daemon. Once dead it can neither send nor write.
type process struct {
	w      *world
	client *apiclient.Client
	mu     sync.Mutex // guards the two below
	dead   bool
	conns  []net.Conn
}

func simulate(t *testing.T, s *scenario) *world {
	t.Helper()
	sim, err := zecsim.New(s.sim)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{
		s: s, sim: sim, began: time.Now(),
		journal: memoryJournal{attempted: map[string]map[string]int{}, final: map[string][]power.InstanceResult{}},
		lost:    map[string]int{}, unseen: map[string]int{}, pending: map[string]bool{}, unjournaled: map[string]int{},
		final: map[string][]power.InstanceResult{},
	}
	dial, shut := sim.Pipe()
	defer shut()
	kills := s.kills
	for {
		var killAfter time.Duration
		if len(kills) > 0 {
			killAfter, kills = kills[0], kills[1:]
		}
		report, killed := w.live(t, dial, killAfter)
		if !killed {
			w.report = report
			break
		}
		time.Sleep(s.pause)
	}
	w.mu.Lock()
	w.ended = true
	w.mu.Unlock()
	time.Sleep(time.Minute)
	return w
}

// live is one process from start to end; killAfter 0 lets it finish.
func (w *world) live(t *testing.T, dial func(context.Context) (net.Conn, error), killAfter time.Duration) (power.Report, bool) {
	p := &process{w: w}
	w.metrics = metrics.New()
	client, err := apiclient.New(apiclient.Config{
		Endpoint: "http://127.0.0.1", Timeout: w.s.timeout, Observer: w,
		Credentials: apiclient.Credentials{AccessKeyID: "demo", AccessKeySecret: apiclient.NewSecret("demo")},
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return p.dial(ctx, dial) },
	})
	if err != nil {
		t.Fatal(err)
	}
	p.client = client
	defer client.Close()
	b := w.newAccount(t, p)
	resumed := len(w.boots) > 0
	w.boots = append(w.boots, time.Now())
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if w.s.cancelAt > 0 {
		defer time.AfterFunc(time.Until(w.began.Add(w.s.cancelAt)), cancel).Stop()
	}
	if killAfter > 0 {
		defer time.AfterFunc(killAfter, p.kill).Stop()
	}
	r := w.theRun(resumed)
	name := event.Run{ID: r.RunID, Action: r.Action}
	submitted := b.Submit(ctx, r)
	w.metrics.Receive(event.RunStarted{Run: name, Groups: submitted.Groups()})
	report := submitted.Wait(ctx)
	w.metrics.Receive(event.RunFinished{Run: name, Result: report.Result(), Report: &report, Resumed: resumed})
	p.mu.Lock()
	defer p.mu.Unlock()
	return report, p.dead
}

func (w *world) newAccount(t *testing.T, p *process) *batcher.Account {
	a, err := batcher.NewAccount(batcher.Config{
		Settings: batcher.Settings{
			API: p, Size: w.s.size, Attempts: w.s.attempts, PollInterval: w.s.poll, BootTimeout: w.s.bootTimeout,
			Limits: batcher.Limits{RequestsPerSecond: w.s.rate, Burst: w.s.burst, MaxInFlight: w.s.inFlight, Backoff: w.s.backoff},
		},
		Name: "default", Emit: event.Stream{p, w.metrics}.Emit, Seed: w.s.seed + 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	w.metrics.SetKnown(metrics.Known{Accounts: map[string]metrics.Budget{"default": a}})
	return a
}

func (w *world) theRun(resumed bool) batcher.Run {
	r := batcher.Run{
		RunID: "sim", Action: w.s.action, Force: w.s.force, ScheduledAt: w.began,
		Deadline: w.began.Add(w.s.deadline), Resumed: resumed,
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, g := range w.s.groups {
		g.Final, g.Attempted = w.journal.final[g.Name], maps.Clone(w.journal.attempted[g.Name])
		r.Groups = append(r.Groups, g)
	}
	return r
}

func (p *process) dial(ctx context.Context, dial func(context.Context) (net.Conn, error)) (net.Conn, error) {
	conn, err := dial(ctx)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns = append(p.conns, conn)
	return conn, nil
}

// kill is kill -9: connections break, and nothing more is sent or written.
func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dead = true
	for _, c := range p.conns {
		_ = c.Close()
	}
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	for id, n := range p.w.unjournaled {
		p.w.unseen[id] += n
	}
	clear(p.w.unjournaled)
	for id := range p.w.pending {
		p.w.unseen[id]++
	}
	clear(p.w.pending)
}

func (p *process) isDead() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dead
}

// corpse ends a dead process's run.
func corpse() error { return &apiclient.Error{Class: apiclient.ClassRequest} }

func (p *process) StartInstances(ctx context.Context, ids []string) (apiclient.PowerReply, error) {
	if p.isDead() {
		return apiclient.PowerReply{}, corpse()
	}
	p.w.leave(ids, true)
	reply, err := p.client.StartInstances(ctx, ids)
	p.w.tell("start", ids, err, reply)
	p.w.returned(ids, reply, err, p.isDead())
	if p.isDead() {
		return apiclient.PowerReply{}, corpse()
	}
	return reply, err
}

func (p *process) StopInstances(ctx context.Context, ids []string, force bool) (apiclient.PowerReply, error) {
	if p.isDead() {
		return apiclient.PowerReply{}, corpse()
	}
	p.w.leave(ids, true)
	reply, err := p.client.StopInstances(ctx, ids, force)
	p.w.tell("stop", ids, err, reply)
	p.w.returned(ids, reply, err, p.isDead())
	if p.isDead() {
		return apiclient.PowerReply{}, corpse()
	}
	return reply, err
}

func (p *process) DescribeInstancesStatus(ctx context.Context, q apiclient.StatusQuery) (apiclient.StatusPage, error) {
	if p.isDead() {
		return apiclient.StatusPage{}, corpse()
	}
	names := q.InstanceIDs
	if len(names) == 0 && q.PageSize == apiclient.MaxPageSize {
		names = []string{fmt.Sprint("page ", q.PageNum)}
	}
	p.w.leave(names, false)
	page, err := p.client.DescribeInstancesStatus(ctx, q)
	p.w.tell("describe", q.InstanceIDs, err, page.Instances)
	p.w.seen(page)
	if p.isDead() {
		return apiclient.StatusPage{}, corpse()
	}
	return page, err
}

// tell prints what came of a request that names the instance of -sim.id.
func (w *world) tell(what string, ids []string, err error, reply any) {
	if *simID == "" || !slices.Contains(ids, *simID) {
		return
	}
	truth, _ := w.sim.Instance(*simID)
	said := fmt.Sprint(reply)
	if states, ok := reply.([]apiclient.InstanceStatus); ok {
		states = slices.DeleteFunc(slices.Clone(states), func(s apiclient.InstanceStatus) bool { return s.InstanceID != *simID })
		said = fmt.Sprint(states)
	}
	fmt.Printf("%12s %s of %d: %v %s; truly %s\n", time.Since(w.began).Round(time.Millisecond), what, len(ids), err, said, truth.State)
}

// leave notes that a request goes out. Those of one moment leave a few
// nanoseconds apart, in an order that follows from what they ask: else the
// scheduler would decide which of them the server throttles, and a seed would
// not be the same run each time.
func (w *world) leave(ids []string, power bool) {
	h := fnv.New32a()
	for _, id := range ids {
		_, _ = h.Write([]byte(id))
	}
	time.Sleep(time.Duration(h.Sum32() % 1000))
	w.mu.Lock()
	defer w.mu.Unlock()
	w.inFlight++
	w.peak = max(w.peak, w.inFlight)
	if w.ended {
		w.afterEnd++
	}
	if len(ids) < 1 || len(ids) > w.s.size {
		w.misfits++
	}
	if !power {
		return
	}
	w.starts++
	for _, id := range ids {
		if w.pending[id] {
			w.unseen[id]++
			delete(w.pending, id)
		}
	}
}

// returned notes an answer; one to a dead process is as good as lost for ever.
func (w *world) returned(ids []string, reply apiclient.PowerReply, err error, dead bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.inFlight--
	if e, ok := err.(*apiclient.Error); ok && e.MaybeApplied {
		for _, id := range ids {
			w.lost[id]++
			if dead {
				w.unseen[id]++
			} else {
				w.pending[id] = true
			}
		}
	}
	if err != nil {
		return
	}
	refused := map[string]bool{}
	for _, id := range reply.Failed {
		refused[id] = true
	}
	for _, id := range ids {
		if !refused[id] {
			w.unjournaled[id]++
		}
	}
}

func (w *world) seen(page apiclient.StatusPage) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.inFlight--
	onWay := []apiclient.State{apiclient.StateStarting, apiclient.StateBooting}
	if w.s.action == power.ActionStop { // a boot that fails through STOPPING does not show that it began
		onWay = []apiclient.State{apiclient.StateStopping}
	}
	for _, i := range page.Instances {
		if slices.Contains(onWay, i.State) {
			delete(w.pending, i.InstanceID)
		}
	}
}

// Request implements apiclient.Observer.
func (w *world) Request(action, code string, took time.Duration) {
	w.metrics.Receive(event.Requested{Account: "default", APIAction: action, Code: code, Took: took})
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked++
}

// Receive implements event.Listener: it keeps what survives a process, and what one said.
func (p *process) Receive(e event.Event) {
	switch e := e.(type) {
	case event.Accepted:
		p.accepted(e.Group, e.IDs)
	case event.Final:
		p.final(e.Group, e.Results)
	case event.BatchFinished:
		p.w.mu.Lock()
		defer p.w.mu.Unlock()
		p.w.batches++
	case event.CredentialsRejected:
		if p.isDead() {
			return
		}
		p.w.mu.Lock()
		defer p.w.mu.Unlock()
		p.w.rejected++
	}
}

func (p *process) accepted(group string, ids []string) {
	time.Sleep(p.w.s.journalTakes)
	if p.isDead() {
		return
	}
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	j := p.w.journal.attempted
	if j[group] == nil {
		j[group] = map[string]int{}
	}
	for _, id := range ids {
		j[group][id]++
		if p.w.unjournaled[id]--; p.w.unjournaled[id] <= 0 {
			delete(p.w.unjournaled, id)
		}
	}
}

func (p *process) final(group string, results []power.InstanceResult) {
	time.Sleep(p.w.s.journalTakes)
	if p.isDead() {
		return
	}
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	p.w.journal.final[group] = append(p.w.journal.final[group], results...)
	p.w.final[group] = append(p.w.final[group], results...)
}
