package app

import (
	"context"
	"maps"
	"slices"

	"go.uber.org/zap"

	"zecpower/batcher"
	"zecpower/internal/config"
	"zecpower/internal/metrics"
	"zecpower/internal/power"
	"zecpower/internal/store"
	"zecpower/scheduler"
)

// restoreDepth is how many of the store's newest entries are searched for the groups' last runs:
// enough for days of ordinary schedules, and read in milliseconds.
const restoreDepth = 100

// restoreMetrics sets the metrics of the groups' last runs from the store, so that an alert about
// failed instances, and what a run by hand has mended, outlive a restart of the daemon.
func (d *Daemon) restoreMetrics() {
	entries, err := d.store.History(context.Background(), store.Query{Limit: restoreDepth, MaxFailures: metrics.MaxFailedInfo})
	if err != nil {
		if d.store.Trouble() != nil {
			return // Open has logged it
		}
		d.log.Error("the last runs cannot be read: their failed instances are not in the metrics", zap.Error(err))
		return
	}
	cfg := d.current.Load()
	for _, e := range entries { // newest first
		if e.Kind != store.KindRun || e.Result == "" {
			continue
		}
		r := power.Report{RunID: e.RunID, Schedule: e.Schedule, Action: e.Action, FinishedAt: e.FinishedAt}
		for _, g := range e.Results {
			if _, err := cfg.Group(g.Group); err == nil {
				r.Groups = append(r.Groups, groupReport(g))
			}
		}
		d.metrics.RestoreGroups(r)
		d.suspects.restore(r)
		if e.Schedule == store.ManualSchedule {
			d.hands.mended(r)
		}
	}
}

// groupReport is the part of a group's report that the metrics show.
func groupReport(g store.GroupEntry) power.GroupReport {
	r := power.GroupReport{Group: g.Group, Total: g.Total, Done: g.Done, Already: g.Already, Failed: g.Failed, Skipped: g.Skipped, Err: g.Err}
	for _, f := range g.Failures {
		r.Results = append(r.Results, power.InstanceResult{
			InstanceID: f.InstanceID, Outcome: power.OutcomeFailed, Reason: f.Reason,
			Code: f.Code, State: f.State, RequestID: f.RequestID, HTTPStatus: f.HTTPStatus, Attempts: f.Attempts,
		})
	}
	return r
}

// recalled takes up what earlier processes left.
func (d *Daemon) recalled(state store.State, byHand []scheduler.ByHand) {
	d.skips.recalled(state.Skips)
	d.restoreRanks(state)
	d.hands.resumeAll(byHand, state.ByHand)
}

// restoreRanks lets the accounts know what the newest runs of each group wanted of its instances, so
// that an older one that is resumed or caught up does not fight them, also where another group names
// the same ids.
func (d *Daemon) restoreRanks(state store.State) {
	cfg, set := d.current.Load(), d.accounts.Load()
	for _, group := range slices.Sorted(maps.Keys(state.Newest)) {
		a := set.of[cfg.AccountOf(group)]
		ids, err := d.lastMembers(cfg, group)
		if err != nil || a == nil {
			continue // it was removed, or cannot be read or powered: logUnreadable and emitMissing have said so
		}
		for _, r := range state.Newest[group] {
			a.batch.Remember(remembered(cfg, r), ids)
		}
	}
}

// lastMembers are the members of a group, as far as they are known without asking the API.
func (d *Daemon) lastMembers(cfg *config.Config, group string) ([]string, error) {
	g, err := cfg.Group(group)
	if err != nil {
		return nil, err
	}
	if !g.Selects() {
		return g.IDs()
	}
	list, err := d.store.Membership(context.Background(), group)
	return list.IDs, err
}

// remembered is a run of an earlier process as it ranks.
func remembered(cfg *config.Config, r store.Run) batcher.Run {
	of := batcher.Run{RunID: r.ID, Schedule: r.Schedule, Action: r.Action, Planned: r.Nominal}
	if s, err := cfg.Schedule(r.Schedule); err == nil {
		of.Planned = of.Planned.Add(s.JitterOffset())
	}
	if r.Schedule == store.ManualSchedule {
		of.Schedule = "" // by hand
	}
	return of
}
