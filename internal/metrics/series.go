package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"zecpower/internal/event"
	"zecpower/internal/power"
	"zecpower/scheduler"
)

// Known is what a configuration names.
type Known struct {
	Schedules []KnownSchedule
	// Accounts are the budgets of the accounts in use, by name.
	Accounts map[string]Budget
	// Unreadable maps every group to whether its members cannot be read.
	Unreadable map[string]bool
	// Guarded are the groups with a guard.
	Guarded map[string]bool
	// UnreadableFiles maps every included file to whether it is left out for a mistake.
	UnreadableFiles map[string]bool
	// CalendarEnds maps a calendar to the end of the last day of its data. It omits a calendar that
	// never ends.
	CalendarEnds map[string]time.Time
	// UnreadableCalendars maps every calendar to whether its iCalendar files cannot be read.
	UnreadableCalendars map[string]bool
}

// KnownSchedule is one schedule of a configuration.
type KnownSchedule struct {
	Name   string
	Action power.Action
	Groups []string
}

// scheduleAction names the series of runs_total that a schedule has.
type scheduleAction struct {
	schedule string
	action   power.Action
}

// series records which label values have series, so that they can be dropped. Metrics.mu guards it.
type series struct {
	loaded    bool                 // SetKnown was called
	known     map[string]bool      // schedules of the configuration
	successes map[string]time.Time // the newest success of each schedule
	schedules map[string]bool      // schedules with series
	pairs     map[scheduleAction]bool
	groups    map[groupAction]bool
	// The names that have a series of calendar_end_timestamp_seconds, calendar_unreadable,
	// group_unreadable and config_file_unreadable.
	calendarEnds, calendarUnreadable, groupUnreadable, fileUnreadable map[string]bool
	// running holds the runs in progress by id; busy counts them by what they write to.
	running       map[string]running
	busySchedules map[string]int
	busyGroups    map[groupAction]int
}

// running is a run in progress.
type running struct {
	of     scheduleAction
	groups []string
}

func newSeries() series {
	return series{
		known: map[string]bool{}, successes: map[string]time.Time{}, schedules: map[string]bool{}, pairs: map[scheduleAction]bool{},
		groups: map[groupAction]bool{}, calendarEnds: map[string]bool{},
		calendarUnreadable: map[string]bool{}, groupUnreadable: map[string]bool{}, fileUnreadable: map[string]bool{},
		busySchedules: map[string]int{}, busyGroups: map[groupAction]int{},
		running: map[string]running{},
	}
}

// SetKnown sets what the configuration names, at load and at each reload. New series start at 0,
// and series of what it no longer names are dropped, except that those of a run in progress are
// kept until the next call. Call it before the scheduler reports next runs of new schedules: those
// of unknown schedules are ignored.
func (m *Metrics) SetKnown(k Known) {
	m.mu.Lock()
	defer m.mu.Unlock()
	known, pairs, groups := map[string]bool{}, map[scheduleAction]bool{}, map[groupAction]bool{}
	for _, s := range k.Schedules {
		known[s.Name] = true
		pairs[scheduleAction{s.Name, s.Action}] = true
		for _, g := range s.Groups {
			groups[groupAction{g, s.Action}] = true
		}
	}
	m.series.loaded, m.series.known = true, known
	m.keepAccounts(k.Accounts)
	m.keepSchedules(known, pairs)
	m.keepGroups(groups)
	m.membership.keep(k.Guarded)
	setGauges(m.groupUnreadable, m.series.groupUnreadable, k.Unreadable, zeroOrOne)
	setGauges(m.fileUnreadable, m.series.fileUnreadable, k.UnreadableFiles, zeroOrOne)
	setGauges(m.calendarUnreadable, m.series.calendarUnreadable, k.UnreadableCalendars, zeroOrOne)
	setGauges(m.calendarEnd, m.series.calendarEnds, k.CalendarEnds, unix)
}

// keepAccounts drops the series of other accounts and starts those of new ones. A run in progress of
// an account that is gone begins its counters anew.
func (m *Metrics) keepAccounts(known map[string]Budget) {
	for name := range m.budgets.replace(known) {
		if known[name] == nil {
			m.dropAccount(name)
		}
	}
	for name := range known {
		m.startAccount(name)
	}
}

