package app

import (
	"slices"
	"time"

	"zecpower/internal/power"
)

// checkRules holds a run against the rules about newer intentions of its groups, edits, and
// what an earlier process had brought to an end.
func (w *world) checkRules(i *intention, all []*intention) {
	if i.report == nil || len(i.began) == 0 || w.stepped() || w.forgetful() || w.history.unread {
		return
	}
	w.checkKept(i)
	w.checkFinals(i)
	if i.hand != nil {
		return
	}
	w.checkEdits(i)
	if w.unedited() {
		w.checkNewer(i, all)
	}
}

// unedited reports whether one configuration was in force all morning.
func (w *world) unedited() bool {
	return !slices.ContainsFunc(w.editions, func(e edition) bool { return e.config() != w.editions[0].config() })
}

// checkNewer: of a group that a newer time of another schedule wants otherwise, be it missed, nothing
// is done.
func (w *world) checkNewer(i *intention, all []*intention) {
	for group, ids := range i.groups {
		newer := slices.ContainsFunc(all, func(o *intention) bool {
			wanted := o.schedule != "" || len(o.began) > 0 && o.began[0].at.Before(i.began[0].at.Add(-time.Second))
			return wanted && o.schedule != i.schedule && o.action != i.action && o.groups[group] != nil && o.above(i) &&
				o.planned.Before(i.began[0].at.Add(-time.Second))
		})
		if !newer {
			continue
		}
		for _, id := range ids {
			if r := i.results[id]; r.Outcome == power.Outcomes(i.action)[0] && !i.namesBeside(group, id) {
				w.complain("%s: %s was switched, though a newer time wants its group %s otherwise: %+v", i.id, id, group, r)
			}
		}
	}
}

// namesBeside reports whether another of its groups names an instance, too.
func (i *intention) namesBeside(group, id string) bool {
	for other, ids := range i.groups {
		if other != group && slices.Contains(ids, id) {
			return true
		}
	}
	return false
}

// checkEdits: no run begins, or goes on after a restart, once its schedule names other times or another
// action; and where it goes on, not with groups that the schedule no longer names.
func (w *world) checkEdits(i *intention) {
	for n, b := range i.began {
		e, sure := w.editionOf(b)
		if !sure {
			continue
		}
		s, ok := e.schedule(i.schedule)
		if !ok || s.action != i.action || !slices.Contains(s.minutes, int(i.nominal.Sub(w.base)/time.Minute)) {
			w.complain("%s began at %s, after its schedule was edited", i.id, b.at.Format("15:04:05"))
			return
		}
		if n > 0 {
			w.checkLeftOut(i, s, b)
		}
	}
}

func (w *world) checkLeftOut(i *intention, s schedulePlan, b beginning) {
	wanted := map[string]bool{}
	for _, g := range s.groups {
		for _, id := range i.groups[g] {
			wanted[id] = true
		}
	}
	for id, r := range i.results {
		if !wanted[id] && !r.ReachedAt.Before(b.at) {
			w.complain("%s: %s was brought there at %s, and its schedule no longer names its group: %+v", i.id, id, r.ReachedAt.Format("15:04:05"), r)
			return
		}
	}
}

// editionOf is the configuration with which a run began; sure: none came in force about then.
func (w *world) editionOf(b beginning) (found edition, sure bool) {
	sure = true
	for _, e := range w.editions {
		if e.process == b.process && !e.from.After(b.at) {
			found = e
		}
		if age := b.at.Sub(e.from); e.process == b.process && age.Abs() < 10*time.Second && e.from != w.processes[b.process].began {
			sure = false
		}
	}
	return found, sure
}

// checkKept: an outcome that was reported well before a process ended stays.
func (w *world) checkKept(i *intention) {
	for id, r := range i.results {
		f, ok := w.history.first[finalKey{run: i.id, id: id}]
		if ok && !i.namesBeside(f.group, id) && f.result.Outcome != r.Outcome && w.processes[f.process].ended.After(f.at.Add(20*time.Second)) {
			w.complain("%s: %s was %s, and is reported as %s", i.id, id, f.result.Outcome, r.Outcome)
			return
		}
	}
}

// checkFinals: some process called each outcome of a run that has ended final: so metrics and the log
// have it.
func (w *world) checkFinals(i *intention) {
	if w.history.panics > 0 {
		return
	}
	for id, r := range i.results {
		if _, ok := w.history.first[finalKey{run: i.id, id: id}]; !ok {
			w.complain("%s: %s ended, and no event called it final: %+v", i.id, id, r)
			return
		}
	}
}
