package zecsim

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"zecpower/apiclient"
)

const (
	defaultPageSize = 20
	// versionWithoutTags knows no tags: a filter by them is a field that it does not know, and its
	// rows have none.
	versionWithoutTags = "2024-04-01"
)

type wireTag struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// describeRequest serves both Describe actions; DescribeInstancesStatus ignores the filters that it
// does not document.
type describeRequest struct {
	InstanceIDs     []string `json:"instanceIds"`
	PageSize        *int     `json:"pageSize"`
	PageNum         *int     `json:"pageNum"`
	ResourceGroupID string   `json:"resourceGroupId"`

	ZoneID      string    `json:"zoneId"`
	ImageID     string    `json:"imageId"`
	Status      string    `json:"status"`
	Name        string    `json:"name"`
	IPv4Address string    `json:"ipv4Address"`
	IPv6Address string    `json:"ipv6Address"` // no instance has one
	TagKeys     []string  `json:"tagKeys"`
	Tags        []wireTag `json:"tags"`
}

type statusItem struct {
	InstanceID     string          `json:"instanceId"`
	InstanceStatus apiclient.State `json:"instanceStatus"`
}

// wireTags is how the official SDK reads an instance's tags: a list in an object.
type wireTags struct {
	Tags []wireTag `json:"tags"`
}

type instanceItem struct {
	InstanceID         string          `json:"instanceId"`
	InstanceName       string          `json:"instanceName"`
	ZoneID             string          `json:"zoneId"`
	InstanceType       string          `json:"instanceType"`
	CPU                int             `json:"cpu"`
	Memory             int             `json:"memory"`
	ImageID            string          `json:"imageId"`
	Status             apiclient.State `json:"status"`
	PublicIPAddresses  []string        `json:"publicIpAddresses"`
	PrivateIPAddresses []string        `json:"privateIpAddresses"`
	CreateTime         string          `json:"createTime"`
	ResourceGroupID    string          `json:"resourceGroupId"`
	ResourceGroupName  string          `json:"resourceGroupName"`
	Tags               *wireTags       `json:"tags"`
}

// untaggedItem is a row of versionWithoutTags. Its own Tags hide those of the row, and are left
// out.
type untaggedItem struct {
	instanceItem
	Tags *wireTags `json:"tags,omitempty"`
}

// describeStatus and describeInstances are called with mu held.
func (s *Simulator) describeStatus(x *exchange, body []byte) reply {
	q, refusal := parseDescribe(x, body)
	if refusal != nil {
		return *refusal
	}
	q = describeRequest{InstanceIDs: q.InstanceIDs, PageSize: q.PageSize, PageNum: q.PageNum, ResourceGroupID: q.ResourceGroupID}
	now := s.tick()
	total, page := s.selectPage(x, q, now)
	items := make([]statusItem, len(page))
	for i, position := range page {
		items[i] = statusItem{s.fleet.id(position), s.fleet.instances[position].shown(now)}
	}
	return success(newPage(total, items, statusItem{strayID, apiclient.StateRunning}, s.opts.NullPages))
}

func (s *Simulator) describeInstances(x *exchange, body []byte) reply {
	q, refusal := parseDescribe(x, body)
	if refusal != nil {
		return *refusal
	}
	if x.version == versionWithoutTags {
		q.TagKeys, q.Tags = nil, nil
	}
	now := s.tick()
	total, page := s.selectPage(x, q, now)
	items := make([]instanceItem, len(page))
	for i, position := range page {
		items[i] = s.item(position, now)
	}
	stray := instanceItem{InstanceID: strayID, Status: apiclient.StateRunning}
	if x.version == versionWithoutTags {
		return success(newPage(total, untagged(items), untaggedItem{instanceItem: stray}, s.opts.NullPages))
	}
	return success(newPage(total, items, stray, s.opts.NullPages))
}

func untagged(items []instanceItem) []untaggedItem {
	out := make([]untaggedItem, len(items))
	for i, item := range items {
		out[i].instanceItem = item
	}
	return out
}

func (s *Simulator) item(position int, now time.Duration) instanceItem {
	a := s.fleet.attributes(position)
	return instanceItem{
		InstanceID: a.id, InstanceName: a.name, ZoneID: a.zoneID, InstanceType: a.instanceType, CPU: 1, Memory: 2,
		ImageID: a.imageID, Status: s.fleet.instances[position].shown(now),
		PublicIPAddresses: []string{}, PrivateIPAddresses: []string{a.ipv4},
		CreateTime: "2026-01-01T00:00:00Z", ResourceGroupID: a.resourceGroupID, ResourceGroupName: a.resourceGroupID,
		Tags: wireTagsOf(a.tags),
	}
}