// keepSchedules drops the series of other schedules and starts those of new ones.
func (m *Metrics) keepSchedules(known map[string]bool, pairs map[scheduleAction]bool) {
	for name := range m.series.schedules {
		if known[name] {
			continue
		}
		m.dropTimestamps(name)
		if m.series.busySchedules[name] == 0 {
			m.dropSchedule(name)
		}
	}
	for pair := range m.series.pairs {
		if !pairs[pair] && m.series.busySchedules[pair.schedule] == 0 {
			m.dropPair(pair)
		}
	}
	for name := range known {
		m.startSchedule(name)
	}
	for pair := range pairs {
		m.startPair(pair)
	}
}

func (m *Metrics) startSchedule(name string) {
	if m.series.schedules[name] {
		return
	}
	m.series.schedules[name] = true
	m.runsInProgress.WithLabelValues(name)
}

func (m *Metrics) dropSchedule(name string) {
	delete(m.series.schedules, name)
	m.runsInProgress.DeleteLabelValues(name)
	for _, reason := range missedReasons() {
		m.missed.DeleteLabelValues(name, reason)
	}
}

func (m *Metrics) dropTimestamps(schedule string) {
	m.nextRun.DeleteLabelValues(schedule)
	m.lastRun.DeleteLabelValues(schedule)
	m.lastSuccess.DeleteLabelValues(schedule)
	delete(m.series.successes, schedule)
	m.lastDuration.DeleteLabelValues(schedule)
}

// missedReasons are those of times that were due and did not run: scheduler.MissedReasons, and that
// the run before was still going. Excluded and paused times are not counted.
func missedReasons() []string {
	reasons := []string{event.CauseOverlap}
	for _, r := range scheduler.MissedReasons() {
		reasons = append(reasons, string(r))
	}
	return reasons
}

// results lists the results of a run.
func results() []power.Result {
	return []power.Result{power.ResultOK, power.ResultPartial, power.ResultFailed}
}

func (m *Metrics) startPair(p scheduleAction) {
	m.series.pairs[p] = true
	for _, result := range results() {
		m.runs.WithLabelValues(p.schedule, string(p.action), string(result))
	}
}

func (m *Metrics) dropPair(p scheduleAction) {
	delete(m.series.pairs, p)
	for _, result := range results() {
		m.runs.DeleteLabelValues(p.schedule, string(p.action), string(result))
	}
}

// keepGroups drops the series of other groups and actions and starts those of new ones.
func (m *Metrics) keepGroups(known map[groupAction]bool) {
	keep := func(key groupAction) bool { return known[key] || m.series.busyGroups[key] > 0 }
	for key := range m.series.groups {
		if !keep(key) {
			m.dropGroup(key)
		}
	}
	for key := range known {
		m.startGroup(key)
	}
	m.lastRuns.setKnown(known, keep)
}

func (m *Metrics) startGroup(key groupAction) {
	if m.series.groups[key] {
		return
	}
	m.series.groups[key] = true
	for _, outcome := range power.Outcomes(key.action) {
		m.instances.WithLabelValues(key.group, string(key.action), string(outcome))
	}
}

func (m *Metrics) dropGroup(key groupAction) {
	delete(m.series.groups, key)
	for _, outcome := range power.Outcomes(key.action) {
		m.instances.DeleteLabelValues(key.group, string(key.action), string(outcome))
	}
}

// setGauges sets a gauge with one label, and drops the series of names that values lacks. have holds
// the names that have one.
func setGauges[V any](gauge *prometheus.GaugeVec, have map[string]bool, values map[string]V, number func(V) float64) {
	for name := range have {
		if _, kept := values[name]; !kept {
			gauge.DeleteLabelValues(name)
		}
	}
	clear(have)
	for name, v := range values {
		have[name] = true
		gauge.WithLabelValues(name).Set(number(v))
	}
}

func zeroOrOne(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// unix is t in seconds since the epoch, to the microsecond.
func unix(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }

// ConfigInUse records that a configuration was put to use, at start or by a reload.
func (m *Metrics) ConfigInUse(at time.Time) {
	m.reloadOK.Set(1)
	m.reloadAt.Set(unix(at))
}
