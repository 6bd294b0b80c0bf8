package members

import (
	"fmt"
	"slices"
	"strings"

	"zecpower/apiclient"
)

// Decision says whether an instance belongs to a group, and why, in words that follow its id.
type Decision struct {
	In  bool
	Why string
}

// rule is what decided. Those up to isSelected take an instance in.
type rule int

const (
	isNamed rule = iota
	isSelected
	notNamed // and there is no selector
	tagMissing
	tagDiffers
	nameDiffers
	zoneDiffers
	resourceGroupDiffers
	idExcluded
	tagExcluded
	nameExcluded
	stateGone
)

// finding is the rule that decided about an instance; line is of the tags where it is about one.
type finding struct {
	rule rule
	line int
}

func (f finding) in() bool { return f.rule <= isSelected }

// Decide says whether an instance belongs to the group. What the API says of it comes from a row of
// DescribeInstances. The first that applies is the reason: it is neither named nor chosen by the
// selector; it is excluded; it is named; its state is none of a member.
func (g *Group) Decide(in apiclient.Instance) Decision {
	f := g.find(&in)
	return Decision{In: f.in(), Why: g.words(&in, f)}
}

func (g *Group) find(in *apiclient.Instance) finding {
	named := g.named[in.InstanceID]
	if !named {
		if f := g.choose(in); f.rule != isSelected {
			return f
		}
	}
	if f, excluded := g.exclude(in); excluded {
		return f
	}
	switch {
	case named:
		return finding{rule: isNamed}
	case gone(in.State):
		return finding{rule: stateGone}
	}
	return finding{rule: isSelected}
}

// choose holds an instance against the lines of the selector, the cheap ones first.
func (g *Group) choose(in *apiclient.Instance) finding {
	s := &g.rules.Selector
	switch {
	case !g.selects:
		return finding{rule: notNamed}
	case s.ResourceGroup != "" && s.ResourceGroup != in.ResourceGroupID:
		return finding{rule: resourceGroupDiffers}
	case len(s.Zones) > 0 && !slices.Contains(s.Zones, in.ZoneID):
		return finding{rule: zoneDiffers}
	}
	for i := range g.tags {
		if g.tags[i].match(in) {
			continue
		}
		if _, has := tagOf(in, g.tags[i].key); has {
			return finding{tagDiffers, i}
		}
		return finding{tagMissing, i}
	}
	if g.name != nil && !g.name.match(in.Name) {
		return finding{rule: nameDiffers}
	}
	return finding{rule: isSelected}
}

// exclude reports whether a line of the exclusion matches, and which.
func (g *Group) exclude(in *apiclient.Instance) (finding, bool) {
	if g.excludedIDs[in.InstanceID] {
		return finding{rule: idExcluded}, true
	}
	for i := range g.excludedTags {
		if g.excludedTags[i].match(in) {
			return finding{tagExcluded, i}, true
		}
	}
	if g.excludedName != nil && g.excludedName.match(in.Name) {
		return finding{rule: nameExcluded}, true
	}
	return finding{}, false
}

func tagOf(in *apiclient.Instance, key string) (value string, ok bool) {
	for _, t := range in.Tags {
		if t.Key == key {
			return t.Value, true
		}
	}
	return "", false
}

// words are why a finding was made. Texts of the API are quoted.
func (g *Group) words(in *apiclient.Instance, f finding) string {
	s := &g.rules.Selector
	switch f.rule {
	case isNamed:
		return "named in instances"
	case isSelected:
		return "matches the selector"
	case notNamed:
		return "not named in instances"
	case tagMissing:
		return fmt.Sprintf("has no tag %q", g.tags[f.line].key)
	case tagDiffers:
		value, _ := tagOf(in, g.tags[f.line].key)
		return fmt.Sprintf("tag %q is %q, wanted: %s", g.tags[f.line].key, value, oneOf(s.Tags[g.tags[f.line].key]))
	case nameDiffers:
		return fmt.Sprintf("name is %q, wanted: %s", in.Name, oneOf([]string{s.Name}))
	case zoneDiffers:
		return fmt.Sprintf("zone is %q, wanted: %s", in.ZoneID, oneOf(s.Zones))
	case resourceGroupDiffers:
		return fmt.Sprintf("resource group is %q, wanted: %s", in.ResourceGroupID, oneOf([]string{s.ResourceGroup}))
	case stateGone:
		return fmt.Sprintf("state is %q, which no selector takes in", in.State)
	}
	return g.wordsOfExclusion(in, f)
}

func (g *Group) wordsOfExclusion(in *apiclient.Instance, f finding) string {
	switch f.rule {
	case tagExcluded:
		key := g.excludedTags[f.line].key
		return fmt.Sprintf("excluded by tag %q: %s", key, oneOf(g.rules.Exclude.Tags[key]))
	case nameExcluded:
		return fmt.Sprintf("excluded by name %q: %q", in.Name, g.excludedName.text)
	}
	return "excluded by id"
}

func oneOf(texts []string) string {
	quoted := make([]string, len(texts))
	for i, text := range texts {
		quoted[i] = fmt.Sprintf("%q", text)
	}
	return strings.Join(quoted, " or ")
}
