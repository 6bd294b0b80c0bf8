// Package strictyaml reads a YAML file strictly, and reports every mistake at once with its place and its remedy.
//
// A Doc collects problems instead of stopping at the first. What a mapping may hold is said as a table, Keys, from
// key to reader; readers check a value and store it. Unknown and repeated keys, wrong types and missing keys are
// refused by Mapping itself. A value that is refused leaves its destination as it was, so that defaults stand and one
// mistake does not cause a second message.
//
// A Doc belongs to one goroutine.
package strictyaml

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"zecpower/internal/nearest"
)

// Doc is one file being read, and what was found wrong with it.
type Doc struct {
	File    string // for problems: the path as it was opened
	Example string // what to start from when there is nothing in the file; may be empty

	path     []string // keys down to the value being read
	problems []Problem
	warnings []Problem
	skipped  int // values left unread because Parse had refused them
	searched int // nearest names looked for so far
}

// Read checks the value of a key and stores it.
type Read func(key, value *yaml.Node)

// Keys is what a mapping may hold.
type Keys map[string]Read

// Problems are those found so far, sorted.
func (d *Doc) Problems() []Problem {
	Sort(d.File, d.problems)
	return d.problems
}

// Err is an *Invalid with all problems, or nil where there is none.
func (d *Doc) Err() error {
	if len(d.problems) == 0 {
		return nil
	}
	return &Invalid{Problems: d.Problems()}
}

// Warnings are the problems that do not stand in the way, sorted.
func (d *Doc) Warnings() []Problem {
	Sort(d.File, d.warnings)
	return d.warnings
}

// Refuse adds a problem at a node. Its message starts with the key path of the value being read.
func (d *Doc) Refuse(n *yaml.Node, err error) {
	d.problems = append(d.problems, d.ProblemAt(n, err))
}

// ProblemAt is the problem that Refuse would add.
func (d *Doc) ProblemAt(n *yaml.Node, err error) Problem { return d.problem(n.Line, n.Column, err) }

// Warn is Refuse for what does not stand in the way.
func (d *Doc) Warn(n *yaml.Node, err error) {
	d.warnings = append(d.warnings, d.problem(n.Line, n.Column, err))
}

// RefuseAt is Refuse for a file that is not YAML.
func (d *Doc) RefuseAt(line, column int, err error) {
	d.problems = append(d.problems, d.problem(line, column, err))
}

// WholeFile adds a problem that has no line.
func (d *Doc) WholeFile(err error) {
	f := asFault(err)
	d.problems = append(d.problems, Problem{File: d.File, Message: f.Message, Hint: f.Hint})
}

// Add takes over problems of another file.
func (d *Doc) Add(problems ...Problem) {
	d.problems = append(d.problems, problems...)
}

func (d *Doc) problem(line, column int, err error) Problem {
	f := asFault(err)
	if len(d.path) > 0 {
		f.Message = strings.Join(d.path, ".") + ": " + f.Message
	}
	return Problem{d.File, line, column, f.Message, f.Hint}
}

// In runs read with name at the end of the key path.
func (d *Doc) In(name string, read func()) {
	d.path = append(d.path, name)
	read()
	d.path = d.path[:len(d.path)-1]
}

// Sound runs read and says whether it took every value: what is then made of them can be checked as a whole, without a
// second message about a first mistake.
func (d *Doc) Sound(read func()) bool {
	before := len(d.problems) + d.skipped
	read()
	return len(d.problems)+d.skipped == before
}

// Mapping reads a mapping by its table. Keys of the table are optional but for the required ones. A key with nothing
// behind it counts as an empty mapping. It returns the value nodes by key, for checks between values.
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

// Nearest is nearest.Word with a bound on the work: a file with thousands of wrong names gets hints for the first of
// them only.
func (d *Doc) Nearest(word string, candidates []string) string {
	const most = 50
	if d.searched++; d.searched > most && len(candidates) > 100 {
		return ""
	}
	return nearest.Word(word, candidates)
}

