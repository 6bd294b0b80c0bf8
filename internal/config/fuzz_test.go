package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzLoadNeverPanics also holds each result against what callers rely on.
func FuzzLoadNeverPanics(f *testing.F) {
	for _, folder := range []string{"valid", "invalid"} {
		files, err := filepath.Glob(filepath.Join("testdata", folder, "*.yaml"))
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	path := filepath.Join(f.TempDir(), "schedules.yaml")
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := LoadAt(path, present)
		if err == nil {
			checkLoaded(t, c)
			return
		}
		var invalid *Invalid
		if !errors.As(err, &invalid) || len(invalid.Problems) == 0 {
			t.Fatalf("not an *Invalid with problems: %v", err)
		}
		for _, p := range invalid.Problems {
			if p.Message == "" || strings.ContainsAny(p.String(), "\n\r") || p.Line < 0 || p.Line > 0 && p.Column < 1 {
				t.Errorf("a problem without a message or place, or of several lines: %+v", p)
			}
		}
	})
}

func checkLoaded(t *testing.T, c *Config) {
	t.Helper()
	if len(c.Groups) == 0 || len(c.Schedules) == 0 {
		t.Error("nothing to do, but no error")
	}
	for i := range c.Schedules {
		s := &c.Schedules[i]
		if err := s.Validate(); err != nil {
			t.Error(err)
		}
		for _, name := range s.Groups {
			if _, err := c.Group(name); err != nil {
				t.Error(err)
			}
		}
	}
}
