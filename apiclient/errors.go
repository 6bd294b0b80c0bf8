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
	// CodeInternalServerError, CodeServiceUnavailable and CodeRequestTimedOut come with 5xx.
	CodeInternalServerError Code = "INTERNAL_SERVER_ERROR"
	CodeServiceUnavailable  Code = "SERVICE_TEMPORARY_UNAVAILABLE"
	CodeRequestTimedOut     Code = "REQUEST_TIMED_OUT"
	// CodeInvalidParameter prefixes the codes of a malformed request.
	CodeInvalidParameter Code = "INVALID_PARAMETER"
)

// authFailurePrefix begins every code that says "credentials".
const authFailurePrefix = "AUTHFAILURE"

// Class says what may be done about a failed request.
type Class string

// The classes, in the words of the retry rules.
const (
	// ClassThrottled: the account sends too much. The same request may go again, later and slower.
	ClassThrottled Class = "throttled"
	// ClassTransient: the service or the way to it failed. The request may go again.
	ClassTransient Class = "transient"
	// ClassAmbiguous: the request was sent and its fate is unknown. Look before sending again.
	ClassAmbiguous Class = "ambiguous"
	// ClassInstance: some instance of the request cannot take the action. Find out which.
	ClassInstance Class = "instance"
	// ClassCredentials: no request will pass with these credentials.
	ClassCredentials Class = "credentials"
	// ClassRequest: the request itself is refused; sending the same one again is useless.
	ClassRequest Class = "request"
)

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
	// that it was refused. Always false for the Describe actions.
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
