package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"gopkg.in/yaml.v3"

	"zecpower/internal/power"
	"zecpower/internal/strictyaml"
	"zecpower/scheduler/calendar"
)

// Included is a file that include_files names.
type Included struct {
	// Name is the file as include_files writes it: relative to the folder of the main file, or
	// absolute. It is the same on every host, however that file was given.
	Name string

	// Path is the file as it is opened.
	Path string

	// Problems are why the file is left out; empty where it is in use.
	Problems []Problem

	// Schedules are the schedules that stand in it, as far as it can be read.
	Schedules []string

	groups, calendars []string
	opaque            bool // what stands in it is not known
	unlisted          bool // it is a pattern whose folder cannot be listed
}

// Without says what it means that the file is left out.
func (f *Included) Without() string {
	switch {
	case f.opaque:
		return "what it schedules is not known, and does not run"
	case len(f.Schedules) == 0:
		return "no schedule stands in it"
	}
	return "does not run: " + strictyaml.Some(f.Schedules)
}

// Mended reports whether the file could not be read at load and can be now. One that could has to
// change before it is in use, which is noticed by itself.
func (f *Included) Mended() bool {
	switch {
	case f.unlisted:
		_, err := glob(f.Path)
		return err == nil
	case f.opaque:
		s := &source{Included: *f}
		s.parse("", strictyaml.ReadRegular)
		return s.root != nil
	}
	return false
}

// without is the reason why a group or calendar of the file cannot be used.
func (f *Included) without(noun, name string) Problem {
	p := f.Problems[0]
	what := fmt.Sprintf("%s is left out, and the %s %s with it: ", f.Name, noun, strictyaml.Quote(name))
	if f.opaque {
		what = fmt.Sprintf("%s is left out, in which the %s %s may stand: ", f.Name, noun, strictyaml.Quote(name))
	}
	return Problem{File: p.File, Line: p.Line, Column: p.Column, Message: what + p.Message, Hint: p.Hint}
}

// source is a file of the configuration as it was read, before anything in it is checked.
type source struct {
	Included
	root *yaml.Node // nil: it is no YAML
	read []Problem  // of the reading
}

// maxIncluded bounds a pattern that was meant otherwise.
const maxIncluded = 10_000

// input is the main file with those that it includes.
type input struct {
	main     *source
	files    []*source    // that main includes, in the order in which they are read
	includes bool         // main has include_files
	items    []*yaml.Node // of it
	globs    []string     // the patterns among them, as they are opened
	skipped  []string     // matches that are main itself
	warnings []Problem
}

// readInput reads the main file and what it includes. Their problems are in each source.
func readInput(path string) *input {
	in := &input{main: &source{Included: Included{Name: path, Path: path}}}
	in.main.parse("start from schedules.example.yaml", strictyaml.ReadFile)
	at := sectionOf(in.main.root, "include_files")
	if in.includes = at.value != nil; !in.includes {
		return in
	}
	d := &strictyaml.Doc{File: path}
	d.In("include_files", func() {
		d.List(func(item *yaml.Node) {
			if text, ok := d.Item(item); ok {
				in.items = append(in.items, item)
				in.include(d, item, text)
			}
		})(at.key, at.value)
	})
	in.main.read = append(in.main.read, d.Problems()...)
	in.warnings = d.Warnings()
	return in
}

// include reads what one item of include_files names.
func (in *input) include(d *strictyaml.Doc, item *yaml.Node, text string) {
	_, err := notEmpty(text)
	if err == nil {
		err = checkPattern(text)
	}
	path := beside(in.main.Path, text)
	switch {
	case err != nil:
		d.Refuse(item, err)
	case isPattern(text):
		in.includeMatches(d, item, text, path)
	case sameFile(path, in.main.Path):
		d.Refuse(item, strictyaml.Faultf("take it out", "this is the main file itself"))
	default:
		s := in.add(text, path)
		// Where the file as a whole is the problem, the name may be what is wrong.
		if s != nil && s.opaque && s.Problems[0].Line == 0 {
			p := s.Problems[0]
			s.Problems = []Problem{d.ProblemAt(item, strictyaml.Faultf(p.Hint, "%s: %s", path, p.Message))}
		}
	}
}

