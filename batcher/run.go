package batcher

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"zecpower/apiclient"
	"zecpower/internal/power"
)

const (
	// lagPolls is how many poll intervals a state may trail an accepted action.
	lagPolls = 2
	// deniedPoll is how often accepted instances are described once the refusal
	// of the credentials is final.
	deniedPoll = 30 * time.Second
	// unreachedErrors and unreachedSpan are how many errors that waiting does not mend, over how
	// long, end a run by hand.
	unreachedErrors = 3
	unreachedSpan   = 2 * time.Second
)

// run is one run under way. One goroutine, the one in execute, owns all of it;
// each request has a goroutine of its own that only calls the API and sends its
// reply back.
type run struct {
	cfg     Config
	run     Run
	info    RunInfo
	action  string // the API's name
	targets *targets
	rules   rules
	rng     *rand.Rand

	open     int // instances without an outcome
	failed   int // instances that failed
	queues   [priorities]queue
	polls    pollList
	refusals unknownRefusals
	apart    map[apiclient.Code]bool // undocumented codes; true: found to concern single instances
	waiters  [priorities]*waiter
	replies  chan reply
	inFlight map[*request]bool

	// ended is why nothing more is sent; empty while the run goes on.
	ended   ending
	invalid *apiclient.Error // with endInvalid and endUnreached
	panic   *PanicError      // with endPanic
	// denied is the final refusal of the credentials; nil while there is none.
	denied *apiclient.Error
	// failing: the last reply of all showed an API that does not work.
	failing bool
	// contact: some reply came, from the API or a station before it. unreached counts the errors that
	// waiting does not mend.
	contact   bool
	unreached int
	// describedSent is when the newest describe left that the API served.
	describedSent time.Time
	// keySent is when the newest request of a kind left whose credentials the API
	// accepted, be it that it refused something else.
	keySent [kinds]time.Time

	finals       map[int][]power.InstanceResult // by group, since the last flush
	started      time.Time
	firstRequest time.Time
}

// ending is why a run stops sending.
type ending string

const (
	endDeadline  ending = "deadline"
	endCancelled ending = "cancelled"
	endInvalid   ending = "invalid_request"
	endUnreached ending = "unreached"
	endPanic     ending = "internal_error"
)

func newRun(cfg Config, r Run) *run {
	x := &run{
		cfg:     cfg,
		run:     r,
		action:  APIAction(r.Action),
		targets: newTargets(r.Groups),
		rules: rules{
			action: r.Action, attempts: cfg.Attempts, timeout: cfg.BootTimeout,
			lag: lagPolls * cfg.PollInterval, doubtFor: cfg.PollInterval,
		},
		rng:      newRand(cfg.Seed),
		replies:  make(chan reply),
		apart:    map[apiclient.Code]bool{},
		inFlight: map[*request]bool{},
		finals:   map[int][]power.InstanceResult{},
		started:  time.Now(),
	}
	if x.run.ScheduledAt.IsZero() {
		x.run.ScheduledAt = x.started
	}
	x.open = len(x.targets.instances)
	x.info = x.describe()
	return x
}

func (x *run) describe() RunInfo {
	info := RunInfo{
		RunID: x.run.RunID, Schedule: x.run.Schedule, Action: x.run.Action,
		ScheduledAt: x.run.ScheduledAt, Deadline: x.run.Deadline, Resumed: x.run.Resumed,
	}
	for _, g := range x.targets.groups {
		info.Groups = append(info.Groups, GroupInfo{Group: g.name, Total: len(g.members), Duplicates: g.duplicates})
	}
	return info
}

// execute makes the run. A panic, also one of an observer or of the journal, ends
// this run alone: what it holds of the budget goes back, its open instances fail
// as internal_error, and the report is complete all the same.
func (x *run) execute(ctx context.Context) power.Report {
	x.guard("a run", func() {
		x.cfg.Observer.RunStarted(x.info)
		x.begin()
		x.loop(ctx)
	})
	x.leaveQueue()
	for len(x.inFlight) > 0 { // a reply that was received is no more in flight, whatever it led to
		x.guard("the end of a run", func() { x.handle(<-x.replies) })
	}
	x.guard("the end of a run", x.finishRest)
	x.finishRestQuietly() // what a panic of an observer left
	report := x.report()
	x.guard("an observer of a run's end", func() { x.cfg.Observer.RunFinished(x.info, report) })
	return report
}

