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
	cfg, set := f.Source.(*config.Config), d.accounts.Load()
	maker := run.New(run.Config{
		Account: set.account, Emit: d.stream.Emit, Progress: d.store.Progress, Suspects: d.suspects.group, Turns: d.turns,
	})
	together, _ := f.Round.(*batcher.Gathering)
	p := maker.Prepare(ctx, run.Run{
		ID: f.RunID, Schedule: f.Schedule, Action: f.Action, Nominal: f.Nominal, Planned: f.Planned, Deadline: f.Deadline,
		Actor: store.ActorSchedule, Resumed: f.Resumed, Resumable: true, Names: f.Wanted(), LeftOut: f.LeftOut, Superseded: f.Superseded,
		Gathering: together, Members: members(cfg),
		AccountOf: cfg.AccountOf,
	})
	return scheduler.Prepared{Groups: p.Targets(), Run: func(ctx context.Context) scheduler.RunEnd {
		end := p.Make(ctx)
		d.recordKeys()
		return scheduler.RunEnd{Result: end.Report.Result(), Report: &end.Report, Err: end.Err, CutOff: end.CutOff}
	}}
}

// gather lets n runs that begin together share their requests.
func gather(n int) scheduler.Round { return batcher.Gather(n) }

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
