package batcher

import (
	"time"

	"zecpower/apiclient"
)

// item is what a run knows of one instance. Its run's goroutine owns it.
type item struct {
	id    string
	group int // index of the group it is worked on under

	settled bool
	// booting: a start was accepted and its end has not been seen yet.
	booting bool
	// onWay: since that start it was seen on its way, so STOPPED means that it fell back.
	onWay bool
	// suspect: it was in a request whose fate is unknown and has not been looked at since.
	suspect bool
	// taken: some start of this run was accepted for it, or may have been.
	taken bool
	// missing: a look left it out once although it was known before.
	missing bool

	fallen   int // accepted starts after which it fell back
	rejected int // starts that the API refused to this very instance
	unknown  int // starts whose fate stayed unknown although it was seen unchanged after
	attempts int // starts that named it and reached the API or may have

	acceptedAt time.Time // of the last accepted start
	trouble    apiclient.Class
	state      apiclient.State // last seen
	code       apiclient.Code  // of the last refusal
	requestID  string          // of the last request that did something to it

	outcome   Outcome
	reason    Reason
	reachedAt time.Time
}

// standing is what a state means for an action.
type standing int

const (
	standingBusy  standing = iota // wait, then look again
	standingThere                 // the wanted state
	standingOnWay                 // on its way to it
	standingReady                 // the action can be sent
	standingGone                  // will never get there
)

// standingOf reads a state. Names that are not known count as busy.
func standingOf(a Action, s apiclient.State) standing {
	switch s {
	case apiclient.StateRecycle, apiclient.StateRecycling, apiclient.StateReleasing, apiclient.StateCreateFailed:
		return standingGone
	case apiclient.StateRunning:
		if a == ActionStart {
			return standingThere
		}
		return standingReady
	case apiclient.StateStopped:
		if a == ActionStart {
			return standingReady
		}
		return standingThere
	case apiclient.StateStarting, apiclient.StateBooting:
		if a == ActionStart {
			return standingOnWay
		}
	case apiclient.StateStopping:
		if a == ActionStop {
			return standingOnWay
		}
	}
	return standingBusy
}

// next is what to do with an instance after a look at it.
type next int

const (
	nextSettle next = iota // its outcome and reason are set
	nextSend               // send the action (again)
	nextWatch              // look again after a while
)

// rules are the parts of Config that decide about one instance.
type rules struct {
	action      Action
	attempts    int
	bootTimeout time.Duration
	// lag is how long a state may trail an accepted start: until then STOPPED
	// after a start that was never seen working does not count as a boot that failed.
	lag time.Duration
}

// see decides from one look. It changes only it. present is false where a
// complete reply left the instance out.
func (ru rules) see(it *item, state apiclient.State, present bool, now time.Time) next {
	suspect := it.suspect
	it.suspect, it.trouble = false, ""
	if !present {
		return it.absent()
	}
	it.state, it.missing = state, false
	switch standingOf(ru.action, state) {
	case standingThere:
		return ru.there(it, now)
	case standingOnWay:
		return ru.onWay(it, suspect, now)
	case standingReady:
		return ru.ready(it, suspect, now)
	case standingGone:
		return it.fail(ReasonRecycled)
	}
	return nextWatch
}

// absent believes the first look for an instance that was never seen, and the
// second for one that was: a listing may trail.
func (it *item) absent() next {
	if it.state != "" && !it.missing {
		it.missing = true
		return nextWatch
	}
	return it.fail(ReasonNotFound)
}

// acquit takes a refusal back that was somebody else's fault.
func (it *item) acquit() {
	it.attempts--
	it.code = ""
}

func (it *item) fail(reason Reason) next {
	it.outcome, it.reason = OutcomeFailed, reason
	return nextSettle
}

func (ru rules) there(it *item, now time.Time) next {
	done := Outcomes(ru.action)
	it.outcome, it.reachedAt = done[1], now
	if it.taken {
		it.outcome = done[0]
	}
	return nextSettle
}

// onWay also covers a start that somebody else made: it is watched like ours.
func (ru rules) onWay(it *item, suspect bool, now time.Time) next {
	if !it.booting {
		it.booting, it.acceptedAt = true, now
	}
	if suspect {
		it.code = ""
	}
	it.onWay = true
	if now.Sub(it.acceptedAt) >= ru.bootTimeout {
		return it.fail(ReasonBootTimeout)
	}
	return nextWatch
}

// ready is STOPPED for a start: send it, unless it was sent and failed too often.
func (ru rules) ready(it *item, suspect bool, now time.Time) next {
	if it.booting {
		if !it.onWay && now.Sub(it.acceptedAt) < ru.lag {
			return nextWatch
		}
		it.booting, it.onWay = false, false
		it.fallen++
	}
	if suspect {
		it.unknown++
	}
	return ru.again(it)
}

// again decides whether an instance that is ready may be sent once more. Starts
// of unknown fate count only against an instance that was seen to fall back:
// for any other the request most likely never arrived.
func (ru rules) again(it *item) next {
	used := it.fallen + it.rejected
	if it.fallen > 0 {
		used += it.unknown
	}
	switch {
	case used < ru.attempts:
		return nextSend
	case it.fallen > 0:
		return it.fail(ReasonBootFailed)
	}
	return it.fail(ReasonRejected)
}

// unfinished is the reason of an instance that has no outcome when its run ends.
func (it *item) unfinished(action Action) Reason {
	switch {
	case it.trouble == apiclient.ClassThrottled:
		return ReasonThrottled
	case it.trouble != "":
		return ReasonAPIError
	case it.booting:
		return ReasonBootTimeout
	case it.state != "" && standingOf(action, it.state) == standingBusy:
		return ReasonWrongState
	}
	return ReasonThrottled
}

// result words the item for the report.
func (it *item) result() InstanceResult {
	r := InstanceResult{
		InstanceID: it.id, Outcome: it.outcome, Reason: it.reason,
		State: it.state, RequestID: it.requestID, Attempts: it.attempts, ReachedAt: it.reachedAt,
	}
	if it.outcome == OutcomeFailed {
		r.Code = it.explains()
		if it.reason == ReasonNotFound {
			r.State = ""
		}
		return r
	}
	if it.taken && !it.acceptedAt.IsZero() {
		r.BootDuration = it.reachedAt.Sub(it.acceptedAt)
	}
	return r
}

// explains is the refusal's code where it fits the reason. A refused chunk
// names one culprit's code; for another's failure it would mislead.
func (it *item) explains() apiclient.Code {
	switch {
	case it.code == apiclient.CodeInstanceNotFound && it.reason != ReasonNotFound,
		it.code == apiclient.CodeInstanceRecycled && it.reason != ReasonRecycled:
		return ""
	}
	return it.code
}