// List reads a list of at least one item.
func (d *Doc) List(each func(item *yaml.Node)) Read {
	return func(key, value *yaml.Node) {
		switch {
		case value.Kind == yaml.SequenceNode && len(value.Content) > 0:
			for _, item := range value.Content {
				each(item)
			}
		case value.Kind == yaml.SequenceNode || isNull(value):
			d.Refuse(key, Faultf("add an item or take the key out", "the list is empty"))
		case value.Kind == yaml.ScalarNode:
			d.Refuse(value, Faultf("put it in brackets: [item, item]", "%s is one value, where a list belongs", Quote(value.Value)))
		default:
			d.wrongKind(value, aList)
		}
	}
}

// OneOrMore reads a list, or one item without the brackets.
func (d *Doc) OneOrMore(each func(item *yaml.Node)) Read {
	list := d.List(each)
	return func(key, value *yaml.Node) {
		if value.Kind == yaml.ScalarNode && !isNull(value) {
			each(value)
			return
		}
		list(key, value)
	}
}

// Items reads a list of at least one item, each through read. What is refused is left out.
func Items[T any](d *Doc, dst *[]T, read func(dst *T) Read) Read {
	return d.List(func(item *yaml.Node) {
		var v T
		if d.Sound(func() { read(&v)(item, item) }) {
			*dst = append(*dst, v)
		}
	})
}

// Item is the text of a list's item; false, with the problem reported, where it is not a single value.
func (d *Doc) Item(n *yaml.Node) (string, bool) {
	return d.scalar(n, n, "text", true)
}

// Value reads a single value as it is written, quoted or not, through parse.
func Value[T any](d *Doc, dst *T, want string, parse func(text string) (T, error)) Read {
	return value(d, dst, want, true, parse)
}

func value[T any](d *Doc, dst *T, want string, quotes bool, parse func(text string) (T, error)) Read {
	return func(key, n *yaml.Node) {
		text, ok := d.scalar(key, n, want, quotes)
		if !ok {
			return
		}
		v, err := parse(text)
		if err != nil {
			d.Refuse(n, err)
			return
		}
		*dst = v
	}
}

// Bool reads true or false.
func (d *Doc) Bool(dst *bool) Read {
	return value(d, dst, "true or false", false, func(text string) (bool, error) {
		switch text {
		case "true", "True", "TRUE":
			return true, nil
		case "false", "False", "FALSE":
			return false, nil
		}
		return false, Faultf("write true or false", "%s is neither true nor false", Quote(text))
	})
}

