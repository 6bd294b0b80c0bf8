package app

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"zecpower/apiclient"
	"zecpower/internal/power"
	"zecpower/internal/store"
	"zecpower/scheduler"
)

// check holds a morning that is over against the design. It reads what the clouds did and showed,
// what the store kept and what events said, and knows by itself which times were due and who
// outranks whom.
func (w *world) check() {
	all := w.intentions()
	w.byID = map[string]*intention{}
	for _, i := range all {
		w.byID[i.id] = i
	}
	w.checkTimes()
	w.checkBeginnings()
	for _, h := range w.hands {
		w.checkHand(h)
	}
	for _, i := range all {
		w.checkEnd(i)
		w.checkReport(i)
		w.checkRules(i, all)
	}
	for k, n := range w.history.finals {
		if n > 1 {
			w.complain("process %d: %s was final %d times in %s of %s", k.process, k.id, n, k.group, k.run)
		}
	}
	for a, c := range w.clouds {
		for n := range w.sizes[a] {
			w.checkInstance(c, instanceID(a, n), all)
		}
		w.checkBudget(a, c)
	}
	w.problems()
}

func (w *world) complain(format string, args ...any) {
	if w.found == nil {
		w.found = map[string]string{}
	}
	if w.found[format] == "" { // the first of a kind is enough
		w.found[format] = fmt.Sprintf(format, args...)
	}
}

// problems reports the first complaints.
func (w *world) problems() {
	for _, p := range w.found {
		w.t.Errorf("seed %d: %s", w.seed, p)
	}
}

// stepped reports whether the clock was set in this morning: times around then may be decided by a
// clock that was wrong.
func (w *world) stepped() bool {
	return slices.ContainsFunc(w.acts, func(a act) bool { return a.what == "clock" })
}

// forgetful reports whether a decision that was made may not have been durable when its process
// ended.
func (w *world) forgetful() bool { return len(w.slow) > 0 && len(w.processes) > 1 }

// checkTimes: each nominal time is decided once: it has a run, or a reason.
func (w *world) checkTimes() {
	for _, t := range w.tenures() {
		for _, m := range t.minutes {
			nominal := w.base.Add(time.Duration(m) * time.Minute)
			if nominal.After(t.since) && !nominal.After(t.until) {
				w.checkTime(t, nominal)
			}
		}
	}
}

func (w *world) checkTime(t tenure, nominal time.Time) {
	id := t.name + "/" + nominal.UTC().Format(time.RFC3339)
	k, notes := w.records.runs[id], w.noted(t.name, nominal)
	switch {
	case k == nil && len(notes) == 0 && w.stepped() && !w.unedited():
		// A schedule that is new while the clock is back may find its times decided by the clock before.
	case k == nil && len(notes) == 0 && (w.history.unread || w.forgetful() && (w.stepped() || !w.unedited())):
		// A process that could not read the store began from its own time on; and one after a reload that
		// the store never had takes the schedules for edited.
	case k == nil && len(notes) == 0:
		w.complain("%s was never decided", id)
	case len(notes) > 1 && !w.stepped() && !w.forgetful():
		w.complain("%s was decided %d times: %+v", id, len(notes), notes)
	case k != nil && len(notes) > 0 && !w.stepped() && !w.forgetful():
		w.complain("%s was claimed, and also noted as %+v", id, notes[0])
	case w.forgetful() && len(w.history.began[id]) > 0:
		// It ran, and what the store knows may come from a process that did not know that.
	case k == nil:
		w.checkReason(t, nominal, notes[0].Kind, notes[0].Reason)
	case k.Kind != store.KindRun:
		w.checkReason(t, nominal, k.Kind, k.Reason)
	}
}

