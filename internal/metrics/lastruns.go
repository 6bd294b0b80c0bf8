package metrics

import (
	"maps"
	"strings"
	"sync"

	"zecpower/internal/power"

	"github.com/prometheus/client_golang/prometheus"
)

// MaxFailedInfo is how many failed instances of a group are named; the rest are counted.
const MaxFailedInfo = 200

// groupAction names the series of a group under one action.
type groupAction struct {
	group  string
	action power.Action
}

// groupRun is the outcome of one group's last run. It never changes.
type groupRun struct {
	action  power.Action
	metrics []prometheus.Metric // of that action, ready to send
}

// lastRuns collects group_instances, instance_failed_info and instances_failed_omitted: the outcome
// of each group's last run, of whichever action. The groups of a run change together.
type lastRuns struct {
	instances *prometheus.Desc
	failed    *prometheus.Desc
	omitted   *prometheus.Desc

	mu   sync.Mutex          // guards the maps; a scrape holds it to copy what it sends, no longer
	runs map[string]groupRun // by group
	// idle are the series, all 0, of each known group and action. They show where the last run was
	// another action's, or there was none.
	idle map[groupAction][]prometheus.Metric
}

func newLastRuns(r *registrar) *lastRuns {
	l := &lastRuns{
		runs:      map[string]groupRun{},
		instances: r.desc(KindGauge, "group_instances", "Instances of the group's last run by outcome; 0 for an action that was not the last.", "group", "action", "outcome"),
		failed:    r.desc(KindGauge, "instance_failed_info", "1 for each instance that failed in the group's last run; at most 200 a group.", "group", "action", "instance_id", "reason"),
		omitted:   r.desc(KindGauge, "instances_failed_omitted", "Instances that failed in the group's last run and are not in zecpower_instance_failed_info.", "group", "action"),
	}
	return l
}

// Describe implements prometheus.Collector.
func (l *lastRuns) Describe(out chan<- *prometheus.Desc) {
	out <- l.instances
	out <- l.failed
	out <- l.omitted
}

// Collect implements prometheus.Collector from a single snapshot.
func (l *lastRuns) Collect(out chan<- prometheus.Metric) {
	for _, of := range l.snapshot() {
		for _, m := range of {
			out <- m
		}
	}
}

// snapshot is what one scrape shows: the series of each group and action.
func (l *lastRuns) snapshot() [][]prometheus.Metric {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([][]prometheus.Metric, 0, len(l.runs)+len(l.idle))
	for _, run := range l.runs {
		all = append(all, run.metrics)
	}
	for key, zeros := range l.idle {
		if run, ran := l.runs[key.group]; !ran || run.action != key.action {
			all = append(all, zeros)
		}
	}
	return all
}

// restore publishes the outcome that an earlier process recorded, of groups that have not run in
// this one.
func (l *lastRuns) restore(r power.Report) {
	rendered := l.renderAll(r)
	l.mu.Lock()
	defer l.mu.Unlock()
	for group, run := range rendered {
		if _, ran := l.runs[group]; !ran {
			l.runs[group] = run
		}
	}
}

// finished shows a run's groups, all at once.
func (l *lastRuns) finished(r power.Report) {
	rendered := l.renderAll(r)
	l.mu.Lock()
	defer l.mu.Unlock()
	maps.Copy(l.runs, rendered)
}

func (l *lastRuns) renderAll(r power.Report) map[string]groupRun {
	rendered := make(map[string]groupRun, len(r.Groups))
	for _, g := range r.Groups {
		rendered[g.Group] = groupRun{action: r.Action, metrics: l.render(g, r.Action)}
	}
	return rendered
}

// setKnown drops the groups that keep refuses and sets the series of known pairs to 0.
func (l *lastRuns) setKnown(known map[groupAction]bool, keep func(groupAction) bool) {
	idle := make(map[groupAction][]prometheus.Metric, len(known))
	for key := range known {
		idle[key] = l.render(power.GroupReport{Group: key.group}, key.action)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.idle = idle
	maps.DeleteFunc(l.runs, func(group string, run groupRun) bool { return !keep(groupAction{group, run.action}) })
}

// render builds a group's series: a count for each outcome, the first MaxFailedInfo failures by id,
// the rest as a number.
func (l *lastRuns) render(g power.GroupReport, action power.Action) []prometheus.Metric {
	outcomes := power.Outcomes(action)
	counts := []int{g.Done, g.Already, g.Failed, g.Skipped}
	var ms []prometheus.Metric
	for i, outcome := range outcomes {
		ms = append(ms, gauge(l.instances, float64(counts[i]), g.Group, string(action), string(outcome)))
	}
	named := make(map[string]bool)
	for _, f := range g.Results {
		if len(named) == MaxFailedInfo {
			break
		}
		// A repeated or malformed label value would fail the whole scrape. Ids come from files, so
		// both are handled here.
		id := strings.ToValidUTF8(f.InstanceID, "\uFFFD")
		if f.Outcome != power.OutcomeFailed || named[id] {
			continue
		}
		named[id] = true
		ms = append(ms, gauge(l.failed, 1, g.Group, string(action), id, string(f.Reason)))
	}
	return append(ms, gauge(l.omitted, float64(max(0, g.Failed-len(named))), g.Group, string(action)))
}

func gauge(desc *prometheus.Desc, value float64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
}
