package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"zecpower/internal/event"
)

// Values of the label change.
const (
	changeJoined = "joined"
	changeLeft   = "left"
)

// membership is what is known of the members of groups with a guard. Metrics.mu guards it.
type membership struct {
	known map[string]bool // groups that have series

	members, accepted, guarded, shrunk *prometheus.GaugeVec
	changes                            *prometheus.CounterVec
}

func newMembership(r *registrar) membership {
	return membership{
		known:    map[string]bool{},
		members:  r.gauge("group_members", "Members of a group with a guard, at its last run or check; absent until there was one.", "group"),
		accepted: r.gauge("group_accepted_instances", "Instances on the group's accepted list by then; absent until there was a run or check.", "group"),
		guarded:  r.gauge("group_guarded_instances", "Newcomers that the group's guard kept out at its last run or check.", "group"),
		shrunk: r.gauge("group_shrunk_instances",
			"Accepted members that had left the group at its last run or check, where these were more than max_change; else 0.", "group"),
		changes: r.counter("group_membership_changes_total", "Instances that joined and left the members of a group with a guard, as its runs found.", "group", "change"),
	}
}

// keep drops the series of groups that are not known any more, and starts those of new ones.
func (m *membership) keep(known map[string]bool) {
	for group := range m.known {
		if !known[group] {
			for _, gauge := range []*prometheus.GaugeVec{m.members, m.accepted, m.guarded, m.shrunk} {
				gauge.DeleteLabelValues(group)
			}
			m.changes.DeletePartialMatch(prometheus.Labels{"group": group})
		}
	}
	for group := range known {
		if !m.known[group] {
			m.guarded.WithLabelValues(group)
			m.shrunk.WithLabelValues(group)
			m.changes.WithLabelValues(group, changeJoined)
			m.changes.WithLabelValues(group, changeLeft)
		}
	}
	m.known = known
}

// setMembership notes what a run, or a check ahead of one, found. It ignores a group that the
// configuration does not name (any more).
func (m *Metrics) setMembership(e event.Membership) {
	m.mu.Lock()
	defer m.mu.Unlock()
	of := &m.membership
	if !of.known[e.Group] {
		return
	}
	of.members.WithLabelValues(e.Group).Set(float64(e.Members))
	of.accepted.WithLabelValues(e.Group).Set(float64(e.Accepted))
	of.guarded.WithLabelValues(e.Group).Set(float64(len(e.Guarded)))
	shrunk := 0
	if e.Shrunk {
		shrunk = len(e.Left)
	}
	of.shrunk.WithLabelValues(e.Group).Set(float64(shrunk))
	if e.Run.ID != "" && !e.Resumed {
		of.changes.WithLabelValues(e.Group, changeJoined).Add(float64(len(e.Joined)))
		of.changes.WithLabelValues(e.Group, changeLeft).Add(float64(len(e.Left)))
	}
}
