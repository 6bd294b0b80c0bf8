package strictyaml

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"zecpower/internal/nearest"

	"gopkg.in/yaml.v3"
)

// Read checks the value of a key and stores it.
type Read func(key, value *yaml.Node)

// Keys is what a mapping may hold.
type Keys map[string]Read

// Mapping reads a mapping by its table. Keys of the table are optional but for the required ones. A
// key with nothing behind it counts as an empty mapping. It returns the value nodes by key, for
// checks between values.
func (d *Doc) Mapping(key, value *yaml.Node, keys Keys, required ...string) map[string]*yaml.Node {
	meant := make(map[string]bool) // by a key that is unknown: it is not missing besides
	given, ok := d.pairs(value, func(name string, k, v *yaml.Node) {
		read, known := keys[name]
		if !known {
			near := d.Nearest(name, slices.Sorted(maps.Keys(keys)))
			meant[near] = true
			d.Refuse(k, unknownKey(name, near, keys))
			return
		}
		d.In(name, func() { read(k, v) })
	})
	for _, name := range required {
		if ok && given[name] == nil && !meant[name] {
			d.Refuse(key, Faultf(fmt.Sprintf("add %s: …", name), "the key %q is missing", name))
		}
	}
	return given
}

// Names reads a mapping whose keys are names that the user chose, in the order of the file.
func (d *Doc) Names(value *yaml.Node, each func(name string, key, value *yaml.Node)) {
	d.pairs(value, func(name string, k, v *yaml.Node) {
		if !nameShape.MatchString(name) || len(name) > maxName {
			d.Refuse(k, Faultf("a name has lower-case letters, digits and hyphens inside, at most 63 in all", "%s is not a name", Quote(name)))
			return
		}
		d.In(name, func() { each(name, k, v) })
	})
}

// Entries reads a mapping whose keys are any text, in the order of the file.
func (d *Doc) Entries(value *yaml.Node, each func(name string, key, value *yaml.Node)) {
	d.pairs(value, func(name string, k, v *yaml.Node) {
		shown := name
		if !nameShape.MatchString(name) || len(name) > maxName {
			shown = Quote(name) // a message is one line, whatever the key holds
		}
		d.In(shown, func() { each(name, k, v) })
	})
}

const maxName = 63 // a DNS label, so that names fit wherever operators put them

var nameShape = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)

// pairs walks a mapping, without the keys that are repeated or not plain text.
func (d *Doc) pairs(value *yaml.Node, each func(name string, key, value *yaml.Node)) (given map[string]*yaml.Node, ok bool) {
	given = make(map[string]*yaml.Node)
	if isNull(value) {
		return given, true
	}
	if value.Kind != yaml.MappingNode {
		d.wrongKind(value, aMapping)
		return given, false
	}
	first, ok := make(map[string]int, len(value.Content)/2), true
	for i := 0; i+1 < len(value.Content); i += 2 {
		k, v := value.Content[i], value.Content[i+1]
		if k.Kind != yaml.ScalarNode || isReported(k) {
			d.wrongKind(k, "a key in plain text")
			ok = false // what it would have brought is not missing besides
			continue
		}
		if line, repeated := first[k.Value]; repeated {
			d.Refuse(k, Faultf("keep one", "the key %s is repeated; it stands on line %d already", Quote(k.Value), line))
			continue
		}
		first[k.Value], given[k.Value] = k.Line, v
		each(k.Value, k, v)
	}
	return given, ok
}

func unknownKey(name, near string, keys Keys) error {
	switch {
	case secretLike.MatchString(name):
		return Faultf("credentials come from the environment or a credentials file; take it out of here", "unknown key %s", Quote(name))
	case near != "":
		return Faultf(fmt.Sprintf("did you mean %q?", near), "unknown key %s", Quote(name))
	}
	return Faultf("known here: "+strings.Join(slices.Sorted(maps.Keys(keys)), ", "), "unknown key %s", Quote(name))
}

var secretLike = regexp.MustCompile(`(?i)secret|token|passw|access_?key|credential`)

// Nearest is nearest.Word with a bound on the work: a file with thousands of wrong names gets hints
// for the first of them only.
func (d *Doc) Nearest(word string, candidates []string) string {
	const most = 50
	if d.searched++; d.searched > most && len(candidates) > 100 {
		return ""
	}
	return nearest.Word(word, candidates)
}
