package zecsim

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"zecpower/apiclient"
)

const (
	defaultZone          = "asia-southeast-1a"
	defaultImage         = "img-ubuntu-2404"
	defaultResourceGroup = "rg-default"
)

// InstanceID is the id of the instance at a position, from i-000000 upwards.
func InstanceID(position int) string { return fmt.Sprintf("i-%06d", position) }

// fleet holds every instance by position. Ids that follow from the position are computed, so only
// other ids cost a map entry.
type fleet struct {
	instances []instance
	named     map[string]int
	// mayMiss says that some instance is, or will be, missing, so that a position in the fleet is
	// not a position in a list.
	mayMiss bool
}

// newFleet builds the instances; it keeps nothing of o but tags and other actors' plans.
func newFleet(o *Options) (*fleet, error) {
	f := &fleet{instances: make([]instance, max(o.Instances, len(o.Fleet))), named: map[string]int{}}
	kinds := map[behaviour]*behaviour{}
	for i := range f.instances {
		spec := o.Overrides[i]
		if o.Fleet != nil {
			spec = o.Fleet[i]
		}
		if err := f.put(i, spec, o, kinds); err != nil {
			return nil, fmt.Errorf("instance %d: %w", i, err)
		}
	}
	return f, nil
}

func (f *fleet) put(i int, spec InstanceSpec, o *Options, kinds map[behaviour]*behaviour) error {
	if err := spec.validate(); err != nil {
		return err
	}
	b := spec.behaviour(o)
	if kinds[b] == nil {
		kinds[b] = &b
	}
	f.instances[i] = newInstance(kinds[b], spec.particulars(o.Seed, i))
	f.mayMiss = f.mayMiss || b.firstState == StateMissing || b.stateThen == StateMissing
	if spec.ID == "" || spec.ID == InstanceID(i) {
		return nil
	}
	if _, taken := f.named[spec.ID]; taken {
		return fmt.Errorf("id %s stands for another instance too", spec.ID)
	}
	f.named[spec.ID] = i
	return nil
}

// find returns the position of an id, whether or not the instance exists at present.
func (f *fleet) find(id string) (int, bool) {
	if i, ok := f.named[id]; ok {
		return i, true
	}
	i, ok := positionOf(id, len(f.instances))
	if !ok || f.id(i) != id {
		return 0, false
	}
	return i, true
}

// positionOf reads an id that follows from the position in a fleet of n.
func positionOf(id string, n int) (int, bool) {
	digits, ok := strings.CutPrefix(id, "i-")
	if !ok || len(digits) < 6 || len(digits) > 9 {
		return 0, false
	}
	i, err := strconv.Atoi(digits)
	if err != nil || i < 0 || i >= n || InstanceID(i) != id {
		return 0, false
	}
	return i, true
}

func (f *fleet) id(i int) string {
	if own := f.instances[i].own; own != nil && own.id != "" {
		return own.id
	}
	return InstanceID(i)
}

// attributes fills what follows from the position.
func (f *fleet) attributes(i int) attributes {
	a := attributes{}
	if own := f.instances[i].own; own != nil {
		a = own.attributes
	}
	a.id = f.id(i)
	a.name = or(a.name, fmt.Sprintf("sim-%06d", i))
	a.zoneID = or(a.zoneID, defaultZone)
	a.imageID = or(a.imageID, defaultImage)
	a.resourceGroupID = or(a.resourceGroupID, defaultResourceGroup)
	a.ipv4 = or(a.ipv4, fmt.Sprintf("10.%d.%d.%d", i>>16&0xff, i>>8&0xff, i&0xff))
	return a
}

// existing counts the instances that are not missing at a time.
func (f *fleet) existing(at time.Duration) int {
	if !f.mayMiss {
		return len(f.instances)
	}
	n := 0
	for i := range f.instances {
		if f.instances[i].state(at) != StateMissing {
			n++
		}
	}
	return n
}

// countStates counts the instances in each state, the missing ones left out.
func (f *fleet) countStates(at time.Duration) map[apiclient.State]int {
	counts := map[apiclient.State]int{}
	for i := range f.instances {
		if s := f.instances[i].state(at); s != StateMissing {
			counts[s]++
		}
	}
	return counts
}
