package app

import (
	"context"
	"time"

	"zecpower/internal/config"
	"zecpower/internal/power"
	"zecpower/internal/run"
)

const (
	// aheadOf is how long before a run the members of its groups are checked: what a guard will refuse
	// then alerts while there is time to look.
	aheadOf = time.Hour
	// aheadEvery is how often due checks are searched for.
	aheadEvery = time.Minute
)

// ahead checks the members of groups with a guard before their runs. It powers nothing.
type ahead struct {
	daemon *Daemon
	// again holds a value once a configuration is in use whose groups were not checked; capacity 1.
	again chan struct{}
	// checked is the next run of a schedule for which its groups were checked.
	checked map[string]time.Time
}

func newAhead(d *Daemon) *ahead {
	return &ahead{daemon: d, again: make(chan struct{}, 1), checked: map[string]time.Time{}}
}

// reloaded asks for a check of all groups.
func (a *ahead) reloaded() {
	select {
	case a.again <- struct{}{}:
	default: // it is asked for already
	}
}

// start checks until down ends it.
func (a *ahead) start(ctx context.Context, down *teardown) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		a.run(ctx)
	}()
	down.push("checks ahead of runs", func() error { cancel(); <-done; return nil })
}

func (a *ahead) run(ctx context.Context) {
	tick := time.NewTicker(aheadEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.again:
			a.check(ctx, func(time.Time, time.Duration) bool { return true })
		case <-tick.C:
			a.check(ctx, func(checked time.Time, until time.Duration) bool { return checked.IsZero() && until <= aheadOf })
		}
	}
}

// check checks the groups of the schedules for which due says so, each for its next run. checked is
// zero where that run's groups were not checked yet.
func (a *ahead) check(ctx context.Context, due func(checked time.Time, until time.Duration) bool) {
	d := a.daemon
	cfg, now := d.current.Load(), d.loop.Snapshot()
	groups, seen := map[power.Action][]string{}, map[string]bool{}
	next := map[string]time.Time{}
	for _, status := range now.Schedules { // the next run first: its action counts for a group
		s, err := cfg.Schedule(status.Schedule)
		if err != nil || status.NextRun.IsZero() {
			continue
		}
		checked := a.checked[s.Name]
		if !checked.Equal(status.NextRun) {
			checked = time.Time{}
		}
		next[s.Name] = checked
		if !due(checked, status.NextRun.Sub(now.At)) {
			continue
		}
		if status.NextRun.Sub(now.At) <= aheadOf {
			next[s.Name] = status.NextRun
		}
		for _, name := range s.Groups {
			if g, err := cfg.Group(name); err == nil && g.Guard != nil && !seen[name] {
				seen[name] = true
				groups[s.Action] = append(groups[s.Action], name)
			}
		}
	}
	a.checked = next
	for action, names := range groups {
		d.checkMembers(ctx, cfg, action, names)
	}
}

// checkMembers finds out who is in some groups and what their guards will say, and emits that.
func (d *Daemon) checkMembers(ctx context.Context, cfg *config.Config, action power.Action, groups []string) {
	maker := run.New(run.Config{Account: d.accounts.Load().account, Emit: d.stream.Emit, Accepted: d.store.Membership})
	maker.Prepare(ctx, run.Run{Action: action, Names: groups, Define: define(cfg), AccountOf: cfg.AccountOf})
}
