package metrics

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"zecpower/apiclient"
	"zecpower/batcher"
	"zecpower/internal/event"
	"zecpower/internal/power"
)

// Receive implements event.Listener.
func (m *Metrics) Receive(e event.Event) {
	switch e := e.(type) {
	case event.RunStarted:
		m.runStarted(e)
	case event.Final:
		m.final(e)
	case event.RunFinished:
		m.runFinished(e)
	case event.RunSuspended:
		m.runSuspended(e)
	case event.BatchFinished:
		m.batches.WithLabelValues(e.Account, string(e.Action), e.Result).Inc()
	case event.Requested:
		m.requested(e)
	case event.RequestRetried:
		m.apiRetries.WithLabelValues(e.Account, e.APIAction, e.Refusal.Class).Inc()
	default:
		m.receiveOther(e)
	}
}

// receiveOther receives what concerns no run and no request.
func (m *Metrics) receiveOther(e event.Event) {
	switch e := e.(type) {
	case event.Blocked:
		m.apiBlocked.WithLabelValues(e.Account).Set(1)
	case event.BlockedEnded:
		m.apiBlocked.WithLabelValues(e.Account).Set(0)
	case event.CredentialsAccepted:
		m.credentialAccepted.WithLabelValues(e.Account).Set(unix(e.At))
	case event.CredentialsReplaced:
		m.credentialAccepted.DeleteLabelValues(e.Account)
	case event.Missed:
		m.count(e.Schedule, e.Reason, e.Count)
	case event.Skipped:
		if e.Cause == event.CauseOverlap || e.Cause == event.CauseSkipped {
			m.count(e.Schedule, e.Cause, e.Count)
		}
	case event.NextRun:
		m.setNextRun(e)
	case event.LastRun:
		m.setLastRun(e)
	case event.ClockStepped:
		m.clockSteps.Inc()
	case event.StoreFailed:
		m.storeFails.Inc()
	case event.GroupResolved:
		m.setUnreadable(e.Group, e.Err != nil)
	case event.Membership:
		m.setMembership(e)
	case event.ConfigurationRejected:
		m.reloadOK.Set(0)
	}
}

func (m *Metrics) runStarted(e event.RunStarted) {
	m.mu.Lock()
	defer m.mu.Unlock()
	groups := make([]string, 0, len(e.Groups))
	for _, g := range e.Groups {
		groups = append(groups, g.Name)
	}
	m.series.running[e.Run.ID] = running{pairOf(e.Run), groups}
	m.occupy(m.series.running[e.Run.ID], +1)
}

// byHand stands in the place of a schedule's name in the series of runs by hand. No schedule may have it.
const byHand = "manual"

func pairOf(r event.Run) scheduleAction { return scheduleAction{cmp.Or(r.Schedule, byHand), r.Action} }

func (m *Metrics) final(e event.Final) {
	counts := make(map[power.Outcome]int)
	for _, r := range e.Results {
		counts[r.Outcome]++
		if e.Run.Action == power.ActionStart && r.BootDuration > 0 {
			m.bootDuration.WithLabelValues(e.Account).Observe(r.BootDuration.Seconds())
		}
	}
	for outcome, n := range counts {
		m.instances.WithLabelValues(e.Group, string(e.Run.Action), string(outcome)).Add(float64(n))
	}
}

// runFinished counts a run's end. One without a report never came as far as its first instance.
func (m *Metrics) runFinished(e event.RunFinished) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.release(e.Run.ID)
	of := pairOf(e.Run)
	m.startSchedule(of.schedule)
	m.startPair(of)
	m.runs.WithLabelValues(of.schedule, string(of.action), string(e.Result)).Inc()
	m.runDuration.WithLabelValues(string(of.action)).Observe(e.Duration().Seconds())
	if !m.removed(of.schedule) {
		m.lastDuration.WithLabelValues(of.schedule).Set(e.Duration().Seconds())
	}
	if e.Report == nil {
		return
	}
	if first, nominal := e.Report.FirstRequestAt, e.Report.ScheduledAt; !e.Resumed && !first.IsZero() && !nominal.IsZero() {
		// A clock set back in between must not give a negative delay.
		m.runStartDelay.Observe(max(0, first.Sub(nominal).Seconds()))
	}
	m.lastRuns.finished(*e.Report)
}

func (m *Metrics) runSuspended(e event.RunSuspended) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.release(e.Run.ID)
}

// RestoreGroups sets the groups' gauges to the outcome of a run of an earlier process, so that
// alerts on a group's last run outlive a restart. A group that has an outcome already keeps it, so
// pass the newest run first. Nothing is counted again.
func (m *Metrics) RestoreGroups(r power.Report) { m.lastRuns.restore(r) }

