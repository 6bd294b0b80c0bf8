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
	defaultType          = "z2a.cpu.1"
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
	f.mayMiss = f.mayMiss || b.mayMiss()
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

// attributes are what the API shows of an instance. What its spec leaves out follows from the
// position, or is the same for all.
func (f *fleet) attributes(i int) attributes {
	a := f.stored(i)
	a.id, a.name, a.ipv4 = f.id(i), f.name(i), f.ipv4(i)
	return a
}

// stored are the attributes that do not follow from the position: the others are left as the spec
// has them, since a filter that does not ask for them need not make their texts.
func (f *fleet) stored(i int) attributes {
	a := attributes{}
	if own := f.instances[i].own; own != nil {
		a = own.attributes
	}
	a.zoneID = or(a.zoneID, defaultZone)
	a.imageID = or(a.imageID, defaultImage)
	a.instanceType = or(a.instanceType, defaultType)
	a.resourceGroupID = or(a.resourceGroupID, defaultResourceGroup)
	return a
}

func (f *fleet) name(i int) string {
	if own := f.instances[i].own; own != nil && own.name != "" {
		return own.name
	}
	return fmt.Sprintf("sim-%06d", i)
}

func (f *fleet) ipv4(i int) string {
	if own := f.instances[i].own; own != nil && own.ipv4 != "" {
		return own.ipv4
	}
	return fmt.Sprintf("10.%d.%d.%d", i>>16&0xff, i>>8&0xff, i&0xff)
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
