package members

import (
	"fmt"
	"maps"
	"slices"

	"zecpower/apiclient"
)

// Group is a group's rules, ready to decide. It never changes.
type Group struct {
	rules        Rules
	selects      bool // it has a selector
	tags         []tagLine
	name         *glob // nil where the selector has none
	named        map[string]bool
	excludedIDs  map[string]bool
	excludedTags []tagLine
	excludedName *glob // nil where there is none
}

// tagLine is a tag that must have one of some values.
type tagLine struct {
	key    string
	values []glob
}

// New checks the rules and makes a Group of them. Its error holds every mistake, joined. The rules
// must not be changed afterwards.
func New(r Rules) (*Group, error) {
	if err := r.validate(); err != nil {
		return nil, fmt.Errorf("group: %w", err)
	}
	s := r.Selector
	return &Group{
		rules: r, selects: len(s.Tags) > 0 || s.Name != "" || len(s.Zones) > 0 || s.ResourceGroup != "",
		tags: tagLines(s.Tags), name: globOrNil(s.Name), named: setOf(r.Instances),
		excludedIDs: setOf(r.Exclude.Instances), excludedTags: tagLines(r.Exclude.Tags), excludedName: globOrNil(r.Exclude.Name),
	}, nil
}

func tagLines(tags map[string][]string) []tagLine {
	var lines []tagLine
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		line := tagLine{key: key}
		for _, v := range tags[key] {
			line.values = append(line.values, newGlob(v))
		}
		lines = append(lines, line)
	}
	return lines
}

func globOrNil(text string) *glob {
	if text == "" {
		return nil
	}
	g := newGlob(text)
	return &g
}

func setOf(ids []string) map[string]bool {
	set := make(map[string]bool, len(ids))
	for _, id := range ids {
		set[id] = true
	}
	return set
}

// match reports whether an instance has the tag with one of the values.
func (l *tagLine) match(in *apiclient.Instance) bool {
	return slices.ContainsFunc(in.Tags, func(t apiclient.Tag) bool {
		return t.Key == l.key && slices.ContainsFunc(l.values, func(g glob) bool { return g.match(t.Value) })
	})
}

// Members are the ids of the group, sorted, each once: those of its own listing that belong to it,
// and those that are named and were not read, unless they are excluded by id. The API may not know
// the latter: a run finds that out, and reports it. There are none where the listing has an error.
func (g *Group) Members(l Listing) []string {
	if l.Err != nil {
		return nil
	}
	var ids []string
	for in := range l.candidates() {
		if !g.named[in.InstanceID] && g.find(in).in() {
			ids = append(ids, in.InstanceID)
		}
	}
	for id := range g.named {
		if in, read := l.find(id); !read && !g.excludedIDs[id] || read && g.find(&in).in() {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids) // an API that lists a tag twice makes its instance a candidate twice
}

// Unknown are the named instances of the group that the API does not know, sorted; the listing must
// be one of ListWithNamed, without an error.
func (g *Group) Unknown(l Listing) []string {
	var ids []string
	for id := range g.named {
		if _, known := l.find(id); !known {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// needsRows reports whether the rows of its named instances are needed to decide about them.
func (g *Group) needsRows() bool {
	return len(g.named) > 0 && (len(g.excludedTags) > 0 || g.excludedName != nil)
}
