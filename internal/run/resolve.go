package run

import (
	"context"
	"maps"
	"slices"

	"zecpower/batcher"
	"zecpower/internal/event"
	"zecpower/internal/members"
	"zecpower/internal/power"
	"zecpower/internal/store"
)

// recall reads what an earlier process recorded of a run that is resumed. Without it the run is no
// less safe, because a resumed run describes each id before anything is sent.
func (m *Maker) recall(ctx context.Context, p *passage) {
	if !p.run.Resumed || m.cfg.Progress == nil {
		return
	}
	known, err := m.cfg.Progress(ctx, p.run.ID)
	if err != nil {
		m.cfg.Emit(event.ProgressUnread{Run: p.run.Name(), Err: err})
		return
	}
	p.known = known
}

// definition is a group's, and how the run came by its members.
type definition struct {
	Definition
	rules    *members.Group // its members are listed by them; nil: they are known
	fallback bool           // they are those of the accepted list, because they could not be listed
}

// resolve finds the ids of each group: those with which the run began, or where it had none, those
// that the group has now. A group that cannot be resolved fails alone.
func (m *Maker) resolve(ctx context.Context, p *passage) {
	for _, name := range slices.Concat(p.run.Names, p.run.LeftOut, slices.Sorted(maps.Keys(p.run.Superseded))) {
		g := batcher.Group{
			Name: name, Final: p.known.Final[name], Attempted: p.known.Accepted[name], Suspects: m.cfg.Suspects(name),
		}
		var d definition
		var undefined error
		d.Definition, undefined = p.run.Define(name)
		if began, ok := beganWith(p.known.Groups, name); ok {
			g.IDs = began.IDs
		} else {
			g.IDs, d.rules, g.Err = d.read(undefined)
			m.cfg.Emit(event.GroupResolved{Group: name, Err: g.Err})
		}
		if g.Err == nil && m.cfg.Account != nil {
			_, g.Err = m.cfg.Account(p.run.accountOf(name))
		}
		p.run.Groups, p.definitions = append(p.run.Groups, g), append(p.definitions, d)
	}
	m.list(ctx, p)
}

// read reads the ids of a group, or where more than its ids says who is a member, its rules.
func (d Definition) read(undefined error) (ids []string, rules *members.Group, err error) {
	switch {
	case undefined != nil:
		return nil, nil, undefined
	case d.Rules != nil:
		rules, err = d.Rules()
	default:
		ids, err = d.IDs()
	}
	return ids, rules, err
}

// beganWith finds a group whose ids are recorded. One that could not be resolved then has none.
func beganWith(groups []store.Targets, name string) (store.Targets, bool) {
	i := slices.IndexFunc(groups, func(t store.Targets) bool { return t.Group == name && t.Err == "" })
	if i < 0 {
		return store.Targets{}, false
	}
	return groups[i], true
}

// own ends the open instances of groups that the run no longer wants, but for those that another
// group of the run names: as cancelled where its schedule no longer names their group, as skipped
// where a newer intention wants otherwise.
func own(_ context.Context, p *passage) {
	names, leftOut := len(p.run.Names), len(p.run.LeftOut)
	if len(p.run.Groups) == names {
		return
	}
	wanted := map[string]bool{}
	for _, g := range p.run.Groups[:names] {
		for _, id := range g.IDs {
			wanted[id] = true
		}
	}
	for i := names; i < len(p.run.Groups); i++ {
		result := power.InstanceResult{
			Outcome: power.OutcomeSkipped, Reason: power.ReasonSuperseded, By: p.run.Superseded[p.run.Groups[i].Name],
		}
		if i < names+leftOut {
			result = power.InstanceResult{Outcome: power.OutcomeFailed, Reason: power.ReasonCancelled}
		}
		endOpen(&p.run.Groups[i], wanted, result)
	}
}

// endOpen makes result the outcome of the instances of g that have none, but for those wanted.
func endOpen(g *batcher.Group, wanted map[string]bool, result power.InstanceResult) {
	ended := map[string]bool{}
	for _, r := range g.Final {
		ended[r.InstanceID] = true
	}
	for _, id := range g.IDs {
		if !wanted[id] && !ended[id] {
			ended[id] = true
			result.InstanceID, result.Attempts = id, g.Attempted[id]
			g.Decided = append(g.Decided, result)
		}
	}
}
