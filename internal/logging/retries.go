package logging

import (
	"errors"
	"fmt"
	"net"
	"time"

	"go.uber.org/zap"

	"zecpower/apiclient"
	"zecpower/batcher"
)

// eventRequestRetried is not in the documentation's list of events: it reports trouble on the way,
// on which no person needs to act.
const eventRequestRetried = "request retried"

// Retried implements batcher.Observer. A throttle is logged once a slow-down of the account, any
// other error once a run and dedup window; repeats are on the debug level. A refusal that concerns
// some instance occurs in every run with a bad id, so it is always on the debug level.
func (e *Events) Retried(run batcher.RunInfo, apiAction string, class apiclient.Class, err error) {
	fields := append(runFields(run), zap.String("api_action", apiAction), zap.String(keyReason, string(class)))
	fields = append(fields, errorFields(err)...)
	switch {
	case class == apiclient.ClassThrottled:
		if api, ok := errors.AsType[*apiclient.Error](err); ok && api.RetryAfter > 0 {
			fields = append(fields, zap.Float64("retry_after_seconds", api.RetryAfter.Seconds()))
		}
		if e.isNew(dedupKey{fingerprint: EventThrottled}) {
			e.logger.Warn(EventThrottled, fields...)
			return
		}
	case class != apiclient.ClassInstance:
		if e.isNew(dedupKey{run.RunID, apiAction, fingerprint(err)}) {
			e.logger.Warn(eventRequestRetried, fields...)
			return
		}
	}
	e.logger.Debug(eventRequestRetried, fields...)
}

// isNew records an occurrence of an error and reports whether it had not occurred for dedupWindow.
func (e *Events) isNew(key dedupKey) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now()
	last, met := e.lastMet[key]
	e.lastMet[key] = now
	return !met || now.Sub(last) > dedupWindow
}

// fingerprint is what repeats of an error have in common. Their texts differ in request ids and
// ephemeral ports.
func fingerprint(err error) string {
	api, ok := errors.AsType[*apiclient.Error](err)
	if !ok {
		return cause(err)
	}
	return fmt.Sprintf("%s %d %s %s", api.Class, api.HTTPStatus, api.Code, cause(api.Err))
}

// cause names the root of err without its variable parts.
func cause(err error) string {
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