// includeMatches reads what a pattern matches, but for the main file.
func (in *input) includeMatches(d *strictyaml.Doc, item *yaml.Node, text, path string) {
	in.globs = append(in.globs, path)
	found, err := glob(path)
	switch {
	case err != nil:
		p := d.ProblemAt(item, strictyaml.Within(path, strictyaml.OpenFault(err)))
		in.files = append(in.files, &source{Included: Included{Name: text, Path: path, Problems: []Problem{p}, opaque: true, unlisted: true}})
		return
	case len(found) > maxIncluded:
		d.Refuse(item, strictyaml.Faultf("name fewer", "%s matches %d files, above the %d that are read", strictyaml.Quote(text), len(found), maxIncluded))
		return
	}
	if folder := filepath.Dir(path); len(found) == 0 && !isPattern(folder) && isGone(folder) {
		d.Warn(item, strictyaml.Faultf("check the path, or make the folder", "there is no folder %s", folder))
	}
	for _, file := range found {
		if sameFile(file, in.main.Path) {
			in.skipped = append(in.skipped, file)
			continue
		}
		name := file
		if !filepath.IsAbs(text) {
			name, _ = filepath.Rel(filepath.Dir(in.main.Path), file) // both are relative, or neither
		}
		in.add(name, file)
	}
}

// add reads a file; nil where it is read already.
func (in *input) add(name, path string) *source {
	if slices.ContainsFunc(in.files, func(s *source) bool { return s.Path == path }) {
		return nil
	}
	s := &source{Included: Included{Name: name, Path: path}}
	s.parse("delete it, or write groups, calendars or schedules into it", strictyaml.ReadRegular)
	if s.opaque = s.root == nil; s.opaque {
		s.Problems = s.read
	}
	in.files = append(in.files, s)
	return s
}

// beside is a path that a file names as it is opened: relative to the file's own folder.
func beside(file, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(filepath.Dir(file), name)
}

func sameFile(a, b string) bool {
	of, err := os.Stat(a)
	with, withErr := os.Stat(b)
	return err == nil && withErr == nil && os.SameFile(of, with)
}

func isGone(path string) bool {
	_, err := os.Stat(path)
	return errors.Is(err, fs.ErrNotExist)
}

// parse reads the file by read. ifEmpty is what to do where nothing is in it.
func (s *source) parse(ifEmpty string, read func(string, int64) ([]byte, error)) {
	d := &strictyaml.Doc{File: s.Path, IfEmpty: ifEmpty}
	if data, err := read(s.Path, maxFile); err != nil {
		d.WholeFile(linkFault(s.Path, err))
	} else {
		s.root = d.Parse(data)
	}
	s.read = d.Problems()
	s.groups, s.calendars, s.Schedules = names(s.root, "groups"), names(s.root, "calendars"), names(s.root, "schedules")
}

// names are the keys of a section, whether they can be used or not.
func names(root *yaml.Node, of string) (all []string) {
	at := sectionOf(root, of)
	if at.value == nil || at.value.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(at.value.Content); i += 2 {
		all = append(all, at.value.Content[i].Value)
	}
	return all
}

// sectionOf is the first value of a key; the zero section where there is none.
func sectionOf(root *yaml.Node, key string) section {
	if root == nil || root.Kind != yaml.MappingNode {
		return section{}
	}
	for i := 0; i+1 < len(root.Content); i += 2 {
		if root.Content[i].Value == key {
			return section{root.Content[i], root.Content[i+1]}
		}
	}
	return section{}
}

// linkFault is the error of opening a file; where that is a link that leads nowhere, it says so.
func linkFault(path string, err error) error {
	to, noLink := os.Readlink(path)
	if noLink != nil || !isGone(path) {
		return err
	}
	return strictyaml.Faultf("mend the link, or delete it", "it is a link to %s, which is not there", to)
}

// mainOnly are the keys of the main file that an included one must not have.
var mainOnly = []string{"api", "batch", "accounts", "timezone", "include_files"}

// shared are the keys that all files may have, in the order in which they build on each other.
var shared = []string{"groups", "calendars", "schedules"}

