package batcher

import (
	"math/rand/v2"
	"time"
)

const (
	// credentialRefusals and credentialSpan are what makes refused credentials
	// final: so many refusals of one action in a row, over so long. Less may be
	// one flaky node behind the API's load balancer.
	credentialRefusals = 3
	credentialSpan     = 30 * time.Second
	// credentialGrace is how long a due probe waits for a run that asks for one.
	credentialGrace = time.Second
	// credentialFloor bounds the pauses between probes from below, whatever the backoff is: from half
	// of it on, doubled each time up to credentialTopFloor, so that 30 s cost some ten requests.
	credentialFloor, credentialTopFloor = 500 * time.Millisecond, 8 * time.Second
)

// credentialPause is how an account treats refused credentials: nothing leaves
// but probes of the refused action, one at a time with growing pauses, until one
// of them passes or the refusal is final. Pure: time and chance are parameters.
type credentialPause struct {
	backoff Backoff
	// accepted: some reply of the API accepted the credentials in this process.
	accepted bool

	action   string // the refused one; empty while there is no pause
	refusals int    // of it, in a row
	first    time.Time
	probing  bool
	next     time.Time
}

func (c *credentialPause) active() bool { return c.action != "" }

// admits reports whether a request may leave now: any while there is no pause,
// else one of the refused action. at is when to ask again, zero where only a reply
// changes that. wanted says that a request of that action waits. Where none has
// for credentialGrace, no probe will come any more, and the pause ends.
func (c *credentialPause) admits(now time.Time, wanted bool) (ok bool, at time.Time) {
	switch {
	case !c.active():
		return true, time.Time{}
	case c.probing:
		return false, time.Time{}
	case now.Before(c.next):
		return false, c.next
	case wanted:
		return true, time.Time{}
	}
	if unwanted := c.next.Add(credentialGrace); now.Before(unwanted) {
		return false, unwanted
	}
	c.lift()
	return true, time.Time{}
}

// leave notes that a request leaves, and reports whether it is a probe.
func (c *credentialPause) leave() (probe bool) {
	if c.active() {
		c.probing = true
	}
	return c.active()
}

// refused notes that the credentials were refused for an action, and reports
// whether that is final. It then begins anew: the next run of the account may try
// again. skewed says that this host's clock is off.
func (c *credentialPause) refused(now time.Time, action string, skewed, probe bool, rng *rand.Rand) (final bool) {
	switch {
	case !c.active():
		c.action, c.first, c.refusals = action, now, 0
	case !probe:
		return false // it left before the pause began
	}
	c.probing = false
	slowly := Backoff{Initial: credentialFloor, Max: credentialTopFloor}
	c.next = now.Add(halfFixed(max(c.backoff.ceiling(c.refusals), slowly.ceiling(c.refusals)), rng))
	c.refusals++
	// A clock that is off makes every signature wrong, and can be set right while
	// the run goes on.
	if skewed || c.refusals < credentialRefusals || now.Sub(c.first) < credentialSpan {
		return false
	}
	c.lift()
	return true
}

// answered notes a reply of the API that accepted the credentials for an action.
func (c *credentialPause) answered(action string, probe bool) {
	c.accepted = true
	if probe || action == c.action {
		c.lift()
	}
}

// withdrawn notes a probe that brought no word about the credentials.
func (c *credentialPause) withdrawn(probe bool) {
	if probe {
		c.probing = false
	}
}

func (c *credentialPause) lift() {
	c.action, c.refusals, c.probing, c.first, c.next = "", 0, false, time.Time{}, time.Time{}
}
