package batcher

import (
	"time"

	"zecpower/apiclient"
	"zecpower/internal/power"
)

// instance is what is known of one instance in work. An account has one for each id, so small types
// are used where they suffice.
type instance struct {
	id      string
	stage   stage
	applied evidence
	// refusedReady: it was refused once although a describe before had seen it ready. It outlasts
	// stages, as the counts do: from then on its refusals use its attempts up.
	refusedReady bool
	absences     int8 // describes in a row that left it out although it was known before

	fallen   int32 // accepted actions after which it fell back
	rejected int32 // requests that the API refused to this very instance
	unknown  int32 // requests that may have been applied, and it was seen unchanged after them
	losses   int32 // the same, since an action was last accepted: for the backoff
	attempts int32 // requests that named it and reached the API or may have

	acceptedAt instant        // of the last request that was accepted or may have been
	doubtedAt  instant        // when the reply to the last that may have been was given up
	seenAt     instant        // when the last describe left that was answered
	deniedAt   [kinds]instant // when the credentials were refused for it; 0 once they are accepted

	// These are few, or shared by all instances of a request.
	prior   *prior           // nil: there is none, or it was seen
	trouble *apiclient.Error // by which its last request failed, if that says nothing of it; else nil
	refusal *apiclient.Error // the last one; nil: none, or it is forgotten
	final   *final           // nil while it is open

	state     apiclient.State // last seen
	requestID string          // of the last request that did something to it
}

// prior is an action, accepted or maybe so, of a run that lost the instance. Until it shows, at the
// latest at the given time, a describe may show the state that it came from, so that state says
// nothing.
type prior struct {
	action power.Action
	shows  time.Time
}

// final is how an instance ended.
type final struct {
	outcome   power.Outcome
	reason    power.Reason
	reachedAt time.Time // when the wanted state was first seen; zero where it was not
}

// phase is what a state means for an action.
type phase int

const (
	phaseBusy  phase = iota // wait, then describe again
	phaseDone               // the wanted state
	phaseOnWay              // on its way to it
	phaseReady              // the action can be sent
	phaseGone               // will never get there
)

// phaseOf reads a state. Names that are not known count as busy.
func phaseOf(a power.Action, s apiclient.State) phase {
	switch s {
	case apiclient.StateRecycle, apiclient.StateRecycling, apiclient.StateRecycled, apiclient.StateReleasing,
		apiclient.StateCreateFailed, apiclient.StateReinstallFailed:
		return phaseGone
	case apiclient.StateRunning:
		if a == power.ActionStart {
			return phaseDone
		}
		return phaseReady
	case apiclient.StateStopped:
		if a == power.ActionStart {
			return phaseReady
		}
		return phaseDone
	case apiclient.StateStarting, apiclient.StateBooting:
		if a == power.ActionStart {
			return phaseOnWay
		}
	case apiclient.StateStopping:
		if a == power.ActionStop {
			return phaseOnWay
		}
	}
	return phaseBusy
}

// goesBack reports whether a state leads away from what an action wants:
// STOPPING for a start, STARTING or BOOTING for a stop.
func goesBack(a power.Action, s apiclient.State) bool {
	if a == power.ActionStop {
		return phaseOf(power.ActionStart, s) == phaseOnWay
	}
	return phaseOf(power.ActionStop, s) == phaseOnWay
}

// next is what to do with an instance after a describe of it.
type next int

const (
	nextFinal    next = iota // its outcome and reason are set
	nextSend                 // send the action (again)
	nextPoll                 // describe again after a poll interval
	nextDescribe             // describe again soon: this one came too early to decide
)

// rules are the parts of Config that decide about one instance.
type rules struct {
	action   power.Action
	attempts int
	timeout  time.Duration // of a boot, or of a stop
	// lag is how long a state may trail an accepted action: until then the old
	// state, where the instance was never seen on its way, is no fall back.
	lag time.Duration
	// doubtFor is the same for a request that may have been applied: until then
	// the old state does not show that it never arrived. It is also how old our
	// accepted request must be before a state that leads away from it shows that
	// another actor is at work.
	doubtFor time.Duration
}

// see decides from one describe that left at asked and was answered at now. It
// changes only in. present is false where a complete reply left the instance out.
func (ru rules) see(in *instance, state apiclient.State, present bool, asked, now time.Time) next {
	in.trouble, in.seenAt = nil, instantOf(asked)
	if in.stage.accepted() {
		in.forgetRefusal() // of a describe: an accepted action has none of its own
	}
	if !present {
		return in.absent()
	}
	in.state, in.absences = state, 0
	ph := phaseOf(ru.action, state)
	if in.stale(state, asked) {
		return nextPoll
	}
	if ph != phaseReady && in.stage == stageRefused {
		in.stage = stageIdle // its state explains the refusal
	}
	switch ph {
	case phaseDone:
		return ru.done(in, now)
	case phaseOnWay:
		return ru.onWay(in, asked, now)
	case phaseReady:
		return ru.ready(in, asked)
	case phaseGone:
		return in.fail(power.ReasonRecycled)
	}
	if ru.reversed(in, state, asked) {
		return in.fail(power.ReasonReversed)
	}
	return ru.wait(in, asked)
}

