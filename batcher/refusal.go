package batcher

import (
	"cmp"
	"slices"
	"time"

	"zecpower/apiclient"
)

const (
	// trialIDs is how many different ids, each alone, must be refused with one
	// code before it counts as the whole account's.
	trialIDs = 3
	// freshRefusals is how many first sends in a row must be refused with a code
	// that was found to concern single instances before it is tried anew whether
	// it is the account's by now.
	freshRefusals = 5
	// documentedInARow is how many single ids may be refused with a documented code
	// before a trial ends, and a refusal of the account makes a pause.
	documentedInARow = 10
)

// refusalState is what is known of the refusals with an undocumented code.
type refusalState int

const (
	refusalNone    refusalState = iota // there was none
	refusalTrial                       // single ids find out whom it concerns
	refusalAccount                     // it concerns the whole account: one probe at a time
	refusalApart                       // it concerns single instances: group testing
)

// unknownRefusals follows the refusals whose code is not documented. Such a code
// (sold out, arrears, a malformed id) may concern one instance of the request or
// all of the account. Sending every piece of every chunk would find out, and
// would be a storm in the second case. So before anything is divided three ids
// are sent alone:
//
//	none ──first refusal──▶ trial ──3 ids refused alone──▶ account
//	                          │                              │
//	                          └─────────any acceptance───────┴──▶ apart
//	apart ──5 first sends in a row refused──▶ trial
//
// In trial and account nothing else of the action is sent. A single id that is
// refused with a documented code is isolated, and another takes its place. Where fewer than three
// ids wait the refusal is their own. That a code concerns single instances is
// remembered for each code.
type unknownRefusals struct {
	state refusalState
	code  apiclient.Code
	err   *apiclient.Error // the newest of them
	held  []*request       // refused, until it is known whom that concerns
	ids   []*work          // to be sent alone, in this order
	alone []*work          // refused alone in the trial
	fresh int              // first sends refused in a row, in refusalApart

	documented int // single ids refused with a documented code

	flying bool      // a single id is in flight
	probes int       // single ids for which next was moved
	next   time.Time // no single id before this
}

// holds reports whether nothing but single ids may be sent.
func (u *unknownRefusals) holds() bool {
	return u.state == refusalTrial || u.state == refusalAccount
}

// ready reports whether a single id may be sent now.
func (u *unknownRefusals) ready(now time.Time) bool {
	u.ids = slices.DeleteFunc(u.ids, leftTrial)
	return u.holds() && !u.flying && len(u.ids) > 0 && !now.Before(u.next)
}

// leftTrial reports whether w is no longer held to be sent alone.
func leftTrial(w *work) bool { return w.at != inTrial || !w.wanted() }

// hold takes works out of wherever they wait, to be sent alone.
func hold(works []*work) []*work {
	for _, w := range works {
		w.move(inTrial, nil)
	}
	return works
}

// refusedUnknown follows the refusal of a start or stop with an undocumented code.
func (l *lane) refusedUnknown(r *request, e *apiclient.Error, now time.Time) {
	u := &l.refusals
	if _, known := l.apart[e.Code]; !known {
		l.apart[e.Code] = false
	}
	switch {
	case l.denied != nil:
		l.account.denyRequest(r, now)
	case r.trial:
		l.trialRefused(r, e, now)
	case u.holds():
		r.hold(r.works)
		u.held = append(u.held, r)
	case !l.apart[e.Code]:
		l.beginTrial(r, e, now)
	case r.first && u.fresh+1 >= freshRefusals:
		l.beginTrial(r, e, now)
	default:
		if r.first {
			u.fresh++
		}
		l.account.isolate(r, now)
	}
}

// beginTrial chooses the first, the last and the middle one of the ids that wait.
func (l *lane) beginTrial(r *request, e *apiclient.Error, now time.Time) {
	u := &l.refusals
	*u = unknownRefusals{state: refusalApart, code: e.Code}
	waiting := append(slices.Clone(r.works), l.waiting()...)
	if len(waiting) < trialIDs {
		l.account.isolate(r, now)
		return
	}
	slices.SortFunc(waiting, func(a, b *work) int { return cmp.Compare(a.order, b.order) })
	r.hold(r.works)
	u.state, u.held = refusalTrial, []*request{r}
	u.ids = hold([]*work{waiting[0], waiting[len(waiting)-1], waiting[len(waiting)/2]})
}

