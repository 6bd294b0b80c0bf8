package zecsim

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// decoder walks a YAML tree and collects every mistake with its place, which
// decoding into structs cannot.
type decoder struct {
	file     string
	problems []*Problem
}

// field is a key of a mapping and what reads its value.
type field struct {
	key  string
	read func(*yaml.Node)
}

func (d *decoder) fail(n *yaml.Node, message, hint string) {
	d.problems = append(d.problems, &Problem{d.file, max(n.Line, 1), max(n.Column, 1), message, hint})
}

// err joins the problems in the order of the file.
func (d *decoder) err() error {
	slices.SortStableFunc(d.problems, comparePlace)
	errs := make([]error, len(d.problems))
	for i, p := range d.problems {
		errs[i] = p
	}
	return errors.Join(errs...)
}

// mapping reads known keys, each at most once; a null leaves everything as it is.
func (d *decoder) mapping(n *yaml.Node, what string, fields []field) {
	known := make([]string, len(fields))
	for i, f := range fields {
		known[i] = f.key
	}
	d.pairs(n, what, func(key, value *yaml.Node) {
		i := slices.Index(known, key.Value)
		if i < 0 {
			d.fail(key, fmt.Sprintf("unknown key %q in %s", key.Value, what), didYouMean(key.Value, known))
			return
		}
		fields[i].read(value)
	})
}

// anyMapping reads a mapping whose keys are free.
func (d *decoder) anyMapping(n *yaml.Node, what string, read func(key string, value *yaml.Node)) {
	d.pairs(n, what, func(key, value *yaml.Node) { read(key.Value, value) })
}

func (d *decoder) pairs(n *yaml.Node, what string, read func(key, value *yaml.Node)) {
	if isNull(n) {
		return
	}
	if n.Kind != yaml.MappingNode {
		d.fail(n, fmt.Sprintf("%s must be a mapping, not %s", what, kindName(n)), "write key: value lines")
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch {
		case key.Kind != yaml.ScalarNode:
			d.fail(key, fmt.Sprintf("a key of %s is %s", what, kindName(key)), "keys are plain words")
		case seen[key.Value]:
			d.fail(key, fmt.Sprintf("key %q is there twice in %s", key.Value, what), "keep one")
		default:
			seen[key.Value] = true
			read(key, value)
		}
	}
}

func (d *decoder) list(n *yaml.Node, what string, read func(*yaml.Node)) {
	if isNull(n) {
		return
	}
	if n.Kind != yaml.SequenceNode {
		d.fail(n, fmt.Sprintf("%s must be a list, not %s", what, kindName(n)), "write [a, b] or a line beginning with - for each")
		return
	}
	for _, item := range n.Content {
		read(item)
	}
}

// scalar returns the text of a value of one of the given YAML types.
func (d *decoder) scalar(n *yaml.Node, want string, tags ...string) (string, bool) {
	if n.Kind == yaml.ScalarNode && slices.Contains(tags, n.ShortTag()) {
		return n.Value, true
	}
	hint := ""
	if n.Kind == yaml.AliasNode {
		hint = "anchors and aliases are not supported here; write the value out"
	}
	d.fail(n, fmt.Sprintf("%s is wanted, not %s", want, kindName(n)), hint)
	return "", false
}

func (d *decoder) text(n *yaml.Node, into *string) bool {
	s, ok := d.scalar(n, "a text", "!!str", "!!int", "!!float", "!!bool", "!!timestamp")
	if ok && s == "" {
		d.fail(n, "an empty text", "leave the key out instead")
		return false
	}
	if ok {
		*into = s
	}
	return ok
}

func (d *decoder) oneOf(n *yaml.Node, into *string, values ...string) {
	var s string
	if !d.text(n, &s) {
		return
	}
	if !slices.Contains(values, s) {
		hint := didYouMean(s, values)
		d.fail(n, fmt.Sprintf("%q is not known here", s), hint)
		return
	}
	*into = s
}

func (d *decoder) boolean(n *yaml.Node, into *bool) {
	if s, ok := d.scalar(n, "true or false", "!!bool"); ok {
		*into = strings.EqualFold(s, "true")
	}
}

func (d *decoder) integer(n *yaml.Node, least, most int64, set func(int64)) {
	s, ok := d.scalar(n, "a whole number", "!!int")
	if !ok {
		return
	}
	v, err := strconv.ParseInt(strings.ReplaceAll(s, "_", ""), 0, 64)
	if err != nil || v < least || v > most {
		d.fail(n, fmt.Sprintf("%s is out of range", s), fmt.Sprintf("use %d to %d", least, most))
		return
	}
	set(v)
}

func (d *decoder) number(n *yaml.Node, least, most float64, into *float64) {
	s, ok := d.scalar(n, "a number", "!!int", "!!float")
	if !ok {
		return
	}
	v, err := strconv.ParseFloat(strings.ReplaceAll(s, "_", ""), 64)
	if err != nil || !(v >= least && v <= most) {
		d.fail(n, fmt.Sprintf("%s is out of range", s), fmt.Sprintf("use %g to %g", least, most))
		return
	}
	*into = v
}

func (d *decoder) durationInto(into *time.Duration) func(*yaml.Node) {
	return func(n *yaml.Node) { d.duration(n, into) }
}

func (d *decoder) duration(n *yaml.Node, into *time.Duration) {
	var v time.Duration
	if !d.signedDuration(n, &v) {
		return
	}
	if v < 0 {
		d.fail(n, fmt.Sprintf("%s is negative", v), "use 0s or more")
		return
	}
	*into = v
}

func (d *decoder) signedDuration(n *yaml.Node, into *time.Duration) bool {
	s, ok := d.scalar(n, "a duration", "!!str", "!!int", "!!float")
	if !ok {
		return false
	}
	v, err := time.ParseDuration(s)
	if err != nil || v.Abs() > maxDuration {
		d.fail(n, fmt.Sprintf("duration %q", s), "write a number with its unit, such as 500ms, 3s or 2m")
		return false
	}
	*into = v
	return true
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

func kindName(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	}
	if isNull(n) {
		return "nothing"
	}
	return fmt.Sprintf("%q", n.Value)
}

// didYouMean names the nearest of the known words, or all where none is near.
func didYouMean(word string, known []string) string {
	best, least := "", 3
	for _, k := range known {
		if d := editDistance(word, k); d < least {
			best, least = k, d
		}
	}
	if best != "" {
		return "did you mean " + best + "?"
	}
	return "known: " + strings.Join(known, ", ")
}

// editDistance counts the insertions, deletions and replacements between two words.
func editDistance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return max(len(a), len(b))
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