func wireTagsOf(tags map[string]string) *wireTags {
	if len(tags) == 0 {
		return nil
	}
	out := &wireTags{}
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		out.Tags = append(out.Tags, wireTag{key, tags[key]})
	}
	return out
}

func parseDescribe(x *exchange, body []byte) (describeRequest, *reply) {
	var q describeRequest
	if refusal := decode(body, &q); refusal != nil {
		return q, refusal
	}
	if refusal := checkIDs(q.InstanceIDs, x.leastIDs()); refusal != nil {
		return q, refusal
	}
	if q.PageSize == nil {
		q.PageSize = new(defaultPageSize)
	}
	if q.PageNum == nil {
		q.PageNum = new(1)
	}
	var refusal reply
	switch {
	case *q.PageSize < 1 || *q.PageSize > apiclient.MaxPageSize || *q.PageNum < 1:
		refusal = failure(http.StatusBadRequest, codeInvalidPage, fmt.Sprintf("pageSize must be 1 to %d and pageNum 1 or more.", apiclient.MaxPageSize))
	case len(q.TagKeys) > apiclient.MaxTagFilters || len(q.Tags) > apiclient.MaxTagFilters:
		refusal = failure(http.StatusBadRequest, codeInvalidTags, fmt.Sprintf("tagKeys and tags must hold at most %d.", apiclient.MaxTagFilters))
	default:
		return q, nil
	}
	return q, &refusal
}

// selectPage returns how many instances match and the positions on the page asked for.
func (s *Simulator) selectPage(x *exchange, q describeRequest, now time.Duration) (total int, page []int) {
	if len(q.InstanceIDs) == 0 && q.unfiltered() && !s.fleet.mayMiss && !s.opts.Pages.reorder() {
		n := len(s.fleet.instances)
		for i, to := pageBounds(n, *q.PageSize, *q.PageNum); i < to; i++ {
			page = append(page, i)
		}
		return n, page
	}
	matching := s.matching(&q, now)
	s.arrange(x, matching)
	from, to := pageBounds(len(matching), *q.PageSize, *q.PageNum)
	return len(matching), matching[from:to]
}

// matching are the positions that a query asks for: in the order of its ids, or of the fleet.
func (s *Simulator) matching(q *describeRequest, now time.Duration) (matching []int) {
	for _, id := range q.InstanceIDs {
		if i, ok := s.fleet.find(id); ok && s.matches(i, q, now) {
			matching = append(matching, i)
		}
	}
	if len(q.InstanceIDs) > 0 {
		return matching
	}
	for i := range s.fleet.instances {
		if s.matches(i, q, now) {
			matching = append(matching, i)
		}
	}
	return matching
}

// pageBounds cannot overflow, however large the page number.
func pageBounds(n, size, num int) (from, to int) {
	if num-1 > n/size {
		return n, n
	}
	from = min((num-1)*size, n)
	return from, min(from+size, n)
}

func (q *describeRequest) unfiltered() bool {
	return q.ResourceGroupID == "" && q.ZoneID == "" && q.ImageID == "" && q.Status == "" && q.Name == "" &&
		q.IPv4Address == "" && q.IPv6Address == "" && len(q.TagKeys) == 0 && len(q.Tags) == 0
}

func (s *Simulator) matches(position int, q *describeRequest, now time.Duration) bool {
	state := s.fleet.instances[position].shown(now)
	if state == StateMissing {
		return false
	}
	if q.unfiltered() {
		return true
	}
	a := s.fleet.stored(position)
	equal := func(filter, value string) bool { return filter == "" || filter == value }
	return equal(q.ResourceGroupID, a.resourceGroupID) && equal(q.ZoneID, a.zoneID) && equal(q.ImageID, a.imageID) &&
		equal(q.Status, string(state)) && equal(q.IPv6Address, "") && a.tagged(q) &&
		(q.IPv4Address == "" || q.IPv4Address == s.fleet.ipv4(position)) &&
		(q.Name == "" || strings.Contains(strings.ToLower(s.fleet.name(position)), strings.ToLower(q.Name)))
}

// tagged reports whether an instance has every key and every tag asked for.
func (a attributes) tagged(q *describeRequest) bool {
	for _, key := range q.TagKeys {
		if _, ok := a.tags[key]; !ok {
			return false
		}
	}
	for _, tag := range q.Tags {
		if value, ok := a.tags[tag.Key]; !ok || value != tag.Value {
			return false
		}
	}
	return true
}
