package config

import (
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"zecpower/internal/members"
	"zecpower/internal/strictyaml"
)

// versionWithoutTags is the version of the API whose instances have no tags.
const versionWithoutTags = "2024-04-01"

// Guard bounds the newcomers of a group: members that are not on its accepted list and do not stand
// in the configuration itself.
type Guard struct {
	// MaxInstances is how many members the group may have, 1 to 1000000; 0: any number, of a group
	// with an instances_file alone. Lower: a wrong selector, or file, is caught earlier. Higher: a fleet
	// that grows needs no edit.
	MaxInstances int

	// StartChange and StopChange are how many newcomers a start, and a stop, lets in, in per cent of the
	// accepted list, 0 to 1000, default 50 and 30; 5 always pass. Lower: a wrong change is caught
	// earlier. Higher: a fleet that is rebuilt needs no person to accept it.
	StartChange, StopChange int
}

const (
	defaultStartChange = 50
	defaultStopChange  = 30
)

// Selects reports whether the API has to be asked who is a member: there is a selector, or something
// but ids is excluded.
func (g *Group) Selects() bool {
	return g.selects || len(g.rules.Exclude.Tags) > 0 || g.rules.Exclude.Name != ""
}

// Rules say who is a member of a group that Selects. An instances_file is read again at each call, as
// by IDs.
func (g *Group) Rules() (*members.Group, error) {
	r := g.rules
	if g.File != "" {
		ids, err := g.read()
		if err != nil {
			return nil, err
		}
		r.Instances = ids
	}
	return members.New(r)
}

// Named are the ids that stand in the configuration itself. The caller must not change the slice.
func (g *Group) Named() []string { return g.rules.Instances }

// selector reads the lines that choose instances.
func (l *loader) selector(g *Group) strictyaml.Read {
	return func(key, value *yaml.Node) {
		s := &g.rules.Selector
		given := l.Mapping(key, value, strictyaml.Keys{
			"tags":           l.tags(&s.Tags),
			"name":           strictyaml.Value(l.Doc, &s.Name, "a name, or a pattern with *", notWild),
			"zone":           l.OneOrMore(l.plainItem("zone", &s.Zones)),
			"resource_group": strictyaml.Value(l.Doc, &s.ResourceGroup, "the id of a resource group", plainID("resource group")),
		})
		if len(given) == 0 && strictyaml.IsEmpty(value) {
			l.Refuse(key, strictyaml.Faultf("add tags, name, zone or resource_group", "the selector has no condition, so it would choose the whole account"))
		}
		g.selects = true
	}
}

// exclude reads the lines that take instances out.
func (l *loader) exclude(g *Group) strictyaml.Read {
	return func(key, value *yaml.Node) {
		e := &g.rules.Exclude
		l.Mapping(key, value, strictyaml.Keys{
			"instances": l.List(l.instanceID(&e.Instances)),
			"tags":      l.tags(&e.Tags),
			"name":      strictyaml.Value(l.Doc, &e.Name, "a name, or a pattern with *", notWild),
		})
		if strictyaml.IsEmpty(value) {
			l.Refuse(key, strictyaml.Faultf("add instances, tags or name, or take it out", "nothing is excluded"))
		}
	}
}

// tags reads keys with one value or several; each is text, or a pattern with * and ?.
func (l *loader) tags(dst *map[string][]string) strictyaml.Read {
	return func(key, value *yaml.Node) {
		if strictyaml.IsEmpty(value) {
			l.Refuse(key, strictyaml.Faultf(`write key: value, or key: "*" for any value`, "there is no tag"))
			return
		}
		*dst = map[string][]string{}
		l.Entries(value, func(name string, key, value *yaml.Node) {
			if strings.TrimSpace(name) == "" {
				l.Refuse(key, strictyaml.Faultf("write the tag's key", "the key of the tag is empty"))
				return
			}
			l.OneOrMore(func(item *yaml.Node) {
				if text, ok := l.Item(item); ok {
					(*dst)[name] = append((*dst)[name], text)
				}
			})(key, value)
		})
	}
}

