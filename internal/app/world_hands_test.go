package app

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"zecpower/internal/power"
)

// alice is the person of all runs by hand.
const alice = "alice (uid 1004)"

// hand is a person who wants one run, and asks for it once or more.
type hand struct {
	order     Order
	made      *handRun            // as the process that was asked last has it; nil: none took the order
	process   int                 // that process
	action    power.Action        // of the run that was made
	planned   time.Time           // when it was asked for; zero: no process took the order
	deadline  time.Time           // of the run
	ids       map[string][]string // by group
	remade    bool                // it had begun, and the store lost that, so that it was made anew
	cancelled time.Time           // when a process had promised to end it; zero: none has
	tried     time.Time           // when that was asked for
}

// drawHand draws what a person orders at about a time, and how often: at once, a moment later, and so
// late that another process may have begun. Some are cancelled.
func (w *world) drawHand(at time.Time, add func(after time.Duration, what string, do func())) {
	r, h := w.rng, &hand{}
	from := time.Duration(0)
	if r.IntN(4) == 0 { // in the moment of a schedule
		from = -at.Sub(at.Truncate(time.Minute))
	}
	h.order.RunID = fmt.Sprintf("manual/%s-%06x", at.Add(from).UTC().Format(time.RFC3339), r.Uint32()&0xffffff)
	add(from, "by hand", func() { w.ask(h) })
	for _, later := range []time.Duration{0, upTo(r, time.Millisecond, 3*time.Second), upTo(r, time.Second, 14*time.Minute)} {
		if r.IntN(3) == 0 {
			add(from+later, "by hand again", func() { w.ask(h) })
		}
	}
	if r.IntN(4) == 0 {
		after := from + upTo(r, 0, pick(r, time.Second, 2*time.Minute))
		add(after, "cancel", func() { w.cancelHand(h) })
		if r.IntN(3) == 0 { // and then the process dies
			after += upTo(r, 0, pick(r, 100*time.Millisecond, 2*time.Second))
			add(after, "kill", w.kill)
			add(after+upTo(r, time.Second, time.Minute), "start", func() { w.boot(false) })
		}
	}
	w.hands = append(w.hands, h)
}

// drawOrder says what the person wants, of the configuration as it is then.
func (w *world) drawOrder(o *Order) {
	r := w.rng
	if r.IntN(4) == 0 {
		o.Schedule = pick(r, w.plan.schedules...).name
		return
	}
	o.Action, o.Deadline = pick(r, power.ActionStart, power.ActionStop), pick(r, 0, 30*time.Minute, 10*time.Minute, 5*time.Minute)
	o.Force = o.Action == power.ActionStop && r.IntN(3) == 0
	for range 1 + r.IntN(2) {
		if g := pick(r, w.plan.groups...).name; !slices.Contains(o.Groups, g) {
			o.Groups = append(o.Groups, g)
		}
	}
}

// ask orders the run of the process that is alive.
func (w *world) ask(h *hand) {
	p := w.process
	if p == nil {
		return
	}
	if h.order.Action == "" && h.order.Schedule == "" {
		w.drawOrder(&h.order)
	}
	of, err := p.daemon.hands.order(h.order, alice)
	w.note("ordered %+v: %v", h.order, err)
	_, bad := errors.AsType[*badOrder](err)
	if bad && w.knows(h.order) {
		w.complain("%s was refused: %v", h.order.RunID, err)
	}
	if err != nil {
		return
	}
	asked := w.plan
	p.hands.Go(func() {
		<-of.claimed
		p.mu.Lock()
		defer p.mu.Unlock()
		switch {
		case of.refused != nil:
			p.logf("refused %s: %v", h.order.RunID, of.refused)
		case h.made == nil || h.process != p.n:
			h.take(p.n, of, asked)
		case of != h.made && time.Since(h.made.endedAt()) < endedKept:
			w.complain("%s was made twice in process %d", h.order.RunID, p.n)
		}
	})
}

// knows reports whether the configuration has what an order names.
func (w *world) knows(o Order) bool {
	s, ok := w.plan.schedule(o.Schedule)
	if o.Schedule != "" && !ok {
		return false
	}
	return !slices.ContainsFunc(slices.Concat(o.Groups, s.groups), func(name string) bool { _, ok := w.plan.group(name); return !ok })
}

