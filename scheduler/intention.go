package scheduler

import (
	"maps"
	"time"

	"zecpower/internal/power"
	"zecpower/internal/store"
)

// intention is what a schedule, or a person, wanted of a group at a time. Across schedules the
// newest intention of a group wins: an older one of the opposite action is never made, and an older
// one of the same action is not made up for.
//
// A time that is excluded or paused is no intention, and neither is one from before its schedule was
// added or edited.
type intention struct {
	planned  time.Time // nominal time and jitter; by hand, when it was asked for
	action   power.Action
	schedule string // store.ManualSchedule: by hand
	runID    string
	// stands: it was made, or may still be. An older one of the same action is then needless.
	stands bool
}

func (a intention) rank() power.Rank {
	return power.Rank{Planned: a.planned, ByHand: a.schedule == store.ManualSchedule, Action: a.action, RunID: a.runID}
}

// outranks reports whether a wins against b.
func (a intention) outranks(b intention) bool { return a.rank().Compare(b.rank()) > 0 }

// supersedes reports whether a keeps an older intention b from being made. late says that b would
// be made up for: it has not begun, and its time is over.
func (a intention) supersedes(b intention, late bool) bool {
	if !a.outranks(b) {
		return false
	}
	return a.action != b.action || late && a.stands && a.planned.After(b.planned)
}

// intention returns what s wants at a nominal time.
func (s *Schedule) intention(nominal time.Time) intention {
	return intention{
		planned: nominal.Add(s.JitterOffset()), action: s.Action, schedule: s.Name, runID: RunID(s.Name, nominal),
	}
}

// newestDue returns the newest nominal time in (after, until] that is due; false: there is none, or
// none among the last maxSeek. Nominal times can only be listed forward, so it lists intervals that
// end at until and begin earlier and earlier.
func (s *Schedule) newestDue(after, until time.Time) (newest Occurrence, found bool) {
	if s.Paused {
		return Occurrence{}, false
	}
	for reach := time.Minute; ; reach *= 2 {
		from, seen := latest(after, until.Add(-reach)), 0
		for o := range s.Occurrences(from, until) {
			seen++
			if o.Status == StatusDue {
				newest, found = o, true
			}
		}
		if found || !from.After(after) || seen >= maxSeek {
			return newest, found
		}
	}
}

// intents finds, for one round, the newest intention of each group. It belongs to the goroutine of
// Loop.Run.
type intents struct {
	loop   *Loop
	now    time.Time
	grace  time.Duration
	after  time.Time             // how far back entries was searched
	newest map[*entry]*intention // memo; nil: none since after
}

func (l *Loop) newIntents(now time.Time, grace time.Duration) *intents {
	return &intents{loop: l, now: now, grace: grace, after: now, newest: map[*entry]*intention{}}
}

// divide returns the groups of which own is still wanted, and the others with the id of the run
// that a newer intention wants instead. late is as in supersedes.
func (x *intents) divide(groups []string, own intention, late bool) (kept []string, superseded map[string]string) {
	for _, g := range groups {
		by := x.superseded(g, own, late)
		if by == "" {
			kept = append(kept, g)
			continue
		}
		if superseded == nil {
			superseded = map[string]string{}
		}
		superseded[g] = by
	}
	return kept, superseded
}

// superseded is the id of the run that a newer intention wants of a group; empty: none.
func (x *intents) superseded(group string, own intention, late bool) (by string) {
	byHand := own.schedule == store.ManualSchedule
	if made, ok := x.loop.made[group]; ok && (byHand || made.schedule != own.schedule) && x.counts(made) && made.supersedes(own, late) {
		return made.runID
	}
	for _, e := range x.loop.byGroup[group] {
		if e.name == own.schedule {
			continue // of its own times the overlap policy and the catch-up decide
		}
		if newest := x.newestOf(e, own.planned); newest != nil && newest.supersedes(own, late) {
			return newest.runID
		}
	}
	return ""
}

// counts leaves out what was planned for a time that lies ahead: a clock that was wrong once must
// not decide for ever.
func (x *intents) counts(i intention) bool { return !i.planned.After(x.now.Add(stepThreshold)) }

// of returns the groups of a claimed run that begins or goes on, of which a newer intention wants
// otherwise, and whether these are all of its groups. s is its schedule.
func (x *intents) of(f Firing, s *Schedule) (superseded map[string]string, all bool) {
	if x == nil {
		return nil, false
	}
	kept, superseded := x.divide(f.groupsOf(s), s.intention(f.Nominal), false)
	return superseded, len(kept) == 0 && len(superseded) > 0
}

// newestOf returns the newest intention of a schedule that was planned at or after since; nil:
// there is none.
func (x *intents) newestOf(e *entry, since time.Time) *intention {
	if since.Before(x.after) { // search again, further back
		x.after = since
		clear(x.newest)
	}
	if found, ok := x.newest[e]; ok {
		return found
	}
	x.newest[e] = e.newestIntention(x.after, x.now, x.grace)
	return x.newest[e]
}

// newestIntention returns the newest due time of e that was planned in [after, now]; nil: none.
func (e *entry) newestIntention(after, now time.Time, grace time.Duration) *intention {
	if e.schedule == nil {
		return nil
	}
	jitter := e.schedule.JitterOffset()
	o, ok := e.schedule.newestDue(latest(after.Add(-jitter-1), e.since), now.Add(-jitter))
	if !ok {
		return nil
	}
	i := e.schedule.intention(o.Nominal)
	i.stands = e.made(o.Nominal) || now.Sub(i.planned) <= max(grace, e.schedule.CatchUp)
	return &i
}

// remakeGroups makes byGroup anew. The caller holds mu.
func (l *Loop) remakeGroups() {
	l.byGroup = map[string][]*entry{}
	for _, e := range l.entries {
		if e.schedule == nil {
			continue
		}
		for _, g := range e.schedule.Groups {
			l.byGroup[g] = append(l.byGroup[g], e)
		}
	}
	maps.DeleteFunc(l.made, func(group string, _ intention) bool { return l.byGroup[group] == nil })
}

// noteMade notes what a run that begins wants of its groups.
func (l *Loop) noteMade(i intention, groups []string) {
	i.stands = true
	for _, g := range groups {
		if newest, ok := l.made[g]; !ok || i.outranks(newest) {
			l.made[g] = i
		}
	}
}

// NoteByHand notes that a run by hand begins: from the next round on, older times of schedules over its
// groups are decided with what it wants, as they are after a restart. It is safe for concurrent use and
// waits for nothing.
func (l *Loop) NoteByHand(r store.Run) { l.lock(func() { l.byHand = append(l.byHand, r) }) }

// takeByHand takes over what NoteByHand noted.
func (l *Loop) takeByHand() {
	var all []store.Run
	l.lock(func() { all, l.byHand = l.byHand, nil })
	for _, r := range all {
		l.noteMade(l.intentionOf(r), r.Groups)
	}
}

// recallMade notes what the runs of earlier processes wanted, and those by hand.
func (l *Loop) recallMade(newest map[string][]store.Run) {
	for group, runs := range newest {
		for _, r := range runs {
			l.noteMade(l.intentionOf(r), []string{group})
		}
	}
}

// intentionOf is what a run of the store wanted.
func (l *Loop) intentionOf(r store.Run) intention {
	i := intention{planned: r.Nominal, action: r.Action, schedule: r.Schedule, runID: r.ID}
	if e := l.entries[r.Schedule]; e != nil && e.schedule != nil {
		i.planned = r.Nominal.Add(e.schedule.JitterOffset())
	}
	return i
}
