package zecsim

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"zecpower/apiclient"
)

// FaultKind is one way to misbehave.
type FaultKind string

// The kinds of faults. "Applied" means that the request takes effect. Where a line says "as
// Applied", the fault's field of that name decides.
const (
	// FaultLostBefore drops the connection without a reply; never applied.
	FaultLostBefore FaultKind = "lost_before"
	// FaultAppliedLost drops the connection without a reply; always applied.
	FaultAppliedLost FaultKind = "applied_lost"
	// FaultError5xx answers 500, 503 or 504 with the documented code; as Applied.
	FaultError5xx FaultKind = "error_5xx"
	// FaultHTML answers with a proxy's page and Status, 502 where that is 0. A status below 500 is
	// that of a station on the way, which never applies the request; else as Applied.
	FaultHTML FaultKind = "html"
	// FaultHTML200 answers 200 with a proxy's page; as Applied.
	FaultHTML200 FaultKind = "html_200"
	// FaultTruncated answers in good order, but with half of the JSON; always applied.
	FaultTruncated FaultKind = "truncated"
	// FaultCut drops the connection halfway through the reply; always applied.
	FaultCut FaultKind = "cut"
	// FaultSlow answers after Delay (default 2m), longer than a client waits; as Applied, and where
	// that is not, the late answer is a 504.
	FaultSlow FaultKind = "slow"
	// FaultTrickle sends the reply a byte every Delay (default 1s); always applied.
	FaultTrickle FaultKind = "trickle"
	// FaultEndless sends a reply that never ends; as Applied.
	FaultEndless FaultKind = "endless"
	// FaultHuge sends a well-formed reply of Size bytes (default 2 GiB); as Applied.
	FaultHuge FaultKind = "huge"
	// FaultWrongShape answers 200 with JSON that is not the documented object; as Applied.
	FaultWrongShape FaultKind = "wrong_shape"
	// FaultOmit leaves about half of the instances out of a describe whose totalCount counts them.
	FaultOmit FaultKind = "omit"
	// FaultStrayIDs adds instances to the reply that the request did not name; always applied.
	FaultStrayIDs FaultKind = "stray_ids"
	// FaultWrongRequestID answers with two different request ids; always applied.
	FaultWrongRequestID FaultKind = "wrong_request_id"
	// FaultAuthFailure refuses the credentials, as after a key was revoked; never applied.
	FaultAuthFailure FaultKind = "auth_failure"
	// FaultRedirect answers 302 or 307 to another host; never applied.
	FaultRedirect FaultKind = "redirect"
	// FaultChallenge answers 403 with a page and the header cf-mitigated: challenge, as a network
	// in front of the API that suspects the client; never applied.
	FaultChallenge FaultKind = "challenge"
	// FaultLegal451 answers 451 with a page, as a network that refuses the address; never applied.
	FaultLegal451 FaultKind = "legal_451"
)

// FaultKinds lists every kind, in the order of the constants.
func FaultKinds() []FaultKind {
	return []FaultKind{
		FaultLostBefore, FaultAppliedLost, FaultError5xx, FaultHTML, FaultHTML200, FaultTruncated, FaultCut, FaultSlow,
		FaultTrickle, FaultEndless, FaultHuge, FaultWrongShape, FaultOmit, FaultStrayIDs, FaultWrongRequestID,
		FaultAuthFailure, FaultRedirect, FaultChallenge, FaultLegal451,
	}
}

// Applied says whether a request that meets a fault takes effect.
type Applied string

// The choices; Sometimes is decided by the seed, half and half.
const (
	AppliedSometimes Applied = "sometimes" // the default where a kind leaves the choice
	AppliedAlways    Applied = "always"
	AppliedNever     Applied = "never"
)

const (
	defaultSlowDelay    = 2 * time.Minute
	defaultTrickleDelay = time.Second
	defaultHugeSize     = 2 << 30
)

// Fault makes some requests go wrong.
type Fault struct {
	Kind FaultKind
	// Probability of each request to meet it, above 0, at most 1.
	Probability float64
	// Actions it is limited to; none means all.
	Actions []string
	// Windows it is limited to; none means always.
	Windows []Window
	// Times is how many requests meet it at most, counted in the order in which they arrive; 0 is
	// no bound.
	Times int
	// Applied, where the kind leaves the choice; empty means sometimes.
	Applied Applied
	// Delay of slow and trickle; 0 means their default.
	Delay time.Duration
	// Size of huge in bytes; 0 means 2 GiB.
	Size int64
	// Status replaces that of error_5xx (500 to 599), html (300 to 599, but for redirects) and
	// auth_failure (401 to 403). Code replaces that of error_5xx and auth_failure. 0 and empty mean
	// the kind's own.
	Status int
	Code   apiclient.Code
}

