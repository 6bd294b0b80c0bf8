package event

import (
	"fmt"
	"runtime/debug"
)

// Listener receives events. It must be quick and safe for concurrent use.
type Listener interface {
	Receive(e Event)
}

// Func is a function that listens.
type Func func(e Event)

// Receive implements Listener.
func (f Func) Receive(e Event) { f(e) }

// Stream passes events to its listeners, in order.
type Stream []Listener

// Emit passes e on. A panic of a listener does not keep the others from e. It goes on to the emitter,
// which decides what it costs.
func (s Stream) Emit(e Event) {
	if len(s) == 0 {
		return
	}
	defer s[1:].Emit(e) // deferred: it is called while the first listener's panic passes, too
	s[0].Receive(e)
}

// Receive implements Listener: a stream may be one of another's.
func (s Stream) Receive(e Event) { s.Emit(e) }

// Guarded returns emit without its panics: one ends that call alone, because a bug in a metric or a
// log line must not keep a fleet off. It is reported as an InternalError, once: one that meets it
// again has no one left to be reported to. from names the emitter.
func Guarded(emit func(Event), from string) func(Event) {
	report := func(v any, stack []byte) {
		defer func() { _ = recover() }()
		emit(InternalError{Err: fmt.Errorf("a panic in a listener to %s: %v", from, v), Stack: stack})
	}
	return func(e Event) {
		defer func() {
			if v := recover(); v != nil {
				report(v, debug.Stack())
			}
		}()
		emit(e)
	}
}