// take notes that a process has the run. One that is resumed stays what it was. asked is
// the configuration that was in force.
func (h *hand) take(process int, of *handRun, asked plan) {
	h.made, h.process = of, process
	r := of.run
	if r.Resumed {
		return
	}
	h.remade = !h.planned.IsZero()
	h.action, h.planned, h.deadline, h.ids = r.Action, r.Planned, r.Deadline, map[string][]string{}
	for _, name := range r.Names {
		g, _ := asked.group(name)
		h.ids[name] = g.ids
	}
}

// has reports whether a process has the run.
func (h *hand) has(p *process) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return h.made != nil && h.process == p.n
}

// cancelHand asks to end the run, as a command does: it waits for the answer while the world goes on.
func (w *world) cancelHand(h *hand) {
	p := w.process
	if p == nil || !h.has(p) {
		return
	}
	h.tried = time.Now()
	p.hands.Go(func() {
		_, so := p.daemon.hands.cancel(h.order.RunID)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.logf("cancel %s: %v", h.order.RunID, so)
		if so && !p.killed && h.cancelled.IsZero() {
			h.cancelled = time.Now()
		}
	})
}

// wanted is what a person wanted; nil: no process took the order, or it was forgotten before it began.
func (w *world) wanted(h *hand) *intention {
	id := h.order.RunID
	k := w.records.runs[id]
	if h.planned.IsZero() || k == nil && len(w.history.began[id]) == 0 {
		return nil
	}
	i := &intention{
		id: id, action: h.action, nominal: h.planned, planned: h.planned, deadline: h.deadline, groups: map[string][]string{}, hand: h, record: k,
	}
	for group, ids := range h.ids {
		i.groups[group] = ids
	}
	if k != nil {
		i.report = k.report
		for _, g := range k.begun {
			i.groups[g.Group] = g.IDs
		}
	}
	return i
}

// checkHand: an order is one run, which goes on as it was claimed until it ends or is cancelled.
func (w *world) checkHand(h *hand) {
	id := h.order.RunID
	k, i := w.records.runs[id], w.byID[id]
	switch {
	case h.planned.IsZero():
		if k != nil || i != nil {
			w.complain("%s was made, and no process had taken the order", id)
		}
		return
	case w.forgetful():
		return
	case k == nil && h.made.begun.Equal(w.processes[h.process].ended):
		return // it died with its process
	case k == nil:
		w.complain("%s was taken, and the store never had it", id)
		return
	case !k.Planned.Equal(h.planned) || !k.Deadline.Equal(h.deadline) || k.Actor != alice || k.Action != h.action || k.Force != h.order.Force:
		w.complain("%s of %+v is recorded as %+v", id, h.order, k.Record)
	}
	for _, b := range i.began {
		if !b.deadline.Equal(h.deadline) {
			w.complain("%s went on until %s, not %s", id, b.deadline, h.deadline)
		}
	}
	w.checkCancelled(i)
}

// checkCancelled: what a person cancelled ends soon, be it that the process dies with it.
func (w *world) checkCancelled(i *intention) {
	at := i.hand.cancelled
	if at.IsZero() || i.report == nil || w.history.unread {
		return
	}
	soon := at.Add(17 * time.Second)
	for _, b := range i.began {
		if b.at.After(at) {
			soon = b.at.Add(time.Second)
		}
	}
	if i.report.FinishedAt.After(soon) {
		w.complain("%s was cancelled at %s, and ended at %s", i.id, at, i.report.FinishedAt)
	}
}

// checkForce: no graceful stop leaves for an instance that a forced one wants alone.
func (w *world) checkForce(id string, a acceptance, mine []*intention) {
	if a.action != power.ActionStop || a.forced {
		return
	}
	going := func(i *intention) bool {
		return i.action == power.ActionStop && slices.ContainsFunc(i.began, func(b beginning) bool { return !b.at.After(a.came) })
	}
	forced := false
	for _, i := range mine {
		switch {
		case !going(i):
		case i.hand == nil || !i.hand.order.Force:
			return
		default:
			forced = true
		}
	}
	if forced {
		w.complain("%s: a graceful stop left at %s, and only forced ones were wanted", id, a.came.Format("15:04:05.000"))
	}
}
