package power

// Outcome is how one instance ended in one run. Each id has exactly one.
type Outcome string

// The outcomes: the same words in reports, logs, metrics and the store.
const (
	OutcomeStarted        Outcome = "started"
	OutcomeAlreadyRunning Outcome = "already_running"
	OutcomeStopped        Outcome = "stopped"
	OutcomeAlreadyStopped Outcome = "already_stopped"
	OutcomeFailed         Outcome = "failed"
	OutcomeSkipped        Outcome = "skipped" // it was decided not to
)

// Outcomes lists the outcomes that an action can have: done, already so, failed, skipped.
func Outcomes(a Action) []Outcome {
	if a == ActionStop {
		return []Outcome{OutcomeStopped, OutcomeAlreadyStopped, OutcomeFailed, OutcomeSkipped}
	}
	return []Outcome{OutcomeStarted, OutcomeAlreadyRunning, OutcomeFailed, OutcomeSkipped}
}

// Reason says why an instance failed or was skipped. Empty where it was neither.
type Reason string

// The reasons of a failure, a closed set.
const (
	// ReasonNotFound: the API knows no such instance (or it is not ours).
	ReasonNotFound Reason = "not_found"
	// ReasonRecycled: in the recycle bin, being released, or its creation or
	// reinstallation failed.
	ReasonRecycled Reason = "recycled"
	// ReasonWrongState: still busy with something else at the run's deadline.
	ReasonWrongState Reason = "wrong_state"
	// ReasonRejected: the API kept refusing it, and no state explains that.
	ReasonRejected Reason = "rejected"
	// ReasonReversed: after the action was accepted, another actor
	// switched the instance the other way.
	ReasonReversed Reason = "reversed"
	// ReasonBootFailed: a start was accepted, then the instance fell back to
	// STOPPED, as often as attempts allow.
	ReasonBootFailed Reason = "boot_failed"
	// ReasonBootTimeout: a start was accepted, and the instance was still on its
	// way when the boot timeout or the deadline was over.
	ReasonBootTimeout Reason = "boot_timeout"
	// ReasonStopFailed: a stop was accepted, then the instance fell back to
	// RUNNING, as often as attempts allow.
	ReasonStopFailed Reason = "stop_failed"
	// ReasonStopTimeout: a stop was accepted, or another actor's was on its way, and
	// the instance was not STOPPED when the timeout or the deadline was over.
	ReasonStopTimeout Reason = "stop_timeout"
	// ReasonThrottled: the request budget left no room for it before the deadline.
	ReasonThrottled Reason = "throttled"
	// ReasonAPIError: the API or the way to it was failing until the run ended.
	ReasonAPIError Reason = "api_error"
	// ReasonBlocked: the network in front of the API refused this host until the
	// deadline.
	ReasonBlocked Reason = "blocked"
	// ReasonAuth: the API refused the credentials.
	ReasonAuth Reason = "auth"
	// ReasonInvalidRequest: the request breaks a documented limit of the API and was not sent.
	ReasonInvalidRequest Reason = "invalid_request"
	// ReasonGuarded: a newcomer of its group beyond what the group's guard lets join.
	ReasonGuarded Reason = "guarded"
	// ReasonInternalError: a bug of zecpower ended the work on it; see the log.
	ReasonInternalError Reason = "internal_error"
	// ReasonCancelled: the run was stopped before this instance had its turn.
	ReasonCancelled Reason = "cancelled"
)

// The reasons of a skip, a closed set.
const (
	// ReasonSuperseded: a newer run, or a newer time of a schedule, wants otherwise.
	ReasonSuperseded Reason = "superseded"
)

// SkipReasons lists the reasons of a skip.
func SkipReasons() []Reason { return []Reason{ReasonSuperseded} }

// Reasons lists the reasons of a failure, in the order of the constants.
func Reasons() []Reason {
	return []Reason{
		ReasonNotFound, ReasonRecycled, ReasonWrongState, ReasonRejected, ReasonReversed, ReasonBootFailed, ReasonBootTimeout,
		ReasonStopFailed, ReasonStopTimeout, ReasonThrottled, ReasonAPIError, ReasonBlocked, ReasonAuth, ReasonInvalidRequest,
		ReasonGuarded, ReasonInternalError, ReasonCancelled,
	}
}
