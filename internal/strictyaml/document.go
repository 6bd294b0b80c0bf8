package strictyaml

import (
	"strings"

	"gopkg.in/yaml.v3"
)

// Doc is one file being read, and what was found wrong with it.
type Doc struct {
	File    string // for problems: the path as it was opened
	IfEmpty string // the remedy where there is nothing in the file; may be empty

	path     []string // keys down to the value being read
	problems []Problem
	warnings []Problem
	skipped  int // values left unread because Parse had refused them
	searched int // searches for a nearest name so far
}

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

// AddWarnings is Warn for another file.
func (d *Doc) AddWarnings(warnings ...Problem) {
	d.warnings = append(d.warnings, warnings...)
}

// Add adds problems of another file.
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

// Sound runs read and says whether it took every value: what is then made of them can be checked as
// a whole, without a second message about a first mistake.
func (d *Doc) Sound(read func()) bool {
	before := len(d.problems) + d.skipped
	read()
	return len(d.problems)+d.skipped == before
}
