package batcher

import (
	"fmt"
	"runtime/debug"
)

// PanicError is a panic that ended one piece of work, and nothing else.
type PanicError struct {
	Where string // what was called
	Value any
	Stack []byte
}

// Error implements error.
func (e *PanicError) Error() string { return fmt.Sprintf("a panic in %s: %v", e.Where, e.Value) }

// catch calls f and returns its panic, nil where there was none.
func catch(where string, f func()) (p *PanicError) {
	defer func() {
		if v := recover(); v != nil {
			p = &PanicError{Where: where, Value: v, Stack: debug.Stack()}
		}
	}()
	f()
	return nil
}
