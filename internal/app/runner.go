package app

import (
	"context"
	"slices"
	"sync"

	"go.uber.org/zap"

	"zecpower/batcher"
	"zecpower/internal/config"
	"zecpower/internal/power"
	"zecpower/internal/run"
	"zecpower/internal/store"
	"zecpower/scheduler"
)

// prepareRun makes a firing ready for the scheduler.
func (d *Daemon) prepareRun(ctx context.Context, f scheduler.Firing) scheduler.Prepared {
	maker := run.New(run.Config{
		Power: d.account.run, Progress: d.store.Progress, Resolved: d.groupResolved, Suspects: d.suspects.group,
		ProgressFailed: func(runID string, err error) {
			d.log.Error("a run's progress cannot be read: each of its instances is described again", zap.String("run_id", runID), zap.Error(err))
		},
	})
	together, _ := f.Round.(*batcher.Gathering)
	p := maker.Prepare(ctx, run.Run{
		ID: f.RunID, Schedule: f.Schedule, Action: f.Action, Nominal: f.Nominal, Planned: f.Planned, Deadline: f.Deadline,
		Actor: store.ActorSchedule, Resumed: f.Resumed, Names: f.Wanted(), LeftOut: f.LeftOut, Superseded: f.Superseded,
		Gathering: together, Members: members(f.Source.(*config.Config)),
	})
	return scheduler.Prepared{Groups: p.Targets(), Run: func(ctx context.Context) scheduler.RunEnd {
		end := p.Make(ctx)
		d.recordKey()
		return scheduler.RunEnd{
			Result: end.Report.Result(), Report: &end.Report, Err: end.Err, CutOff: end.CutOff,
			Recorded: func() {
				d.suspects.finished(end.Report)
				d.observer.recorded(end.Report)
			},
		}
	}}
}

// gather lets n runs that begin together share their requests.
func gather(n int) scheduler.Round { return batcher.Gather(n) }

// groupResolved shows whether a group could be read when a run last needed it.
func (d *Daemon) groupResolved(group string, err error) {
	d.metrics.SetGroupUnreadable(group, err != nil)
}

// members reads the ids of groups as cfg means them.
func members(cfg *config.Config) func(group string) ([]string, error) {
	return func(group string) ([]string, error) {
		g, err := cfg.Group(group)
		if err != nil {
			return nil, err
		}
		return g.IDs()
	}
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

// awaiting does the same for observers: an instance that the daemon's stop cut off did not fail, and
// the next start resumes it. The end of a run is passed on once it is recorded, so that it does not
// come again after a resume.
type awaiting struct {
	batcher.Observer
	mu    sync.Mutex
	ended map[string]batcher.RunInfo // by run id: ended, and not recorded yet
}

func newAwaiting(o batcher.Observer) *awaiting {
	return &awaiting{Observer: o, ended: map[string]batcher.RunInfo{}}
}

// Final implements batcher.Observer.
func (o *awaiting) Final(run batcher.RunInfo, group string, results []power.InstanceResult) {
	if results = final(results); len(results) > 0 {
		o.Observer.Final(run, group, results)
	}
}

// RunFinished implements batcher.Observer.
func (o *awaiting) RunFinished(run batcher.RunInfo, _ power.Report) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended[run.RunID] = run
}

// recorded passes on the end of a run that RunFinished has received.
func (o *awaiting) recorded(r power.Report) {
	o.mu.Lock()
	run, ok := o.ended[r.RunID]
	delete(o.ended, r.RunID)
	o.mu.Unlock()
	if ok {
		o.Observer.RunFinished(run, r)
	}
}

// final are the results that a stop of the daemon did not cut off.
func final(results []power.InstanceResult) []power.InstanceResult {
	if !slices.ContainsFunc(results, run.CutOff) {
		return results
	}
	return slices.DeleteFunc(slices.Clone(results), run.CutOff)
}