// checkReason: a time that did not run, or not to its end, has a reason that is true.
func (w *world) checkReason(t tenure, nominal time.Time, kind store.Kind, reason string) {
	s := w.termsAt(t, nominal)
	planned := nominal.Add((&scheduler.Schedule{Name: s.name, Jitter: s.jitter}).JitterOffset())
	up := w.alive(nominal.Add(-time.Second), planned.Add(time.Second))
	edited := slices.ContainsFunc(w.editions, func(e edition) bool { return e.from.After(nominal) })
	so := true
	switch {
	case w.stepped():
	case kind == store.KindPaused:
		so = s.paused || edited
	case kind == store.KindOverlap:
		so = w.overlaps(t.name, nominal)
	case reason == string(scheduler.MissedDown), reason == string(scheduler.MissedCatchUpOff):
		// The loop may have waited for the store, or the run for its turn, until the process ended.
		so = !up || w.forgetful() || s.overlap == "queue" && len(w.processes) > 1
	case reason == string(scheduler.MissedSuperseded):
		so = w.newer(t, planned)
	case reason == string(scheduler.MissedInterrupted), kind == store.KindInterrupted:
		so = len(w.processes) > 1
	case reason == string(scheduler.MissedEdited), reason == string(scheduler.MissedRemoved), reason == string(scheduler.MissedPaused):
		so = edited
	case reason == string(scheduler.MissedStalled):
		so = len(w.slow) > 0 // a round waits for the store
	default:
		so = false
	}
	if !so {
		w.complain("%s %s: %s %q, but the daemon was up: %v, edited: %v", t.name, nominal.Format("15:04"), kind, reason, up, edited)
	}
}

// overlaps: another run of the schedule was going, or waiting, when one was planned.
func (w *world) overlaps(schedule string, nominal time.Time) bool {
	for id, all := range w.history.began {
		name, at, _ := strings.Cut(id, "/")
		if name != schedule || at == nominal.UTC().Format(time.RFC3339) {
			continue
		}
		if r, ok := w.history.reports[id]; all[0].at.Before(nominal.Add(10*time.Minute)) && (!ok || !r.FinishedAt.Before(nominal) || len(w.slow) > 0) { // a loop that waits for the store learns late of an end
			return true
		}
	}
	return false
}

// newer: some newer time of the schedule, or of another that shares a group with it, was planned.
func (w *world) newer(t tenure, planned time.Time) bool {
	for _, other := range w.tenures() {
		shared := slices.ContainsFunc(other.groups, func(g string) bool { return slices.Contains(t.groups, g) })
		for _, m := range other.minutes {
			at := w.base.Add(time.Duration(m)*time.Minute + (&scheduler.Schedule{Name: other.name, Jitter: other.jitter}).JitterOffset())
			if (other.name == t.name || shared || len(w.editions) > 1) && !at.Before(planned) && (other.name != t.name || at.After(planned)) {
				return true
			}
		}
	}
	for _, h := range w.hands {
		if !h.planned.Before(planned) {
			return true
		}
	}
	return false
}

// checkBeginnings: a run begins once, and again only as a resumed one; never before its time.
func (w *world) checkBeginnings() {
	for id, began := range w.history.began {
		i := w.byID[id]
		if i == nil && w.stepped() && w.forgetful() {
			continue // its time came again for a clock that was back, and the store does not have it
		}
		if i == nil {
			w.complain("%s began, and no one wanted it", id)
			continue
		}
		if early := i.planned.Sub(began[0].at); early > 0 && !w.stepped() && (i.hand == nil || !i.hand.remade) {
			w.complain("%s began %s early", id, early)
		}
		processes := map[int]bool{}
		for n, b := range began {
			if processes[b.process] {
				w.complain("%s began twice in process %d", id, b.process)
			}
			processes[b.process] = true
			if n > 0 && !b.resumed && !w.forgetful() {
				w.complain("%s ran again in process %d, not as a resumed run", id, b.process)
			}
		}
	}
}

