package logging

import (
	"fmt"
	"io"
	"math"
	"sync"
	"time"
)

const (
	// steadyWait is how long one line may hold its caller up. A reader of standard error that is
	// stuck costs each caller so much once, and nothing while it stays stuck.
	steadyWait = 250 * time.Millisecond
	// steadyBytes bounds the lines that wait for a stuck reader; further ones are dropped and counted.
	// Lines about single instances have half of it, and those that must be kept have no bound: a run
	// has one for each group.
	steadyBytes = 4 << 20
)

// steady writes lines in order without letting a stuck reader stop its callers: a decision loop that
// cannot log must still power fleets on. While the reader keeps up, Write returns once its line is
// written. The goroutine that writes ends with the process: nothing can interrupt a write to a pipe
// whose reader is stuck. Steady is safe for concurrent use.
type steady struct {
	out io.Writer

	mu      sync.Mutex // guards all below
	queue   []line
	bytes   int  // in queue
	dropped int  // lines since the reader got stuck
	singles int  // of them, those about single instances
	stuck   bool // some line was not written in time; callers do not wait
	writing bool // the goroutine runs
}

type line struct {
	text []byte
	done chan struct{} // closed once it is written
}

// Write implements io.Writer.
func (s *steady) Write(p []byte) (int, error) { return len(p), s.writeLine(p, ordinary) }

// writeLine queues a copy of p and waits for it to be written, within bounds. It always reports
// success: there is no other place to report that the log cannot be written.
func (s *steady) writeLine(p []byte, w weight) error {
	l := line{append([]byte(nil), p...), make(chan struct{})}
	if !s.add(l, w) {
		return nil
	}
	timer := time.NewTimer(steadyWait)
	defer timer.Stop()
	select {
	case <-l.done:
	case <-timer.C:
		s.mu.Lock()
		s.stuck = s.writing
		s.mu.Unlock()
	}
	return nil
}

// add queues l and reports whether its caller is to wait for it.
func (s *steady) add(l line, w weight) (wait bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stuck && s.bytes+len(l.text) > room(w) {
		s.dropped++
		if w == single {
			s.singles++
		}
		return false
	}
	s.queue = append(s.queue, l)
	s.bytes += len(l.text)
	if !s.writing {
		s.writing = true
		go s.drain()
	}
	return !s.stuck
}

// room is how many bytes may wait beside a line of a weight.
func room(w weight) int {
	switch w {
	case single:
		return steadyBytes / 2
	case kept:
		return math.MaxInt
	}
	return steadyBytes
}

// drain writes until nothing is left.
func (s *steady) drain() {
	for {
		l, ok := s.next()
		if !ok {
			return
		}
		_, _ = s.out.Write(l.text) // see Write
		close(l.done)
	}
}

// next takes the first line. Once a stuck reader has caught up, it reports what was dropped.
func (s *steady) next() (line, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 && s.dropped > 0 {
		text := fmt.Appendf(nil, "%d lines of the log were dropped, %d of them about single instances: the reader of standard error was stuck\n", s.dropped, s.singles)
		s.queue, s.bytes, s.dropped, s.singles = append(s.queue, line{text, make(chan struct{})}), len(text), 0, 0
	}
	if len(s.queue) == 0 {
		s.writing, s.stuck = false, false
		return line{}, false
	}
	l := s.queue[0]
	s.queue = s.queue[1:]
	s.bytes -= len(l.text)
	return l, true
}
