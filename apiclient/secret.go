package apiclient

import (
	"fmt"
	"unique"
)

// redacted stands wherever a secret would have been printed.
const redacted = "[redacted]"

// Secret is a value that must not be seen: whatever prints, logs or encodes it
// shows "[redacted]". The zero value is no secret at all. Two Secrets are equal
// (==) when their values are.
type Secret struct {
	// A handle rather than a string: fmt does not ask the methods of a field
	// that is not exported, and would print a string that it finds there.
	value unique.Handle[string]
}

// NewSecret wraps s.
func NewSecret(s string) Secret {
	if s == "" {
		return Secret{}
	}
	return Secret{value: unique.Make(s)}
}

// Reveal returns the value itself, for signing and for nothing else.
func (s Secret) Reveal() string {
	if s.IsZero() {
		return ""
	}
	return s.value.Value()
}

// IsZero reports whether there is no value.
func (s Secret) IsZero() bool { return s == Secret{} }

// String implements fmt.Stringer without the value.
func (s Secret) String() string { return redacted }

// Format covers every verb of package fmt, %#v and %d among them.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// MarshalText covers JSON, YAML and structured loggers.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