// Int reads a whole number from least to most, which is at most math.MaxInt64.
func Int[T ~int | ~int64 | ~uint64](d *Doc, dst *T, least, most T) Read {
	return value(d, dst, "a whole number", false, func(text string) (T, error) {
		if !digits.MatchString(text) {
			return 0, Faultf(fmt.Sprintf("write digits only, %d to %d", least, most), "%s is not a whole number", Quote(text))
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < int64(least) || n > int64(most) {
			return 0, Faultf(fmt.Sprintf("use %d to %d", least, most), "%s is out of range", text[:min(len(text), 32)])
		}
		return T(n), nil
	})
}

var digits = regexp.MustCompile(`^-?[0-9]+$`)

// Number reads a number from least to most.
func (d *Doc) Number(dst *float64, least, most float64) Read {
	return d.number(dst, "use "+plain(least)+" to "+plain(most), func(f float64) bool { return f >= least && f <= most })
}

// Rate reads a number above zero, at most most.
func (d *Doc) Rate(dst *float64, most float64) Read {
	return d.number(dst, "use more than 0, at most "+plain(most), func(f float64) bool { return f > 0 && f <= most })
}

func (d *Doc) number(dst *float64, hint string, fits func(float64) bool) Read {
	return value(d, dst, "a number", false, func(text string) (float64, error) {
		f, err := strconv.ParseFloat(text, 64)
		if err != nil && strings.Trim(text, "-+.0123456789eE") != "" || f != f {
			return 0, Faultf("write a number such as 10 or 0.5", "%s is not a number", Quote(text))
		}
		if err != nil || !fits(f) {
			return 0, Faultf(hint, "%s is out of range", text[:min(len(text), 32)])
		}
		return f, nil
	})
}

// plain is a number in digits: 1000000, not 1e+06.
func plain(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// Duration reads a duration in Go's syntax from least to most.
func (d *Doc) Duration(dst *time.Duration, least, most time.Duration) Read {
	return Value(d, dst, "a duration such as 30s or 10m", func(text string) (time.Duration, error) {
		t, err := time.ParseDuration(text)
		if err != nil && !durationShape.MatchString(text) {
			return 0, Faultf(durationHint(text), "%s is not a duration", Quote(text))
		}
		if err != nil || t < least || t > most {
			return 0, Faultf(fmt.Sprintf("use %s to %s", Short(least), Short(most)), "%s is out of range", text[:min(len(text), 32)])
		}
		return t, nil
	})
}

// durationShape knows a duration that is too long for its type, which is no misspelt one.
var durationShape = regexp.MustCompile(`^[-+]?([0-9]+(\.[0-9]*)?(ns|us|µs|ms|s|m|h))+$`)

func durationHint(text string) string {
	if _, err := strconv.ParseFloat(text, 64); err == nil {
		return fmt.Sprintf("add a unit: %ss, %sm or %sh", text, text, text)
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n > 0 && n < 1000 {
			return fmt.Sprintf("days are written in hours: %dh", 24*n)
		}
	}
	return "a number and a unit, such as 500ms, 30s, 10m or 1h30m"
}

// Short is a duration without the zero parts that its String has: 1h, not 1h0m0s.
func Short(t time.Duration) string {
	s := t.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// Enum reads one of a few words.
func Enum[T ~string](d *Doc, dst *T, words ...T) Read {
	return Value(d, dst, "text", func(text string) (T, error) {
		names := make([]string, len(words))
		for i, w := range words {
			if text == string(w) {
				return w, nil
			}
			names[i] = string(w)
		}
		hint := "use " + strings.Join(names, ", ")
		if near := d.Nearest(text, names); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		return "", Faultf(hint, "%s is not known here", Quote(text))
	})
}

func (d *Doc) scalar(key, n *yaml.Node, want string, quotes bool) (string, bool) {
	switch {
	case isReported(n):
		d.skipped++
	case n.Kind != yaml.ScalarNode:
		d.wrongKind(n, want)
	case isNull(n):
		d.Refuse(key, Faultf("give it "+want+", or take it out", "there is no value"))
	case !quotes && n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0:
		d.Refuse(n, Faultf("take the quotes off", "%s is text, where %s belongs", Quote(n.Value), want))
	default:
		return n.Value, true
	}
	return "", false
}

// Shapes of values, as messages name them.
const (
	aMapping = "a mapping of keys to values"
	aList    = "a list"
)

func (d *Doc) wrongKind(n *yaml.Node, want string) {
	if isReported(n) {
		d.skipped++
		return
	}
	is := map[yaml.Kind]string{yaml.MappingNode: "a mapping", yaml.SequenceNode: "a list", yaml.ScalarNode: Quote(n.Value)}[n.Kind]
	d.Refuse(n, Faultf(reshape(n.Kind, want), "this is %s, where %s belongs", is, want))
}

// reshape says how to turn what stands there into what is wanted.
func reshape(is yaml.Kind, want string) string {
	switch {
	case want == aMapping && is == yaml.SequenceNode:
		return "take the dashes or brackets off and write key: value, one a line"
	case want == aMapping:
		return "write key: value, one a line"
	case want == aList:
		return "put a dash before each item"
	case is == yaml.SequenceNode:
		return "take the dashes or brackets off and write one value"
	}
	return "write one value"
}

// isReported says whether Parse has refused the node as such.
func isReported(n *yaml.Node) bool {
	return n.Kind == yaml.AliasNode || n.Style&yaml.TaggedStyle != 0 || n.Kind == yaml.ScalarNode && n.ShortTag() == mergeTag
}

func isNull(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null"
}

// IsEmpty says whether a mapping holds nothing, be it that nothing stands behind its key.
func IsEmpty(n *yaml.Node) bool {
	return isNull(n) || n.Kind == yaml.MappingNode && len(n.Content) == 0
}