// fixed says whether requests that meet the fault are applied, empty where that is a choice.
func (f *Fault) fixed() Applied {
	switch f.Kind {
	case FaultLostBefore, FaultAuthFailure, FaultRedirect, FaultChallenge, FaultLegal451:
		return AppliedNever
	case FaultHTML:
		if f.Status != 0 && f.Status < 500 {
			return AppliedNever
		}
	case FaultAppliedLost, FaultTruncated, FaultCut, FaultTrickle, FaultOmit, FaultStrayIDs, FaultWrongRequestID:
		return AppliedAlways
	}
	return ""
}

func (f Fault) validate() error {
	errs := []error{f.validateStatus(), validDuration("delay", f.Delay)}
	if !slices.Contains(FaultKinds(), f.Kind) {
		errs = append(errs, fmt.Errorf("unknown kind %q", f.Kind))
	}
	if !(f.Probability > 0 && f.Probability <= 1) {
		errs = append(errs, fmt.Errorf("%s: probability %v: use more than 0, up to 1", f.Kind, f.Probability))
	}
	errs = append(errs, validActions(string(f.Kind), f.Actions), validWindows(string(f.Kind), f.Windows))
	if f.Times < 0 {
		errs = append(errs, fmt.Errorf("%s: times %d: use 1 or more, or 0 for no bound", f.Kind, f.Times))
	}
	if f.Applied != "" && f.Applied != AppliedSometimes && f.Applied != AppliedAlways && f.Applied != AppliedNever {
		errs = append(errs, fmt.Errorf("%s: applied %q: use %s, %s or %s", f.Kind, f.Applied, AppliedAlways, AppliedNever, AppliedSometimes))
	}
	if fixed := f.fixed(); f.Applied != "" && fixed != "" && fixed != f.Applied {
		errs = append(errs, fmt.Errorf("%s: applied %s: this kind is %s applied%s", f.Kind, f.Applied, fixed, f.withStatus()))
	}
	if f.Size < 0 || (f.Size > 0 && f.Size < 1<<10) {
		errs = append(errs, fmt.Errorf("%s: size %d: use at least 1024 bytes", f.Kind, f.Size))
	}
	return errors.Join(errs...)
}

// withStatus names the status where that is the reason why a request is never applied.
func (f *Fault) withStatus() string {
	if f.Kind == FaultHTML {
		return fmt.Sprintf(" with status %d; use 500 or more, or leave applied out", f.Status)
	}
	return ""
}

func (f Fault) validateStatus() error {
	lowest, highest := 0, -1
	switch f.Kind {
	case FaultError5xx:
		lowest, highest = 500, 599
	case FaultHTML:
		lowest, highest = 300, 599
		if isRedirect(f.Status) {
			return fmt.Errorf("%s: status %d leads to another place: use the kind %s", f.Kind, f.Status, FaultRedirect)
		}
	case FaultAuthFailure:
		lowest, highest = 401, 403
	}
	if f.Status != 0 && (f.Status < lowest || f.Status > highest) {
		return fmt.Errorf("%s: status %d does not go with this kind", f.Kind, f.Status)
	}
	return nil
}

func isRedirect(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// hits reports whether a request is one that the fault is limited to.
func (f *Fault) hits(action string, at time.Duration) bool {
	if f.Kind == FaultOmit && action != apiclient.ActionDescribeInstances && action != apiclient.ActionDescribeInstancesStatus {
		return false
	}
	if len(f.Actions) > 0 && !slices.Contains(f.Actions, action) {
		return false
	}
	return inWindows(f.Windows, at)
}

// applies decides whether this request takes effect.
func (f *Fault) applies(rng *rand.Rand) bool {
	coin := rng.IntN(2) == 0
	switch or(f.fixed(), f.Applied) {
	case AppliedAlways:
		return true
	case AppliedNever:
		return false
	}
	return coin
}

// rollFault picks the fault that a request meets, nil where it meets none. Each fault draws one
// number whatever the others do, so that a window of one does not change the others' choices.
func (s *Simulator) rollFault(x *exchange) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	met := -1
	for i := range s.opts.Faults {
		f := &s.opts.Faults[i]
		roll := x.rng.Float64()
		spent := f.Times > 0 && s.faultsMet[i] >= f.Times
		if met < 0 && roll < f.Probability && !spent && f.hits(x.record.Action, x.at) {
			met = i
		}
	}
	if met < 0 {
		return nil
	}
	f := &s.opts.Faults[met]
	s.faultsMet[met]++
	s.counts.faults[f.Kind]++
	x.record.Fault = f.Kind
	return f
}
