package batcher

import (
	"time"

	"zecpower/apiclient"
	"zecpower/internal/power"
)

// item is what a run knows of one instance. Its run's goroutine owns it.
type item struct {
	id    string
	group int // index of the group it is worked on under

	settled bool
	// booting: a start was accepted and its end has not been seen yet.
	booting bool
	// foreign: that start was somebody else's, and uses no attempt up.
	foreign bool
	// onWay: since that start it was seen on its way, so STOPPED means that it fell back.
	onWay bool
	// suspect: it was in a request whose fate is unknown, and no look since has
	// told what became of it.
	suspect bool
	// listed: the API refused the last start to this very instance; the next
	// look tells whether its state explains that.
	listed bool
	// vouched: it was refused although a look before had seen it ready.
	vouched bool
	// taken: some start of this run was accepted for it, or may have been.
	taken bool
	// missing: a look left it out once although it was known before.
	missing bool

	fallen   int // accepted starts after which it fell back
	rejected int // starts that the API refused to this very instance
	unknown  int // starts whose fate stayed unknown although it was seen unchanged after
	losses   int // the same, since a start was last accepted: for the backoff
	attempts int // starts that named it and reached the API or may have

	acceptedAt time.Time // of the last start that was accepted or may have been
	suspectAt  time.Time // when the reply to the last start of unknown fate was given up
	trouble    apiclient.Class
	state      apiclient.State // last seen
	code       apiclient.Code  // of the last refusal
	requestID  string          // of the last request that did something to it

	outcome   power.Outcome
	reason    power.Reason
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
func standingOf(a power.Action, s apiclient.State) standing {
	switch s {
	case apiclient.StateRecycle, apiclient.StateRecycling, apiclient.StateReleasing, apiclient.StateCreateFailed:
		return standingGone
	case apiclient.StateRunning:
		if a == power.ActionStart {
			return standingThere
		}
		return standingReady
	case apiclient.StateStopped:
		if a == power.ActionStart {
			return standingReady
		}
		return standingThere
	case apiclient.StateStarting, apiclient.StateBooting:
		if a == power.ActionStart {
			return standingOnWay
		}
	case apiclient.StateStopping:
		if a == power.ActionStop {
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
	nextLook               // look again soon: this look came too early to decide
)

// rules are the parts of Config that decide about one instance.
type rules struct {
	action      power.Action
	attempts    int
	bootTimeout time.Duration
	// lag is how long a state may trail an accepted start: until then STOPPED
	// after a start that was never seen working does not count as a boot that failed.
	lag time.Duration
	// settle is the same for a start whose fate is unknown: until then STOPPED
	// does not show that it never arrived.
	settle time.Duration
}

// see decides from one look that left at asked and was answered at now. It
// changes only it. present is false where a complete reply left the instance out.
func (ru rules) see(it *item, state apiclient.State, present bool, asked, now time.Time) next {
	it.trouble = ""
	if !present {
		return it.absent()
	}
	it.state, it.missing = state, false
	standing := standingOf(ru.action, state)
	if standing != standingReady {
		it.listed = false // its state explains the refusal
	}
	switch standing {
	case standingThere:
		return ru.there(it, now)
	case standingOnWay:
		return ru.onWay(it, now)
	case standingReady:
		return ru.ready(it, asked)
	case standingGone:
		return it.fail(power.ReasonRecycled)
	}
	return nextWatch
}

// absent believes the first look for an instance that nothing ever spoke for,
// and the second for one that was seen, or that the API took a start for: a
// listing may trail.
func (it *item) absent() next {
	if (it.state != "" || it.taken) && !it.missing {
		it.missing = true
		return nextWatch
	}
	return it.fail(power.ReasonNotFound)
}

// accept notes a start that the API took.
func (it *item) accept(now time.Time) {
	it.booting, it.onWay, it.taken, it.acceptedAt = true, false, true, now
	it.suspect, it.losses, it.code = false, 0, ""
}

// refuse notes a start that the API refused to this very instance.
func (it *item) refuse(action power.Action) {
	it.listed = true
	it.vouched = it.vouched || (it.state != "" && standingOf(action, it.state) == standingReady)
}

// doubt notes a start whose reply was given up: its fate is unknown. The server
// may have applied it at any time between the two.
func (it *item) doubt(sent, givenUp time.Time) {
	it.suspect, it.taken, it.acceptedAt, it.suspectAt = true, true, sent, givenUp
}

// acquit takes a refusal back that was somebody else's fault.
func (it *item) acquit() {
	it.attempts--
	it.code = ""
}

func (it *item) fail(reason power.Reason) next {
	it.outcome, it.reason = power.OutcomeFailed, reason
	return nextSettle
}

func (ru rules) there(it *item, now time.Time) next {
	done := power.Outcomes(ru.action)
	it.outcome, it.reachedAt = done[1], now
	if it.taken {
		it.outcome = done[0]
	}
	return nextSettle
}

// onWay also covers a start that somebody else made: it is watched like ours.
func (ru rules) onWay(it *item, now time.Time) next {
	switch {
	case it.suspect:
		it.suspect, it.losses, it.code = false, 0, ""
		if !it.taken { // sent, if at all, by an earlier process
			it.acceptedAt = now
		}
	case !it.booting:
		it.foreign, it.acceptedAt = !it.taken, now
	}
	it.booting, it.onWay = true, true
	if now.Sub(it.acceptedAt) >= ru.bootTimeout {
		return it.fail(power.ReasonBootTimeout)
	}
	return nextWatch
}

// ready is STOPPED for a start: send it, unless it was sent and failed too often.
func (ru rules) ready(it *item, asked time.Time) next {
	switch {
	case it.booting && !it.onWay && asked.Sub(it.acceptedAt) < ru.lag:
		return nextWatch
	case it.booting:
		if !it.foreign {
			it.fallen++
		}
		it.booting, it.foreign, it.onWay = false, false, false
	case it.suspect && asked.Sub(it.suspectAt) < ru.settle:
		return nextLook
	case it.suspect:
		it.suspect = false
		if it.taken { // else only an earlier process may have sent it
			it.unknown++
			it.losses++
		}
	}
	if it.listed {
		it.listed = false
		it.rejected++
	}
	return ru.again(it)
}

// again decides whether an instance that is ready may be sent once more. Starts
// of unknown fate count only against an instance that was seen to fall back:
// for any other the request most likely never arrived. Nor is an instance given
// up for refusals that came before anybody had looked at it: it may have been
// busy then.
func (ru rules) again(it *item) next {
	used := it.fallen + it.rejected
	if it.fallen > 0 {
		used += it.unknown
	}
	switch {
	case used < ru.attempts:
		return nextSend
	case it.fallen > 0:
		return it.fail(power.ReasonBootFailed)
	case !it.vouched:
		return nextSend
	}
	return it.fail(power.ReasonRejected)
}

// unfinished is the reason of an instance that has no outcome when its run
// ends. failing says that the API was then failing altogether.
func (it *item) unfinished(action power.Action, failing bool) power.Reason {
	switch {
	case it.trouble == apiclient.ClassThrottled:
		return power.ReasonThrottled
	case it.trouble != "":
		return power.ReasonAPIError
	case it.booting:
		return power.ReasonBootTimeout
	case it.state != "" && standingOf(action, it.state) == standingBusy:
		return power.ReasonWrongState
	case it.fallen > 0:
		return power.ReasonBootFailed
	case it.rejected > 0 || it.listed:
		return power.ReasonRejected
	case failing || it.losses > 0:
		return power.ReasonAPIError
	}
	return power.ReasonThrottled
}

// result words the item for the report.
func (it *item) result() power.InstanceResult {
	r := power.InstanceResult{
		InstanceID: it.id, Outcome: it.outcome, Reason: it.reason,
		State: string(it.state), RequestID: it.requestID, Attempts: it.attempts, ReachedAt: it.reachedAt,
	}
	if it.outcome == power.OutcomeFailed {
		r.Code = string(it.explains())
		if it.reason == power.ReasonNotFound {
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
	fits := true
	switch it.code {
	case apiclient.CodeInstanceNotFound:
		fits = it.reason == power.ReasonNotFound
	case apiclient.CodeInstanceRecycled:
		fits = it.reason == power.ReasonRecycled
	case apiclient.CodeInstanceNotStopped, apiclient.CodeInstanceNotRunning:
		fits = it.reason == power.ReasonWrongState || it.reason == power.ReasonRejected
	}
	if !fits {
		return ""
	}
	return it.code
}
