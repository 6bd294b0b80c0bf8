package run

import (
	"cmp"
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
		p.run.Groups, p.definitions = append(p.run.Groups, g), append(p.definitions, d)
	}
	m.list(ctx, p)
	m.place(p)
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

// place finds the account of each group, and fails a group that has none. A group that the run no
// longer wants may be in no configuration any more, so that its account is not known. Nothing is sent
// for it, and it is reported by the account of a group that the run wants: of one with which it shares
// instances, because these are powered there, or else of any.
func (m *Maker) place(p *passage) {
	if m.cfg.Account == nil {
		return
	}
	wanted, unwanted := p.run.Groups[:len(p.run.Names)], p.run.Groups[len(p.run.Names):]
	for i := range wanted {
		if wanted[i].Err == nil {
			_, wanted[i].Err = m.cfg.Account(p.run.accountOf(wanted[i].Name))
		}
	}
	if len(unwanted) == 0 {
		return
	}
	p.run.placed = map[string]string{}
	accountOfID, any := p.run.accountsOf(wanted)
	for i := range unwanted {
		g := &unwanted[i]
		name := p.run.accountOf(g.Name)
		for _, id := range g.IDs {
			if shared, ok := accountOfID[id]; ok {
				name = shared
				break
			}
		}
		_, err := m.cfg.Account(name)
		if err != nil && any != "" {
			name, err = any, nil
		}
		if g.Err == nil {
			g.Err = err
		}
		p.run.placed[g.Name] = name
	}
}

// accountsOf names the account of each instance of groups, and one of them; empty: there is none.
func (r Run) accountsOf(groups []batcher.Group) (of map[string]string, any string) {
	of = map[string]string{}
	for _, g := range groups {
		if g.Err != nil {
			continue
		}
		name := r.accountOf(g.Name)
		for _, id := range g.IDs {
			of[id] = name
		}
		any = cmp.Or(any, name)
	}
	return of, any
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
