package batcher

import (
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
	ids   []int            // to be sent alone, in this order
	alone []int            // refused alone in the trial
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
	return u.holds() && !u.flying && len(u.ids) > 0 && !now.Before(u.next)
}

// refusedUnknown follows the refusal of a start or stop with an undocumented code.
func (x *run) refusedUnknown(r *request, e *apiclient.Error) {
	u := &x.refusals
	if _, known := x.apart[e.Code]; !known {
		x.apart[e.Code] = false
	}
	switch {
	case x.denied != nil:
		x.denyRequest(r)
	case r.trial:
		x.trialRefused(r, e)
	case u.holds():
		u.held = append(u.held, r)
	case !x.apart[e.Code]:
		x.beginTrial(r, e)
	case !r.again && u.fresh+1 >= freshRefusals:
		x.beginTrial(r, e)
	default:
		if !r.again {
			u.fresh++
		}
		x.isolate(r)
	}
}

// beginTrial chooses the first, the last and the middle one of the ids that wait.
func (x *run) beginTrial(r *request, e *apiclient.Error) {
	u := &x.refusals
	*u = unknownRefusals{state: refusalApart, code: e.Code}
	waiting := slices.Clone(r.instances)
	for _, other := range x.queues[PriorityStart].all() {
		waiting = append(waiting, other.instances...)
	}
	if len(waiting) < trialIDs {
		x.isolate(r)
		return
	}
	slices.Sort(waiting)
	u.state, u.held = refusalTrial, []*request{r}
	u.ids = []int{waiting[0], waiting[len(waiting)-1], waiting[len(waiting)/2]}
	u.held = pull(u.held, u.ids)
	x.queues[PriorityStart].pull(u.ids)
}

// trialRefused notes that an id was refused alone.
func (x *run) trialRefused(r *request, e *apiclient.Error) {
	u := &x.refusals
	u.flying, u.err = false, e
	id := r.instances[0]
	if u.state == refusalAccount {
		u.ids = append(u.ids, id) // its turn comes again after all others
		x.delayAlone()
		return
	}
	if u.state != refusalTrial || e.Code != u.code {
		// The API distinguished ids, or another reply decided meanwhile.
		x.decideApart()
		x.isolate(&request{priority: PriorityStart, instances: r.instances, group: r.group, undocumented: true, again: true})
		return
	}
	u.alone = append(u.alone, id)
	switch {
	case len(u.alone) >= trialIDs:
		x.decideAccount()
	case len(u.ids) == 0: // one of the three was lost
		x.tryAnother()
	}
}

// decideAccount takes the refusal for the whole account's. Every id that waits
// is a probe in turn, over the groups.
func (x *run) decideAccount() {
	u := &x.refusals
	waiting := slices.Concat(u.ids, u.alone)
	for _, r := range append(u.held, x.queues[PriorityStart].drop()...) {
		waiting = append(waiting, r.instances...)
	}
	*u = unknownRefusals{state: refusalAccount, code: u.code, err: u.err, ids: x.inTurn(waiting)}
	x.delayAlone()
}

// delayAlone puts a growing pause before the next single id.
func (x *run) delayAlone() {
	u := &x.refusals
	u.next = time.Now().Add(halfFixed(x.cfg.Backoff.ceiling(u.probes), x.rng))
	u.probes++
}

// inTurn orders instances so that each names another group than the one before,
// as long as there are several.
func (x *run) inTurn(instances []int) []int {
	slices.Sort(instances)
	byGroup := map[int][]int{}
	for _, i := range instances {
		g := x.targets.groupOf(i)
		byGroup[g] = append(byGroup[g], i)
	}
	groups := inOrder(byGroup)
	ordered := make([]int, 0, len(instances))
	for k := 0; len(ordered) < len(instances); k++ {
		for _, g := range groups {
			if k < len(byGroup[g]) {
				ordered = append(ordered, byGroup[g][k])
			}
		}
	}
	return ordered
}

// decideApart ends a trial, or the account's refusal: some request was accepted, or
// the single ids were not refused alike.
func (x *run) decideApart() {
	u := &x.refusals
	was := *u
	*u = unknownRefusals{state: refusalApart, code: was.code}
	x.apart[was.code] = true
	switch was.state {
	case refusalAccount: // all goes out in full chunks
		x.sendAll(was.ids)
		for _, r := range was.held {
			x.sendAll(r.instances)
		}
	case refusalTrial:
		x.sendAll(was.ids)
		for _, r := range was.held {
			x.isolate(r)
		}
		for _, i := range was.alone {
			x.isolate(&request{
				priority: PriorityStart, instances: []int{i}, group: x.targets.groupOf(i), undocumented: true, again: true,
			})
		}
	}
}

// sendAll queues instances in full chunks, group by group.
func (x *run) sendAll(instances []int) {
	byGroup := map[int][]int{}
	slices.Sort(instances)
	for _, i := range instances {
		g := x.targets.groupOf(i)
		byGroup[g] = append(byGroup[g], i)
	}
	for _, g := range inOrder(byGroup) {
		for _, piece := range cut(byGroup[g], x.cfg.Size) {
			x.enqueue(&request{priority: PriorityStart, instances: piece, group: g})
		}
	}
}

