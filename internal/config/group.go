package config

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"zecpower/internal/members"
	"zecpower/internal/power"
	"zecpower/internal/strictyaml"
)

// Group is a named set of instances.
type Group struct {
	// Name is unique in the configuration.
	Name string

	// Account is the name of its account, one of Config.Accounts.
	Account string

	// File is the instances_file as it is opened; empty where the ids stand in the configuration
	// itself.
	File string

	// Size is the number of ids that Load saw, repeated ones included.
	Size int

	// Problems are why Load could not read the ids; empty where it could. IDs reads File anew.
	Problems []Problem

	// Guard bounds its newcomers; nil where its ids stand in the configuration itself.
	Guard *Guard

	selects bool          // it has a selector
	rules   members.Rules // with the ids that stand in the configuration
	leftOut bool          // it stands in an included file that is left out, as Problems say
}

// IDs are the instance ids that the group names, less those that it excludes by id, in their order,
// trimmed; one that is listed twice is there twice. They are its members unless it Selects. An
// instances_file is read again at each call, so that a run sees what stands
// there now; the error is an *Invalid with the file's bad lines, or says which file of the
// configuration is left out. The caller must not change the slice.
func (g *Group) IDs() ([]string, error) {
	ids, err := g.read()
	if err != nil || len(g.rules.Exclude.Instances) == 0 {
		return ids, err
	}
	out := make(map[string]bool, len(g.rules.Exclude.Instances))
	for _, id := range g.rules.Exclude.Instances {
		out[id] = true
	}
	left := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return out[id] })
	if len(left) == 0 {
		return nil, fmt.Errorf("group %s: exclude leaves none of its %d instances: take some out of there", g.Name, len(ids))
	}
	return left, nil
}

// read reads the ids that it names, excluded ones too.
func (g *Group) read() ([]string, error) {
	if g.leftOut {
		return nil, &Invalid{Problems: g.Problems}
	}
	if g.File == "" {
		return g.rules.Instances, nil
	}
	ids, problems := readIDs(g.File)
	if len(problems) > 0 {
		return nil, &Invalid{Problems: problems}
	}
	return ids, nil
}

func (l *loader) groups(key, value *yaml.Node) {
	l.Names(value, func(name string, key, value *yaml.Node) {
		g := &Group{Name: name, Account: power.DefaultAccount}
		if l.once("group", name, key) {
			l.names.groups = append(l.names.groups, name)
			l.config.groups[name] = g
			l.config.Groups = append(l.config.Groups, g)
		}
		l.group(g, key, value)
	})
	l.needSome(key, value, "group")
}

// needSome refuses a section that holds nothing. One with broken entries has had its problems
// reported.
func (l *loader) needSome(key, value *yaml.Node, noun string) {
	if !strictyaml.IsEmpty(value) {
		return
	}
	hint := "add at least one"
	if l.including { // the others may have some
		hint += ", or take the key out"
	}
	l.Refuse(key, strictyaml.Faultf(hint, "there is no %s", noun))
}

func (l *loader) group(g *Group, key, value *yaml.Node) {
	var file string
	guard, change := Guard{StartChange: defaultStartChange, StopChange: defaultStopChange}, -1
	keys := l.guardKeys(&guard, &change)
	keys["account"] = l.accountName(g)
	keys["selector"] = l.selector(g)
	keys["instances"] = l.List(l.instanceID(&g.rules.Instances))
	keys["instances_file"] = strictyaml.Value(l.Doc, &file, "a file name", notEmpty)
	keys["exclude"] = l.exclude(g)
	var given map[string]*yaml.Node
	sound := l.Sound(func() { given = l.Mapping(key, value, keys) })
	l.checkSelection(g, guard, change, given)
	if sound && g.Selects() && file == "" {
		if _, err := g.Rules(); err != nil {
			l.Refuse(key, err)
		}
	}
	inline, fromFile := given["instances"], given["instances_file"]
	switch {
	case inline != nil && fromFile != nil:
		l.Refuse(fromFile, strictyaml.Faultf("keep one", "a group has instances or an instances_file, not both"))
	case inline != nil:
		g.Size = len(g.rules.Instances)
		l.warnRepeated(inline, g.rules.Instances)
		if _, err := g.IDs(); err != nil && g.Size > 0 && !g.selects {
			l.Refuse(given["exclude"], strictyaml.Faultf("take some out of there", "none of the group's %d instances is left", g.Size))
		}
	case file != "":
		l.groupFile(g, file, fromFile)
	case given["selector"] != nil || fromFile != nil: // a file name that is refused
	case strictyaml.IsEmpty(value) || len(given) > 0:
		l.Refuse(key, strictyaml.Faultf("add instances: [id, …], instances_file: FILE, or a selector", "the group has no instances"))
	}
}

// instanceID reads an item that is an instance's id.
func (l *loader) instanceID(dst *[]string) func(*yaml.Node) {
	return func(item *yaml.Node) {
		text, ok := l.Item(item)
		if !ok {
			return
		}
		id := strings.TrimSpace(text)
		if err := CheckID(id); err != nil {
			l.Refuse(item, err)
			return
		}
		*dst = append(*dst, id)
	}
}

func (l *loader) groupFile(g *Group, name string, at *yaml.Node) {
	g.File = l.watched(name)
	f, again := l.idFiles[g.File]
	if !again {
		f.ids, f.problems = readIDs(g.File)
		l.idFiles[g.File] = f
	}
	g.Problems = f.problems
	switch {
	case len(f.problems) == 1 && f.problems[0].Line == 0:
		// The file as a whole is the problem: say so where it is named, because the name may be what is
		// wrong.
		l.In("instances_file", func() {
			p := l.ProblemAt(at, strictyaml.Faultf(f.problems[0].Hint, "%s: %s", g.File, f.problems[0].Message))
			g.Problems, l.unreadable = []Problem{p}, append(l.unreadable, p)
		})
	case !again:
		l.unreadable = append(l.unreadable, f.problems...)
	}
	g.Size = len(f.ids)
	l.warnRepeated(at, f.ids)
}