// trialRefused notes that an id was refused alone.
func (l *lane) trialRefused(r *request, e *apiclient.Error, now time.Time) {
	u := &l.refusals
	u.flying, u.err = false, e
	if len(r.works) == 0 {
		l.goOn(now) // it was taken over meanwhile
		return
	}
	if u.state == refusalAccount {
		u.ids = append(u.ids, hold(r.works)...) // its turn comes again after all others
		l.delayAlone(now)
		return
	}
	if u.state != refusalTrial || e.Code != u.code {
		// The API distinguished ids, or another reply decided meanwhile.
		l.decideApart(now)
		l.account.isolate(l.alone(r.works), now)
		return
	}
	u.alone = append(u.alone, hold(r.works)...)
	switch {
	case len(u.alone) >= trialIDs:
		l.decideAccount(now)
	case len(u.ids) == 0: // one of the three was lost
		l.tryAnother(now)
	}
}

// alone is the request of a single id that was sent alone.
func (l *lane) alone(works []*work) *request {
	return &request{priority: PriorityStart, lane: l, works: works, undocumented: true}
}

// decideAccount takes the refusal for the whole account's. Every id that waits is a probe in turn,
// over the groups.
func (l *lane) decideAccount(now time.Time) {
	u := &l.refusals
	waiting := append(slices.Concat(u.ids, u.alone), l.pullAll()...)
	*u = unknownRefusals{state: refusalAccount, code: u.code, err: u.err, ids: hold(inTurn(waiting))}
	l.delayAlone(now)
}

// pullAll takes out what is held, and what waits in the lane.
func (l *lane) pullAll() (works []*work) {
	for _, r := range l.refusals.held {
		works = append(works, r.live()...)
	}
	works = append(works, l.waiting()...)
	l.refusals.held, l.first, l.again = nil, fair{}, queue{}
	return works
}

// delayAlone puts a growing pause before the next single id.
func (l *lane) delayAlone(now time.Time) {
	u, a := &l.refusals, l.account
	u.next = now.Add(halfFixed(a.settings.Backoff.ceiling(u.probes), a.rng))
	u.probes++
}

// inTurn orders works so that each is of another group than the one before, as long as there are
// several.
func inTurn(works []*work) []*work {
	type key struct {
		run   *run
		group int
	}
	slices.SortFunc(works, func(a, b *work) int { return cmp.Compare(a.order, b.order) })
	var groups [][]*work
	at := map[key]int{}
	for _, w := range works {
		of := key{w.runs[0].run, w.runs[0].run.targets.groupOf(w.runs[0].i)}
		k, ok := at[of]
		if !ok {
			k = len(groups)
			at[of] = k
			groups = append(groups, nil)
		}
		groups[k] = append(groups[k], w)
	}
	ordered := make([]*work, 0, len(works))
	for k := 0; len(ordered) < len(works); k++ {
		for _, g := range groups {
			if k < len(g) {
				ordered = append(ordered, g[k])
			}
		}
	}
	return ordered
}

// decideApart ends a trial, or the account's refusal: some request was accepted, or the single ids
// were not refused alike.
func (l *lane) decideApart(now time.Time) {
	was := l.refusals
	l.refusals = unknownRefusals{state: refusalApart, code: was.code}
	l.apart[was.code] = true
	switch was.state {
	case refusalAccount: // all goes out in full chunks
		l.sendAll(was.ids)
		for _, r := range was.held {
			l.sendAll(r.live())
		}
	case refusalTrial:
		l.sendAll(was.ids)
		for _, r := range was.held {
			works := r.live()
			r.pulled = r.pulled || len(works) < len(r.works)
			r.works = works
			l.account.isolate(r, now)
		}
		for _, w := range was.alone {
			if !leftTrial(w) {
				l.account.isolate(l.alone([]*work{w}), now)
			}
		}
	}
}

// sendAll queues works as if nothing had been sent for them.
func (l *lane) sendAll(works []*work) {
	works = slices.DeleteFunc(slices.Clone(works), func(w *work) bool { return !w.wanted() || w.lane != l })
	slices.SortFunc(works, func(a, b *work) int { return cmp.Compare(a.order, b.order) })
	for _, x := range runsOf(works) {
		l.first.add(x, firstOf(works, x))
	}
}

// documentedAlone follows the refusal of a single id with a documented code. It says nothing about
// the account, and its instance needs no more than a describe.
func (l *lane) documentedAlone(now time.Time) {
	u := &l.refusals
	u.flying = false
	u.documented++
	enough := u.documented%documentedInARow == 0
	switch {
	case u.state == refusalAccount && enough:
		l.delayAlone(now)
	case u.state == refusalTrial && enough:
		l.decideApart(now)
	case u.state == refusalTrial && len(u.ids) == 0:
		l.tryAnother(now)
	}
}

