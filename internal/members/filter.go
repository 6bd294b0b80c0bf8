package members

import (
	"slices"
	"strings"
	"unicode/utf8"

	"zecpower/apiclient"
)

// maxTagText is the longest key and value of a tag in characters, as the API documents it.
const maxTagText = 64

// Filter is what may be asked of DescribeInstances for the group's selector: one zone, one resource
// group, tags with one plain value, the longest certain part of the name. An empty one asks for the
// whole account.
//
// It never keeps back what the selector wants, however the API reads it: several tags may be joined
// by "and" or "or", a name may be searched with or without regard to case, as a part of the text or
// as a pattern. So a line that allows several values is not sent, and of a name only letters,
// digits and the marks that no search treats as its own. What is sent keeps to the API's limits.
func (g *Group) Filter() apiclient.InstanceQuery {
	var q apiclient.InstanceQuery
	s := &g.rules.Selector
	if len(s.Zones) == 1 && sendable(s.Zones[0]) {
		q.ZoneID = s.Zones[0]
	}
	if sendable(s.ResourceGroup) {
		q.ResourceGroupID = s.ResourceGroup
	}
	if g.name != nil {
		q.Name = g.name.literal()
	}
	for _, line := range g.tags {
		v := line.values[0]
		if len(line.values) == 1 && v.plain && sendable(line.key) && sendable(v.text) && len(q.Tags) < apiclient.MaxTagFilters {
			q.Tags = append(q.Tags, apiclient.Tag{Key: line.key, Value: v.text})
		}
	}
	return q
}

// sendable reports whether a text reaches the API as it is: within its limits, and with no blanks
// at its ends, which may be cut off.
func sendable(text string) bool {
	return text != "" && utf8.RuneCountInString(text) <= maxTagText && strings.TrimSpace(text) == text
}

// covers reports whether the list of one filter holds all that the selectors behind another want.
// Only the fields that Filter sets are compared.
func covers(wide, narrow *apiclient.InstanceQuery) bool {
	equalOrUnset := func(w, n string) bool { return w == "" || w == n }
	return equalOrUnset(wide.ZoneID, narrow.ZoneID) && equalOrUnset(wide.ResourceGroupID, narrow.ResourceGroupID) &&
		strings.Contains(narrow.Name, wide.Name) &&
		!slices.ContainsFunc(wide.Tags, func(t apiclient.Tag) bool { return !slices.Contains(narrow.Tags, t) })
}
