package batcher

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"zecpower/apiclient"
	"zecpower/internal/event"
	"zecpower/internal/power"
)

// run is one run in progress. Its account owns it, but for the fields of the first block, which
// never change, and the box, which is safe for concurrent use.
type run struct {
	account *Account
	run     Run
	name    event.Run
	rank    power.Rank
	targets *targets
	box     *mailbox
	started time.Time

	works    []*work // by index of targets.ids; nil once the instance is final for this run
	results  results
	open     int              // instances without an outcome
	failed   int              // instances that failed
	pending  int              // instances that were accepted and are on their way
	inFlight int              // requests in flight that name its instances
	finals   map[int][]int    // by group, instances that became final since the last flush
	denied   *apiclient.Error // the final refusal of the credentials, once it is reported

	// ended is why nothing more is sent for it; empty while it goes on.
	ended        ending
	invalid      *apiclient.Error // with endInvalid and endUnreached
	panic        *PanicError      // with endPanic
	unreached    int              // errors that waiting does not mend
	firstRequest time.Time
	finished     time.Time // when the last instance had its outcome
}

// ending is why a run stops sending.
type ending string

const (
	endDeadline  ending = "deadline"
	endCancelled ending = "cancelled"
	endSuspended ending = "suspended" // cancelled here; a later process goes on with it
	endInvalid   ending = "invalid_request"
	endUnreached ending = "unreached"
	endPanic     ending = "internal_error"
)

// ErrCancelled is the cause with which the context of a run ends that no process is to go on with: a
// person cancels it.
var ErrCancelled = errors.New("cancelled by hand")

// ending is how the end of its context ends the run; empty: it has not ended.
func (r Run) ending(ctx context.Context) ending {
	switch {
	case ctx.Err() == nil:
		return ""
	case r.Resumable && !errors.Is(context.Cause(ctx), ErrCancelled):
		return endSuspended
	}
	return endCancelled
}

// newRun prepares a run. It asks nothing of the account.
func (a *Account) newRun(r Run) *run {
	x := &run{account: a, run: r, targets: newTargets(r.Groups), box: newMailbox(), started: time.Now(), finals: map[int][]int{}}
	if x.run.ScheduledAt.IsZero() {
		x.run.ScheduledAt = x.started
	}
	x.rank = rankOf(x.run)
	x.open = len(x.targets.ids)
	x.works = make([]*work, x.open)
	x.results = newResults(x.targets.ids)
	x.name = event.Run{ID: r.RunID, Schedule: r.Schedule, Action: r.Action, Nominal: x.run.ScheduledAt}
	return x
}

// Submitted is a run in work.
type Submitted struct{ run *run }

// Submit brings a run into work: from now on the account owns its instances, or has decided that
// another run does. A ctx that has ended takes nothing from others. Wait must follow.
func (a *Account) Submit(ctx context.Context, r Run) Submitted {
	x := a.newRun(r)
	a.entry.Lock()
	defer a.entry.Unlock()
	a.do(func(now time.Time) {
		if p := catch("the beginning of a run", func() { a.submit(x, now, r.ending(ctx)) }); p != nil {
			a.reportPanic(p)
			a.crash(x, p)
		}
	})
	return Submitted{x}
}

// Groups are the sizes of the run's groups.
func (s Submitted) Groups() (groups []event.Group) {
	for k, g := range s.run.targets.groups {
		groups = append(groups, event.Group{Name: g.name, Total: s.run.targets.size(k), Duplicates: g.duplicates})
	}
	return groups
}

// Instances is how many distinct ones the run has.
func (s Submitted) Instances() int { return len(s.run.targets.ids) }

// Wait emits what the account does for the run, and reports once every instance has its outcome: the
// wanted state seen, taken over by a newer run, deadline over, ctx ended, or credentials finally
// refused; in the last three cases as soon as the requests in flight that name its ids have ended.
// Ids that ctx's end cut off fail as ReasonCancelled. A panic of Config.Emit ends this run alone, with
// ReasonInternalError for the ids that were open. It is called once.
func (s Submitted) Wait(ctx context.Context) power.Report {
	x := s.run
	defer context.AfterFunc(ctx, func() { x.account.do(func(time.Time) { x.account.end(x, x.run.ending(ctx)) }) })()
	x.deliver()
	return x.report()
}

