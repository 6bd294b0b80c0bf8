package metrics

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"zecpower/apiclient"
	"zecpower/batcher"
	"zecpower/internal/power"
)

var (
	_ batcher.Observer   = (*Metrics)(nil)
	_ apiclient.Observer = (*Metrics)(nil)
)

// RunStarted implements batcher.Observer.
func (m *Metrics) RunStarted(run batcher.RunInfo) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.series.running[run.RunID] = run
	m.occupy(run, +1)
}

// BatchFinished implements batcher.Observer.
func (m *Metrics) BatchFinished(_ batcher.RunInfo, b batcher.Batch) {
	m.batches.WithLabelValues(account, string(b.Action), string(b.Result)).Inc()
}

// account is the label of the one account that there is.
const account = "default"

// Retried implements batcher.Observer.
func (m *Metrics) Retried(_ batcher.RunInfo, apiAction string, class apiclient.Class, _ error) {
	m.apiRetries.WithLabelValues(apiAction, string(class)).Inc()
}

// CredentialsRejected implements batcher.Observer. The failed instances show
// it, as reason auth, and so do the requests, as code 401 or 403.
func (m *Metrics) CredentialsRejected(batcher.RunInfo, error) {}

// Final implements batcher.Observer.
func (m *Metrics) Final(run batcher.RunInfo, group string, rs []power.InstanceResult) {
	counts := make(map[power.Outcome]int)
	for _, r := range rs {
		counts[r.Outcome]++
		if run.Action == power.ActionStart && r.BootDuration > 0 {
			m.bootDuration.WithLabelValues(group).Observe(r.BootDuration.Seconds())
		}
	}
	for outcome, n := range counts {
		m.instances.WithLabelValues(group, string(run.Action), string(outcome)).Add(float64(n))
	}
}

// Progressed implements batcher.Observer.
func (m *Metrics) Progressed(batcher.RunInfo, batcher.Progress) {}

// RunFinished implements batcher.Observer.
func (m *Metrics) RunFinished(run batcher.RunInfo, r power.Report) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.release(run.RunID)
	if _, fired := m.series.fired[r.RunID]; fired {
		m.series.fired[r.RunID] = true
	}
	m.runs.WithLabelValues(run.Schedule, string(run.Action), string(r.Result())).Inc()
	m.runDuration.WithLabelValues(run.Schedule).Observe(max(0, r.FinishedAt.Sub(r.StartedAt).Seconds()))
	if !run.Resumed && !r.FirstRequestAt.IsZero() && !r.ScheduledAt.IsZero() {
		// A clock set back in between must not give a negative delay.
		m.runStartDelay.WithLabelValues(run.Schedule).Observe(max(0, r.FirstRequestAt.Sub(r.ScheduledAt).Seconds()))
	}
	success := time.Time{}
	if r.Result() == power.ResultOK {
		success = r.FinishedAt
	}
	m.setLastRun(run.Schedule, r.FinishedAt, success)
	m.lastRuns.finished(r)
}

// RestoreGroups sets the groups' gauges to the outcome of a run of an earlier process, so that
// alerts on a group's last run outlive a restart. A group that has an outcome already keeps it, so
// pass the newest run first. Nothing is counted again.
func (m *Metrics) RestoreGroups(r power.Report) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lastRuns.restore(r)
}

// release undoes RunStarted, once a run.
func (m *Metrics) release(runID string) {
	if run, ok := m.series.running[runID]; ok {
		delete(m.series.running, runID)
		m.occupy(run, -1)
	}
}

// occupy adds by, +1 or -1, to the number of runs in progress of the series that the run writes to.
func (m *Metrics) occupy(run batcher.RunInfo, by int) {
	m.startSchedule(run.Schedule)
	m.startPair(scheduleAction{run.Schedule, run.Action})
	m.series.busySchedules[run.Schedule] += by
	m.runsInProgress.WithLabelValues(run.Schedule).Set(float64(m.series.busySchedules[run.Schedule]))
	for _, g := range run.Groups {
		key := groupAction{g.Group, run.Action}
		m.startGroup(key)
		m.series.busyGroups[key] += by
	}
}

// setLastRun sets the timestamps of a schedule; a zero time leaves its own as it is. A schedule
// that is no longer in the configuration gets none: they would never change again, and alert for
// ever.
func (m *Metrics) setLastRun(schedule string, finished, success time.Time) {
	if m.removed(schedule) {
		return
	}
	if !finished.IsZero() {
		m.lastRun.WithLabelValues(schedule).Set(unix(finished))
	}
	if !success.IsZero() {
		m.lastSuccess.WithLabelValues(schedule).Set(unix(success))
	}
}

// ConfigReloaded records that a configuration was put to use, at start or by a reload.
func (m *Metrics) ConfigReloaded(at time.Time) {
	m.reloadOK.Set(1)
	m.reloadAt.Set(unix(at))
}

// ConfigRejected records that a configuration was refused; the one in use stays.
func (m *Metrics) ConfigRejected() { m.reloadOK.Set(0) }

// Request implements apiclient's observer. code is the HTTP status or "error"; any other text
// counts as "error", so that a peer cannot add series.
func (m *Metrics) Request(action, code string, took time.Duration) {
	m.apiRequests.WithLabelValues(action, boundedCode(code)).Inc()
	m.apiDuration.WithLabelValues(action).Observe(took.Seconds())
}

const codeError = "error"

func boundedCode(code string) string {
	if status, err := strconv.Atoi(code); err == nil && len(code) == 3 && status >= 100 && status <= 599 {
		return code
	}
	return codeError
}

// SetBlocked records whether the network in front of the API refuses this host. It is false until
// the first call.
func (m *Metrics) SetBlocked(blocked bool) {
	value := 0.0
	if blocked {
		value = 1
	}
	m.apiBlocked.Set(value)
}

// CredentialAccepted records that the API accepted the credentials in a reply that came at at.
func (m *Metrics) CredentialAccepted(at time.Time) {
	m.credentialAccepted.WithLabelValues().Set(unix(at))
}

// CredentialsReplaced records that others are in use, which no reply has accepted so far.
func (m *Metrics) CredentialsReplaced() { m.credentialAccepted.Reset() }

// initAPI starts at 0 the series that alerts divide by, or whose first increase they detect.
func (m *Metrics) initAPI() {
	statuses := []int{
		http.StatusOK, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound,
		http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout,
	}
	// What was not sent is not sent again.
	classes := slices.DeleteFunc(apiclient.Classes(), func(c apiclient.Class) bool { return c == apiclient.ClassRequest })
	for _, action := range batcher.APIActions() {
		m.apiDuration.WithLabelValues(action)
		m.apiRequests.WithLabelValues(action, codeError)
		for _, status := range statuses {
			m.apiRequests.WithLabelValues(action, strconv.Itoa(status))
		}
		for _, class := range classes {
			m.apiRetries.WithLabelValues(action, string(class))
		}
	}
}
