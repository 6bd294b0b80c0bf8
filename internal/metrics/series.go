package metrics

import (
	"time"

	"zecpower/batcher"
	"zecpower/internal/event"
	"zecpower/internal/power"
	"zecpower/scheduler"
)

// Known is what a configuration names.
type Known struct {
	Schedules []KnownSchedule
	// Unreadable maps every group to whether its members cannot be read.
	Unreadable map[string]bool
	// CalendarEnds maps a calendar to the end of the last day of its data. It omits a calendar that
	// never ends.
	CalendarEnds map[string]time.Time
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
	loaded    bool            // SetKnown was called
	known     map[string]bool // schedules of the configuration
	schedules map[string]bool // schedules with series
	pairs     map[scheduleAction]bool
	groups    map[groupAction]bool
	calendars map[string]bool
	readable  map[string]bool // groups that have a series of group_unreadable
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
		known: map[string]bool{}, schedules: map[string]bool{}, pairs: map[scheduleAction]bool{},
		groups: map[groupAction]bool{}, calendars: map[string]bool{}, readable: map[string]bool{},
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
	m.keepSchedules(known, pairs)
	m.keepGroups(groups)
	m.setReadable(k.Unreadable)
	m.setCalendars(k.CalendarEnds)
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
	for _, reason := range missedReasons() {
		m.missed.WithLabelValues(name, reason)
	}
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
	for _, result := range batcher.BatchResults() {
		m.batches.WithLabelValues(account, string(key.action), string(result))
	}
}

func (m *Metrics) dropGroup(key groupAction) {
	delete(m.series.groups, key)
	for _, outcome := range power.Outcomes(key.action) {
		m.instances.DeleteLabelValues(key.group, string(key.action), string(outcome))
	}
}

func (m *Metrics) setReadable(unreadable map[string]bool) {
	for name := range m.series.readable {
		if _, kept := unreadable[name]; !kept {
			m.groupUnreadable.DeleteLabelValues(name)
		}
	}
	clear(m.series.readable)
	for name, is := range unreadable {
		m.series.readable[name] = true
		m.groupUnreadable.WithLabelValues(name).Set(zeroOrOne(is))
	}
}

func zeroOrOne(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

func (m *Metrics) setCalendars(ends map[string]time.Time) {
	for name := range m.series.calendars {
		if _, kept := ends[name]; !kept {
			m.calendarEnd.DeleteLabelValues(name)
		}
	}
	clear(m.series.calendars)
	for name, end := range ends {
		m.series.calendars[name] = true
		m.calendarEnd.WithLabelValues(name).Set(unix(end))
	}
}

// unix is t in seconds since the epoch, to the microsecond.
func unix(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }

// ConfigInUse records that a configuration was put to use, at start or by a reload.
func (m *Metrics) ConfigInUse(at time.Time) {
	m.reloadOK.Set(1)
	m.reloadAt.Set(unix(at))
}