// idFile is what Load found in an instances_file.
type idFile struct {
	ids      []string
	problems []Problem
}

func (l *loader) warnRepeated(at *yaml.Node, ids []string) {
	seen := make(map[string]struct{}, len(ids))
	var first string
	for _, id := range ids {
		if _, again := seen[id]; again && first == "" {
			first = id
		}
		seen[id] = struct{}{}
	}
	if n := len(ids) - len(seen); n > 0 {
		l.Warn(at, strictyaml.Faultf("each instance is powered once", "%d of %d instance ids are repeated, %s first", n, len(ids), first))
	}
}

// readIDs reads an instances_file: one id a line, blank lines and # comments left out.
func readIDs(path string) ([]string, []Problem) {
	doc := &strictyaml.Doc{File: path}
	data, err := strictyaml.ReadFile(path, maxFile)
	if err != nil {
		doc.WholeFile(err)
		return nil, doc.Problems()
	}
	return parseIDs(doc, data), doc.Problems()
}

// maxBadLines is how many bad lines of one file are shown: a wrong file is bad in all of them.
const maxBadLines = 10

func parseIDs(doc *strictyaml.Doc, data []byte) []string {
	text, ok := doc.Text(data)
	if !ok {
		return nil
	}
	ids := make([]string, 0, strings.Count(text, "\n")+1)
	bad, omitted := 0, 0 // how many bad lines, and the first that is not shown
	for number := 1; text != ""; number++ {
		var line string
		line, text, _ = strings.Cut(text, "\n")
		id := strings.TrimSpace(withoutComment(line))
		if id == "" {
			continue
		}
		if err := checkLine(id); err == nil {
			ids = append(ids, id)
		} else if bad++; bad <= maxBadLines {
			doc.RefuseAt(number, utf8.RuneCountInString(line[:strings.Index(line, id)])+1, err)
		} else if omitted == 0 {
			omitted = number
		}
	}
	switch {
	case omitted > 0:
		doc.RefuseAt(omitted, 1, strictyaml.Faultf("is this the right file?", "from here on, %d more lines are not instance ids", bad-maxBadLines))
	case bad == 0 && len(ids) == 0:
		doc.WholeFile(strictyaml.Faultf("write one a line", "there is no instance id in the file"))
	}
	return ids
}

// checkLine checks a line of an instances_file. A column's heading, which an export puts on top and
// which would pass as an id, would be not_found at each run.
func checkLine(text string) error {
	err := CheckID(text)
	end := -1
	if err != nil { // an id has none of these, and a file may have a million of them
		end = strings.IndexAny(text, ",;|\t")
	}
	if end < 0 && isHeading(text) {
		return strictyaml.Faultf("delete the line", "%s is the heading of a column, not an instance id", strictyaml.Quote(text))
	}
	if end >= 0 && isHeading(text[:end]) {
		return strictyaml.Faultf("delete the line, and keep only the column of ids, one id a line", "%s is the header of a table, not an instance id", strictyaml.Quote(text))
	}
	return err
}

// isHeading reports whether text is what exports and tools call a column of ids, however it is
// spelt and quoted.
func isHeading(text string) bool {
	const longest = 40                                              // of any spelling
	if len(text) > longest || strings.ContainsFunc(text, isDigit) { // almost every id has a digit
		return false
	}
	plain := strings.Map(func(c rune) rune {
		if strings.ContainsRune("\"'` _-.:", c) {
			return -1
		}
		return c
	}, strings.ToLower(text))
	switch plain {
	case "id", "ids", "instanceid", "instanceids", "instance", "instances", "zecinstanceid", "vmid", "vmids", "serverid", "resourceid", "uuid":
		return true
	}
	return false
}

func isDigit(c rune) bool { return c >= '0' && c <= '9' }

// withoutComment cuts at a # that starts the line or follows a space, as in YAML.
func withoutComment(line string) string {
	for from := 0; ; {
		next := strings.IndexByte(line[from:], '#')
		if next < 0 {
			return line
		}
		i := from + next
		if i == 0 || line[i-1] == ' ' || line[i-1] == '\t' {
			return line[:i]
		}
		from = i + 1
	}
}

// maxID is more than twice what the cloud gives out.
const maxID = 64

// CheckID refuses what is certainly not an id, such as a list on one line or a pasted table.
// Whether an instance exists is for the API to say.
func CheckID(id string) error {
	switch {
	case id == "":
		return strictyaml.Faultf("write an id, or take it out", "the instance id is empty")
	case len(id) > maxID:
		return strictyaml.Faultf(fmt.Sprintf("an id has at most %d characters", maxID), "%s is too long for an instance id", strictyaml.Quote(id))
	}
	for _, c := range []byte(id) {
		if !isIDByte(c) {
			return strictyaml.Faultf("one id a line or list item: letters, digits and - _ . : only", "%s is not an instance id", strictyaml.Quote(id))
		}
	}
	return nil
}

func isIDByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-_.:", c) >= 0
}

func notEmpty(text string) (string, error) {
	if strings.TrimSpace(text) == "" || strings.ContainsRune(text, 0) {
		return "", strictyaml.Faultf("the path is relative to the folder of this file", "the file name is empty")
	}
	return text, nil
}
