package apiclient

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Code is the API's own error code. Codes outside the constants are legal.
type Code string

// The codes that this project acts on or simulates.
const (
	// CodeInstanceNotFound: some instance of the request does not exist.
	CodeInstanceNotFound Code = "INVALID_INSTANCE_NOT_FOUND"
	// CodeResourceNotFound says the same in other words.
	CodeResourceNotFound Code = "OPERATION_FAILED_RESOURCE_NOT_FOUND"
	// CodeInstanceRecycled: some instance is in the recycle bin.
	CodeInstanceRecycled Code = "OPERATION_DENIED_INSTANCE_RECYCLED"
	// CodeInstanceNotStopped: some instance to start is not STOPPED.
	CodeInstanceNotStopped Code = "OPERATION_DENIED_INSTANCE_NOT_STOPPED"
	// CodeInstanceNotRunning: some instance to stop is not RUNNING.
	CodeInstanceNotRunning Code = "OPERATION_DENIED_INSTANCE_NOT_RUNNING"
	// CodeRequestLimitExceeded: the account is throttled, under 429 or any other 4xx.
	CodeRequestLimitExceeded Code = "REQUEST_LIMIT_EXCEEDED"
	// CodeSignatureFailure: wrong key, changed body or skewed clock.
	CodeSignatureFailure Code = "AUTHFAILURE_SIGNATURE_FAILURE"
	// CodeInternalServerError, CodeServiceUnavailable and CodeRequestTimedOut say
	// that the service failed, whatever the status they come with.
	CodeInternalServerError Code = "INTERNAL_SERVER_ERROR"
	CodeServiceUnavailable  Code = "SERVICE_TEMPORARY_UNAVAILABLE"
	CodeRequestTimedOut     Code = "REQUEST_TIMED_OUT"
	// CodeInvalidParameter prefixes codes about a parameter: of the request, or of
	// one id in it.
	CodeInvalidParameter Code = "INVALID_PARAMETER"
)

// authFailurePrefix begins every code that says "credentials".
const authFailurePrefix = "AUTHFAILURE"

// Class says what may be done about a failed request.
type Class string

// The classes. An answer is the API's own only where it has the API's envelope:
// JSON with a code. Any other answer comes from a station on the way (proxy,
// gateway, CDN) and says nothing about an instance, whatever its status.
const (
	// ClassThrottled: 429 with or without the envelope, or
	// CodeRequestLimitExceeded. The same request may go again, later and slower.
	ClassThrottled Class = "throttled"
	// ClassTransient: the service or the way to it failed. The request may go
	// again; a start or stop that may have been applied, only after a describe.
	ClassTransient Class = "transient"
	// ClassBlocked: the network in front of the API refuses this host or its
	// client: a challenge, or 451. Only time or an administrator changes that.
	ClassBlocked Class = "blocked"
	// ClassAmbiguous: a start or stop was lost after it was sent, or answered in
	// an unreadable way. Describe its instances before sending it again.
	ClassAmbiguous Class = "ambiguous"
	// ClassInstance: some instance of the request cannot take the action, by a
	// documented code. Describe the instances to find out which.
	ClassInstance Class = "instance"
	// ClassUnknown: the API refused with a code that is not documented for this
	// action. It may concern one instance or the whole account.
	ClassUnknown Class = "unknown"
	// ClassCredentials: the API refused the credentials.
	ClassCredentials Class = "credentials"
	// ClassRequest: the request breaks a documented limit and was not sent.
	ClassRequest Class = "request"
)

// Classes lists every class, in the order of the constants.
func Classes() []Class {
	return []Class{
		ClassThrottled, ClassTransient, ClassBlocked, ClassAmbiguous, ClassInstance, ClassUnknown, ClassCredentials, ClassRequest,
	}
}

// Error is a failed request. It carries no secret and no instance id.
type Error struct {
	// Action is the API action, such as "StartInstances".
	Action string
	// HTTPStatus is 0 where no reply arrived.
	HTTPStatus int
	// Code and Message are the API's own, empty where it gave none. Message
	// may change at any time: show it, never branch on it.
	Code    Code
	Message string
	// RequestID is the API's id of the request, empty where none arrived.
	RequestID string
	Class     Class
	// MaybeApplied reports that a StartInstances or StopInstances may have
	// taken effect although it failed: it left this host, and no reply says
	// that it was refused. False for the Describe actions. A throttled request
	// was not applied. True for ClassAmbiguous, and for ClassTransient where a
	// start or stop met a 5xx.
	MaybeApplied bool
	// RetryAfter is how long the reply asks to wait; 0 where it does not.
	RetryAfter time.Duration
	// ClockSkew is the server's clock less ours as its reply showed it, set
	// where credentials were refused and the two are over a minute apart.
	ClockSkew time.Duration
	// Err is the cause below HTTP: a network error, a reply that cannot be read.
	Err error
}

// Error gives one line: operation, what came back, cause, remedy where there is one.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Action)
	if e.HTTPStatus != 0 {
		fmt.Fprintf(&b, ": HTTP %d", e.HTTPStatus)
	}
	if e.Code != "" {
		fmt.Fprintf(&b, " %s", e.Code)
	}
	if e.Message != "" {
		fmt.Fprintf(&b, ": %s", e.Message)
	}
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	if e.RequestID != "" {
		fmt.Fprintf(&b, " (request %s)", e.RequestID)
	}
	if e.ClockSkew != 0 {
		fmt.Fprintf(&b, "; this host's clock is %s: set it right (timedatectl, chrony), a skewed clock is refused as a wrong key", describeSkew(e.ClockSkew))
	}
	return b.String()
}

// FromAPI reports whether the failure is the API's own word: a reply with its
// envelope. A station on the way, and a request without a reply, have no code.
func (e *Error) FromAPI() bool { return e.Code != "" }

// Unwrap gives the cause below HTTP.
func (e *Error) Unwrap() error { return e.Err }

// describeSkew words the server's clock less ours from this host's side.
func describeSkew(serverAhead time.Duration) string {
	if serverAhead > 0 {
		return serverAhead.Round(time.Second).String() + " behind the API's"
	}
	return (-serverAhead).Round(time.Second).String() + " ahead of the API's"
}

// ClassOf returns the class of err, ClassTransient for an error that is not an [*Error].
func ClassOf(err error) Class {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Class
	}
	return ClassTransient
}
