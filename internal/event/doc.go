// Package event has what happens in a process, and the stream that passes it on.
//
// Contract. An [Event] is a value: no one changes it, or what it refers to, once it is emitted. Each
// kind is a type of its own, which also says how it reads in the log. So a new kind is one new type,
// and a call where it happens; a listener that counts or shows it adds a case.
//
// A [Stream] passes each event to its listeners in the caller's goroutine, in order. Events of one
// run come in the order in which they happened; those of different runs come from different
// goroutines at the same time. A listener must be quick and safe for concurrent use. A slow one
// stands behind a [Queue], which never makes an emitter wait: while its listener is stuck it drops
// progress first, then outcomes of single instances, and counts these. It never drops anything else.
//
// The messages and keys of the log are a contract with scripts that read it.
package event