// guard calls f and makes its panic the run's end.
func (x *run) guard(where string, f func()) {
	p := catch(where, f)
	if p == nil {
		return
	}
	x.ended = endPanic
	if x.panic == nil {
		x.panic = p
	}
	x.cfg.reportPanic(p)
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

// begin queues the first requests: chunks of starts, or describes where an
// earlier process may have sent something already.
func (x *run) begin() {
	priority := PriorityStart
	if x.run.Resumed {
		priority = PriorityDiagnose
		x.restore()
	}
	x.decided()
	x.flush()
	for g := range x.targets.groups {
		for _, piece := range cut(x.openOf(x.targets.own(g)), x.cfg.Size) {
			x.enqueue(&request{priority: priority, instances: piece, group: g})
		}
	}
}

// loop sends and handles until every instance has its outcome or the run ends.
func (x *run) loop(ctx context.Context) {
	deadline := x.deadlineTimer()
	defer deadline.Stop()
	timer := time.NewTimer(0)
	defer timer.Stop()
	recovered, denied := x.cfg.Budget.Recovered(), x.cfg.Budget.Denied()
	for x.open > 0 && x.ended == "" {
		x.ask()
		x.rearm(timer)
		if x.urgent(ctx, deadline) {
			continue
		}
		select {
		case a := <-x.replies:
			x.handle(a)
		case t := <-x.granted(PriorityStart):
			x.launch(ctx, PriorityStart, t)
		case t := <-x.granted(PriorityDiagnose):
			x.launch(ctx, PriorityDiagnose, t)
		case t := <-x.granted(PriorityPoll):
			x.launch(ctx, PriorityPoll, t)
		case <-timer.C:
		case <-recovered:
			recovered = x.cfg.Budget.Recovered()
			x.hasten()
		case <-denied:
			denied = x.cfg.Budget.Denied()
			// A key that may not stop may be one that may start.
			if e := x.cfg.Budget.Denial(); e.Action == x.action || e.Action == apiclient.ActionDescribeInstancesStatus {
				x.deny(e)
			}
		case <-deadline.C:
			x.ended = endDeadline
		case <-ctx.Done():
			x.ended = endCancelled
		}
	}
}

// urgent handles what must not lose against something else that is ready as well:
// the end, then a reply, which may bring it, then the tokens in the order of
// their priorities. A select alone chooses at random.
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
	case a := <-x.replies:
		x.handle(a)
		return true
	default:
	}
	for p := range priorities {
		select {
		case t := <-x.granted(p):
			x.launch(ctx, p, t)
			return true
		default:
		}
	}
	return false
}

// ask holds one place in the budget's queue for each priority that has work.
func (x *run) ask() {
	now := time.Now()
	x.refillAlone()
	for p := range priorities {
		x.queues[p].ripen(now)
		switch wants := x.wants(p, now); {
		case wants && x.waiters[p] == nil:
			x.waiters[p] = x.cfg.Budget.ask(p, x.actionOf(p))
		case !wants && x.waiters[p] != nil:
			x.cfg.Budget.cancel(x.waiters[p])
			x.waiters[p] = nil
		}
	}
}

// actionOf is the API action of a priority's requests.
func (x *run) actionOf(p Priority) string {
	if p == PriorityStart {
		return x.action
	}
	return apiclient.ActionDescribeInstancesStatus
}

func (x *run) wants(p Priority, now time.Time) bool {
	switch {
	case p == PriorityStart && x.refusals.holds():
		return x.refusals.ready(now)
	case x.queues[p].has():
		return true
	case p != PriorityPoll:
		return false
	}
	due, ok := x.polls.due(x.pollInterval())
	return ok && !due.After(now)
}

// granted is the channel of a priority's waiter, nil (never ready) where there is none.
func (x *run) granted(p Priority) <-chan *token {
	if x.waiters[p] == nil {
		return nil
	}
	return x.waiters[p].granted
}

// rearm sets the timer to the next backoff that ends or describe that falls due.
func (x *run) rearm(timer *time.Timer) {
	wake, known := x.polls.due(x.pollInterval())
	if latest := time.Now().Add(x.cfg.PollInterval); known && wake.After(latest) {
		wake = latest // a stretched interval shrinks again as the budget recovers
	}
	if x.waiters[PriorityPoll] != nil {
		known = false // already asked for; the token will come
	}
	earlier := func(at time.Time) {
		if !known || at.Before(wake) {
			wake, known = at, true
		}
	}
	for p := range x.queues {
		if later := x.queues[p].later; len(later) > 0 {
			earlier(later[0].ready)
		}
	}
	if u := &x.refusals; u.holds() && !u.flying && len(u.ids) > 0 && x.waiters[PriorityStart] == nil {
		earlier(u.next)
	}
	timer.Stop()
	if known {
		timer.Reset(max(time.Until(wake), 0))
	}
}

