package strictyaml

import (
	"fmt"
	"strings"

	"gopkg.in/yaml.v3"
)

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

// OneOrMore reads a list, or one item without the brackets: a single value or a mapping.
func (d *Doc) OneOrMore(each func(item *yaml.Node)) Read {
	list := d.List(each)
	return func(key, value *yaml.Node) {
		if value.Kind == yaml.ScalarNode && !isNull(value) || value.Kind == yaml.MappingNode {
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

// Item is the text of a list's item; false, with the problem reported, where it is not a single
// value.
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
