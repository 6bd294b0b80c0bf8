package batcher

import (
	"context"
	"math/rand/v2"
	"time"

	"zecpower/apiclient"
	"zecpower/internal/power"
)

// lagPolls is how many poll intervals a state may trail an accepted start.
const lagPolls = 2

// run is one run under way. One goroutine, the one in execute, owns all of it;
// each request has a goroutine of its own that only calls the API and hands its
// answer back.
type run struct {
	cfg    Config
	run    Run
	info   RunInfo
	roster *roster
	rules  rules
	rng    *rand.Rand

	open    int // instances without an outcome
	failed  int // instances that failed
	queues  [priorities]queue
	watched watchList
	tickets [priorities]*ticket
	answers chan answer
	flying  int // requests in flight

	// ended is why nothing more is sent; empty while the run goes on.
	ended  ending
	denied *apiclient.Error // the refusal of the credentials, with endAuth
	// failing: the last answer of all showed an API that does not work.
	failing bool

	settled      map[int][]power.InstanceResult // by group, since the last flush
	started      time.Time
	firstRequest time.Time
}

// ending is why a run stops sending.
type ending string

const (
	endDeadline  ending = "deadline"
	endCancelled ending = "cancelled"
	endAuth      ending = "auth"
)

// answer is what came of one request.
type answer struct {
	job    *job
	permit *permit
	power  apiclient.PowerReply
	status apiclient.StatusPage
	err    error
	sent   time.Time
	took   time.Duration
}

func newRun(cfg Config, r Run) *run {
	x := &run{
		cfg:    cfg,
		run:    r,
		roster: newRoster(r.Groups),
		rules: rules{
			action: r.Action, attempts: cfg.Attempts, bootTimeout: cfg.BootTimeout,
			lag: lagPolls * cfg.PollInterval, settle: cfg.PollInterval,
		},
		rng:     newRand(cfg.Seed),
		answers: make(chan answer),
		settled: map[int][]power.InstanceResult{},
		started: time.Now(),
	}
	if x.run.ScheduledAt.IsZero() {
		x.run.ScheduledAt = x.started
	}
	x.open = len(x.roster.items)
	x.info = x.describe()
	return x
}

func (x *run) describe() RunInfo {
	info := RunInfo{
		RunID: x.run.RunID, Schedule: x.run.Schedule, Action: x.run.Action,
		ScheduledAt: x.run.ScheduledAt, Deadline: x.run.Deadline, Resumed: x.run.Resumed,
	}
	for _, g := range x.roster.groups {
		info.Groups = append(info.Groups, GroupInfo{Group: g.name, Total: len(g.members), Duplicates: g.duplicates})
	}
	return info
}

func (x *run) execute(ctx context.Context) power.Report {
	x.cfg.Observer.RunStarted(x.info)
	x.begin()
	deadline := x.deadlineTimer()
	defer deadline.Stop()
	x.loop(ctx, deadline)
	x.land()
	x.settleRest()
	report := x.report()
	x.cfg.Observer.RunFinished(x.info, report)
	return report
}

// deadlineTimer fires at the deadline, or never.
func (x *run) deadlineTimer() *time.Timer {
	if x.run.Deadline.IsZero() {
		t := time.NewTimer(time.Hour)
		t.Stop()
		return t
	}
	return time.NewTimer(time.Until(x.run.Deadline))
}

// begin queues the first requests: chunks of starts, or looks where an earlier
// process may have sent something already.
func (x *run) begin() {
	priority := PriorityStart
	if x.run.Resumed {
		priority = PriorityDiagnose
		x.restore()
	}
	for g := range x.roster.groups {
		unsettled := x.unsettled(x.roster.own(g))
		for _, piece := range cut(unsettled, x.cfg.Size) {
			x.enqueue(&job{priority: priority, items: piece, group: g})
		}
	}
}

// restore takes over what an earlier process found out.
func (x *run) restore() {
	index := make(map[string]int, len(x.roster.items))
	for i := range x.roster.items {
		index[x.roster.items[i].id] = i
	}
	for _, group := range x.run.Groups {
		for _, r := range group.Final {
			if i, ok := index[r.InstanceID]; ok && !x.roster.items[i].settled {
				x.roster.items[i].adopt(r)
				x.open--
				if r.Outcome == power.OutcomeFailed {
					x.failed++
				}
			}
		}
		for id, n := range group.Attempted {
			if i, ok := index[id]; ok && n > 0 && !x.roster.items[i].settled {
				x.roster.items[i].inherit(n, x.started)
			}
		}
	}
	for i := range x.roster.items {
		if it := &x.roster.items[i]; !it.settled && !it.booting {
			// It may have been in a request that was in flight when that process died.
			it.suspect, it.suspectAt = true, x.started
		}
	}
}

// loop sends and handles until every instance has its outcome or the run ends.
func (x *run) loop(ctx context.Context, deadline *time.Timer) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	recovered := x.cfg.Budget.Recovered()
	for x.open > 0 && x.ended == "" {
		x.ask()
		x.rearm(timer)
		if x.urgent(ctx, deadline) {
			continue
		}
		select {
		case a := <-x.answers:
			x.handle(a)
		case p := <-x.granted(PriorityStart):
			x.launch(ctx, PriorityStart, p)
		case p := <-x.granted(PriorityDiagnose):
			x.launch(ctx, PriorityDiagnose, p)
		case p := <-x.granted(PriorityPoll):
			x.launch(ctx, PriorityPoll, p)
		case <-timer.C:
		case <-recovered:
			recovered = x.cfg.Budget.Recovered()
			x.hasten()
		case <-deadline.C:
			x.ended = endDeadline
		case <-ctx.Done():
			x.ended = endCancelled
		}
	}
}

