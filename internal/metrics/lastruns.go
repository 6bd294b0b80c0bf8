package metrics

import (
	"maps"
	"strings"
	"sync/atomic"

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

// groupRun is the outcome of one group's last run. Immutable once published.
type groupRun struct {
	action  power.Action
	metrics []prometheus.Metric // of that action, ready to send
}

// snapshot is everything that one scrape shows of the groups' last runs.
// Immutable: a change publishes another one.
type snapshot struct {
	runs map[string]groupRun // by group
	// idle are the series, all 0, of each known group and action whose last run
	// was another action's, or none.
	idle map[groupAction][]prometheus.Metric
}

// lastRuns collects group_instances, instance_failed_info and instances_failed_omitted: the outcome
// of each group's last run, of whichever action. The owner serialises the writers; scrapes take no
// lock.
type lastRuns struct {
	instances *prometheus.Desc
	failed    *prometheus.Desc
	omitted   *prometheus.Desc
	current   atomic.Pointer[snapshot]
}

func newLastRuns(r *registrar) *lastRuns {
	l := &lastRuns{
		instances: r.desc("group_instances", "Instances of the group's last run by outcome; 0 for an action that was not the last.", "group", "action", "outcome"),
		failed:    r.desc("instance_failed_info", "1 for each instance that failed in the group's last run; at most 200 a group.", "group", "action", "instance_id", "reason"),
		omitted:   r.desc("instances_failed_omitted", "Instances that failed in the group's last run and are not in zecpower_instance_failed_info.", "group", "action"),
	}
	l.current.Store(&snapshot{})
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
	s := l.current.Load()
	for _, run := range s.runs {
		send(out, run.metrics)
	}
	for key, zeros := range s.idle {
		if run, ran := s.runs[key.group]; !ran || run.action != key.action {
			send(out, zeros)
		}
	}
}

func send(out chan<- prometheus.Metric, ms []prometheus.Metric) {
	for _, m := range ms {
		out <- m
	}
}

// restore publishes the outcome that an earlier process recorded, of groups that have not run in
// this one.
func (l *lastRuns) restore(r power.Report) {
	var groups []power.GroupReport
	for _, g := range r.Groups {
		if _, ran := l.current.Load().runs[g.Group]; !ran {
			groups = append(groups, g)
		}
	}
	r.Groups = groups
	l.finished(r)
}

// finished publishes a run's groups, all at once.
func (l *lastRuns) finished(r power.Report) {
	old := l.current.Load()
	next := &snapshot{runs: maps.Clone(old.runs), idle: old.idle}
	if next.runs == nil {
		next.runs = make(map[string]groupRun, len(r.Groups))
	}
	for _, g := range r.Groups {
		next.runs[g.Group] = groupRun{action: r.Action, metrics: l.render(g, r.Action)}
	}
	l.current.Store(next)
}

// setKnown drops the groups that keep refuses and sets the series of known pairs to 0.
func (l *lastRuns) setKnown(known map[groupAction]bool, keep func(groupAction) bool) {
	old := l.current.Load()
	next := &snapshot{runs: make(map[string]groupRun), idle: make(map[groupAction][]prometheus.Metric, len(known))}
	for group, run := range old.runs {
		if keep(groupAction{group, run.action}) {
			next.runs[group] = run
		}
	}
	for key := range known {
		next.idle[key] = l.render(power.GroupReport{Group: key.group}, key.action)
	}
	l.current.Store(next)
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