// plainItem reads an item that is an id, not a pattern.
func (l *loader) plainItem(noun string, dst *[]string) func(*yaml.Node) {
	check := plainID(noun)
	return func(item *yaml.Node) {
		text, ok := l.Item(item)
		if !ok {
			return
		}
		id, err := check(text)
		if err != nil {
			l.Refuse(item, err)
			return
		}
		*dst = append(*dst, id)
	}
}

// plainID checks an id that the API compares as a whole.
func plainID(noun string) func(string) (string, error) {
	return func(text string) (string, error) {
		switch {
		case strings.TrimSpace(text) == "":
			return "", strictyaml.Faultf("write its id, or take it out", "the %s is empty", noun)
		case strings.ContainsAny(text, "*?"):
			return "", strictyaml.Faultf("write whole ids; patterns are for tags and names", "%s is a pattern, and a %s is named by its id", strictyaml.Quote(text), noun)
		}
		return text, nil
	}
}

// notWild refuses a pattern that every name matches.
func notWild(text string) (string, error) {
	if strings.Trim(text, "*?") == "" {
		return "", strictyaml.Faultf(`give a part of the name, such as "web-*"`, "%s matches every name", strictyaml.Quote(text))
	}
	return text, nil
}

// guardKeys are those of a group's guard.
func (l *loader) guardKeys(g *Guard, change *int) strictyaml.Keys {
	return strictyaml.Keys{
		"max_instances": strictyaml.Int(l.Doc, &g.MaxInstances, 1, 1_000_000),
		"max_change":    strictyaml.Value(l.Doc, change, "a share such as 50%", share),
	}
}

// share reads a share of a group in per cent.
func share(text string) (int, error) {
	number, percent := strings.CutSuffix(text, "%")
	n, err := strconv.Atoi(strings.TrimSpace(number))
	if err != nil || !percent || n < 0 || n > 1000 {
		return 0, strictyaml.Faultf("write 0% to 1000%", "%s is not a share of the group", strictyaml.Quote(text))
	}
	return n, nil
}

// checkSelection checks the relations between the keys of a group that is read. at has those given.
func (l *loader) checkSelection(g *Group, guard Guard, change int, at map[string]*yaml.Node) {
	selector, bound := at["selector"], oneOf(at, "max_instances", "max_change")
	switch {
	case selector != nil && at["instances_file"] != nil:
		l.Refuse(at["instances_file"], strictyaml.Faultf("keep one, or make two groups", "a group has a selector or an instances_file, not both"))
	case selector != nil && at["max_instances"] == nil:
		l.Refuse(selector, strictyaml.Faultf("add max_instances: the most that it may ever choose", "a group with a selector needs max_instances, so that a wrong selector cannot switch the whole account"))
	case selector == nil && at["instances_file"] == nil && bound != nil:
		l.Warn(bound, strictyaml.Faultf("take it out", "this bound has no effect: ids that stand in the configuration are never newcomers"))
	}
	if selector != nil || at["instances_file"] != nil {
		if change >= 0 {
			guard.StartChange, guard.StopChange = change, change
		}
		g.Guard = &guard
	}
	if of := l.config.Account(g.Account); of != nil && of.API.APIVersion == versionWithoutTags {
		if n := oneOf(at, "selector", "exclude"); n != nil && len(g.rules.Selector.Tags)+len(g.rules.Exclude.Tags) > 0 {
			l.Refuse(n, strictyaml.Faultf("use api_version 2025-09-01, or select by name, zone or resource group", "instances have no tags in version %s of the API", versionWithoutTags))
		}
	}
	for _, id := range g.rules.Instances {
		if slices.Contains(g.rules.Exclude.Instances, id) {
			l.Warn(at["exclude"], strictyaml.Faultf("take it out of one of them", "%s stands in instances, too, and is left out", id))
			break
		}
	}
}