// deliver passes on what the account does for the run until it has ended.
func (x *run) deliver() {
	for {
		events, progress, ended := x.box.take()
		for _, e := range events {
			x.emit(e)
		}
		if progress != nil {
			x.emit(event.Progressed{Account: x.account.cfg.Name, Run: x.name, Progress: *progress})
		}
		if ended && len(events) == 0 {
			return
		}
		if !ended {
			<-x.box.wake
		}
	}
}

// emit passes on an event of the run. A panic of a listener ends the run.
func (x *run) emit(e event.Event) {
	p := catch("a listener of a run", func() { x.account.cfg.Emit(e) })
	if p == nil {
		return
	}
	x.account.reportPanic(p)
	x.account.do(func(time.Time) { x.account.crash(x, p) })
}

// crash ends a run for a panic.
func (a *Account) crash(x *run, p *PanicError) {
	if x.panic == nil {
		x.panic = p
	}
	a.end(x, endPanic)
}

// end ends a run early: nothing more is sent for it alone. It has its outcomes once no request in
// flight names its instances. A second call changes nothing but that a panic counts.
func (a *Account) end(x *run, why ending) {
	if x.ended == "" || why == endPanic {
		x.ended = why
	}
	a.settle(x, time.Now())
}

// settle finishes a run that has ended or has no open instance, if nothing of it is in flight, and
// passes on what is new of it.
func (a *Account) settle(x *run, now time.Time) {
	at := slices.Index(a.runs, x)
	if at < 0 {
		return // it is finished
	}
	if x.ended != "" && x.inFlight == 0 {
		a.finishRest(x, now)
	}
	x.flush()
	x.box.progressed(x.progress())
	if x.open == 0 && x.inFlight == 0 {
		a.runs = slices.Delete(a.runs, at, at+1)
		x.works, x.finished = nil, now
		if len(a.works) == 0 {
			a.works = map[string]*work{} // the old one keeps the room of all that it ever held
		}
		a.memory.forget(a, now)
		x.box.end()
	}
}

func (x *run) progress() event.Progress {
	total := len(x.targets.ids)
	return event.Progress{Total: total, Final: total - x.open, Failed: x.failed, Pending: x.pending}
}

// flush passes on what became final since the last flush.
func (x *run) flush() {
	for _, g := range inOrder(x.finals) {
		results := x.results.list(x.finals[g])
		delete(x.finals, g)
		x.box.add(event.Final{Account: x.account.cfg.Name, Run: x.name, Group: x.targets.groups[g].name, Results: results})
	}
}

// report words what became of the run. The account is done with it.
func (x *run) report() power.Report {
	r := power.Report{
		RunID: x.run.RunID, Schedule: x.run.Schedule, Action: x.run.Action,
		ScheduledAt: x.run.ScheduledAt, StartedAt: x.started, FinishedAt: x.finished, FirstRequestAt: x.firstRequest,
	}
	if x.panic != nil {
		r.Err = fmt.Sprintf("zecpower has a bug: %v; the log has its stack", x.panic)
	}
	if x.ended == endUnreached {
		r.Err = fmt.Sprintf("the API was never reached: %v", x.invalid)
	}
	for g := range x.targets.groups {
		r.Groups = append(r.Groups, x.groupReport(g))
	}
	return r
}

func (x *run) groupReport(group int) power.GroupReport {
	g, members := x.targets.groups[group], x.targets.members(group)
	report := power.GroupReport{Group: g.name, Total: len(members), Duplicates: g.duplicates, Results: x.results.list(members)}
	if g.err != nil {
		report.Err = g.err.Error()
	}
	outcomes := power.Outcomes(x.run.Action)
	for i := range report.Results {
		switch report.Results[i].Outcome {
		case outcomes[0]:
			report.Done++
		case outcomes[1]:
			report.Already++
		case power.OutcomeSkipped:
			report.Skipped++
		default:
			report.Failed++
		}
	}
	return report
}
