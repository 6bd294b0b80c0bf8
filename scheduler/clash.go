package scheduler

import (
	"time"

	"zecpower/internal/power"
)

// The bounds of one search for clashes.
const (
	clashWithin  = time.Minute // how close two opposite times of one group are a clash
	clashTimes   = 10_000      // times of one schedule
	clashAll     = 5_000_000   // times of all schedules together: 120 MB
	clashPairs   = 1_000_000   // pairs of schedules that are compared
	clashReports = 100         // pairs that are reported
)

// Clash is a start and a stop of a common group by two schedules within a minute of each other. Only
// the winner's is made.
type Clash struct {
	Group         string // the first that the schedules have in common
	Winner, Loser Due
}

// Due is a time at which a schedule comes due, jitter included, in the schedule's zone.
type Due struct {
	Schedule string
	Action   power.Action
	At       time.Time
}

// Clashes returns the first clash of each pair of schedules in (from, until], at most 100, in the
// order of the schedules. complete is false where there was more to search, or to report, than one
// search may: 10,000 times of a schedule, 5,000,000 of all, 1,000,000 pairs.
func Clashes(schedules []Schedule, from, until time.Time) (clashes []Clash, complete bool) {
	search := clashSearch{from: from, until: until, known: map[*Schedule][]intention{}}
	pairs, complete := opposites(schedules)
	for _, p := range pairs {
		if len(clashes) == clashReports {
			return clashes, false
		}
		if winner, loser, found := firstClash(search.times(p.start), search.times(p.stop)); found {
			clashes = append(clashes, Clash{p.group, winner.due(p), loser.due(p)})
		}
	}
	return clashes, complete && !search.cut
}

// opposite is a pair of schedules with opposite actions over a group.
type opposite struct {
	group       string
	start, stop *Schedule
}

// opposites lists each pair once; complete is false where it does not list all.
func opposites(schedules []Schedule) (pairs []opposite, complete bool) {
	type key struct{ start, stop *Schedule }
	seen := map[key]bool{}
	byGroup := map[string][]*Schedule{}
	for i := range schedules {
		s := &schedules[i]
		for _, g := range s.Groups {
			for _, other := range byGroup[g] {
				p := opposite{g, s, other}
				if s.Action == power.ActionStop {
					p.start, p.stop = other, s
				}
				if s.Action == other.Action || seen[key{p.start, p.stop}] {
					continue
				}
				if len(pairs) == clashPairs {
					return pairs, false
				}
				seen[key{p.start, p.stop}] = true
				pairs = append(pairs, p)
			}
			byGroup[g] = append(byGroup[g], s)
		}
	}
	return pairs, true
}

// clashSearch finds the times of schedules, each once.
type clashSearch struct {
	from, until time.Time
	known       map[*Schedule][]intention
	all         int
	cut         bool // some times were not searched
}

// times are what s wants, in the order of time.
func (c *clashSearch) times(s *Schedule) []intention {
	if all, ok := c.known[s]; ok {
		return all
	}
	all, jitter := []intention(nil), s.JitterOffset()
	seen := 0
	for o := range s.Occurrences(c.from.Add(-jitter), c.until.Add(-jitter)) {
		if seen++; seen > clashTimes || c.all+len(all) >= clashAll {
			c.cut = true
			break
		}
		if o.Status == StatusDue {
			all = append(all, s.intention(o.Nominal))
		}
	}
	c.known[s] = all
	c.all += len(all)
	return all
}

// firstClash goes through two lists in the order of time, and returns the first times that lie
// within a minute of each other.
func firstClash(a, b []intention) (winner, loser intention, found bool) {
	for len(a) > 0 && len(b) > 0 {
		apart := a[0].planned.Sub(b[0].planned)
		switch {
		case apart.Abs() < clashWithin && a[0].outranks(b[0]):
			return a[0], b[0], true
		case apart.Abs() < clashWithin:
			return b[0], a[0], true
		case apart < 0:
			a = a[1:]
		default:
			b = b[1:]
		}
	}
	return intention{}, intention{}, false
}

// due is i as a report shows it; p has its schedule.
func (i intention) due(p opposite) Due {
	s := p.start
	if i.action == power.ActionStop {
		s = p.stop
	}
	return Due{s.Name, s.Action, i.planned.In(s.Zone)}
}
