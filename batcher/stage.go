package batcher

import (
	"time"

	"zecpower/internal/power"
)

// stage is how far the action on one instance has come, as far as is known. It is the whole state
// of an instance in work: what else it has are counts, times, and what was seen or read last.
//
// What requests and runs do. A request for the action, and so its reply, names idle instances alone.
//
//	event                       from              to
//	accepted                    idle              accepted; raised, if a forced stop joined meanwhile
//	refused, for itself         idle              refused
//	refused, as a whole         idle              idle
//	reply lost                  idle              doubted
//	resumed, n were accepted    idle              accepted, as if it had fallen back n − 1 times
//	resumed, none is recorded   idle              doubted
//	a forced stop joins         accepted          raised
//	                            on way, by other  raised on way
//	                            any other         the same
//	an opposite run takes over  any               idle; stale for a while, where mayBeAccepted
//
// What a describe does that is not stale.
//
//	               ready            ready           on way         goes back     busy   absent
//	               too early
//	idle           –                send            by other (1)   poll          poll   not_found (2)
//	refused        –                rejected, send  by other (1)   poll          poll   not_found (2)
//	doubted        describe         lost, send      on way         poll          poll   not_found (2)
//	accepted       poll             fallen, send    on way         reversed (3)  poll   not_found (2)
//	on way         –                fallen, send    on way         reversed (3)  poll   not_found (2)
//	by other       –                send            by other       poll          poll   not_found (2)
//	raised         poll             send            raised on way  reversed (3)  poll   not_found (2)
//	raised on way  –                send            raised on way  reversed (3)  poll   not_found (2)
//
// The wanted state, and one that never leads to it, are final from every stage. What is sent becomes
// idle, as does what was refused and is seen present and not ready. What else is polled keeps its
// stage. rejected, lost and fallen count; once they use the attempts up the instance is final
// instead: see rules.again. An accepted stage whose timeout is over is final where it would be
// polled for its state.
//
//	(1) on way, where a request of ours may have been applied before
//	(2) polled once before that, where it was seen before or a request of ours may have been applied
//	(3) polled, within a poll interval of the acceptance, and where no request of ours is known to
//	    have been applied
//
// Ready is too early within a lag of the acceptance, or within a poll interval of the loss.
type stage int8

const (
	// stageIdle: nothing is known to be in progress. It waits to be sent, is in a request in flight, or
	// waits until its state lets it be sent.
	stageIdle stage = iota
	// stageRefused: the API refused the last request to this very instance. The next describe shows
	// whether its state explains that.
	stageRefused
	// stageDoubted: it was in a request that may have been applied, and no describe since then has
	// shown what became of it.
	stageDoubted
	// stageAccepted: the action was accepted, and it was not seen on its way since then. The state
	// that it came from may still show.
	stageAccepted
	// stageOnWay: it was seen on its way, so the state that it came from means that it fell back.
	stageOnWay
	// stageByOther: the same of an action that was another actor's, and uses no attempt up.
	stageByOther
	// stageRaised: a graceful stop was accepted, and a forced one is wanted by now: it is sent once
	// the instance is ready for it again.
	stageRaised
	// stageRaisedOnWay: the same, and it was seen on its way since then.
	stageRaisedOnWay
	stages
)

// accepted reports whether the action, or another actor's, was accepted and its end has not been
// seen yet.
func (s stage) accepted() bool { return s >= stageAccepted }

// mayBeAccepted is the same where it may have been.
func (s stage) mayBeAccepted() bool { return s >= stageDoubted }

// arrives reports whether an instance reaches the wanted state without another request, if nothing
// goes wrong.
func (s stage) arrives() bool {
	return s == stageAccepted || s == stageOnWay || s == stageByOther
}

// evidence is the most that is known of whether the API applied a request of the runs that have an
// instance. It outlasts stages: what fell back was applied, too.
type evidence int8

const (
	appliedNever  evidence = iota // none was, as far as this process knows
	appliedMaybe                  // the reply to one was lost
	appliedSurely                 // a reply says so, or it was seen on its way after a loss
)

// accept notes an action that the API accepted.
func (in *instance) accept(now time.Time) {
	in.stage, in.applied, in.acceptedAt, in.losses = stageAccepted, appliedSurely, instantOf(now), 0
	in.forgetRefusal()
}

// refuse notes a request that the API refused to this very instance.
func (in *instance) refuse(action power.Action) {
	in.stage = stageRefused
	in.refusedReady = in.refusedReady || (in.state != "" && phaseOf(action, in.state) == phaseReady)
}

// doubt notes a request whose reply was given up: it may have been applied, at any time between the
// two.
func (in *instance) doubt(sent, givenUp time.Time) {
	in.stage, in.applied = stageDoubted, max(in.applied, appliedMaybe)
	in.acceptedAt, in.doubtedAt = instantOf(sent), instantOf(givenUp)
}

// confirm notes that the action of a request that may have been applied is seen on its way. What
// only an earlier process may have sent counts from now.
func (in *instance) confirm(now time.Time) {
	in.stage, in.losses = stageOnWay, 0
	in.forgetRefusal()
	if in.applied == appliedNever {
		in.acceptedAt = instantOf(now)
		return
	}
	in.applied = appliedSurely
}

// raise notes that a forced stop is wanted instead of a graceful one.
func (in *instance) raise() {
	switch in.stage {
	case stageAccepted:
		in.stage = stageRaised
	case stageOnWay, stageByOther:
		in.stage = stageRaisedOnWay
	}
}

// takeOver makes the instance that of a run with other rules, whose action is the opposite of older.
// It keeps what was seen, and until when that may be from before what older did.
func (in *instance) takeOver(ru rules, older power.Action) {
	was := *in
	*in = instance{id: was.id, state: was.state, seenAt: was.seenAt, prior: was.prior}
	if was.stage.mayBeAccepted() {
		in.staleBy(was.shows(ru), older)
	}
}

// inherit notes that an earlier process had an action accepted n times; the last one may still be
// on its way.
func (in *instance) inherit(n int, now time.Time) {
	in.stage, in.applied, in.acceptedAt = stageAccepted, appliedSurely, instantOf(now)
	in.attempts, in.fallen = int32(n), int32(n-1) //nolint:gosec // a count of requests for one instance
}

// inheritDoubt notes that it may have been in a request that was in flight when an earlier process
// died.
func (in *instance) inheritDoubt(now time.Time) {
	in.stage, in.doubtedAt = stageDoubted, instantOf(now)
}