// staleBy notes that an action of a run that lost the instance shows by a time.
func (in *instance) staleBy(until time.Time, action power.Action) {
	if in.prior == nil || until.After(in.prior.shows) {
		in.prior = &prior{action, until}
	}
}

// shows is when the last action that was accepted for it, or may have been, shows at the latest;
// zero: there is none.
func (in *instance) shows(ru rules) (at time.Time) {
	switch {
	case in.stage.accepted():
		at = in.acceptedAt.time().Add(ru.lag)
	case in.stage == stageDoubted:
		at = in.doubtedAt.time().Add(ru.doubtFor)
	}
	if in.prior != nil && in.prior.shows.After(at) {
		at = in.prior.shows
	}
	return at
}

// stale reports whether a describe that left at asked may still show what was before an action of a
// run that lost the instance.
func (in *instance) stale(state apiclient.State, asked time.Time) bool {
	if in.prior == nil {
		return false
	}
	switch phaseOf(in.prior.action, state) {
	case phaseReady:
		if asked.Before(in.prior.shows) {
			return true
		}
		in.prior = nil // it never arrived, or fell back
	case phaseOnWay, phaseDone:
		in.prior = nil // it is seen
	}
	return false
}

// reversed reports whether a state shows that another actor switched the instance
// the other way after our action was accepted. A describe that left within
// doubtFor of it may still show what was before.
func (ru rules) reversed(in *instance, state apiclient.State, asked time.Time) bool {
	ours := in.stage.accepted() && in.applied == appliedSurely
	return ours && goesBack(ru.action, state) && asked.Sub(in.acceptedAt.time()) >= ru.doubtFor
}

// absent believes the first describe without an instance that nothing spoke for,
// and the second without one that was seen, or that the API accepted an action
// for: a listing may trail.
func (in *instance) absent() next {
	if (in.state != "" || in.applied != appliedNever) && in.absences == 0 {
		in.absences++
		return nextPoll
	}
	return in.fail(power.ReasonNotFound)
}

// blame keeps the words of a refusal for the report.
func (in *instance) blame(e *apiclient.Error) {
	in.refusal, in.requestID = e, e.RequestID
}

func (in *instance) forgetRefusal() { in.refusal = nil }

// code is that of the last refusal; empty where there is none, or it has none.
func (in *instance) code() apiclient.Code {
	if in.refusal == nil {
		return ""
	}
	return in.refusal.Code
}

// takeBackRefusal forgets a refusal that was another instance's fault.
func (in *instance) takeBackRefusal() {
	in.attempts--
	in.forgetRefusal()
}

func (in *instance) fail(reason power.Reason) next {
	in.final = &final{outcome: power.OutcomeFailed, reason: reason}
	return nextFinal
}

func (ru rules) done(in *instance, now time.Time) next {
	outcomes := power.Outcomes(ru.action)
	in.final = &final{outcome: outcomes[1], reachedAt: now}
	if in.applied != appliedNever {
		in.final.outcome = outcomes[0]
	}
	return nextFinal
}

// onWay also covers an action that another actor began: it is polled like ours.
func (ru rules) onWay(in *instance, asked, now time.Time) next {
	switch in.stage {
	case stageIdle:
		in.stage, in.acceptedAt = stageByOther, instantOf(now)
		if in.applied != appliedNever {
			in.stage = stageOnWay
		}
	case stageDoubted:
		in.confirm(now)
	case stageAccepted:
		in.stage = stageOnWay
	case stageRaised:
		in.stage = stageRaisedOnWay
	}
	return ru.wait(in, asked)
}

// wait polls on, until the timeout of an accepted action is over, whatever the
// state is by then: one with an unknown name may stay for ever. Only a describe that
// left after that judges: an earlier one may have been answered late.
func (ru rules) wait(in *instance, asked time.Time) next {
	if in.stage.accepted() && asked.Sub(in.acceptedAt.time()) >= ru.timeout {
		return in.fail(timeoutReason(ru.action))
	}
	return nextPoll
}

func timeoutReason(a power.Action) power.Reason {
	if a == power.ActionStop {
		return power.ReasonStopTimeout
	}
	return power.ReasonBootTimeout
}

func fallenReason(a power.Action) power.Reason {
	if a == power.ActionStop {
		return power.ReasonStopFailed
	}
	return power.ReasonBootFailed
}

