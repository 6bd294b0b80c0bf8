package batcher

import (
	"encoding/json"
	"time"

	"zecpower/apiclient"
)

// Action is what a run does to its instances.
type Action string

// The actions.
const (
	ActionStart Action = "start"
	ActionStop  Action = "stop"
)

// Outcome is how one instance ended in one run. Each id has exactly one.
type Outcome string

// The outcomes: the same words in reports, logs, metrics and the ledger.
const (
	OutcomeStarted        Outcome = "started"
	OutcomeAlreadyRunning Outcome = "already_running"
	OutcomeStopped        Outcome = "stopped"
	OutcomeAlreadyStopped Outcome = "already_stopped"
	OutcomeFailed         Outcome = "failed"
)

// Outcomes lists the outcomes that an action can have: done, already so, failed.
func Outcomes(a Action) []Outcome {
	if a == ActionStop {
		return []Outcome{OutcomeStopped, OutcomeAlreadyStopped, OutcomeFailed}
	}
	return []Outcome{OutcomeStarted, OutcomeAlreadyRunning, OutcomeFailed}
}

// Reason says why an instance failed. Empty where it did not.
type Reason string

// The reasons, a closed set.
const (
	// ReasonNotFound: the API knows no such instance (or it is not ours).
	ReasonNotFound Reason = "not_found"
	// ReasonRecycled: in the recycle bin, being released, or never created.
	ReasonRecycled Reason = "recycled"
	// ReasonWrongState: still busy with something else at the run's deadline.
	ReasonWrongState Reason = "wrong_state"
	// ReasonRejected: the API kept refusing it though its state allowed the action.
	ReasonRejected Reason = "rejected"
	// ReasonBootFailed: accepted, then fell back, as often as attempts allow.
	ReasonBootFailed Reason = "boot_failed"
	// ReasonBootTimeout: accepted, and still on its way when its time was up.
	ReasonBootTimeout Reason = "boot_timeout"
	// ReasonThrottled: the request budget left no room for it before the deadline.
	ReasonThrottled Reason = "throttled"
	// ReasonAPIError: the API or the way to it was failing until the deadline.
	ReasonAPIError Reason = "api_error"
	// ReasonAuth: the API refused the credentials.
	ReasonAuth Reason = "auth"
	// ReasonInvalidRequest: the API refused the request itself.
	ReasonInvalidRequest Reason = "invalid_request"
	// ReasonCancelled: the run was stopped before this instance had its turn.
	ReasonCancelled Reason = "cancelled"
)

// Reasons lists every reason, in the order of the constants.
func Reasons() []Reason {
	return []Reason{
		ReasonNotFound, ReasonRecycled, ReasonWrongState, ReasonRejected, ReasonBootFailed, ReasonBootTimeout,
		ReasonThrottled, ReasonAPIError, ReasonAuth, ReasonInvalidRequest, ReasonCancelled,
	}
}

// Result sums a run up.
type Result string

// The results.
const (
	// ResultOK: no instance failed.
	ResultOK Result = "ok"
	// ResultPartial: some failed, some did not.
	ResultPartial Result = "partial"
	// ResultFailed: every instance failed, or a group could not be read and nothing else was done.
	ResultFailed Result = "failed"
)

// InstanceResult is what became of one instance.
type InstanceResult struct {
	InstanceID string
	Outcome    Outcome
	// Reason, Code, RequestID and State tell why it failed, as far as known:
	// the API's code and request id of the last refusal, the last state seen.
	Reason    Reason
	Code      apiclient.Code
	State     apiclient.State
	RequestID string
	// Attempts counts the requests for the action that named this instance and may have reached the API.
	Attempts int
	// ReachedAt is when the wanted state was first seen; zero where it was not.
	ReachedAt time.Time
	// BootDuration is from the accepted request to ReachedAt, to within a poll
	// interval; 0 where the instance was already there, or failed.
	BootDuration time.Duration
}

