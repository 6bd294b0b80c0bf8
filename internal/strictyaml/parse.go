package strictyaml

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// Parse reads data as one YAML document and returns its top node, or nil where there is none to go
// on with; the problems are in the Doc. Anchors, aliases, merge keys and tags are refused: what a
// line means must stand on it.
func (d *Doc) Parse(data []byte) *yaml.Node {
	data, problem := clean(d.File, data)
	if problem != nil {
		d.problems = append(d.problems, *problem)
		return nil
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var root, second yaml.Node
	switch err := dec.Decode(&root); {
	case errors.Is(err, io.EOF):
		d.WholeFile(Faultf(d.IfEmpty, "the file is empty"))
		return nil
	case err != nil:
		d.problems = append(d.problems, syntaxProblem(d.File, data, err))
		return nil
	}
	switch err := dec.Decode(&second); {
	case err == nil:
		d.Refuse(&second, Faultf("keep one; the line --- starts another", "there is a second YAML document"))
	case !errors.Is(err, io.EOF):
		d.problems = append(d.problems, syntaxProblem(d.File, data, err))
	}
	d.refuseReferences(&root)
	return root.Content[0]
}

// refuseReferences reports what would make a value stand elsewhere than where it is used.
func (d *Doc) refuseReferences(n *yaml.Node) {
	const remedy = "write the value out wherever it is needed"
	switch {
	case n.Kind == yaml.AliasNode:
		d.Refuse(n, Faultf(remedy+"; a text that starts with * needs quotes", "the YAML alias *%s is not supported", n.Value))
	case n.Anchor != "":
		d.Refuse(n, Faultf(remedy+"; a text that starts with & needs quotes", "the YAML anchor &%s is not supported", n.Anchor))
	case n.Kind == yaml.ScalarNode && n.ShortTag() == mergeTag:
		d.Refuse(n, Faultf(remedy, "the YAML merge key << is not supported"))
	case n.Style&yaml.TaggedStyle != 0:
		d.Refuse(n, Faultf("delete it; a text that starts with ! needs quotes", "the YAML tag %s is not supported", Quote(n.Tag)))
	}
	for _, c := range n.Content {
		d.refuseReferences(c)
	}
}

const mergeTag = "!!merge"

var (
	linePrefix    = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)
	unknownAnchor = regexp.MustCompile(`unknown anchor '(.*)' referenced`)
)

// syntaxProblem finds the place that the parser's error is about. yaml.v3 names the line where the
// enclosing block started, a line too few, or none.
func syntaxProblem(file string, data []byte, err error) Problem {
	text := strings.TrimSpace(err.Error())
	said := linePrefix.FindStringSubmatch(text)
	message := strings.TrimPrefix(text, said[0])
	lines := bytes.SplitAfter(data, []byte("\n"))
	if line, column := tabIndent(lines); line > 0 {
		return Problem{file, line, column, "the line is indented with a tab", "indent with spaces"}
	}
	if m := unknownAnchor.FindStringSubmatch(message); m != nil {
		line, column := position(data, bytes.Index(data, []byte("*"+m[1])))
		return Problem{file, line, column, "the YAML alias *" + m[1] + " refers to nothing", "a text that starts with * needs quotes"}
	}
	line, _ := strconv.Atoi(said[1])
	if found := firstBadLine(lines, message); found > 0 {
		line = found
	}
	line = min(max(line, 1), len(lines))
	indent := len(lines[line-1]) - len(bytes.TrimLeft(lines[line-1], " "))
	return Problem{file, line, indent + 1, "this is not YAML: " + message, syntaxHint(message, lines[line-1])}
}

// firstBadLine is the first line that the parser cannot get past: the shortest run of lines from
// the top that ends in the same error as the whole. 0 where the file is too large to be read that
// often.
func firstBadLine(lines [][]byte, message string) int {
	const largest = 1 << 20
	var size int
	for _, l := range lines {
		size += len(l)
	}
	if size > largest {
		return 0
	}
	n := sort.Search(len(lines), func(i int) bool {
		dec := yaml.NewDecoder(bytes.NewReader(bytes.Join(lines[:i+1], nil)))
		for {
			var n yaml.Node
			if err := dec.Decode(&n); err != nil {
				return strings.HasSuffix(err.Error(), message)
			}
		}
	})
	if n == len(lines) {
		return 0
	}
	return n + 1
}

func tabIndent(lines [][]byte) (line, column int) {
	for i, l := range lines {
		for j, c := range l {
			if c == '\t' && len(bytes.TrimSpace(l)) > 0 {
				return i + 1, j + 1
			}
			if c != ' ' {
				break
			}
		}
	}
	return 0, 0
}

func position(data []byte, offset int) (line, column int) {
	before := data[:max(offset, 0)]
	start := bytes.LastIndexByte(before, '\n') + 1
	return bytes.Count(before, []byte("\n")) + 1, utf8.RuneCount(before[start:]) + 1
}

func syntaxHint(message string, line []byte) string {
	switch {
	case bytes.Contains(line, []byte(": *")), bytes.Contains(line, []byte("- *")), bytes.Contains(line, []byte("[*")):
		return "a text that starts with * needs quotes"
	case strings.Contains(message, "cannot start any token"):
		return "a text that starts with @, % or ` needs quotes"
	case strings.Contains(message, "end of stream"):
		return "a quote or bracket is not closed"
	case strings.Contains(message, "max depth"):
		return "nothing here nests that deep: is this the right file?"
	case strings.Contains(message, "',' or"), strings.Contains(message, "node content"):
		return "close the bracket, and put commas between its items"
	}
	return "compare its indentation with its neighbours'; a text that holds \": \" needs quotes"
}
