package zecsim

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"zecpower/apiclient"
)

// Refusal refuses every request of some actions, whatever instances it names: an account in
// arrears, a zone without capacity. It comes after authentication and rate limit and before the
// request's body is judged, and has the API's envelope.
type Refusal struct {
	// Actions it is limited to; none means StartInstances and StopInstances.
	Actions []string
	// Windows it is limited to; none means always.
	Windows []Window
	// Status is 400 to 499; 0 means 403.
	Status int
	// Code is required.
	Code apiclient.Code
}

func (f *Refusal) validate() error {
	errs := []error{validStatus("status", f.Status), validActions("refusal", f.Actions), validWindows("refusal", f.Windows)}
	if f.Code == "" {
		errs = append(errs, errors.New("refusal without a code: say which the API answers"))
	}
	return errors.Join(errs...)
}

// hits reports whether it refuses a request.
func (f *Refusal) hits(action string, at time.Duration) bool {
	actions := f.Actions
	if len(actions) == 0 {
		actions = []string{apiclient.ActionStartInstances, apiclient.ActionStopInstances}
	}
	return slices.Contains(actions, action) && inWindows(f.Windows, at)
}

// refuseAccount is the answer of the first refusal that hits a request, nil where none does.
func (s *Simulator) refuseAccount(action string, at time.Duration) *reply {
	for i := range s.opts.Refusals {
		f := &s.opts.Refusals[i]
		if f.hits(action, at) {
			a := failure(or(f.Status, http.StatusForbidden), f.Code, "The account does not allow the operation.")
			return &a
		}
	}
	return nil
}

// denial is why one instance keeps a request from passing. The zero value is none.
type denial struct {
	code   apiclient.Code
	status int // 0: the code's own
}

// reply is the answer to a request that holds such an instance.
func (d denial) reply() reply {
	status := or(d.status, documentedStatus(d.code))
	if status == http.StatusNotFound {
		return failure(status, d.code, "An instance of the request does not exist.")
	}
	return failure(status, d.code, "An instance of the request does not allow the operation.")
}

// documentedStatus is the HTTP status that the reference gives a code, 403 where it gives none.
func documentedStatus(code apiclient.Code) int {
	switch code {
	case apiclient.CodeInstanceNotFound, apiclient.CodeResourceNotFound:
		return http.StatusNotFound
	case apiclient.CodeRequestLimitExceeded:
		return http.StatusTooManyRequests
	case apiclient.CodeInternalServerError:
		return http.StatusInternalServerError
	case apiclient.CodeServiceUnavailable:
		return http.StatusServiceUnavailable
	case apiclient.CodeRequestTimedOut:
		return http.StatusGatewayTimeout
	}
	switch {
	case strings.HasPrefix(string(code), "AUTHFAILURE"):
		return http.StatusUnauthorized
	case strings.HasPrefix(string(code), string(apiclient.CodeInvalidParameter)):
		return http.StatusBadRequest
	}
	return http.StatusForbidden
}

// validStatus accepts a 4xx, and 0 for a default.
func validStatus(name string, status int) error {
	if status != 0 && (status < 400 || status > 499) {
		return fmt.Errorf("%s %d: use 400 to 499, or 0 for the default", name, status)
	}
	return nil
}
