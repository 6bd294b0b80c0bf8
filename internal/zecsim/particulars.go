package zecsim

// particulars are what an instance has to itself. Most instances have none.
type particulars struct {
	attributes
	actors *actors // nil: no other actor touches it
}

// attributes is the part of a spec that DescribeInstances shows and filters by.
type attributes struct {
	id, name, zoneID, imageID, instanceType, resourceGroupID, ipv4 string
	tags                                                           map[string]string
}

// particulars returns nil where everything follows from the position and no other actor is at work.
func (i InstanceSpec) particulars(seed uint64, position int) *particulars {
	own := &particulars{
		attributes: attributes{i.ID, i.Name, i.ZoneID, i.ImageID, i.InstanceType, i.ResourceGroupID, i.IPv4Address, i.Tags},
		actors:     newActors(i.Others, seed, position),
	}
	if own.attributes.empty() && own.actors == nil {
		return nil
	}
	return own
}

func (a *attributes) empty() bool {
	return a.id == "" && a.name == "" && a.zoneID == "" && a.imageID == "" && a.instanceType == "" && a.resourceGroupID == "" &&
		a.ipv4 == "" && len(a.tags) == 0
}