// hasten bounds every backoff by a poll interval once the API is back.
func (x *run) hasten() {
	latest := time.Now().Add(x.cfg.PollInterval / 2)
	for p := range x.queues {
		x.queues[p].hasten(latest)
	}
	if u := &x.refusals; u.next.After(latest) {
		u.next = latest
	}
}

// launch spends a token on the next request of a priority. Until the request's
// goroutine has it, the token goes back however this function ends.
func (x *run) launch(ctx context.Context, p Priority, t *token) {
	x.waiters[p] = nil
	holds := true
	defer func() {
		if holds {
			t.withdraw()
		}
	}()
	now := time.Now()
	r := x.next(p, now, t)
	if r == nil {
		return
	}
	holds = false
	if !t.leave() {
		x.putBack(r)
		return
	}
	if x.firstRequest.IsZero() {
		x.firstRequest = now
	}
	x.inFlight[r] = true
	// The request outlives a cancel: what it did is wanted in the report.
	ctx = context.WithoutCancel(ctx)
	ids := x.targets.ids(r.instances)
	go func() {
		a := reply{request: r, token: t, sent: now}
		if p := catch(x.actionOf(r.priority), func() { a.call(ctx, x.cfg.API, x.run, ids) }); p != nil {
			// What it did before that is unknown.
			a.err = &apiclient.Error{Action: x.actionOf(r.priority), Class: apiclient.ClassAmbiguous, MaybeApplied: r.priority == PriorityStart, Err: p}
			if r.priority != PriorityStart {
				a.err.(*apiclient.Error).Class = apiclient.ClassTransient
			}
			x.cfg.reportPanic(p)
		}
		a.took = time.Since(now)
		x.replies <- a
	}()
}

// next takes the next request of a priority, nil where it is gone meanwhile.
func (x *run) next(p Priority, now time.Time, t *token) *request {
	switch {
	case p == PriorityStart && x.refusals.holds():
		if !x.refusals.ready(now) {
			return nil
		}
		return x.nextAlone()
	case x.queues[p].has():
		return x.probeOf(x.queues[p].pop(x.cfg.Size), t)
	case p != PriorityPoll:
		return nil
	}
	// A little ahead of time, so that requests are full.
	instances := x.polls.take(now.Add(x.cfg.PollInterval/10), x.pollInterval(), x.cfg.Size)
	if len(instances) == 0 {
		return nil
	}
	return x.probeOf(&request{priority: PriorityPoll, instances: instances}, t)
}

// probeOf is what of a request may leave: all of it or, as a probe of refused
// credentials, one id, another one each time. So one instance that the key has no
// right to does not count as a key that is refused. Once it does, that is decided.
func (x *run) probeOf(r *request, t *token) *request {
	if !t.credentialProbe || len(r.instances) == 1 || x.denied != nil {
		return r
	}
	probe := *r
	probe.instances = r.instances[:1:1]
	probe.refusals, probe.again = 0, true
	r.instances = r.instances[1:]
	x.queues[r.priority].putBack(r)
	return &probe
}

func (x *run) putBack(r *request) {
	switch {
	case r.trial:
		x.putBackAlone(r)
	case r.priority == PriorityPoll:
		r.priority = PriorityDiagnose // its instances left the poll list
		x.queues[PriorityDiagnose].putBack(r)
	default:
		x.queues[r.priority].putBack(r)
	}
}

// call makes the one API call of a request.
func (a *reply) call(ctx context.Context, api API, r Run, ids []string) {
	switch {
	case a.request.priority != PriorityStart:
		a.status, a.err = api.DescribeInstancesStatus(ctx, apiclient.StatusQuery{InstanceIDs: ids, PageSize: apiclient.MaxInstanceIDs})
	case r.Action == power.ActionStop:
		a.power, a.err = api.StopInstances(ctx, ids, r.Force)
	default:
		a.power, a.err = api.StartInstances(ctx, ids)
	}
}

// leaveQueue gives every place in the budget's queue up.
func (x *run) leaveQueue() {
	for p, w := range x.waiters {
		if w != nil {
			x.cfg.Budget.cancel(w)
			x.waiters[p] = nil
		}
	}
}

// handle evaluates one reply. The token goes back last, also where a panic cuts
// the evaluation off: until the reply is understood, its place in flight must not
// let another request out.
func (x *run) handle(a reply) {
	delete(x.inFlight, a.request)
	e := x.classified(a)
	returned := false
	defer func() {
		if !returned {
			a.token.done(e)
		}
	}()
	x.failing = false
	if e != nil {
		x.note(a.request, e)
	}
	x.judgeContact(e)
	if a.request.priority == PriorityStart {
		x.handlePower(a, e)
	} else {
		x.handleDescribe(a, e)
	}
	returned = true
	if a.token.done(e) || x.unproven(e) {
		x.deny(e)
	}
	x.flush()
	x.cfg.Observer.Progressed(x.info, x.progress())
}