// startAnswered notes that a start or stop was accepted, at least for some ids: the API
// distinguishes ids.
func (l *lane) startAnswered(r *request, now time.Time) {
	u := &l.refusals
	u.fresh = 0
	if r.trial {
		u.flying = false
	}
	if u.holds() {
		l.decideApart(now)
	}
	for code := range l.apart {
		l.apart[code] = true
	}
}

// nextAlone takes the next single id. One is ready.
func (l *lane) nextAlone() *request {
	u := &l.refusals
	w := u.ids[0]
	u.ids = u.ids[1:]
	u.flying = true
	r := l.alone(nil)
	r.trial = true
	r.hold([]*work{w})
	return r
}

// putBackAlone returns a single id whose request said nothing.
func (l *lane) putBackAlone(r *request, now time.Time) {
	u := &l.refusals
	u.flying = false
	switch {
	case !u.holds():
		r.trial = false
		l.account.enqueue(r, now)
	case len(r.works) == 0:
		l.goOn(now)
	default:
		u.ids = slices.Insert(u.ids, 0, hold(r.works)...)
	}
}

// deferAlone returns a single id whose credentials were refused. The next probe names another one:
// the key may have no right to this instance alone.
func (l *lane) deferAlone(r *request, now time.Time) {
	u := &l.refusals
	if !u.holds() || len(r.works) == 0 {
		l.putBackAlone(r, now)
		return
	}
	u.flying = false
	if len(u.ids) == 0 {
		if w := l.another(); w != nil {
			u.ids = append(u.ids, w)
		}
	}
	u.ids = append(u.ids, hold(r.works)...)
}

// lostAlone notes that a single id may have been accepted: it is described, and another takes its
// place, after a pause.
func (l *lane) lostAlone(now time.Time) {
	l.refusals.flying = false
	l.delayAlone(now)
	l.goOn(now)
}

// goOn goes on with a trial whose ids are used up.
func (l *lane) goOn(now time.Time) {
	if u := &l.refusals; u.state == refusalTrial && len(u.ids) == 0 {
		l.tryAnother(now)
	}
}

// tryAnother goes on with a trial by another id. Where none waits the refusal is that of the ids
// themselves.
func (l *lane) tryAnother(now time.Time) {
	if w := l.another(); w != nil {
		l.refusals.ids = []*work{w}
		return
	}
	l.decideApart(now)
}

// another takes some id that waits; nil: none does.
func (l *lane) another() *work {
	for _, r := range l.refusals.held {
		if works := r.live(); len(works) > 0 {
			return hold(works[:1])[0]
		}
	}
	if works := l.waiting(); len(works) > 0 {
		return hold(works[:1])[0]
	}
	return nil
}

// refillAlone gives a trial, or a probe of the account, something to name, where the ids that waited
// first are gone. Ids that came since the account's refusal was decided are named before those that
// were refused already: these may all be refused for their own sake.
func (l *lane) refillAlone(now time.Time) {
	u := &l.refusals
	if !u.holds() || u.flying {
		return
	}
	u.ids = slices.DeleteFunc(u.ids, leftTrial)
	if u.state == refusalAccount {
		if came := l.pullAll(); len(came) > 0 {
			u.ids = append(hold(inTurn(came)), u.ids...)
		}
	}
	switch {
	case len(u.ids) > 0:
	case u.state == refusalTrial:
		l.tryAnother(now)
	default:
		u.state = refusalApart
	}
}

// isolate follows a refusal that names no id. The first time the states are described, which
// explains most. Where they explain nothing the chunk is halved, down to the single id that is to
// blame.
func (a *Account) isolate(r *request, now time.Time) {
	switch {
	case len(r.works) == 0:
	case len(r.works) == 1:
		if !r.pulled { // else it was not alone when it was refused
			r.works[0].refuse(r.lane.action)
		}
		a.describeRefused(r, now)
	case r.refusals == 0:
		a.describeRefused(r, now)
	default:
		a.halve(r, now)
	}
}

// describeRefused describes what a refused request named, and remembers that.
func (a *Account) describeRefused(r *request, now time.Time) {
	a.describe(&request{
		lane: r.lane, refusals: r.refusals + 1, refused: true, whole: len(r.works), undocumented: r.undocumented,
	}, r.works, now)
}

// halve divides a refused request in two.
func (a *Account) halve(r *request, now time.Time) {
	mid := len(r.works) / 2
	for _, half := range [][]*work{r.works[:mid:mid], r.works[mid:]} {
		a.enqueue(&request{
			priority: r.priority, lane: r.lane, works: half,
			refusals: r.refusals, refused: r.refused, whole: r.whole, undocumented: r.undocumented, refusedAt: r.refusedAt,
		}, now)
	}
}
