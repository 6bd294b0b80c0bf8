package event

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