// classified is the failure of a reply, nil where there is none. Credentials that
// are refused again after the API accepted them for others are a refusal of these
// ids: the key has no right to one of them. Once they were accepted for an id, too,
// the next refusal is one of the key again.
func (x *run) classified(a reply) *apiclient.Error {
	e, kind := asError(a.err), kindOf(a.request)
	if keyAccepted(e) && a.sent.After(x.keySent[kind]) {
		x.keySent[kind] = a.sent
	}
	if e == nil {
		for _, i := range a.request.instances {
			x.targets.instances[i].deniedAt[kind] = 0
		}
	}
	if e == nil || e.Class != apiclient.ClassCredentials {
		return e
	}
	for _, i := range a.request.instances {
		if at := x.targets.instances[i].deniedAt[kind]; at != 0 && x.keySent[kind].UnixNano() > at {
			unknown := *e
			unknown.Class = apiclient.ClassUnknown
			return &unknown
		}
	}
	return e
}

// judgeContact ends a run by hand whose requests cannot arrive: a name without a host, a proxy that
// refuses, a certificate that is not trusted.
func (x *run) judgeContact(e *apiclient.Error) {
	if e == nil || e.HTTPStatus != 0 {
		x.contact = true
	}
	if !x.run.FirstContact || x.contact || !e.Unreachable() {
		return
	}
	if x.unreached++; x.unreached >= unreachedErrors && time.Since(x.started) >= unreachedSpan {
		x.ended, x.invalid = endUnreached, e
	}
}

// unproven reports whether a refusal of the credentials ends a run by hand at
// once: no reply has ever accepted them.
func (x *run) unproven(e *apiclient.Error) bool {
	return e != nil && e.Class == apiclient.ClassCredentials && x.run.UnprovenKey && !x.cfg.Budget.CredentialsAccepted()
}

// deny ends what refused credentials make impossible: every instance that no
// request may have been accepted for. The others are described on. Instances of a
// request in flight wait for its reply.
func (x *run) deny(e *apiclient.Error) {
	first := x.denied == nil
	x.denied = e
	inFlight := map[int]bool{}
	for r := range x.inFlight {
		for _, i := range r.instances {
			inFlight[i] = true
		}
	}
	x.queues, x.polls, x.refusals = [priorities]queue{}, pollList{}, unknownRefusals{}
	now := time.Now()
	for i := range x.targets.instances {
		switch in := &x.targets.instances[i]; {
		case in.final || inFlight[i]:
		case in.ours && (in.booting || in.unconfirmed):
			x.polls.add(i, now)
		default:
			x.failDenied(i)
		}
	}
	if first {
		x.cfg.Observer.CredentialsRejected(x.info, e)
	}
}

// denyRequest does that for the instances of one request that came back.
func (x *run) denyRequest(r *request) {
	now := time.Now()
	for _, i := range r.instances {
		switch in := &x.targets.instances[i]; {
		case in.final:
		case r.priority != PriorityStart && in.ours && (in.booting || in.unconfirmed):
			x.polls.add(i, now)
		default:
			x.failDenied(i)
		}
	}
}

// failDenied ends one instance that the credentials cannot bring on.
func (x *run) failDenied(i int) {
	in := &x.targets.instances[i]
	if in.final {
		return
	}
	in.blame(x.denied)
	in.fail(power.ReasonAuth)
	x.final(i)
}

func (x *run) progress() Progress {
	total := len(x.targets.instances)
	return Progress{Total: total, Final: total - x.open, Failed: x.failed, Pending: len(x.polls.list)}
}

// report words what became of the run.
func (x *run) report() power.Report {
	r := power.Report{
		RunID: x.run.RunID, Schedule: x.run.Schedule, Action: x.run.Action,
		ScheduledAt: x.run.ScheduledAt, StartedAt: x.started, FinishedAt: time.Now(), FirstRequestAt: x.firstRequest,
	}
	if x.panic != nil {
		r.Err = fmt.Sprintf("zecpower has a bug: %v; the log has its stack", x.panic)
	}
	if x.ended == endUnreached {
		r.Err = fmt.Sprintf("the API was never reached: %v", x.invalid)
	}
	for _, g := range x.targets.groups {
		r.Groups = append(r.Groups, x.groupReport(g))
	}
	return r
}
