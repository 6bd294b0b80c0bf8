package run

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"zecpower/batcher"
	"zecpower/internal/event"
	"zecpower/internal/members"
	"zecpower/internal/power"
)

// Account powers the instances of one account.
type Account interface {
	// Submit brings the groups of a run that belong to the account into work.
	Submit(ctx context.Context, r batcher.Run) Submitted
	// ListMembers reads what decides about the members of groups: see members.Lister.List. It obeys ctx.
	ListMembers(ctx context.Context, groups []*members.Group) []members.Listing
}

// Submitted is what an account has in work of a run: see batcher.Submitted.
type Submitted interface {
	Groups() []event.Group
	Instances() int
	Wait(ctx context.Context) power.Report
}

// part is what a run has of one account.
type part struct {
	account   string
	of        Account
	groups    []batcher.Group
	submitted Submitted
	report    power.Report
}

// power brings the instances to the wanted state, those of several accounts at the same time.
func (m *Maker) power(ctx context.Context, p *passage) {
	began := time.Now()
	parts := m.parts(p.run)
	for i := range parts {
		of := &parts[i]
		of.submitted = of.of.Submit(ctx, p.run.batch(of.account, of.groups))
	}
	p.run.Gathering.Arrive()
	m.cfg.Emit(p.run.started(parts))
	var waits sync.WaitGroup
	for i := range parts {
		waits.Go(func() { parts[i].report = parts[i].submitted.Wait(ctx) })
	}
	waits.Wait()
	p.end.Report = p.run.merged(parts, began)
}

// parts divides the run's groups by their accounts. A group whose account cannot be used is in none:
// resolve has made that its error.
func (m *Maker) parts(r Run) (parts []part) {
	for _, g := range r.Groups {
		name := r.accountOf(g.Name)
		account, err := m.cfg.Account(name)
		if err != nil {
			continue
		}
		i := slices.IndexFunc(parts, func(of part) bool { return of.account == name })
		if i < 0 {
			i, parts = len(parts), append(parts, part{account: name, of: account})
		}
		parts[i].groups = append(parts[i].groups, g)
	}
	return parts
}

func (r Run) accountOf(group string) string {
	if name, ok := r.placed[group]; ok {
		return name
	}
	if r.AccountOf == nil {
		return power.DefaultAccount
	}
	return r.AccountOf(group)
}

// started is the event of a run whose instances are in work.
func (r Run) started(parts []part) event.RunStarted {
	e := event.RunStarted{Run: r.Name(), Deadline: r.Deadline, Resumed: r.Resumed, Accounts: map[string]int{}}
	sizes := map[string]event.Group{}
	for _, of := range parts {
		e.Accounts[of.account] = of.submitted.Instances()
		for _, g := range of.submitted.Groups() {
			sizes[g.Name] = g
		}
	}
	for _, g := range r.Groups {
		size := sizes[g.Name]
		size.Name = g.Name
		e.Groups = append(e.Groups, size)
	}
	return e
}

// Name names the run in events.
func (r Run) Name() event.Run {
	return event.Run{ID: r.ID, Schedule: r.Schedule, Action: r.Action, Nominal: r.Nominal}
}

// merged is the report of the whole run: the groups in its order, from the first beginning to the
// last end. A run that had nothing to send began and ended at once.
func (r Run) merged(parts []part, began time.Time) power.Report {
	all := power.Report{RunID: r.ID, Schedule: r.Schedule, Action: r.Action, ScheduledAt: r.Nominal, StartedAt: began, FinishedAt: began}
	groups := map[string]power.GroupReport{}
	for i, of := range parts {
		for _, g := range of.report.Groups {
			groups[g.Group] = g
		}
		if i == 0 {
			all = of.report
			continue
		}
		all.StartedAt = earliest(all.StartedAt, of.report.StartedAt)
		all.FirstRequestAt = earliest(all.FirstRequestAt, of.report.FirstRequestAt)
		if of.report.FinishedAt.After(all.FinishedAt) {
			all.FinishedAt = of.report.FinishedAt
		}
		all.Err = cmp.Or(all.Err, of.report.Err)
	}
	if len(parts) == 1 && len(parts[0].groups) == len(r.Groups) {
		return all
	}
	all.Groups = nil
	for _, g := range r.Groups {
		of, powered := groups[g.Name]
		if !powered {
			of = power.GroupReport{Group: g.Name, Results: []power.InstanceResult{}, Err: g.Err.Error()}
		}
		all.Groups = append(all.Groups, of)
	}
	return all
}

// earliest is the earlier of two times, of which zero is none.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
