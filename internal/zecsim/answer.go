package zecsim

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"zecpower/apiclient"
)

// actionNames are the actions that the simulator knows.
func actionNames() []string {
	return []string{
		apiclient.ActionStartInstances, apiclient.ActionStopInstances,
		apiclient.ActionDescribeInstancesStatus, apiclient.ActionDescribeInstances,
	}
}

// readBody reads what was sent, up to a limit. The refusal is nil where it could.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, *reply) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err == nil {
		return body, nil
	}
	refusal := failure(http.StatusBadRequest, codeInvalidBody, "The request body could not be read.")
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		refusal = failure(http.StatusRequestEntityTooLarge, codeInvalidBody, "The request body is too large.")
	}
	return nil, &refusal
}

// answer judges a request unless its fault keeps it from taking effect; then the answer is what the
// outside of the service would give.
func (s *Simulator) answer(x *exchange, r *http.Request, body []byte, refusal *reply) reply {
	if x.fault != nil && !x.fault.applies(x.rng) {
		return failure(http.StatusGatewayTimeout, apiclient.CodeRequestTimedOut, "The request timed out.")
	}
	if refusal != nil {
		return *refusal
	}
	if refusal := checkEnvelope(r); refusal != nil {
		return *refusal
	}
	if note, refusal := s.keys.check(r, body, s.serverTime()); refusal != nil {
		x.record.Note = note
		return *refusal
	}
	return s.judge(x, body)
}

// judge lets the request through the rate limit and does what it asks.
func (s *Simulator) judge(x *exchange, body []byte) reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.tick()
	if a := s.throttle(x, now); a != nil {
		return *a
	}
	if a := s.refuseAccount(x.record.Action, now); a != nil {
		return *a
	}
	a := s.act(x, body)
	x.record.Applied = a.status == http.StatusOK
	return a
}

// throttle is the refusal of a request that is over the account's limit or its action's; nil where
// it passes both. Call it with mu held.
func (s *Simulator) throttle(x *exchange, now time.Duration) *reply {
	over, wait := takeToken(now, s.bucket, s.actionBuckets[x.record.Action])
	if over == nil {
		return nil
	}
	x.record.Throttled = true
	s.counts.throttled++
	a := failure(over.limit.status(x.rng), apiclient.CodeRequestLimitExceeded, "The request limit of the account is exceeded.")
	if value := over.limit.retryAfter(wait, s.serverTime()); value != "" {
		a.header = http.Header{"Retry-After": {value}}
	}
	return &a
}

// act dispatches on the action. Call it with mu held.
func (s *Simulator) act(x *exchange, body []byte) reply {
	switch x.record.Action {
	case apiclient.ActionStartInstances:
		return s.startInstances(x, body)
	case apiclient.ActionStopInstances:
		return s.stopInstances(x, body)
	case apiclient.ActionDescribeInstancesStatus:
		return s.describeStatus(x, body)
	default: // checkEnvelope lets no other action through
		return s.describeInstances(x, body)
	}
}

// checkEnvelope checks path, method and headers; nil where all is well.
func checkEnvelope(r *http.Request) *reply {
	refuse := func(status int, code apiclient.Code, message string) *reply {
		a := failure(status, code, message)
		return &a
	}
	mediaType, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	charset := strings.ToLower(or(params["charset"], "utf-8"))
	switch {
	case r.URL.Path != apiclient.Path:
		return refuse(http.StatusNotFound, codeInvalidPath, "The API is at "+apiclient.Path+".")
	case r.Method != http.MethodPost:
		a := refuse(http.StatusMethodNotAllowed, codeInvalidMethod, "Use POST.")
		a.header = http.Header{"Allow": {http.MethodPost}}
		return a
	case err != nil || mediaType != "application/json" || (charset != "utf-8" && charset != "utf8"):
		return refuse(http.StatusUnsupportedMediaType, codeInvalidContentType, "Content-Type must be application/json in UTF-8.")
	case !slices.Contains(actionNames(), r.Header.Get(apiclient.HeaderAction)):
		return refuse(http.StatusBadRequest, codeInvalidAction, apiclient.HeaderAction+" is missing or names no action of zec.")
	case !slices.Contains([]string{"2025-09-01", versionWithoutTags}, r.Header.Get(apiclient.HeaderVersion)):
		return refuse(http.StatusBadRequest, codeInvalidVersion, apiclient.HeaderVersion+" must be 2025-09-01 or 2024-04-01.")
	}
	return nil
}