// release undoes what runStarted did, once a run.
func (m *Metrics) release(runID string) {
	if run, ok := m.series.running[runID]; ok {
		delete(m.series.running, runID)
		m.occupy(run, -1)
	}
}

// occupy adds by, +1 or -1, to the number of runs in progress of the series that the run writes to.
func (m *Metrics) occupy(run running, by int) {
	m.startSchedule(run.of.schedule)
	m.startPair(run.of)
	m.series.busySchedules[run.of.schedule] += by
	m.runsInProgress.WithLabelValues(run.of.schedule).Set(float64(m.series.busySchedules[run.of.schedule]))
	for _, g := range run.groups {
		key := groupAction{g, run.of.action}
		m.startGroup(key)
		m.series.busyGroups[key] += by
	}
}

// count counts nominal times that were due and did not run.
func (m *Metrics) count(schedule, reason string, n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.startSchedule(schedule)
	m.missed.WithLabelValues(schedule, reason).Add(float64(n))
}

func (m *Metrics) setNextRun(e event.NextRun) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.removed(e.Schedule):
	case e.At.IsZero():
		m.nextRun.DeleteLabelValues(e.Schedule)
	default:
		m.startSchedule(e.Schedule)
		m.nextRun.WithLabelValues(e.Schedule).Set(unix(e.At))
	}
}

// setLastRun sets the timestamps of a schedule; a zero time leaves its own as it is, and so does a
// success that is older than a known one, since a run by hand is one that the schedule does not have.
// A schedule that is no longer in the configuration gets none: they would never change again, and
// alert for ever.
func (m *Metrics) setLastRun(e event.LastRun) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.removed(e.Schedule) {
		return
	}
	if !e.FinishedAt.IsZero() {
		m.lastRun.WithLabelValues(e.Schedule).Set(unix(e.FinishedAt))
	}
	if e.LastSuccess.After(m.series.successes[e.Schedule]) {
		m.series.successes[e.Schedule] = e.LastSuccess
		m.lastSuccess.WithLabelValues(e.Schedule).Set(unix(e.LastSuccess))
	}
}

// setUnreadable sets whether a run could not read a group's members. It ignores a group that the
// configuration does not name (any more).
func (m *Metrics) setUnreadable(group string, unreadable bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.series.groupUnreadable[group] {
		m.groupUnreadable.WithLabelValues(group).Set(zeroOrOne(unreadable))
	}
}

// removed reports a schedule that the configuration does not name (any more).
func (m *Metrics) removed(schedule string) bool {
	return m.series.loaded && !m.series.known[schedule]
}

func (m *Metrics) requested(e event.Requested) {
	m.apiRequests.WithLabelValues(e.Account, e.APIAction, boundedCode(e.Code)).Inc()
	m.apiDuration.WithLabelValues(e.Account, e.APIAction).Observe(e.Took.Seconds())
}

const codeError = "error"

// boundedCode counts any text that is no HTTP status as "error", so that a peer cannot add series.
func boundedCode(code string) string {
	if status, err := strconv.Atoi(code); err == nil && len(code) == 3 && status >= 100 && status <= 599 {
		return code
	}
	return codeError
}

// startAccount starts the series of an account at 0: those that alerts divide by, or whose first
// increase they detect.
func (m *Metrics) startAccount(account string) {
	statuses := []int{
		http.StatusOK, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound,
		http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout,
	}
	// What was not sent is not sent again.
	classes := slices.DeleteFunc(apiclient.Classes(), func(c apiclient.Class) bool { return c == apiclient.ClassRequest })
	for _, action := range batcher.APIActions() {
		m.apiDuration.WithLabelValues(account, action)
		m.apiRequests.WithLabelValues(account, action, codeError)
		for _, status := range statuses {
			m.apiRequests.WithLabelValues(account, action, strconv.Itoa(status))
		}
		for _, class := range classes {
			m.apiRetries.WithLabelValues(account, action, string(class))
		}
	}
	for _, action := range []power.Action{power.ActionStart, power.ActionStop} {
		for _, result := range batcher.BatchResults() {
			m.batches.WithLabelValues(account, string(action), string(result))
		}
	}
	m.apiBlocked.WithLabelValues(account)
	m.bootDuration.WithLabelValues(account)
}

func (m *Metrics) dropAccount(account string) {
	of := prometheus.Labels{"account": account}
	m.apiRequests.DeletePartialMatch(of)
	m.apiDuration.DeletePartialMatch(of)
	m.apiRetries.DeletePartialMatch(of)
	m.batches.DeletePartialMatch(of)
	m.apiBlocked.DeletePartialMatch(of)
	m.bootDuration.DeletePartialMatch(of)
	m.credentialAccepted.DeletePartialMatch(of)
}
