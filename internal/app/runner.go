package app

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"

	"go.uber.org/zap"

	"zecpower/batcher"
	"zecpower/internal/power"
	"zecpower/internal/store"
	"zecpower/scheduler"
)

// makeRun is the scheduler's run function: one firing through the batcher.
func (d *Daemon) makeRun(ctx context.Context, f scheduler.Firing) scheduler.RunEnd {
	s := d.current.Load()
	groups := s.groups(f.Groups)
	for _, g := range groups {
		d.metrics.SetGroupUnreadable(g.Name, g.Err != nil)
	}
	if f.Resumed {
		d.restore(ctx, f, groups)
	}
	defer d.recordBeginning(ctx, f, groups)()
	report := s.batcher.Run(ctx, batcher.Run{
		RunID: f.RunID, Schedule: f.Schedule, Action: f.Action, ScheduledAt: f.Nominal,
		Deadline: f.Deadline, Resumed: f.Resumed, Groups: groups,
	})
	d.recordKey()
	return scheduler.RunEnd{Result: report.Result(), Report: &report, Err: runErrors(report)}
}

// restore sets in groups what the store has of an interrupted run. Without it the run is no less
// safe, because a resumed run describes every id before it sends anything.
func (d *Daemon) restore(ctx context.Context, f scheduler.Firing, groups []batcher.Group) {
	p, err := d.store.Progress(ctx, f.RunID)
	if err != nil {
		d.log.Error("a run's progress cannot be read: each of its instances is described again", zap.String("run_id", f.RunID), zap.Error(err))
		return
	}
	for i := range groups {
		groups[i].Final = p.Final[groups[i].Name]
		groups[i].Attempted = p.Accepted[groups[i].Name]
	}
}

// runErrors joins the errors of the run itself and of groups that could not be run at all.
func runErrors(r power.Report) error {
	var errs []error
	if r.Err != "" {
		errs = append(errs, errors.New(r.Err))
	}
	for _, g := range r.Groups {
		if g.Err != "" {
			errs = append(errs, errors.New("group "+g.Group+": "+g.Err))
		}
	}
	return errors.Join(errs...)
}

// journal writes a run's progress to the store. Its calls are bounded by the store alone: what the
// API accepted is recorded also where the run is being cut off. The batcher goes on without the
// record, so the journal reports what the store did not take.
type journal struct {
	store  store.Store
	failed func(op string, err error)
}

// Attempted implements batcher.Journal. Each call is one request.
func (j journal) Attempted(runID, group string, ids []string) error {
	a := store.Acceptance{RunID: runID, Group: group, Request: rand.Text(), IDs: ids}
	return j.report("record accepted instances", j.store.Accepted(context.Background(), a))
}

// Final implements batcher.Journal.
func (j journal) Final(runID, group string, results []power.InstanceResult) error {
	return j.report("record outcomes", j.store.Final(context.Background(), runID, group, results))
}

func (j journal) report(op string, err error) error {
	if err != nil {
		j.failed(op, err)
	}
	return err
}

// resumable is the journal of scheduled runs. An instance that a stop of the daemon cut off is not
// final for the next process, so it is not recorded.
type resumable struct{ batcher.Journal }

// Final implements batcher.Journal.
func (j resumable) Final(runID, group string, results []power.InstanceResult) error {
	results = final(results)
	if len(results) == 0 {
		return nil
	}
	return j.Journal.Final(runID, group, results)
}

// suspending does the same for observers: a run that the daemon's stop cut off did not fail, and
// the next start resumes it. The scheduler reports it as suspended.
type suspending struct{ batcher.Observer }

// Final implements batcher.Observer.
func (o suspending) Final(run batcher.RunInfo, group string, results []power.InstanceResult) {
	if results = final(results); len(results) > 0 {
		o.Observer.Final(run, group, results)
	}
}

// RunFinished implements batcher.Observer.
func (o suspending) RunFinished(run batcher.RunInfo, r power.Report) {
	for _, g := range r.Groups {
		if slices.ContainsFunc(g.Results, cutOff) {
			return
		}
	}
	o.Observer.RunFinished(run, r)
}

// cutOff reports whether a stop of the daemon caused a result: nothing else cancels a scheduled
// run.
func cutOff(r power.InstanceResult) bool { return r.Reason == power.ReasonCancelled }

// final are the results that are not cut off.
func final(results []power.InstanceResult) []power.InstanceResult {
	if !slices.ContainsFunc(results, cutOff) {
		return results
	}
	return slices.DeleteFunc(slices.Clone(results), cutOff)
}
