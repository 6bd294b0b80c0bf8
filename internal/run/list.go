package run

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"zecpower/internal/event"
	"zecpower/internal/members"
	"zecpower/internal/power"
)

// listFor is how long a run waits for its groups to be listed.
const listFor = 2 * time.Minute

var errListTimeout = fmt.Errorf("its instances could not be listed within %d minutes", listFor/time.Minute)

// list finds the members of the groups whose rules need the API's lists, those of several accounts at
// the same time. The other runs of the round do not wait for it.
func (m *Maker) list(ctx context.Context, p *passage) {
	by := map[string][]int{} // account → groups
	for i, d := range p.definitions {
		if d.rules != nil && p.run.Groups[i].Err == nil {
			account := p.run.accountOf(p.run.Groups[i].Name)
			by[account] = append(by[account], i)
		}
	}
	if len(by) == 0 {
		return
	}
	p.run.Gathering.Leave()
	p.run.Gathering = nil
	ctx, cancel := context.WithTimeoutCause(ctx, listFor, errListTimeout)
	defer cancel()
	var accounts sync.WaitGroup
	for account, groups := range by {
		accounts.Go(func() { m.listOf(ctx, p, account, groups) })
	}
	accounts.Wait()
}

// listOf lists the groups of one account.
func (m *Maker) listOf(ctx context.Context, p *passage, account string, groups []int) {
	rules := make([]*members.Group, len(groups))
	for k, i := range groups {
		rules[k] = p.definitions[i].rules
	}
	listings, err := m.listings(ctx, account, rules)
	if err != nil {
		for _, i := range groups {
			p.run.Groups[i].Err = err
		}
		return
	}
	for k, i := range groups {
		g := &p.run.Groups[i]
		switch g.IDs = rules[k].Members(listings[k]); {
		case listings[k].Err != nil:
			m.fallBack(ctx, p, i, listings[k].Err)
		case len(g.IDs) == 0:
			g.Err = fmt.Errorf("no instance of account %s is a member: see zecpower groups %s", account, g.Name)
		}
		if g.Err != nil && p.run.ID == "" && ctx.Err() == nil {
			m.cfg.Emit(event.MembersNotListed{Group: g.Name, Err: g.Err})
		}
	}
}

// listings asks the account. An error says that it cannot be asked; a Maker that only plans has none.
func (m *Maker) listings(ctx context.Context, account string, rules []*members.Group) ([]members.Listing, error) {
	if m.cfg.Account == nil {
		return nil, errors.New("its members are known to the API alone: zecpower groups shows them")
	}
	of, err := m.cfg.Account(account)
	if err != nil {
		return nil, err
	}
	return of.ListMembers(ctx, rules), nil
}

// fallBack gives a start whose group could not be listed the members that were accepted last: to start
// one that has left the group meanwhile costs little, a dark morning costs much. To stop one might
// cost much, so the group of a stop fails.
func (m *Maker) fallBack(ctx context.Context, p *passage, i int, cause error) {
	g := &p.run.Groups[i]
	g.Err = fmt.Errorf("%w; nothing of it was sent", cause)
	stopped := ctx.Err() != nil && context.Cause(ctx) != errListTimeout
	if p.run.Action != power.ActionStart || stopped {
		return
	}
	if p.run.ID == "" {
		return // a check ahead of runs, which will try again
	}
	list, err := m.cfg.Accepted(context.WithoutCancel(ctx), g.Name)
	if err != nil || len(list.IDs) == 0 {
		return
	}
	g.IDs, g.Err, p.definitions[i].fallback = list.IDs, nil, true
	m.cfg.Emit(event.MembersNotListed{Run: p.run.Name(), Group: g.Name, Err: cause, AcceptedAt: list.At, Accepted: len(list.IDs)})
}