// GroupReport is what became of one group. Done + Already + Failed = Total.
type GroupReport struct {
	Group string
	// Total counts distinct ids; Duplicates those that were dropped as repeated.
	Total, Done, Already, Failed, Duplicates int
	// Results holds every id once, in the order given.
	Results []InstanceResult
	// Err says why the group could not be run at all (an unreadable file of
	// ids); empty otherwise. Such a group has Total 0 and makes the run fail.
	Err string
}

// Failures lists the results that failed, in order.
func (g GroupReport) Failures() []InstanceResult {
	failures := make([]InstanceResult, 0, g.Failed)
	for _, r := range g.Results {
		if r.Outcome == OutcomeFailed {
			failures = append(failures, r)
		}
	}
	return failures
}

// Result sums the group up.
func (g GroupReport) Result() Result {
	switch {
	case g.Err != "" || (g.Failed == g.Total && g.Total > 0):
		return ResultFailed
	case g.Failed > 0:
		return ResultPartial
	}
	return ResultOK
}

// Report is what became of one run.
type Report struct {
	RunID    string
	Schedule string // empty for a run by hand
	Action   Action
	// ScheduledAt is the nominal time; StartedAt and FinishedAt bound the run;
	// FirstRequestAt is when its first request was allowed out (zero where none was).
	ScheduledAt, StartedAt, FinishedAt, FirstRequestAt time.Time
	Groups                                             []GroupReport
}

// Result sums the run up.
func (r Report) Result() Result {
	ok, failed, partial := 0, 0, 0
	for _, g := range r.Groups {
		switch result := g.Result(); {
		case result == ResultFailed:
			failed++
		case result == ResultPartial:
			partial++
		case g.Total > 0: // a group without ids tells nothing
			ok++
		}
	}
	switch {
	case failed+partial == 0:
		return ResultOK
	case ok+partial == 0:
		return ResultFailed
	}
	return ResultPartial
}

// MarshalJSON gives the report that scripts read; its keys are a contract. The
// two good counts are named for the action: started and already_running, or
// stopped and already_stopped.
func (r Report) MarshalJSON() ([]byte, error) {
	type report struct {
		RunID  string            `json:"run_id"`
		Action Action            `json:"action"`
		Result Result            `json:"result"`
		Groups []json.RawMessage `json:"groups"`
	}
	out := report{RunID: r.RunID, Action: r.Action, Result: r.Result(), Groups: make([]json.RawMessage, 0, len(r.Groups))}
	for _, g := range r.Groups {
		raw, err := g.marshal(r.Action)
		if err != nil {
			return nil, err
		}
		out.Groups = append(out.Groups, raw)
	}
	return json.Marshal(out)
}

type groupJSON struct {
	Group          string        `json:"group"`
	Total          int           `json:"total"`
	Started        *int          `json:"started,omitempty"`
	AlreadyRunning *int          `json:"already_running,omitempty"`
	Stopped        *int          `json:"stopped,omitempty"`
	AlreadyStopped *int          `json:"already_stopped,omitempty"`
	Failed         int           `json:"failed"`
	Failures       []failureJSON `json:"failures"`
	Error          string        `json:"error,omitempty"`
}

type failureJSON struct {
	InstanceID string          `json:"instance_id"`
	Reason     Reason          `json:"reason"`
	Code       apiclient.Code  `json:"code"`
	State      apiclient.State `json:"state"`
	RequestID  string          `json:"request_id"`
	Attempts   int             `json:"attempts"`
}

func (g GroupReport) marshal(action Action) ([]byte, error) {
	out := groupJSON{Group: g.Group, Total: g.Total, Failed: g.Failed, Error: g.Err, Failures: make([]failureJSON, 0, g.Failed)}
	if action == ActionStop {
		out.Stopped, out.AlreadyStopped = &g.Done, &g.Already
	} else {
		out.Started, out.AlreadyRunning = &g.Done, &g.Already
	}
	for _, f := range g.Failures() {
		out.Failures = append(out.Failures, failureJSON{f.InstanceID, f.Reason, f.Code, f.State, f.RequestID, f.Attempts})
	}
	return json.Marshal(out)
}
