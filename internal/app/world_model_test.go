package app

import (
	"cmp"
	"slices"
	"time"

	"zecpower/internal/power"
	"zecpower/internal/store"
	"zecpower/scheduler"
)

// tenure is a stretch in which a schedule named the same times, for the same action. Those in (since,
// until] must be decided; those before and after, from opened to closed, may be: a reload takes its time
// while the store is slow, and a process may end where the next one begins with an edited schedule.
type tenure struct {
	opened, since time.Time // it came in force between them
	until, closed time.Time // it went out of force between them
	schedulePlan
}

func (s schedulePlan) sameTimes(other schedulePlan) bool {
	return s.cron() == other.cron() && s.action == other.action && s.paused == other.paused
}

// tenures lists them from the configurations that were in force.
func (w *world) tenures() (all []tenure) {
	open := map[string]int{} // by schedule: index of all
	for i, e := range w.editions {
		gone := e.asked // until when the edition before decided
		if i > 0 && w.editions[i-1].process != e.process {
			gone = w.processes[w.editions[i-1].process].stoppedWall.Add(-2 * scheduler.DefaultHeartbeat)
			if w.stepped() {
				gone = gone.Add(-5 * time.Minute) // it may have had no round since the clock was set
			}
		}
		for name, at := range open {
			if s, ok := e.schedule(name); !ok || !s.sameTimes(all[at].schedulePlan) {
				all[at].until, all[at].closed = gone, e.from
				delete(open, name)
			}
		}
		for _, s := range e.schedules {
			if at, ok := open[s.name]; ok {
				all[at].schedulePlan = s // its other terms may differ
				continue
			}
			open[s.name] = len(all)
			all = append(all, tenure{opened: e.asked, since: e.wall, schedulePlan: s})
		}
	}
	for _, at := range open {
		all[at].until = w.processes[len(w.processes)-1].stopped
		all[at].closed = all[at].until
	}
	return all
}

// intention is what a schedule, or a person, wanted of instances at a time.
type intention struct {
	id       string
	schedule string // empty: by hand
	action   power.Action
	nominal  time.Time // by hand: as planned
	planned  time.Time
	deadline time.Time
	groups   map[string][]string // ids by group
	record   *kept               // nil: it was not claimed
	hand     *hand               // of one by hand
	report   *power.Report       // nil: it has none
	began    []beginning
	also     map[string]bool // ids of a beginning that the store lost
	results  map[string]power.InstanceResult
}

// above reports whether i wins against other: the newer wins; of two of one time, the one by hand;
// then a start; then the id that sorts last.
func (i *intention) above(other *intention) bool {
	rank := func(yes bool) int {
		if yes {
			return 1
		}
		return 0
	}
	return cmp.Or(
		i.planned.Compare(other.planned), rank(i.schedule == "")-rank(other.schedule == ""),
		rank(i.action == power.ActionStart)-rank(other.action == power.ActionStart), cmp.Compare(i.id, other.id),
	) > 0
}

// names reports whether it was, or may have been, about an instance.
func (i *intention) names(id string) bool { return i.surelyNames(id) || i.also[id] }

func (i *intention) surelyNames(id string) bool {
	for _, ids := range i.groups {
		if slices.Contains(ids, id) {
			return true
		}
	}
	return false
}

// intentions lists what was wanted: every time of a schedule that was not paused, and every run by
// hand.
func (w *world) intentions() (all []*intention) {
	seen := map[string]int{} // by id: index of all
	for _, t := range w.tenures() {
		for _, m := range t.minutes {
			nominal := w.base.Add(time.Duration(m) * time.Minute)
			inside := nominal.After(t.opened) && !nominal.After(t.closed)
			i := w.scheduled(t, nominal)
			if i == nil || !inside && !(w.stepped() && i.record != nil) {
				continue
			}
			if at, known := seen[i.id]; known { // around an edit both may be meant; the newer one decided
				if inside {
					all[at] = i
				}
				continue
			}
			seen[i.id] = len(all)
			all = append(all, i)
		}
	}
	for _, h := range w.hands {
		if i := w.wanted(h); i != nil {
			all = append(all, i)
		}
	}
	for _, i := range all {
		i.began = w.history.began[i.id]
		if r, ok := w.history.reports[i.id]; ok && i.report == nil {
			i.report = &r
		}
		i.fill()
		if w.forgetful() {
			w.addLost(i)
		}
	}
	return all
}

// scheduled is the intention of a nominal time; nil: it is none.
func (w *world) scheduled(t tenure, nominal time.Time) *intention {
	s := w.termsAt(t, nominal)
	jitter := (&scheduler.Schedule{Name: s.name, Jitter: s.jitter}).JitterOffset()
	i := &intention{
		id: s.name + "/" + nominal.UTC().Format(time.RFC3339), schedule: s.name, action: s.action, nominal: nominal, planned: nominal.Add(jitter), groups: map[string][]string{},
	}
	i.record = w.records.runs[i.id]
	if k := i.record; k != nil {
		i.action, i.report, i.deadline = k.Action, k.report, k.Deadline
		for _, g := range k.begun {
			i.groups[g.Group] = g.IDs
		}
	}
	if s.paused && i.record == nil {
		return nil
	}
	if len(i.groups) == 0 {
		e := w.editionAt(nominal)
		for _, name := range s.groups {
			if g, ok := e.group(name); ok {
				i.groups[name] = g.ids
			}
		}
	}
	return i
}

// termsAt is what a schedule said at a time within its tenure.
func (w *world) termsAt(t tenure, at time.Time) schedulePlan {
	if s, ok := w.editionAt(at).schedule(t.name); ok && s.sameTimes(t.schedulePlan) {
		return s
	}
	return t.schedulePlan
}

// editionAt is the configuration in force at a time: of a time without a process, the next one's.
func (w *world) editionAt(at time.Time) edition {
	found := w.editions[0]
	for _, e := range w.editions {
		if !e.wall.After(at) || w.processes[found.process].ended.Before(at) && e.process != found.process && !w.processes[found.process].ended.IsZero() {
			found = e
		}
	}
	return found
}

// addLost adds the ids of beginnings that the store may have lost: those of their groups by then.
func (w *world) addLost(i *intention) {
	i.also = map[string]bool{}
	for _, b := range i.began {
		for _, name := range b.groups {
			for _, e := range w.editions {
				if g, ok := e.group(name); ok && e.process == b.process {
					for _, id := range g.ids {
						i.also[id] = true
					}
				}
			}
		}
	}
}

// fill takes over what became of it. Where the store lost its beginning the report has its ids.
func (i *intention) fill() {
	i.results = map[string]power.InstanceResult{}
	if i.report == nil {
		return
	}
	for _, g := range i.report.Groups {
		if i.record == nil || i.record.begun == nil {
			i.groups[g.Group] = nil
			for _, r := range g.Results {
				i.groups[g.Group] = append(i.groups[g.Group], r.InstanceID)
			}
		}
		for _, r := range g.Results {
			i.results[r.InstanceID] = r
		}
	}
}

// alive reports whether one process lived all through a stretch.
func (w *world) alive(from, until time.Time) bool {
	for _, p := range w.processes {
		if p.began.Before(from) && p.stopped.After(until) {
			return true
		}
	}
	return false
}

// noted lists the notes that cover a nominal time.
func (w *world) noted(schedule string, nominal time.Time) (all []store.Note) {
	for _, n := range w.records.notes {
		if n.Schedule == schedule && !n.Nominal.After(nominal) && !n.Last.Before(nominal) {
			all = append(all, n)
		}
	}
	return all
}
