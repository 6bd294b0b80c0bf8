package config

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"zecpower/internal/strictyaml"
)

const oneFileGroup = `groups:
  web: {instances_file: web.txt}
schedules:
  morning: {cron: "@daily", action: start, groups: [web]}
`

// fileGroup is a loaded group whose ids stand in the file returned.
func fileGroup(t *testing.T, content string) (*Group, string) {
	t.Helper()
	path := write(t, "schedules.yaml", oneFileGroup)
	ids := filepath.Join(filepath.Dir(path), "web.txt")
	if err := os.WriteFile(ids, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return load(t, path).Groups[0], ids
}

func TestInlineIDsAreTrimmedAndKeepTheirOrder(t *testing.T) {
	ids, err := load(t, "testdata/valid/full.yaml").Groups[0].IDs()
	if want := []string{"i-0001", "i-0002", "1234567890"}; err != nil || !reflect.DeepEqual(ids, want) {
		t.Errorf("got %q, %v; want %q", ids, err, want)
	}
}

func TestInstancesFileForms(t *testing.T) {
	for name, c := range map[string]struct {
		content string
		want    []string
	}{
		"one a line":            {"a\nb\n", []string{"a", "b"}},
		"no newline at the end": {"a\nb", []string{"a", "b"}},
		"CRLF":                  {"a\r\nb\r\n", []string{"a", "b"}},
		"byte order mark":       {"\ufeffa\nb\n", []string{"a", "b"}},
		"comments and blanks":   {"# all\n\na # first\n\t b\t# second\n#c\n", []string{"a", "b"}},
		"repeated":              {"a\nb\na\n", []string{"a", "b", "a"}},
		"an id of digits":       {"0123\n", []string{"0123"}},
	} {
		t.Run(name, func(t *testing.T) {
			g, _ := fileGroup(t, c.content)
			ids, err := g.IDs()
			if err != nil || !reflect.DeepEqual(ids, c.want) || g.Size != len(c.want) {
				t.Errorf("got %q (size %d), %v; want %q", ids, g.Size, err, c.want)
			}
		})
	}
}

func TestInstancesFileIsReadAgainAtEachRun(t *testing.T) {
	g, path := fileGroup(t, "a\n")
	if err := os.WriteFile(path, []byte("b\nc\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if ids, err := g.IDs(); err != nil || !reflect.DeepEqual(ids, []string{"b", "c"}) {
		t.Errorf("got %q, %v", ids, err)
	}
}

func TestInstancesFileThatWentBadFailsTheRunWithItsPlace(t *testing.T) {
	for name, c := range map[string]struct {
		damage func(path string) error
		want   string
	}{
		"a bad line":   {func(p string) error { return os.WriteFile(p, []byte("a\n  b c # d\n"), 0o644) }, `:2:3: "b c" is not an instance id`},
		"emptied":      {func(p string) error { return os.WriteFile(p, nil, 0o644) }, ": there is no instance id in the file (write one a line)"},
		"removed":      {os.Remove, ": there is no such file (check the path)"},
		"now a folder": {func(p string) error { return errors.Join(os.Remove(p), os.Mkdir(p, 0o755)) }, ": is a directory, not a file"},
	} {
		t.Run(name, func(t *testing.T) {
			g, path := fileGroup(t, "a\n")
			if err := c.damage(path); err != nil {
				t.Fatal(err)
			}
			ids, err := g.IDs()
			var invalid *Invalid
			if ids != nil || !errors.As(err, &invalid) || !strings.HasPrefix(err.Error(), path+c.want) {
				t.Errorf("got %q, %v; want %s", ids, err, path+c.want)
			}
		})
	}
}

func TestAFileThatTwoGroupsShareIsReportedOnce(t *testing.T) {
	path := write(t, "schedules.yaml", strings.Replace(oneFileGroup, "schedules:", "  db: {instances_file: web.txt}\nschedules:", 1))
	if err := os.WriteFile(filepath.Join(filepath.Dir(path), "web.txt"), []byte("a b\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	var invalid *Invalid
	if _, err := LoadAt(path, present); !errors.As(err, &invalid) || len(invalid.Problems) != 1 {
		t.Errorf("got %v", err)
	}
}

// The story: an export's header line, such as instanceId, stays in the file of ids. It is named as a
// header, and does not end as not_found at every run.
func TestTheHeadingOfAColumnIsNamedAsOne(t *testing.T) {
	const column, table = ` is the heading of a column, not an instance id (delete the line)`,
		` is the header of a table, not an instance id (delete the line, and keep only the column of ids, one id a line)`
	for content, want := range map[string]string{
		"instanceId\ni-1\n":                      `:1:1: "instanceId"` + column,
		"\ufeff# export\n\n  instance_id\ni-1\n": `:3:3: "instance_id"` + column,
		"ID\r\ni-1\r\n":                          `:1:1: "ID"` + column,
		"instances:\ni-1\n":                      `:1:1: "instances:"` + column,
		"Instance ID # of web\ni-1\n":            `:1:1: "Instance ID"` + column,
		`"InstanceId"` + "\ni-1\n":               `:1:1: "\"InstanceId\""` + column,
		"i-1\nid\ni-2\n":                         `:2:1: "id"` + column, // two exports, one behind the other
		"instanceId,name\n":                      `:1:1: "instanceId,name"` + table,
		`"Instance-Id";"Name"` + "\n":            `:1:1: "\"Instance-Id\";\"Name\""` + table,
		"id\tname\n":                             `:1:1: "id\tname"` + table,
	} {
		path := write(t, "schedules.yaml", oneFileGroup)
		file := filepath.Join(filepath.Dir(path), "web.txt")
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(path); err == nil || err.Error() != file+want {
			t.Errorf("%q: got %v, want %s", content, err, file+want)
		}
	}
}

func TestIDsThatResembleAHeadingAreTaken(t *testing.T) {
	g, _ := fileGroup(t, "id-1\ninstance-7\nids.web.1\nuuid0\n")
	if ids, err := g.IDs(); err != nil || len(ids) != 4 {
		t.Errorf("got %q, %v", ids, err)
	}
}

// twoFileGroups is a sound group beside one whose file is about to be damaged.
const twoFileGroups = `groups:
  web: {instances_file: web.txt}
  db: {instances: [i-1]}
schedules:
  morning: {cron: "@daily", action: start, groups: [web, db]}
`

func TestAnUnusableInstancesFileRefusesItsGroupAloneWherePowerIsAtStake(t *testing.T) {
	for name, c := range map[string]struct {
		damage func(path string) error
		want   string // DIR stands for the folder
	}{
		"missing":    {func(string) error { return nil }, "DIR/schedules.yaml:2:25: groups.web.instances_file: DIR/web.txt: there is no such file (check the path)"},
		"a folder":   {func(p string) error { return os.Mkdir(p, 0o755) }, "DIR/schedules.yaml:2:25: groups.web.instances_file: DIR/web.txt: is a directory, not a file (name a file in it)"},
		"a bad line": {func(p string) error { return os.WriteFile(p, []byte("i-2\ni 3\n"), 0o644) }, `DIR/web.txt:2:1: "i 3" is not an instance id (one id a line or list item: letters, digits and - _ . : only)`},
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, "schedules.yaml", twoFileGroups)
			dir := filepath.Dir(path)
			if err := c.damage(filepath.Join(dir, "web.txt")); err != nil {
				t.Fatal(err)
			}
			want := strings.ReplaceAll(c.want, "DIR", dir)
			if _, err := Load(path); err == nil || err.Error() != want {
				t.Errorf("Load: %v, want %s", err, want)
			}
			cfg, err := LoadRunnable(path)
			if err != nil {
				t.Fatal(err)
			}
			if len(cfg.Unreadable) != 1 || cfg.Unreadable[0].String() != want || !reflect.DeepEqual(cfg.UnreadableGroups(), []string{"web"}) {
				t.Errorf("%v of %q, want %s of web", cfg.Unreadable, cfg.UnreadableGroups(), want)
			}
			if ids, err := cfg.Groups[1].IDs(); err != nil || len(ids) != 1 {
				t.Errorf("the sound group: %q, %v", ids, err)
			}
			if !reflect.DeepEqual(cfg.Files, []string{path, filepath.Join(dir, "web.txt")}) {
				t.Errorf("%q: the file is not watched, so its return would go unnoticed", cfg.Files)
			}
		})
	}
}

func TestAMistakeOfTheConfigurationItselfIsReportedWithThoseOfItsFiles(t *testing.T) {
	path := write(t, "schedules.yaml", strings.Replace(twoFileGroups, "@daily", "99 0 * * *", 1))
	cfg, err := LoadRunnable(path)
	var invalid *Invalid
	if cfg != nil || !errors.As(err, &invalid) || len(invalid.Problems) != 2 || invalid.Problems[0].Line != 2 || invalid.Problems[1].Line != 5 {
		t.Errorf("got %v, want the missing file and then the cron", err)
	}
}

func TestEveryGroupOfASharedFileThatIsUnusableIsNamed(t *testing.T) {
	path := write(t, "schedules.yaml", strings.Replace(oneFileGroup, "schedules:", "  db: {instances_file: web.txt}\nschedules:", 1))
	if err := os.WriteFile(filepath.Join(filepath.Dir(path), "web.txt"), []byte("a b\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	cfg, err := LoadRunnable(path)
	if err != nil || len(cfg.Unreadable) != 1 || !reflect.DeepEqual(cfg.UnreadableGroups(), []string{"web", "db"}) {
		t.Errorf("%+v, %v, want one mistake of both groups", cfg, err)
	}
}

func FuzzParseIDsYieldsOnlyIDs(f *testing.F) {
	f.Add([]byte("i-000001\r\n# c\n i-2 # d"))
	f.Add([]byte("\ufeffa,b\n\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		doc := &strictyaml.Doc{File: "f"}
		ids := parseIDs(doc, data)
		for _, id := range ids {
			if err := CheckID(id); err != nil {
				t.Error(err)
			}
		}
		if len(ids) == 0 && doc.Err() == nil {
			t.Error("neither ids nor an error")
		}
		for _, p := range doc.Problems() {
			if strings.ContainsAny(p.String(), "\n\r") {
				t.Errorf("a problem of several lines: %q", p.String())
			}
		}
	})
}
