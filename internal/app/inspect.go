package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"zecpower/apiclient"
	"zecpower/internal/config"
	"zecpower/internal/event"
	"zecpower/internal/members"
	"zecpower/internal/power"
	"zecpower/internal/run"
	"zecpower/internal/store"
)

// inspectFor is how long an inspection asks at most.
const inspectFor = 2 * time.Minute

var errInspectTimeout = fmt.Errorf("no list within %d minutes", inspectFor/time.Minute)

// Inspection finds out who is in groups, and why. It only asks.
type Inspection struct {
	Config *config.Config
	// Access is that of each account of the groups, by name; the groups of one that has none fail.
	Access map[string]Access
	Groups []string // names; each must be in Config
	// KeyAccepted and Accepted are as in Manual.
	KeyAccepted map[string]bool
	Accepted    func(ctx context.Context, group string) (store.Membership, error)
	// Emit receives what happens.
	Emit func(event.Event)
}

// Inspected is what was found out about one group. A field that says nothing is left out of the JSON.
type Inspected struct {
	Group   string `json:"group"`
	Account string `json:"account"`
	// Error says why nothing else was found out.
	Error string `json:"error,omitempty"`
	// Members is how many there are. Instances are those that were read, and those that the group names:
	// members first, then by id.
	Members   int                 `json:"members"`
	Instances []InspectedInstance `json:"instances"`
	// Unknown are named ids that the API does not know.
	Unknown []string `json:"unknown_ids,omitempty"`
	// Guard is what the group's guard would say of a start at this moment; nil: it has none.
	Guard *InspectedGuard `json:"guard,omitempty"`

	err error
	ids []string // of the members
}

// InspectedInstance is an instance, and why it is a member or not.
type InspectedInstance struct {
	InstanceID string `json:"instance_id"`
	Name       string `json:"name"`
	Zone       string `json:"zone"`
	State      string `json:"state"`
	In         bool   `json:"in"`
	New        bool   `json:"new,omitempty"` // not on the accepted list
	Why        string `json:"why"`
}

// InspectedGuard is what a guard says.
type InspectedGuard struct {
	AcceptedAt time.Time `json:"accepted_at,omitzero"` // zero: there is no accepted list
	AcceptedBy string    `json:"accepted_by,omitempty"`
	Accepted   int       `json:"accepted"`
	Newcomers  int       `json:"newcomers"`
	Guarded    int       `json:"guarded"` // of them, or where the group is refused as a whole, of its members
	Left       []string  `json:"left,omitempty"`
	Why        string    `json:"why,omitempty"` // of Guarded
}

// Err is why nothing was found out about the group; nil: it was.
func (i *Inspected) Err() error {
	if i.Error == "" {
		return nil
	}
	return errors.New(i.Error)
}

// MemberIDs are the ids of the members, sorted.
func (i *Inspected) MemberIDs() (ids []string) {
	for _, in := range i.Instances {
		if in.In {
			ids = append(ids, in.InstanceID)
		}
	}
	return ids
}

// Run asks, all accounts at the same time. An error means that nothing was asked.
func (i Inspection) Run(ctx context.Context) ([]*Inspected, error) {
	set, err := accountsByHand(i.Config, i.Access, i.KeyAccepted, i.Emit)
	if err != nil {
		return nil, err
	}
	defer set.close()
	return i.with(ctx, set), nil
}

// with asks the accounts of a set.
func (i Inspection) with(ctx context.Context, set *accounts) []*Inspected {
	ctx, cancel := context.WithTimeoutCause(ctx, inspectFor, errInspectTimeout)
	defer cancel()
	found := make([]*Inspected, len(i.Groups))
	by := map[string][]*inspecting{}
	for k, name := range i.Groups {
		of := i.begin(name)
		found[k] = of.Inspected
		if of.err == nil && set.of[of.Account] == nil {
			of.err = fmt.Errorf("its account %s has no credential", of.Account)
		}
		if of.err == nil {
			by[of.Account] = append(by[of.Account], of)
		}
	}
	var asking sync.WaitGroup
	for account, groups := range by {
		asking.Go(func() { i.ask(ctx, set.of[account], groups) })
	}
	asking.Wait()
	for _, of := range found {
		if of.err != nil {
			of.Error = of.err.Error()
		}
	}
	return found
}

// inspecting is a group on its way.
type inspecting struct {
	*Inspected
	of    *config.Group
	rules *members.Group
}

// begin reads the rules of a group; one without any is ruled by its ids.
func (i Inspection) begin(name string) *inspecting {
	g, err := i.Config.Group(name)
	out := &inspecting{Inspected: &Inspected{Group: name, Instances: []InspectedInstance{}, err: err}}
	if err != nil {
		return out
	}
	out.of, out.Account = g, g.Account
	out.rules, out.err = g.Rules()
	return out
}

// ask lists the groups of one account.
func (i Inspection) ask(ctx context.Context, a *account, groups []*inspecting) {
	lister, err := a.newLister(i.Config)
	rules := make([]*members.Group, len(groups))
	for k, g := range groups {
		rules[k] = g.rules
	}
	var listings []members.Listing
	if err == nil {
		listings = lister.ListWithNamed(ctx, rules)
	}
	for k, g := range groups {
		if err == nil {
			g.err = listings[k].Err
		} else {
			g.err = err
		}
		if g.err == nil {
			g.take(listings[k])
			g.err = i.guard(ctx, g)
		}
	}
}

// take notes what a listing says of the group.
func (g *inspecting) take(l members.Listing) {
	g.ids, g.Unknown = g.rules.Members(l), g.rules.Unknown(l)
	g.Members = len(g.ids)
	for in := range l.Instances() {
		d := g.rules.Decide(in)
		g.Instances = append(g.Instances, inspected(in, d))
	}
	for _, id := range g.Unknown {
		_, in := slices.BinarySearch(g.ids, id)
		why := "named, and the API does not know it"
		if !in {
			why = "named, and excluded by id; the API does not know it"
		}
		g.Instances = append(g.Instances, InspectedInstance{InstanceID: id, In: in, Why: why})
	}
	slices.SortFunc(g.Instances, func(a, b InspectedInstance) int {
		if a.In != b.In {
			return map[bool]int{true: -1, false: +1}[a.In]
		}
		return cmp.Compare(a.InstanceID, b.InstanceID)
	})
}

func inspected(in apiclient.Instance, d members.Decision) InspectedInstance {
	return InspectedInstance{InstanceID: in.InstanceID, Name: in.Name, Zone: in.ZoneID, State: string(in.State), In: d.In, Why: d.Why}
}

// guard asks the guard of a group, if it has one.
func (i Inspection) guard(ctx context.Context, g *inspecting) error {
	if g.of.Guard == nil {
		return nil
	}
	list, err := i.Accepted(ctx, g.Group)
	if err != nil {
		return fmt.Errorf("its accepted members cannot be read: %w", err)
	}
	guard := run.Guard(*g.of.Guard)
	c := guard.Check(g.ids, g.of.Named(), list, power.ActionStart, time.Now())
	g.Guard = &InspectedGuard{
		AcceptedAt: list.At, AcceptedBy: list.By, Accepted: max(c.Known, 0), Newcomers: len(c.Newcomers), Guarded: len(c.Guarded), Left: c.Gone, Why: c.Why,
	}
	fresh := map[string]bool{}
	for _, id := range c.Newcomers {
		fresh[id] = true
	}
	for k := range g.Instances {
		g.Instances[k].New = fresh[g.Instances[k].InstanceID]
	}
	return nil
}
