package apiclient

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
)

const (
	// maxRetryAfter bounds a Retry-After, so that one absurd header cannot stop an account for a day.
	maxRetryAfter = 5 * time.Minute
	// maxMessage bounds what is kept of the API's message, in bytes.
	maxMessage = 300
	// skewWorthSaying is how far two clocks may differ before that is named as a likely cause.
	skewWorthSaying = time.Minute
)

// reply is one HTTP reply as it was read. broken says why body is not all of it.
type reply struct {
	status int
	header http.Header
	body   []byte
	broken error
}

// envelope is the outer object of every reply, good or bad.
type envelope struct {
	RequestID string          `json:"requestId"`
	Response  json.RawMessage `json:"response"`
	Code      Code            `json:"code"`
	Message   string          `json:"message"`
}

// quickReader is a reply that can be read in one pass over its body. Where readQuickly returns false
// it has changed nothing, and decode reads the body piece by piece, to see what is wrong with it.
type quickReader interface {
	readQuickly(body []byte) (requestID string, ok bool)
}

// lost is the error of a request without any reply.
func lost(action string, maybeApplied bool, err error) *Error {
	e := &Error{Action: action, Class: ClassTransient, MaybeApplied: maybeApplied, Err: err}
	if maybeApplied {
		e.Class = ClassAmbiguous
	}
	return e
}

// decode turns a reply into out or an *Error. sentAt is this host's clock when
// the request was signed.
func (r reply) decode(action string, mutating bool, sentAt time.Time, out any) (requestID string, err error) {
	if page, ok := out.(quickReader); ok && r.status == http.StatusOK && r.broken == nil {
		if requestID, ok := page.readQuickly(r.body); ok {
			return printable(requestID), nil
		}
	}
	var env envelope
	jsonErr := r.broken
	if jsonErr == nil {
		jsonErr = json.Unmarshal(r.body, &env)
	}
	if r.status != http.StatusOK || (jsonErr == nil && env.Code != "") {
		return "", r.refusal(action, mutating, sentAt, env, jsonErr)
	}
	if jsonErr == nil {
		jsonErr = env.into(out)
	}
	if jsonErr != nil {
		return "", r.unreadable(action, mutating, env, jsonErr)
	}
	return printable(env.RequestID), nil
}

// into decodes the inner object, which must be there.
func (env envelope) into(out any) error {
	inner := bytes.TrimSpace(env.Response)
	if len(inner) == 0 || inner[0] != '{' {
		return errors.New(`the reply has no "response" object`)
	}
	return json.Unmarshal(inner, out)
}

// unreadable is a 200 that does not say what happened.
func (r reply) unreadable(action string, mutating bool, env envelope, cause error) *Error {
	e := lost(action, mutating, fmt.Errorf("unreadable reply (%s): %w", r.describeBody(), cause))
	e.HTTPStatus, e.RequestID = r.status, printable(env.RequestID)
	return e
}

// refusal is any other status, or a 200 that carries an error code.
func (r reply) refusal(action string, mutating bool, sentAt time.Time, env envelope, jsonErr error) *Error {
	e := &Error{
		Action: action, HTTPStatus: r.status,
		Code: Code(printable(string(env.Code))), Message: printable(env.Message), RequestID: printable(env.RequestID),
		Class: r.classify(env.Code), RetryAfter: retryAfter(r.header, sentAt),
	}
	if e.Class == ClassAmbiguous {
		e.MaybeApplied = mutating // a describe changes nothing
		if !mutating || r.status/100 != 2 {
			e.Class = ClassTransient
		}
	}
	if jsonErr != nil {
		e.Err = fmt.Errorf("not the API's own reply (%s)", r.describeBody())
	}
	switch location := r.header.Get("Location"); {
	case r.status/100 == 3 && location != "":
		e.Err = errors.New("a redirect, which is refused: the endpoint must be the API itself")
	case e.Class == ClassBlocked:
		e.Err = errors.New("the network in front of the API refuses this host's address or client: have it allowed there")
	case e.Class == ClassCredentials:
		e.ClockSkew = clockSkew(r.header, sentAt)
	}
	return e
}

// classify maps a reply that is no success to its class. ClassAmbiguous stands for
// every reply to a request that may have been applied.
func (r reply) classify(code Code) Class {
	// 429 and its code mean the same from a proxy and from the API: too much was
	// sent, and nothing was done.
	if code == CodeRequestLimitExceeded || r.status == http.StatusTooManyRequests {
		return ClassThrottled
	}
	// A code is the API's own word, so it is asked before the status.
	switch {
	case code == "":
		return r.classifyForeign()
	case strings.HasPrefix(string(code), authFailurePrefix):
		return ClassCredentials
	case concernsInstance(code):
		return ClassInstance
	case code == CodeInternalServerError || code == CodeServiceUnavailable || code == CodeRequestTimedOut:
		return ClassAmbiguous
	}
	switch {
	case r.status == http.StatusUnauthorized:
		return ClassCredentials
	case r.status/100 == 4:
		return ClassUnknown
	case r.status/100 == 3:
		return ClassTransient
	}
	return ClassAmbiguous // 5xx, and a success that carries an error
}

// classifyForeign maps the reply of a station on the way, by its status alone.
func (r reply) classifyForeign() Class {
	switch {
	case r.status == http.StatusForbidden && strings.EqualFold(r.header.Get("Cf-Mitigated"), "challenge"),
		r.status == http.StatusUnavailableForLegalReasons:
		return ClassBlocked
	case r.status/100 == 3 || r.status/100 == 4:
		return ClassTransient // it kept the request from the API
	}
	return ClassAmbiguous // the API may have had the request
}

// concernsInstance reports whether a code is documented to be about an instance
// of the request.
func concernsInstance(code Code) bool {
	switch code {
	case CodeInstanceNotFound, CodeResourceNotFound, CodeInstanceRecycled, CodeInstanceNotStopped, CodeInstanceNotRunning:
		return true
	}
	return false
}

// retryAfter reads both forms of the header (RFC 9110, 10.2.3). A date counts
// from the server's own clock where the reply names it, else from now.
func retryAfter(h http.Header, now time.Time) time.Duration {
	value := strings.TrimSpace(h.Get("Retry-After"))
	seconds, err := strconv.ParseUint(value, 10, 32)
	if err == nil || errors.Is(err, strconv.ErrRange) { // beyond all bounds, it is the highest number
		return min(time.Duration(seconds)*time.Second, maxRetryAfter)
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	if server, err := http.ParseTime(h.Get("Date")); err == nil {
		now = server
	}
	return min(max(at.Sub(now), 0), maxRetryAfter)
}

// clockSkew is the server's clock less ours, 0 where it is unknown or not worth saying.
func clockSkew(h http.Header, now time.Time) time.Duration {
	server, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return 0
	}
	if skew := server.Sub(now); skew.Abs() > skewWorthSaying {
		return skew
	}
	return 0
}

// describeBody says what kind of thing came instead of JSON, without quoting it.
func (r reply) describeBody() string {
	kind, _, _ := strings.Cut(r.header.Get("Content-Type"), ";")
	if kind = printable(kind); kind == "" {
		kind = "no content type"
	}
	return fmt.Sprintf("%s, %d bytes", kind, len(r.body))
}

// printable makes a foreign text fit for one line of a log.
func printable(s string) string {
	if len(s) > maxMessage {
		s = s[:maxMessage]
	}
	return strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
}