// ready is STOPPED for a start: send it, unless it was sent and failed too often.
func (ru rules) ready(in *instance, asked time.Time) next {
	was := in.stage
	switch was {
	case stageAccepted, stageRaised:
		if asked.Sub(in.acceptedAt.time()) < ru.lag {
			return nextPoll
		}
	case stageDoubted:
		if asked.Sub(in.doubtedAt.time()) < ru.doubtFor {
			return nextDescribe
		}
	}
	in.stage = stageIdle
	switch was {
	case stageAccepted, stageOnWay:
		in.fallen++
	case stageDoubted:
		if in.applied != appliedNever { // else only an earlier process may have sent it
			in.unknown++
			in.losses++
		}
	case stageRefused:
		in.rejected++
	}
	return ru.again(in, was == stageRefused)
}

// again decides whether an instance that is ready may be sent once more. Requests
// that may have been applied count only against an instance that was seen to
// fall back: for any other the request most likely never arrived. Nor is an
// instance given up for refusals that came before any describe of it: it may
// have been busy then. refused says that it was refused last, which then is the reason.
func (ru rules) again(in *instance, refused bool) next {
	used := in.fallen + in.rejected
	if in.fallen > 0 {
		used += in.unknown
	}
	switch {
	case int(used) < ru.attempts:
		return nextSend
	case in.fallen > 0 && !refused:
		return in.fail(fallenReason(ru.action))
	case !in.refusedReady:
		return nextSend
	}
	return in.fail(power.ReasonRejected)
}

// unsent reports whether all that an instance lacks is a request: nothing was
// accepted for it, and no state keeps it from taking the action.
func (in *instance) unsent(action power.Action) bool {
	return in.applied == appliedNever && !in.stage.accepted() && (in.state == "" || phaseOf(action, in.state) == phaseReady)
}

// unfinished is the reason of an instance that has no outcome when its run ends at
// now. failing says that the API was then failing altogether.
func (ru rules) unfinished(in *instance, failing bool, now time.Time) power.Reason {
	over := in.acceptedAt.time().Add(ru.timeout)
	switch {
	case in.trouble != nil:
		return in.troubleReason()
	case in.stage.accepted() && now.After(over) && in.seenAt < instantOf(over):
		return power.ReasonAPIError // no describe that left after its timeout was answered
	case in.stage.accepted():
		return timeoutReason(ru.action)
	case in.state != "" && phaseOf(ru.action, in.state) == phaseBusy:
		return power.ReasonWrongState
	case in.fallen > 0:
		return fallenReason(ru.action)
	case in.rejected > 0 || in.stage == stageRefused || in.code() != "":
		return power.ReasonRejected
	case failing || in.losses > 0:
		return power.ReasonAPIError
	}
	return power.ReasonThrottled
}

// troubleReason is the reason of an instance whose last request met trouble.
func (in *instance) troubleReason() power.Reason {
	switch class := in.trouble.Class; {
	case class == apiclient.ClassThrottled:
		return power.ReasonThrottled
	case class == apiclient.ClassBlocked:
		return power.ReasonBlocked
	case class == apiclient.ClassCredentials && in.applied != appliedSurely:
		return power.ReasonAuth
	}
	return power.ReasonAPIError
}

// result words the instance, which is final, for the report.
func (in *instance) result() power.InstanceResult {
	f := in.final
	r := power.InstanceResult{
		InstanceID: in.id, Outcome: f.outcome, Reason: f.reason,
		State: string(in.state), RequestID: in.requestID, Attempts: int(in.attempts), ReachedAt: f.reachedAt,
	}
	if f.outcome == power.OutcomeFailed {
		if in.refusal != nil && explains(in.refusal.Code, f.reason) {
			r.Code, r.HTTPStatus = string(in.refusal.Code), in.refusal.HTTPStatus
		}
		if f.reason == power.ReasonNotFound {
			r.State = ""
		}
		return r
	}
	if in.applied != appliedNever && in.acceptedAt != 0 {
		r.BootDuration = f.reachedAt.Sub(in.acceptedAt.time())
	}
	return r
}

// explains reports whether the last refusal's code fits the reason. A refused
// chunk names the code of one of its instances; for another's failure it would
// mislead.
func explains(code apiclient.Code, reason power.Reason) bool {
	switch code {
	case apiclient.CodeInstanceNotFound, apiclient.CodeResourceNotFound:
		return reason == power.ReasonNotFound
	case apiclient.CodeInstanceRecycled:
		return reason == power.ReasonRecycled
	case apiclient.CodeInstanceNotStopped, apiclient.CodeInstanceNotRunning:
		return reason == power.ReasonWrongState || reason == power.ReasonRejected
	}
	return true
}