// documentedAlone follows the refusal of a single id with a documented code. It says
// nothing about the account, and its instance needs no more than a describe.
func (x *run) documentedAlone(r *request) {
	u := &x.refusals
	u.flying = false
	u.documented++
	enough := u.documented%documentedInARow == 0
	switch {
	case u.state == refusalAccount && enough:
		x.delayAlone()
	case u.state == refusalTrial && enough:
		x.decideApart()
	case u.state == refusalTrial && len(u.ids) == 0:
		x.tryAnother()
	}
}

// startAnswered notes that a start or stop was accepted, at least for some ids:
// the API distinguishes ids.
func (x *run) startAnswered(r *request) {
	u := &x.refusals
	u.fresh = 0
	if r.trial {
		u.flying = false
	}
	if u.holds() {
		x.decideApart()
	}
	for code := range x.apart {
		x.apart[code] = true
	}
}

// nextAlone takes the next single id.
func (x *run) nextAlone() *request {
	u := &x.refusals
	id := u.ids[0]
	u.ids = u.ids[1:]
	u.flying = true
	return &request{priority: PriorityStart, instances: []int{id}, group: x.targets.groupOf(id), trial: true, again: true, undocumented: true}
}

// putBackAlone returns a single id whose request said nothing.
func (x *run) putBackAlone(r *request) {
	u := &x.refusals
	u.flying = false
	if !u.holds() {
		r.trial = false
		x.enqueue(r)
		return
	}
	u.ids = slices.Insert(u.ids, 0, r.instances[0])
}

// deferAlone returns a single id whose credentials were refused. The next probe
// names another one: the key may have no right to this instance alone.
func (x *run) deferAlone(r *request) {
	u := &x.refusals
	if !u.holds() {
		x.putBackAlone(r)
		return
	}
	u.flying = false
	if len(u.ids) == 0 {
		if id, ok := x.anotherAlone(); ok {
			u.ids = append(u.ids, id)
		}
	}
	u.ids = append(u.ids, r.instances[0])
}

// lostAlone notes that a single id may have been accepted: it is described, and
// another takes its place, after a pause.
func (x *run) lostAlone() {
	u := &x.refusals
	u.flying = false
	x.delayAlone()
	if u.state == refusalTrial && len(u.ids) == 0 {
		x.tryAnother()
	}
}

// tryAnother goes on with a trial by another id. Where none waits the refusal is
// that of the ids themselves.
func (x *run) tryAnother() {
	if id, ok := x.anotherAlone(); ok {
		x.refusals.ids = []int{id}
		return
	}
	x.decideApart()
}

// anotherAlone takes some id that waits.
func (x *run) anotherAlone() (id int, ok bool) {
	u := &x.refusals
	for _, r := range append(slices.Clone(u.held), x.queues[PriorityStart].all()...) {
		id = r.instances[0]
		u.held = pull(u.held, []int{id})
		x.queues[PriorityStart].pull([]int{id})
		return id, true
	}
	return 0, false
}

// refillAlone gives a probe of the account something to name, where the ids that
// waited first are gone.
func (x *run) refillAlone() {
	u := &x.refusals
	if u.state != refusalAccount || u.flying || len(u.ids) > 0 {
		return
	}
	var waiting []int
	for _, r := range append(u.held, x.queues[PriorityStart].drop()...) {
		waiting = append(waiting, r.instances...)
	}
	u.held, u.ids = nil, x.inTurn(waiting)
	if len(u.ids) == 0 {
		u.state = refusalApart
	}
}

// isolate follows a refusal that names no id. The first time the states are
// described, which explains most. Where they explain nothing the chunk is halved,
// down to the single id that is to blame.
func (x *run) isolate(r *request) {
	switch {
	case len(r.instances) == 0:
	case len(r.instances) == 1:
		if !r.pulled { // else it was not alone when it was refused
			x.targets.instances[r.instances[0]].refuse(x.run.Action)
		}
		x.describeRefused(r)
	case r.refusals == 0:
		x.describeRefused(r)
	default:
		x.halve(r)
	}
}

// describeRefused describes what a refused request named, and remembers that.
func (x *run) describeRefused(r *request) {
	x.enqueue(&request{
		priority: PriorityDiagnose, instances: r.instances, group: r.group,
		refusals: r.refusals + 1, refused: true, whole: len(r.instances), undocumented: r.undocumented,
	})
}

// halve divides a refused chunk in two.
func (x *run) halve(r *request) {
	mid := len(r.instances) / 2
	for _, half := range [][]int{r.instances[:mid:mid], r.instances[mid:]} {
		x.enqueue(&request{
			priority: r.priority, instances: half, group: r.group, again: true,
			refusals: r.refusals, refused: r.refused, whole: r.whole, undocumented: r.undocumented, refusedAt: r.refusedAt,
		})
	}
}

// pull removes ids from requests, and requests that hold no more.
func pull(requests []*request, ids []int) []*request {
	kept := requests[:0]
	for _, r := range requests {
		left := slices.DeleteFunc(slices.Clone(r.instances), func(i int) bool { return slices.Contains(ids, i) })
		r.pulled = r.pulled || len(left) < len(r.instances)
		if r.instances = left; len(left) > 0 {
			kept = append(kept, r)
		}
	}
	return kept
}
