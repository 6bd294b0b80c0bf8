package run

import (
	"context"
	"fmt"
	"slices"
	"time"

	"zecpower/internal/event"
	"zecpower/internal/power"
	"zecpower/internal/store"
)

// fewNewcomers always pass, however short the accepted list is.
const fewNewcomers = 5

// Guard bounds which members of a group a run accepts. Those on the accepted list, and those that
// stand in the configuration, are always accepted.
type Guard struct {
	// MaxInstances bounds all members; 0: nothing does.
	MaxInstances int
	// StartChange and StopChange are how many newcomers a start, and a stop, accepts, in per cent of
	// the accepted list, but never fewer than 5.
	StartChange, StopChange int
}

func (g *Guard) change(a power.Action) int {
	if a == power.ActionStop {
		return g.StopChange
	}
	return g.StartChange
}

// Checked is what a guard makes of a group's members. Its lists are sorted.
type Checked struct {
	Accepted  []string // members that may be powered
	Newcomers []string // those that are not on the list, accepted or not; none where there is no list
	Guarded   []string // those that are kept out
	Gone      []string // members of the list that are none any more
	Known     int      // size of the list; -1: there is none
	Refused   bool     // the whole group is kept out
	Shrunk    bool     // more than the allowed change are gone
	Why       string   // of Guarded
}

// Check holds the members of a group, and what of them the configuration names, against the accepted
// list. Only newcomers are ever kept out, and then all of them: which of them are meant cannot be
// told apart. Without a list there is nothing to compare with, so MaxInstances alone decides.
func (g *Guard) Check(ids, named []string, list store.Membership, a power.Action, now time.Time) Checked {
	ids = store.SortedIDs(ids)
	c := Checked{Accepted: ids, Known: -1}
	if list.At.IsZero() {
		if g.MaxInstances > 0 && len(ids) > g.MaxInstances {
			c.Accepted, c.Guarded, c.Refused = nil, ids, true
			c.Why = fmt.Sprintf("%d instances match, max_instances is %d, and no members were accepted before", len(ids), g.MaxInstances)
		}
		return c
	}
	c.Known, c.Gone = list.Size(now), list.Gone(ids)
	share := g.change(a)
	c.Shrunk = len(c.Gone)*100 > share*len(list.IDs)
	if c.Newcomers = list.Unknown(ids, now); len(c.Newcomers) > 0 {
		of := setOf(named)
		c.Newcomers = slices.DeleteFunc(c.Newcomers, func(id string) bool { return of[id] })
	}
	allowed := max(fewNewcomers, share*c.Known/100)
	switch {
	case len(c.Newcomers) > allowed:
		c.Why = fmt.Sprintf("%d newcomers, and max_change allows %d (%d%% of the %d accepted, at least %d)", len(c.Newcomers), allowed, share, c.Known, fewNewcomers)
	case len(c.Newcomers) > 0 && g.MaxInstances > 0 && len(ids) > g.MaxInstances:
		c.Why = fmt.Sprintf("%d newcomers make %d instances, and max_instances is %d", len(c.Newcomers), len(ids), g.MaxInstances)
	default:
		return c
	}
	fresh := setOf(c.Newcomers)
	c.Accepted, c.Guarded = slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return fresh[id] }), c.Newcomers
	return c
}

// guard keeps newcomers out of groups that have a guard. Of a run that is resumed it holds the
// recorded ids against the list anew: what it decided then may not have been recorded. An instance
// that another group of the run accepts is powered, and reported in both.
func (m *Maker) guard(ctx context.Context, p *passage) {
	accepted := make([][]string, len(p.run.Names))
	guards := false
	for i := range p.run.Names {
		g, d := &p.run.Groups[i], &p.definitions[i]
		accepted[i] = g.IDs
		if d.Guard == nil || g.Err != nil || d.fallback {
			continue
		}
		c, known := m.check(ctx, p, i)
		m.cfg.Emit(m.membership(p, i, c))
		if c.Refused {
			accepted[i] = nil
			g.IDs, g.Err = nil, fmt.Errorf("%s: zecpower groups %s shows them, and with --accept-membership accepts them", c.Why, g.Name)
			continue
		}
		if known {
			p.end.Accepted = append(p.end.Accepted, store.Acceptance{Group: g.Name, IDs: c.Accepted, By: p.run.AcceptedBy})
		}
		accepted[i], guards = c.Accepted, guards || len(c.Guarded) > 0
	}
	if !guards {
		return
	}
	wanted := setOf(slices.Concat(accepted...))
	for i := range p.run.Names {
		if len(accepted[i]) < len(p.run.Groups[i].IDs) {
			endOpen(&p.run.Groups[i], wanted, power.InstanceResult{Outcome: power.OutcomeFailed, Reason: power.ReasonGuarded})
		}
	}
}

func setOf(ids []string) map[string]bool {
	set := make(map[string]bool, len(ids))
	for _, id := range ids {
		set[id] = true
	}
	return set
}

// check reads a group's accepted list and holds its members against it. Where the list cannot be read
// the run goes on as one that never had any, because a disk that fails must not darken a morning; but
// known is false, and what it accepts is not recorded.
func (m *Maker) check(ctx context.Context, p *passage, i int) (c Checked, known bool) {
	g, d := p.run.Groups[i], p.definitions[i]
	list, err := m.cfg.Accepted(ctx, g.Name)
	if err != nil {
		m.cfg.Emit(event.StoreFailed{Op: "read the accepted members of group " + g.Name, Err: err})
	}
	c = d.Guard.Check(g.IDs, d.Named, list, p.run.Action, time.Now())
	if p.run.AcceptedBy != "" {
		c = Checked{Accepted: store.SortedIDs(g.IDs), Newcomers: c.Newcomers, Gone: c.Gone, Known: c.Known}
	}
	return c, err == nil
}

// membership is the event of a group whose members are known.
func (m *Maker) membership(p *passage, i int, c Checked) event.Membership {
	g := p.run.Groups[i]
	e := event.Membership{
		Run: p.run.Name(), Group: g.Name, Action: p.run.Action, Members: len(c.Accepted) + len(c.Guarded), Accepted: max(c.Known, 0),
		Guarded: c.Guarded, Refused: c.Refused, Why: c.Why, Shrunk: c.Shrunk, Resumed: p.run.Resumed,
	}
	if e.Left = c.Gone; len(c.Guarded) == 0 {
		e.Joined = c.Newcomers
	}
	return e
}