// includedSections are the sections of an included file. They are nil of one that holds none.
func (l *loader) includedSections(root *yaml.Node) map[string]section {
	if strictyaml.IsEmpty(root) {
		l.Refuse(root, strictyaml.Faultf("delete the file, or write some into it", "there are no groups, calendars or schedules"))
		return nil
	}
	own := *root
	if root.Kind == yaml.MappingNode {
		own.Content = nil
		for i := 0; i+1 < len(root.Content); i += 2 {
			key, value := root.Content[i], root.Content[i+1]
			if !slices.Contains(mainOnly, key.Value) {
				own.Content = append(own.Content, key, value)
				continue
			}
			hint := "move it to " + l.config.Path
			if key.Value == "include_files" {
				hint = "name the files in " + l.config.Path
			}
			l.Refuse(key, strictyaml.Faultf(hint, "%s stands in the main file alone", key.Value))
		}
	}
	return l.sections(&own, shared)
}

// noSchedule is the problem of files that have no schedule at all, as where the folder of included
// files is a mount that is late. It is reported for the first item of include_files.
func (in *input) noSchedule(c *Config) (p Problem, none bool) {
	if !in.includes || len(c.Schedules) > 0 || slices.ContainsFunc(in.files, func(s *source) bool { return len(s.Problems) > 0 }) {
		return p, false
	}
	item := in.items[0]
	p = Problem{
		File: in.main.Path, Line: item.Line, Column: item.Column,
		Message: "include_files: there is no schedule, neither here nor in an included file", Hint: "add one, or check the path",
	}
	in.files = append(in.files, &source{Included: Included{Name: item.Value, Path: beside(in.main.Path, item.Value), Problems: []Problem{p}}})
	return p, true
}

// once refuses a name that stands in another file, too. The key is where it stands again.
func (l *loader) once(noun, name string, key *yaml.Node) bool {
	id := noun + " " + name
	if at, again := l.config.places[id]; again {
		l.Refuse(key, strictyaml.Faultf("rename one: a name stands once in all files", "the %s %s stands at %s:%d already", noun, strictyaml.Quote(name), at.file, at.line))
		return false
	}
	l.config.places[id] = place{l.File, key.Line, key.Column, l.Doc != l.files[0].doc}
	return true
}

// leaveOut marks the included files with a mistake, so that the next load goes without them. It is
// false where there is none.
func (l *loader) leaveOut() (any bool) {
	for _, f := range l.files[1:] {
		if problems := f.doc.Problems(); len(problems) > 0 {
			f.Problems, any = problems, true
		}
	}
	return any
}

// leftOutGroup adds a group that stands, or may stand, in a file that is left out. It fails at each
// run. It is false where there can be none of that name.
func (l *loader) leftOutGroup(name string) bool {
	f := l.leftOutWith(name, func(f *Included) []string { return f.groups })
	if f == nil {
		return false
	}
	g := &Group{Name: name, Account: power.DefaultAccount, leftOut: true, Problems: []Problem{f.without("group", name)}}
	l.config.groups[name] = g
	l.config.Groups = append(l.config.Groups, g)
	return true
}

// leftOutCalendar adds a calendar that stands, or may stand, in a file that is left out. It is nil
// where there can be none of that name.
func (l *loader) leftOutCalendar(name string) *calendar.Calendar {
	f := l.leftOutWith(name, func(f *Included) []string { return f.calendars })
	if f == nil {
		return nil
	}
	u := &UnreadableCalendar{
		Name: name, Problems: []Problem{f.without("calendar", name)}, leftOut: true,
		source: calendar.Source{Name: name, Now: l.now, LastRead: &calendar.FileDates{}},
	}
	c, err := calendar.New(u.source)
	if err != nil {
		return nil // an empty calendar is never refused
	}
	l.calendars[name] = c
	l.config.Calendars = append(l.config.Calendars, c)
	l.config.UnreadableCalendars = append(l.config.UnreadableCalendars, u)
	return c
}

// leftOutWith is the file left out in which a name stands, else the first in which it may; nil:
// none.
func (l *loader) leftOutWith(name string, names func(*Included) []string) *Included {
	for _, s := range l.out {
		if slices.Contains(names(&s.Included), name) {
			return &s.Included
		}
	}
	for _, s := range l.out {
		if s.opaque {
			return &s.Included
		}
	}
	return nil
}