// urgent takes what must not lose against something else that is ready as well:
// the end, then an answer, which may bring it, then the permits in the order of
// their priorities. A select alone would draw lots.
func (x *run) urgent(ctx context.Context, deadline *time.Timer) bool {
	select {
	case <-ctx.Done():
		x.ended = endCancelled
		return true
	case <-deadline.C:
		x.ended = endDeadline
		return true
	default:
	}
	select {
	case a := <-x.answers:
		x.handle(a)
		return true
	default:
	}
	for p := range priorities {
		select {
		case permit := <-x.granted(p):
			x.launch(ctx, p, permit)
			return true
		default:
		}
	}
	return false
}

// ask holds one place in the budget's queue for each priority that has work.
func (x *run) ask() {
	now := time.Now()
	for p := range priorities {
		x.queues[p].ripen(now)
		switch wants := x.wants(p, now); {
		case wants && x.tickets[p] == nil:
			x.tickets[p] = x.cfg.Budget.ask(p)
		case !wants && x.tickets[p] != nil:
			x.cfg.Budget.cancel(x.tickets[p])
			x.tickets[p] = nil
		}
	}
}

func (x *run) wants(p Priority, now time.Time) bool {
	if len(x.queues[p].now) > 0 {
		return true
	}
	if p != PriorityPoll {
		return false
	}
	due, ok := x.watched.due(x.pollInterval())
	return ok && !due.After(now)
}

// granted is the channel of a priority's ticket, nil (never ready) where there is none.
func (x *run) granted(p Priority) <-chan *permit {
	if x.tickets[p] == nil {
		return nil
	}
	return x.tickets[p].granted
}

// rearm sets the timer to the next backoff that ends or look that falls due.
func (x *run) rearm(timer *time.Timer) {
	wake, known := x.watched.due(x.pollInterval())
	if latest := time.Now().Add(x.cfg.PollInterval); known && wake.After(latest) {
		wake = latest // a stretched interval shrinks again as the budget recovers
	}
	if x.tickets[PriorityPoll] != nil {
		known = false // already asked for; the permit will come
	}
	for p := range x.queues {
		if later := x.queues[p].later; len(later) > 0 && (!known || later[0].ready.Before(wake)) {
			wake, known = later[0].ready, true
		}
	}
	timer.Stop()
	if known {
		timer.Reset(max(time.Until(wake), 0))
	}
}

// hasten lets nobody sleep through the API's return for longer than a poll interval.
func (x *run) hasten() {
	latest := time.Now().Add(x.cfg.PollInterval / 2)
	for p := range x.queues {
		x.queues[p].hasten(latest)
	}
}

// launch spends a permit on the next job of a priority.
func (x *run) launch(ctx context.Context, p Priority, permit *permit) {
	x.tickets[p] = nil
	now := time.Now()
	j := x.next(p, now)
	if j == nil {
		permit.withdraw()
		return
	}
	if !permit.leave() {
		x.queues[p].putBack(j)
		return
	}
	if x.firstRequest.IsZero() {
		x.firstRequest = now
	}
	x.flying++
	// The request outlives a cancel: what it did is wanted in the report.
	ctx = context.WithoutCancel(ctx)
	ids := x.roster.ids(j.items)
	go func() {
		a := answer{job: j, permit: permit, sent: now}
		a.call(ctx, x.cfg.API, x.run, ids)
		a.took = time.Since(now)
		x.answers <- a
	}()
}

// next takes the next job of a priority, nil where it is gone meanwhile.
func (x *run) next(p Priority, now time.Time) *job {
	if len(x.queues[p].now) > 0 {
		return x.queues[p].pop(x.cfg.Size)
	}
	if p != PriorityPoll {
		return nil
	}
	// A little ahead of time, so that requests are full.
	items := x.watched.take(now.Add(x.cfg.PollInterval/10), x.pollInterval(), x.cfg.Size)
	if len(items) == 0 {
		return nil
	}
	return &job{priority: PriorityPoll, items: items}
}

// call makes the one request of a job.
func (a *answer) call(ctx context.Context, api API, r Run, ids []string) {
	switch {
	case a.job.priority != PriorityStart:
		a.status, a.err = api.DescribeInstancesStatus(ctx, apiclient.StatusQuery{InstanceIDs: ids, PageSize: apiclient.MaxInstanceIDs})
	case r.Action == power.ActionStop:
		a.power, a.err = api.StopInstances(ctx, ids, r.Force)
	default:
		a.power, a.err = api.StartInstances(ctx, ids)
	}
}

// land waits for the requests in flight and takes their answers in.
func (x *run) land() {
	for p, t := range x.tickets {
		if t != nil {
			x.cfg.Budget.cancel(t)
			x.tickets[p] = nil
		}
	}
	for x.flying > 0 {
		x.handle(<-x.answers)
	}
}

// handle takes one answer in. The permit goes back last: until the answer is
// understood, its place in flight must not let another request out.
func (x *run) handle(a answer) {
	x.flying--
	e := asError(a.err)
	x.failing = false
	if e != nil {
		x.note(a.job, e)
	}
	if a.job.priority == PriorityStart {
		x.handlePower(a, e)
	} else {
		x.handleLook(a, e)
	}
	a.permit.done(e)
	x.flush()
	x.cfg.Observer.Progressed(x.info, x.progress())
}

func (x *run) progress() Progress {
	total := len(x.roster.items)
	return Progress{Total: total, Final: total - x.open, Failed: x.failed, Pending: len(x.watched.list)}
}
