package event

import (
	"errors"
	"fmt"
	"iter"
	"net"
	"time"

	"zecpower/internal/power"
)

// Refusal is what is known of a request that failed.
type Refusal struct {
	Class      string        // as the metric's label
	Code       string        // the API's; empty: none
	HTTPStatus int           // 0: no reply came
	RequestID  string        // the API's; empty: none
	RetryAfter time.Duration // that the API asked for; 0: none
	Err        error         // whose text is for people
	Cause      error         // what Err wraps, where no reply came; nil: none
}

// The classes that a line depends on. The others, and what each means: apiclient.
const (
	classThrottled = "throttled"
	classInstance  = "instance"
)

// fields are what a line says about a refusal.
func (r Refusal) fields() []Field {
	fields := append([]Field{{"code", r.Code}}, status(r.HTTPStatus)...)
	return append(fields, Field{"request_id", r.RequestID}, Field{"error", text(r.Err)})
}

// status leaves out an HTTP status of 0, where no reply came.
func status(code int) []Field {
	if code == 0 {
		return nil
	}
	return []Field{{"http_status", code}}
}

// kind is what repeats of a refusal have in common. Their texts differ in request ids and ephemeral
// ports.
func (r Refusal) kind() string {
	return fmt.Sprintf("%s %d %s %s", r.Class, r.HTTPStatus, r.Code, root(r.Cause))
}

// root names the root of err without its variable parts.
func root(err error) string {
	if err == nil {
		return ""
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Err != nil {
		return op.Op + ": " + op.Err.Error()
	}
	for next := errors.Unwrap(err); next != nil; next = errors.Unwrap(err) {
		err = next
	}
	return fmt.Sprintf("%T", err)
}

// Requested says that a request to the API is over.
type Requested struct {
	silent
	Account   string
	APIAction string
	Code      string // the HTTP status of a reply of the API; "error" without one
	Took      time.Duration
}

// BatchFinished follows each request that starts or stops instances.
type BatchFinished struct {
	Account   string
	Run       Run    // zero unless it was the only one
	Group     string // where all of its ids are of one
	Action    power.Action
	Runs      int    // that wanted some of its ids
	Size      int    // ids in the request
	Failed    int    // ids in the reply's failed list
	Result    string // accepted, partial, refused
	RequestID string
	Took      time.Duration
	Refusal   *Refusal // of a refused one; else nil
	// Again says that it was refused and is simply sent again, which RequestRetried reports.
	Again bool
}

// Lines implements Event. A refused batch is no warning: what it costs is known only when its
// instances are final.
func (e BatchFinished) Lines() iter.Seq[Line] {
	fields := []Field{{"account", e.Account}}
	if e.Run.ID == "" {
		fields = append(fields, Field{"action", string(e.Action)})
	}
	fields = append(fields, e.Run.fields()...)
	if e.Group != "" {
		fields = append(fields, Field{"group", e.Group})
	}
	fields = append(fields, Field{"runs", e.Runs}, Field{"result", e.Result}, Field{"instances", e.Size}, Field{"failed", e.Failed},
		Field{"duration_seconds", seconds(e.Took)})
	if e.Refusal == nil {
		fields = append(fields, Field{"request_id", e.RequestID})
	} else {
		fields = append(fields, e.Refusal.fields()...)
	}
	level := Info
	if e.Again {
		level = Debug
	}
	return lines(Line{Level: level, Message: "batch finished", Fields: fields})
}

// RequestRetried says that a request failed and will be followed by another.
type RequestRetried struct {
	Account   string
	Run       Run // one of those that wanted it
	APIAction string
	Refusal   Refusal
}

// Lines implements Event. A throttle is logged once a slow-down of the account, any other error once
// a run and dedup window. A refusal that concerns some instance occurs in every run with a bad id, so
// it is always on the debug level.
func (e RequestRetried) Lines() iter.Seq[Line] {
	r := e.Refusal
	fields := append([]Field{{"account", e.Account}}, e.Run.fields()...)
	fields = append(fields, Field{"api_action", e.APIAction}, Field{"reason", r.Class})
	fields = append(fields, r.fields()...)
	l := Line{Level: Warn, Message: "request retried"}
	switch {
	case r.Class == classThrottled:
		if r.RetryAfter > 0 {
			fields = append(fields, Field{"retry_after_seconds", r.RetryAfter.Seconds()})
		}
		l.Message = "throttled"
		l.Repeat = Repeat{Scope: "throttled/" + e.Account, Window: dedupWindow}
	case r.Class == classInstance:
		l.Level = Debug
	default:
		l.Repeat = Repeat{Scope: "retried/" + e.Run.ID + "/" + e.APIAction + "/" + r.kind(), Window: dedupWindow, Run: e.Run.ID}
	}
	l.Fields = fields
	return lines(l)
}
