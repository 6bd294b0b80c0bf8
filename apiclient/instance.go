package apiclient

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
)

// maxText bounds what is kept of one text of an instance, in bytes. Keys and values of tags have at
// most 64 characters.
const maxText = 512

// Tag is one tag of an instance.
type Tag struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// InstanceQuery filters DescribeInstances. Every field may be left zero; an instance must pass all
// that are given.
type InstanceQuery struct {
	InstanceIDs     []string // at most MaxInstanceIDs
	ZoneID          string
	ImageID         string
	State           State
	Name            string // matches part of a name
	IPv4Address     string
	ResourceGroupID string
	TagKeys         []string // at most MaxTagFilters; not in version 2024-04-01 of the API
	Tags            []Tag    // the same
	PageSize        int      // as in StatusQuery
	PageNum         int
}

// Instance is one row of DescribeInstances. InstanceID is never empty and fit for a log. In every
// other text a character that no log should hold (a control character, say) is U+FFFD, and so is
// the end of a text of more than 512 bytes. What the reply leaves out, or gives as null, is empty.
type Instance struct {
	InstanceID      string `json:"instanceId"`
	Name            string `json:"instanceName"`
	ZoneID          string `json:"zoneId"`
	State           State  `json:"status"`
	InstanceType    string `json:"instanceType"` // empty for one with a GPU
	ResourceGroupID string `json:"resourceGroupId"`
	Tags            Tags   `json:"tags"`
}

// Tags are an instance's. In a row of DescribeInstances they are an object with
// a list in it, or null; the reference shows a list. All three are read.
type Tags []Tag

// UnmarshalJSON implements json.Unmarshaler.
func (t *Tags) UnmarshalJSON(data []byte) error {
	var list []Tag
	err := json.Unmarshal(data, &list)
	if err != nil {
		var object struct {
			Tags []Tag `json:"tags"`
		}
		err = json.Unmarshal(data, &object)
		list = object.Tags
	}
	*t = list
	return err
}

// InstancePage answers DescribeInstances. TotalCount is of all pages, and not below zero.
type InstancePage struct {
	RequestID  string
	TotalCount int
	Instances  []Instance
}

// DescribeInstances asks for a page of the instances that match q. Pages have no order that lasts:
// while the fleet changes, two pages may repeat an instance or skip one. Errors are *Error.
func (c *Client) DescribeInstances(ctx context.Context, q InstanceQuery) (InstancePage, error) {
	requestID, out, err := describe[Instance](ctx, c, ActionDescribeInstances, pageRequest(q))
	if err != nil {
		return InstancePage{}, err
	}
	page := InstancePage{RequestID: requestID, TotalCount: *out.TotalCount, Instances: out.DataSet.items}
	for i := range page.Instances {
		if !page.Instances[i].clean() {
			return InstancePage{}, unreadable(ActionDescribeInstances, fmt.Sprintf("row %d of dataSet has no usable instanceId", i+1))
		}
	}
	return page, nil
}

// clean makes the texts of a row fit for a log. False where the row names no instance: an id is
// what requests name and what is recorded, so it is not mended.
func (i *Instance) clean() bool {
	if i.InstanceID == "" || printable(i.InstanceID) != i.InstanceID {
		return false
	}
	i.Name, i.ZoneID, i.InstanceType, i.ResourceGroupID = graphic(i.Name), graphic(i.ZoneID), graphic(i.InstanceType), graphic(i.ResourceGroupID)
	i.State = State(printable(string(i.State)))
	for k, t := range i.Tags {
		i.Tags[k] = Tag{graphic(t.Key), graphic(t.Value)}
	}
	return true
}

// graphic replaces what a log should not hold by U+FFFD. Unlike a blank, no other text has that in
// its place, so a text that was changed passes for no other.
func graphic(s string) string {
	const replacement = string(unicode.ReplacementChar)
	if len(s) > maxText {
		s = s[:maxText] + replacement
	}
	return strings.Map(func(r rune) rune {
		if !unicode.IsGraphic(r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}
