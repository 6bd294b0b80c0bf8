package members

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Selector chooses instances by what DescribeInstances says of them. Every line that is given must
// match; the zero value chooses nothing. A glob has * for any text and ? for any one character, and
// matches the whole text, upper and lower case apart.
type Selector struct {
	// Tags are keys that an instance must have, each with one of the values, which are globs.
	Tags map[string][]string
	// Name is a glob.
	Name string
	// Zones are ids, one of which must be the instance's.
	Zones []string
	// ResourceGroup is an id.
	ResourceGroup string
}

// Exclude takes instances out, also those that are named. One line that matches is enough, and so
// is one tag of several.
type Exclude struct {
	Instances []string
	Tags      map[string][]string // keys with one of the values, which are globs
	Name      string              // a glob
}

// Rules say which instances belong to a group: those that the selector chooses, those that are
// named in Instances, but none that is excluded.
type Rules struct {
	Selector  Selector
	Instances []string
	Exclude   Exclude
}

// validate reports everything that makes no sense, joined.
func (r Rules) validate() error {
	s := r.Selector
	errs := []error{
		validTags("selector", s.Tags), validTags("exclude", r.Exclude.Tags),
		validIDs("selector zone", s.Zones), validIDs("instances", r.Instances), validIDs("exclude instances", r.Exclude.Instances),
	}
	if s.ResourceGroup != "" {
		errs = append(errs, validIDs("selector resource group", []string{s.ResourceGroup}))
	}
	chooses := len(s.Tags) > 0 || len(s.Zones) > 0 || s.ResourceGroup != "" || newGlob(s.Name).chooses()
	switch {
	case !chooses && s.Name != "":
		errs = append(errs, fmt.Errorf("selector: name %q has wildcards alone, so the whole account would match: add a tag, a zone, a resource group or a part of the name", s.Name))
	case !chooses && len(r.Instances) == 0:
		errs = append(errs, errors.New("it needs instances, or a selector with a tag, a name, a zone or a resource group"))
	}
	if name := r.Exclude.Name; name != "" && !newGlob(name).chooses() {
		errs = append(errs, fmt.Errorf("exclude: name %q has wildcards alone, so every instance would be out: give a part of the name", name))
	}
	return errors.Join(errs...)
}

func validTags(subject string, tags map[string][]string) error {
	var errs []error
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		switch {
		case key == "":
			errs = append(errs, fmt.Errorf("%s: a tag without a key: write the key before its value", subject))
		case len(tags[key]) == 0:
			errs = append(errs, fmt.Errorf(`%s: tag %q without a value: give one or several, or "*" for any`, subject, key))
		}
	}
	return errors.Join(errs...)
}

// validIDs refuses empty texts and globs where an id belongs.
func validIDs(subject string, ids []string) error {
	var errs []error
	for _, id := range ids {
		switch {
		case id == "":
			errs = append(errs, fmt.Errorf("%s: an id is empty: take it out", subject))
		case isGlob(id):
			errs = append(errs, fmt.Errorf("%s: %q is taken as an id, not as a glob: write whole ids", subject, id))
		}
	}
	return errors.Join(errs...)
}
