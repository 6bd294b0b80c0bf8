package app

import (
	"context"

	"zecpower/batcher"
	"zecpower/internal/config"
	"zecpower/internal/run"
	"zecpower/internal/store"
	"zecpower/scheduler"
)

// prepareRun makes a firing ready for the scheduler.
func (d *Daemon) prepareRun(ctx context.Context, f scheduler.Firing) scheduler.Prepared {
	cfg := f.Source.(*config.Config)
	together, _ := f.Round.(*batcher.Gathering)
	p := d.maker().Prepare(ctx, run.Run{
		ID: f.RunID, Schedule: f.Schedule, Action: f.Action, Nominal: f.Nominal, Planned: f.Planned, Deadline: f.Deadline,
		Actor: store.ActorSchedule, Resumed: f.Resumed, Resumable: true, Names: f.Wanted(), LeftOut: f.LeftOut, Superseded: f.Superseded,
		Gathering: together, Define: define(cfg),
		AccountOf: cfg.AccountOf,
	})
	return scheduler.Prepared{Groups: p.Targets(), Run: func(ctx context.Context) scheduler.RunEnd {
		end := p.Make(ctx)
		d.recordKeys()
		return scheduler.RunEnd{Result: end.Report.Result(), Report: &end.Report, Err: end.Err, CutOff: end.CutOff, Accepted: end.Accepted}
	}}
}

// maker makes runs with the accounts that are in use.
func (d *Daemon) maker() *run.Maker {
	return run.New(run.Config{
		Account: d.accounts.Load().account, Emit: d.stream.Emit, Progress: d.store.Progress, Suspects: d.suspects.group,
		Accepted: d.store.Membership,
	})
}

// gather lets n runs that begin together share their requests.
func gather(n int) scheduler.Round { return batcher.Gather(n) }
