package logging

import (
	"fmt"
	"io"
	"sync"
	"time"
)

const (
	// steadyWait is how long one line may hold its caller up. A reader of standard error that is
	// stuck costs each caller so much once, and nothing while it stays stuck.
	steadyWait = 250 * time.Millisecond
	// steadyBytes bounds the lines that wait for a stuck reader; further ones are dropped and counted.
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
	stuck   bool // some line was not written in time; callers do not wait
	writing bool // the goroutine runs
}

type line struct {
	text []byte
	done chan struct{} // closed once it is written
}

// Write queues a copy of p and waits for it to be written, within bounds. It always reports success:
// there is no other place to report that the log cannot be written.
func (s *steady) Write(p []byte) (int, error) {
	l := line{append([]byte(nil), p...), make(chan struct{})}
	if !s.add(l) {
		return len(p), nil
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
	return len(p), nil
}

// add queues l and reports whether its caller is to wait for it.
func (s *steady) add(l line) (wait bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stuck && s.bytes+len(l.text) > steadyBytes {
		s.dropped++
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
		text := fmt.Appendf(nil, "%d lines of the log were dropped: the reader of standard error was stuck\n", s.dropped)
		s.queue, s.bytes, s.dropped = append(s.queue, line{text, make(chan struct{})}), len(text), 0
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
