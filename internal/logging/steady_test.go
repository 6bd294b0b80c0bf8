package logging

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// stuckReader accepts nothing until it is released.
type stuckReader struct {
	mu       sync.Mutex
	out      bytes.Buffer
	released chan struct{}
}

func (r *stuckReader) Write(p []byte) (int, error) {
	<-r.released
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.out.Write(p)
}

func (r *stuckReader) text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.out.String()
}

func TestStuckReaderHoldsNoCallerUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reader := &stuckReader{released: make(chan struct{})}
		s := &steady{out: reader}
		begun := time.Now()
		for i := range 1000 {
			_, _ = fmt.Fprintf(s, "line %d\n", i)
		}
		if took := time.Since(begun); took > steadyWait {
			t.Errorf("1,000 lines took %s, want one wait of %s", took, steadyWait)
		}
		close(reader.released)
		synctest.Wait()
		lines := strings.Split(strings.TrimSpace(reader.text()), "\n")
		if len(lines) != 1000 || lines[0] != "line 0" || lines[999] != "line 999" {
			t.Errorf("%d lines, from %q to %q", len(lines), lines[0], lines[len(lines)-1])
		}
		begun = time.Now()
		_, _ = fmt.Fprintln(s, "after")
		if took := time.Since(begun); took != 0 || !strings.HasSuffix(reader.text(), "after\n") {
			t.Errorf("a line for a reader that keeps up took %s; the log ends with %q", took, reader.text()[len(reader.text())-20:])
		}
	})
}

func TestWhatAStuckReaderCostsIsBoundedAndCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reader := &stuckReader{released: make(chan struct{})}
		s := &steady{out: reader}
		long := strings.Repeat("x", 1<<16) + "\n"
		const lines = 2 * steadyBytes >> 16
		for range lines {
			_, _ = s.Write([]byte(long))
		}
		if s.bytes > steadyBytes {
			t.Errorf("%d bytes wait, at most %d may", s.bytes, steadyBytes)
		}
		close(reader.released)
		synctest.Wait()
		kept := strings.Count(reader.text(), long)
		if want := fmt.Sprintf("%d lines of the log were dropped", lines-kept); kept == lines || !strings.Contains(reader.text(), want) {
			t.Errorf("%d of %d lines kept; the log does not say %q", kept, lines, want)
		}
	})
}

// Of what a stuck reader costs, single instances go first, and the ends of runs never.
func TestWhatAStuckReaderNeverMisses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reader := &stuckReader{released: make(chan struct{})}
		s := &steady{out: reader}
		weights := map[weight]string{single: "single", ordinary: "ordinary", kept: "kept"}
		const each = steadyBytes >> 16
		for range each {
			for w, name := range weights {
				_ = s.writeLine([]byte(name+strings.Repeat("x", 1<<16)+"\n"), w)
			}
		}
		close(reader.released)
		synctest.Wait()
		got := map[string]int{}
		for w, name := range weights {
			got[name] = strings.Count(reader.text(), name+"x")
			if w == kept && got[name] != each {
				t.Errorf("%d of %d lines that must be kept came", got[name], each)
			}
		}
		if got["single"] == 0 || got["single"] >= got["ordinary"] || got["ordinary"] == each {
			t.Errorf("of %d each: %v; want fewer single lines than ordinary ones", each, got)
		}
		if want := fmt.Sprintf("%d of them about single instances", each-got["single"]); !strings.Contains(reader.text(), want) {
			t.Errorf("the log does not say %q", want)
		}
	})
}