// checkEnd: what began has an end, and what has an end has a report.
func (w *world) checkEnd(i *intention) {
	k := i.record
	switch {
	case k == nil:
		if len(i.began) > 0 && !w.forgetful() {
			w.complain("%s began, and the store never had it", i.id)
		}
	case !k.Ended():
		w.complain("%s has no end in the store: %+v", i.id, k.Record)
	case k.Kind == store.KindRun && k.report == nil:
		w.complain("%s ended without a report: %+v", i.id, k.Record)
	case k.Kind == store.KindRun && len(i.began) == 0:
		w.complain("%s ended, and never began", i.id)
	}
}

// checkReport: outcomes add up, each id has one, and each is true.
func (w *world) checkReport(i *intention) {
	if i.report == nil {
		return
	}
	outcomes := power.Outcomes(i.action)
	for _, g := range i.report.Groups {
		if g.Err != "" && (w.forgetful() || w.history.unread || len(i.began) > 1 && !w.unedited()) {
			continue // it went on without its recorded ids, or all its groups are gone, and their account
		}
		if g.Err != "" {
			w.complain("%s: group %s: %s", i.id, g.Group, g.Err)
			continue
		}
		count, ids := map[power.Outcome]int{}, map[string]bool{}
		for _, r := range g.Results {
			count[r.Outcome]++
			ids[r.InstanceID] = true
			w.checkResult(i, g.Group, r)
		}
		size := len(i.groups[g.Group])
		if w.history.unread {
			size = g.Total // a resumed run may have taken the ids that its group has now
		}
		if g.Total != size || len(ids) != g.Total || len(g.Results) != g.Total || g.Done+g.Already+g.Failed+g.Skipped != g.Total ||
			count[outcomes[0]] != g.Done || count[outcomes[1]] != g.Already || count[power.OutcomeFailed] != g.Failed || count[power.OutcomeSkipped] != g.Skipped {
			w.complain("%s: group %s of %d: %d + %d + %d + %d, outcomes %v, %d ids", i.id, g.Group, len(i.groups[g.Group]), g.Done, g.Already, g.Failed, g.Skipped, count, len(ids))
		}
		if !w.meant(i, g.Group, ids) {
			w.complain("%s: group %s is not as any configuration of its time says", i.id, g.Group)
		}
	}
	if late := i.report.FinishedAt.Sub(latestOf(i.deadline, i.began[len(i.began)-1].at)); late > 17*time.Second && !i.deadline.IsZero() {
		w.complain("%s ended %s after its deadline", i.id, late)
	}
}

