package bolt

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A file that is moved away is noticed by the next write, and what follows goes to what is in its
// place: nothing, the same file again, or another one.
func TestFileThatIsMovedAwayIsNoticedAndReplaced(t *testing.T) {
	for name, tc := range map[string]struct {
		restore  bool
		recorded int // runs that are there once it is over
	}{"gone for good": {false, 2}, "put back": {true, 3}} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, FileName)
			synctest.Test(t, func(t *testing.T) {
				var warned []string
				l := open(t, dir, func(c *Config) { c.Warn = func(m string, _ error) { warned = append(warned, m) } })
				defer func() { must(t, l.Close()) }()
				decide(t, l, runAt(morning))
				must(t, os.Rename(path, path+".away"))
				lost := roundOf(runAt(morning.Add(time.Hour)))
				for range 3 { // it is reported once
					if _, err := l.Claim(bg, lost); err == nil || !strings.Contains(err.Error(), "put it back") {
						t.Errorf("got %v", err)
					}
				}
				if len(warned) != 1 || l.Trouble() == nil {
					t.Errorf("warned %q, trouble %v", warned, l.Trouble())
				}
				if tc.restore {
					must(t, os.Rename(path+".away", path))
				}
				time.Sleep(reopenEvery)
				_, err := l.Claim(bg, lost)
				must(t, err)
				decide(t, l, runAt(morning.Add(2*time.Hour)))
				if n := len(load(t, l).Unfinished); n != tc.recorded || l.Trouble() != nil || len(warned) != 2 {
					t.Errorf("%d runs, want %d; trouble %v, warned %q", n, tc.recorded, l.Trouble(), warned)
				}
			})
		})
	}
}

func TestFileThatIsReplacedIsNoticed(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir)
	path := filepath.Join(dir, FileName)
	decide(t, l, runAt(morning))
	data, err := os.ReadFile(path)
	must(t, err)
	must(t, os.WriteFile(path+".copy", data, 0o600))
	must(t, os.Rename(path+".copy", path))
	if _, err := l.Claim(bg, roundOf(runAt(morning.Add(time.Hour)))); err == nil {
		t.Error("a write to a file that was replaced passed")
	}
}
