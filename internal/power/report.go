package power

import "time"

// InstanceResult is what became of one instance.
type InstanceResult struct {
	InstanceID string
	Outcome    Outcome
	// Reason, Code, RequestID and State say why it failed or was skipped, as far as known:
	// the API's code and request id of the last refusal, the last state seen.
	Reason    Reason
	Code      string
	State     string
	RequestID string
	// HTTPStatus is the status of the last refusal; 0 where there was none.
	HTTPStatus int
	// Attempts counts the requests for the action that named this instance and may have reached the API.
	Attempts int
	// ReachedAt is when the wanted state was first seen; zero where it was not.
	ReachedAt time.Time
	// BootDuration is from the accepted request to ReachedAt, to within a poll
	// interval; 0 where the instance was already there, or failed.
	BootDuration time.Duration
	// By is the run, or the time of a schedule, for which it was skipped; empty where it was not, or
	// that is not known.
	By string
}

// GroupReport is what became of one group. Done + Already + Failed + Skipped = Total.
type GroupReport struct {
	Group string
	// Total counts distinct ids; Duplicates those that were dropped as repeated.
	Total, Done, Already, Failed, Skipped, Duplicates int
	// Results holds every id once, in the order given.
	Results []InstanceResult
	// Err says why the group could not be run at all (an unreadable file of
	// ids); empty otherwise. Such a group has Total 0 and makes the run fail.
	Err string
}

// Failures lists the results that failed, in order.
func (g GroupReport) Failures() []InstanceResult { return g.with(OutcomeFailed, g.Failed) }

// Skips lists the results that were skipped, in order.
func (g GroupReport) Skips() []InstanceResult { return g.with(OutcomeSkipped, g.Skipped) }

func (g GroupReport) with(outcome Outcome, n int) []InstanceResult {
	found := make([]InstanceResult, 0, n)
	for _, r := range g.Results {
		if r.Outcome == outcome {
			found = append(found, r)
		}
	}
	return found
}

// Result sums the group up. What was skipped makes nothing partial.
func (g GroupReport) Result() Result {
	switch {
	case g.Err != "" || (g.Failed > 0 && g.Done+g.Already == 0):
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
	// Err says why the run ended before its time, other than by a cancel: a bug of
	// zecpower, or an API that could not be reached at all. Empty otherwise.
	Err string
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
