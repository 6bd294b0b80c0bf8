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

func FuzzParseIDsYieldsOnlyIDs(f *testing.F) {
	f.Add([]byte("i-000001\r\n# c\n i-2 # d"))
	f.Add([]byte("\ufeffa,b\n\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		doc := &strictyaml.Doc{File: "f"}
		ids := parseIDs(doc, data)
		for _, id := range ids {
			if err := checkID(id); err != nil {
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
