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

// eventRequestRetried is no event of the documentation's list: it tells of
// trouble on the way, and nobody has to act on it.
const eventRequestRetried = "request retried"

// Retried implements batcher.Observer. A throttle is told once a slow-down of
// the account, any other error once a run until it has stayed away for a while;
// their repeats are on the debug level. A refusal that is about some instance
// is part of every run with a bad id in it, so it is debug from the start.
func (e *Events) Retried(run batcher.RunInfo, apiAction string, class apiclient.Class, err error) {
	fields := append(runFields(run), zap.String("api_action", apiAction), zap.String(keyReason, string(class)))
	fields = append(fields, errorFields(err)...)
	switch {
	case class == apiclient.ClassThrottled:
		if api, ok := errors.AsType[*apiclient.Error](err); ok && api.RetryAfter > 0 {
			fields = append(fields, zap.Float64("retry_after_seconds", api.RetryAfter.Seconds()))
		}
		if e.news(spellKey{fingerprint: EventThrottled}) {
			e.logger.Warn(EventThrottled, fields...)
			return
		}
	case class != apiclient.ClassInstance:
		if e.news(spellKey{run.RunID, apiAction, fingerprint(err)}) {
			e.logger.Warn(eventRequestRetried, fields...)
			return
		}
	}
	e.logger.Debug(eventRequestRetried, fields...)
}

// news reports whether an error begins a spell, and notes that it was met.
func (e *Events) news(key spellKey) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now()
	last, met := e.spells[key]
	e.spells[key] = now
	return !met || now.Sub(last) > spell
}

// fingerprint is what stays the same when the same thing goes wrong again:
// texts carry request ids and ephemeral ports.
func fingerprint(err error) string {
	api, ok := errors.AsType[*apiclient.Error](err)
	if !ok {
		return cause(err)
	}
	return fmt.Sprintf("%s %d %s %s", api.Class, api.HTTPStatus, api.Code, cause(api.Err))
}

// cause names the root of err without what changes from time to time.
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
