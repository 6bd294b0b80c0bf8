package event

import (
	"iter"
	"time"
)

// CredentialsRejected says that the refusal of the credentials is final for a run. It comes once a
// run and account at most.
type CredentialsRejected struct {
	Account string
	Run     Run
	Refusal Refusal
}

// Lines implements Event.
func (e CredentialsRejected) Lines() iter.Seq[Line] {
	fields := append([]Field{{"account", e.Account}}, e.Run.fields()...)
	return lines(Line{Level: Error, Message: "credentials rejected", Fields: append(fields, e.Refusal.fields()...)})
}

// CredentialsAccepted says that a reply of the API accepted the credentials. It comes with each.
type CredentialsAccepted struct {
	silent
	Account string
	At      time.Time
}

// CredentialsMissing says that an account of the configuration in use has no credential: its groups
// fail at each run, the others go on.
type CredentialsMissing struct {
	Account string
	Err     error // where was searched, and the remedy
}

// Lines implements Event.
func (e CredentialsMissing) Lines() iter.Seq[Line] {
	return lines(Line{Level: Error, Message: "credentials missing", Fields: []Field{{"account", e.Account}, {"error", text(e.Err)}}})
}

// CredentialsReplaced says that runs which begin now use others, which no reply has accepted so far.
type CredentialsReplaced struct {
	Account string
	Source  string // where they are; never a secret
}

// Lines implements Event.
func (e CredentialsReplaced) Lines() iter.Seq[Line] {
	return lines(Line{Level: Info, Message: "credentials replaced", Fields: []Field{{"account", e.Account}, {"source", e.Source}}})
}

// Blocked says that the network in front of the API begins to refuse this host.
type Blocked struct {
	Account string
	Refusal Refusal // that showed it
}

// Lines implements Event.
func (e Blocked) Lines() iter.Seq[Line] {
	return lines(Line{Level: Error, Message: "blocked", Fields: append([]Field{{"account", e.Account}}, e.Refusal.fields()...)})
}

// BlockedEnded says that the API answers again.
type BlockedEnded struct {
	Account string
	Lasted  time.Duration
}

// Lines implements Event.
func (e BlockedEnded) Lines() iter.Seq[Line] {
	return lines(Line{Level: Info, Message: "blocked", Fields: []Field{{"account", e.Account}, {"ended", true}, {"duration_seconds", seconds(e.Lasted)}}})
}

// InternalError is a bug: a panic that ended one run, one request, or one call.
type InternalError struct {
	Err   error
	Stack []byte
}

// Lines implements Event.
func (e InternalError) Lines() iter.Seq[Line] {
	return lines(Line{Level: Error, Message: "internal error", Fields: []Field{{"error", text(e.Err)}, {"stack", string(e.Stack)}}})
}