func latestOf(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// meant: the ids are those of the group in a configuration that was in force when the run was decided
// or began.
func (w *world) meant(i *intention, group string, ids map[string]bool) bool {
	for n, e := range w.editions {
		if e.from.After(i.began[len(i.began)-1].at) || n+1 < len(w.editions) && w.editions[n+1].from.Before(i.planned.Add(-10*time.Minute)) {
			continue
		}
		if g, ok := e.group(group); ok && len(g.ids) == len(ids) && !slices.ContainsFunc(g.ids, func(id string) bool { return !ids[id] }) {
			return true
		}
	}
	return false
}

// checkResult: an outcome is what really happened.
func (w *world) checkResult(i *intention, group string, r power.InstanceResult) {
	c, m := w.machine(r.InstanceID)
	problem := ""
	switch r.Outcome {
	case power.OutcomeFailed:
		problem = w.falseFailure(i, c, m, r)
	case power.OutcomeSkipped:
		problem = w.falseSkip(i, group, r)
	default:
		problem = w.falseSuccess(i, m, r)
	}
	if problem != "" {
		w.complain("%s, %s: %s: %+v", i.id, group, problem, r)
	}
}

func (w *world) machine(id string) (*cloud, *machine) {
	c := w.clouds[id[2]-'0']
	return c, c.machines[id]
}

// falseSuccess: it was seen in the wanted state within the run; and what is said to be done was
// accepted, by this run or one that it joined.
func (w *world) falseSuccess(i *intention, m *machine, r power.InstanceResult) string {
	wanted := apiclient.StateRunning
	if i.action == power.ActionStop {
		wanted = apiclient.StateStopped
	}
	from, until := i.began[0].at, i.report.FinishedAt
	if !slices.ContainsFunc(m.shown, func(s moment) bool { return s.state == wanted && !s.at.Before(from) && !s.at.After(until) }) {
		return "was not seen so within the run"
	}
	done := r.Outcome == power.Outcomes(i.action)[0]
	if done && len(m.doubts)+len(m.others) == 0 && w.history.panics == 0 && !slices.ContainsFunc(m.accepted, func(a acceptance) bool { return a.action == i.action && !a.taken.After(until) }) {
		return "is said to be done, and no request for it was accepted"
	}
	return ""
}

// falseSkip: what it was skipped for outranks it and wants the opposite.
func (w *world) falseSkip(i *intention, group string, r power.InstanceResult) string {
	by := w.byID[r.By]
	switch {
	case r.Reason != power.ReasonSuperseded:
		return "skipped for no reason"
	case by == nil:
		return "superseded by what no one wanted"
	case by.action == i.action && !i.began[len(i.began)-1].at.After(i.planned.Add(2*time.Second)):
		return "superseded by one of the same action, and not late"
	case !by.above(i) && w.stepped() && !w.unedited():
		// A schedule that was removed, and added again with another jitter, and whose time came again.
	case !by.above(i):
		return fmt.Sprintf("superseded by what does not outrank it: planned %s and %s", i.planned, by.planned)
	case !by.names(r.InstanceID) && by.groups[group] == nil && len(w.editions) == 1:
		return "superseded by what does not name it"
	}
	return ""
}

// falseFailure: something was wrong, with the instance, with its account, or with the time that the
// run had.
func (w *world) falseFailure(i *intention, c *cloud, m *machine, r power.InstanceResult) string {
	from, until := i.began[0].at, i.report.FinishedAt
	trouble := c.troubled(from, until)
	others := slices.ContainsFunc(m.others, func(at time.Time) bool { return at.After(from.Add(-10*time.Minute)) && at.Before(until) }) || w.unknownHand(r.InstanceID, len(w.processes))
	tight := i.deadline.Sub(from) < 8*time.Minute || !until.Before(i.deadline) && w.resumedLate(i)
	expired := !until.Before(i.deadline)
	ok := false
	switch r.Reason {
	case power.ReasonNotFound:
		ok = m.missing
	case power.ReasonRejected:
		ok = m.refuses || expired && (tight || m.missing && trouble) || others || c.had(faultArrears, from, until) || c.had(faultKey, from, until) || w.rotated()
	case power.ReasonReversed:
		ok = others
	case power.ReasonBootFailed, power.ReasonStopFailed:
		ok = m.sick || others
	case power.ReasonBootTimeout, power.ReasonStopTimeout:
		ok = m.hangs || others || trouble || expired && tight
	case power.ReasonThrottled, power.ReasonWrongState:
		ok = expired && (trouble || tight || m.hangs || others)
	case power.ReasonAPIError, power.ReasonBlocked:
		ok = trouble || expired && m.hangs || w.rotated() && len(w.editions) > 1 // an account that no group uses any more keeps its key
	case power.ReasonAuth:
		ok = c.had(faultKey, from, until) || w.rotated()
	case power.ReasonCancelled:
		ok = i.hand != nil && !i.hand.tried.IsZero() && !i.hand.tried.After(until) || len(i.began) > 1 && len(w.editions) > 1
	case power.ReasonInternalError:
		ok = w.history.panicked[i.id]
	}
	if !ok {
		return "failed without a cause"
	}
	return ""
}

func (w *world) rotated() bool {
	return slices.ContainsFunc(w.acts, func(a act) bool { return a.what == "new key" })
}

// resumedLate: a part of the run's time passed without a process.
func (w *world) resumedLate(i *intention) bool { return len(i.began) > 1 }

// troubled: some fault of the account reached into a stretch. One that blocks is probed every 30 s.
func (c *cloud) troubled(from, until time.Time) bool {
	return slices.ContainsFunc(c.faults, func(f fault) bool { return f.from.Before(until) && f.to.Add(time.Minute).After(from) })
}

func (c *cloud) had(kind faultKind, from, until time.Time) bool {
	return slices.ContainsFunc(c.faults, func(f fault) bool { return f.kind == kind && f.from.Before(until) && f.to.Add(time.Minute).After(from) })
}

// unknownHand: a run by hand of a process before the n-th is not on record, because the process died
// with it or the store failed. What it wanted of the instance is known no more.
func (w *world) unknownHand(id string, n int) bool {
	return slices.ContainsFunc(w.hands, func(h *hand) bool {
		i := w.byID[h.order.RunID]
		return i != nil && i.began[0].process < n-1 && i.record == nil && i.names(id)
	})
}

// checkInstance: it is in the end as its highest intention wanted, it was switched no more often than
// that was wanted, and never against a newer intention that had begun.
func (w *world) checkInstance(c *cloud, id string, all []*intention) {
	m := c.machines[id]
	var mine []*intention
	for _, i := range all {
		if i.names(id) {
			mine = append(mine, i)
		}
	}
	w.checkState(id, m, mine)
	w.checkCounts(id, m, mine)
	for _, a := range m.accepted {
		w.checkRank(id, a, mine)
		w.checkForce(id, a, mine)
	}
}

func (w *world) checkState(id string, m *machine, mine []*intention) {
	if len(mine) == 0 {
		return
	}
	top := mine[0]
	for _, i := range mine[1:] {
		if i.above(top) {
			top = i
		}
	}
	r, ok := top.results[id]
	if !ok || r.Outcome == power.OutcomeFailed {
		return // it did not run, or failed for a cause
	}
	if by := w.byID[r.By]; r.Outcome == power.OutcomeSkipped && by != nil && !by.names(id) {
		return // the group has other instances by now, and the newer run is about these
	}
	if r.Outcome == power.OutcomeSkipped {
		w.complain("%s was skipped in %s, which is its highest intention: %+v", id, top.id, r)
		return
	}
	wanted := apiclient.StateRunning
	if top.action == power.ActionStop {
		wanted = apiclient.StateStopped
	}
	others := slices.ContainsFunc(m.others, func(at time.Time) bool { return at.After(top.began[0].at.Add(-2 * time.Minute)) })
	forgotten := top.hand != nil && (w.stepped() || w.unknownHand(id, len(w.processes)))
	if got := m.state(time.Now()); got != wanted && !others && !forgotten {
		w.complain("%s is %s in the end; its highest intention %s wanted %s and reported %+v; accepted %+v", id, got, top.id, wanted, r, m.accepted)
	}
}

func (w *world) checkCounts(id string, m *machine, mine []*intention) {
	lost := 0 // runs by hand that died unrecorded: an older run may switch it back
	for _, i := range mine {
		if i.hand != nil && w.records.runs[i.id] == nil {
			lost++
		}
	}
	if w.forgetful() { // a crash that lost a claim or an end: one more for each
		lost += len(w.processes) - 1
	}
	for _, action := range []power.Action{power.ActionStart, power.ActionStop} {
		accepted, wanted := 0, m.fell[action]+len(m.others)+lost
		for _, a := range m.accepted {
			if a.action == action {
				accepted++
			}
		}
		for _, i := range mine {
			if i.action == action && len(i.began) > 0 {
				wanted++
			}
		}
		if accepted > wanted {
			w.complain("%s: %d times accepted to %s, wanted %d times: %+v", id, accepted, action, wanted, m.accepted)
		}
	}
}

// remembered reports whether a process must know from the store that a run of an earlier one began.
func (w *world) remembered(i *intention, process int) bool {
	k := w.records.runs[i.id]
	return len(i.began) > 0 && i.began[0].process < process && k != nil && k.Kind == store.KindRun &&
		!w.stepped() && !w.forgetful() && !w.history.unread && w.unedited()
}

// checkRank: when the request left, no opposite intention had begun in its process, or in one before it,
// that outranks all that the request can have been for.
func (w *world) checkRank(id string, a acceptance, mine []*intention) {
	begun := func(i *intention) bool {
		return slices.ContainsFunc(i.began, func(b beginning) bool { return b.process == a.process && b.at.Before(a.came) }) || w.remembered(i, a.process)
	}
	for _, o := range mine {
		if o.hand != nil && (w.stepped() || o.hand.remade) {
			continue // it ranks by another clock than the schedules, or began with another rank
		}
		if o.action == a.action || !o.surelyNames(id) || !begun(o) || w.left(o, id) {
			continue
		}
		if !slices.ContainsFunc(mine, func(x *intention) bool {
			return x.action == a.action && x.above(o) && slices.ContainsFunc(x.began, func(b beginning) bool { return b.process == a.process && !b.at.After(a.came) })
		}) {
			w.complain("%s: a request to %s it left at %s, though %s had begun at %s", id, a.action, a.came.Format("15:04:05.000"), o.id, o.began[0].at.Format("15:04:05.000"))
			return
		}
	}
}

// left: the run wanted nothing of the instance any more: a newer intention had it, or its schedule did
// not name its group any more when it went on.
func (w *world) left(i *intention, id string) bool {
	r, ok := i.results[id]
	return ok && (r.Outcome == power.OutcomeSkipped || len(i.began) > 1 && r.Reason == power.ReasonCancelled)
}

// checkBudget: never more requests than the bucket of a process had tokens for, never too many at
// once, never too many ids.
func (w *world) checkBudget(account int, c *cloud) {
	for _, p := range w.processes {
		last, tokens := p.began, math.Inf(1)
		var flying []time.Time // until when
		for _, q := range c.requests {
			if q.process != p.n {
				continue
			}
			of := w.limits(account, p, q.at)
			tokens = math.Min(float64(of.burst), tokens+of.rate*q.at.Sub(last).Seconds()) - 1
			last = q.at
			if tokens < -1e-3 {
				w.complain("process %d, %s: a request at %s came %.3f requests early", p.n, c.name, q.at.Format("15:04:05.000"), -tokens)
				return
			}
			flying = slices.DeleteFunc(flying, func(until time.Time) bool { return !until.After(q.at) })
			if len(flying) >= of.inFlight {
				w.complain("process %d, %s: %d requests in flight at %s, %d are allowed", p.n, c.name, len(flying)+1, q.at.Format("15:04:05.000"), of.inFlight)
				return
			}
			if q.ids > w.plan.batch.size {
				w.complain("a request of %d ids", q.ids)
			}
			until := q.at.Add(of.timeout)
			if !q.done.IsZero() && q.done.Before(until) {
				until = q.done
			}
			flying = append(flying, until)
		}
	}
}

// limits are those of an account at a time: while an edit takes hold, the wider ones of both.
func (w *world) limits(account int, p *process, at time.Time) accountPlan {
	name := w.clouds[account].name
	found := accountPlan{}
	for _, e := range w.editions {
		if e.process != p.n {
			continue
		}
		i := slices.IndexFunc(e.accounts, func(a accountPlan) bool { return a.name == name })
		of := e.accounts[i]
		switch {
		case e.from.Add(16 * time.Second).Before(at):
			found = of
		case e.from.Add(-6*time.Second).Before(at) || found.name == "":
			found = accountPlan{name, math.Max(found.rate, of.rate), max(found.burst, of.burst), max(found.inFlight, of.inFlight), max(found.timeout, of.timeout)}
		}
	}
	return found
}
