package zecsim

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"zecpower/apiclient"
)

// FaultKind is one way to misbehave.
type FaultKind string

// The kinds of faults. "Applied" tells whether the request takes effect; where
// it says "as Applied", the fault's field of that name decides.
const (
	// FaultLostBefore drops the connection without a reply; never applied.
	FaultLostBefore FaultKind = "lost_before"
	// FaultAppliedLost drops the connection without a reply; always applied.
	FaultAppliedLost FaultKind = "applied_lost"
	// FaultError5xx answers 500, 503 or 504 with the documented code; as Applied.
	FaultError5xx FaultKind = "error_5xx"
	// FaultHTML answers 502 with a proxy's page; as Applied.
	FaultHTML FaultKind = "html"
	// FaultHTML200 answers 200 with a proxy's page; as Applied.
	FaultHTML200 FaultKind = "html_200"
	// FaultTruncated answers in good order, but with half of the JSON; always applied.
	FaultTruncated FaultKind = "truncated"
	// FaultCut drops the connection halfway through the reply; always applied.
	FaultCut FaultKind = "cut"
	// FaultSlow answers after Delay (default 2m), longer than a client waits; as
	// Applied, and where that is not, the late answer is a 504.
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
	// FaultStrayIDs adds to the reply instances that nobody asked for; always applied.
	FaultStrayIDs FaultKind = "stray_ids"
	// FaultWrongRequestID answers with two different request ids; always applied.
	FaultWrongRequestID FaultKind = "wrong_request_id"
	// FaultAuthFailure refuses the credentials, as after a key was revoked; never applied.
	FaultAuthFailure FaultKind = "auth_failure"
	// FaultRedirect answers 302 or 307 to another host; never applied.
	FaultRedirect FaultKind = "redirect"
)

// FaultKinds lists every kind, in the order of the constants.
func FaultKinds() []FaultKind {
	return []FaultKind{
		FaultLostBefore, FaultAppliedLost, FaultError5xx, FaultHTML, FaultHTML200, FaultTruncated, FaultCut, FaultSlow,
		FaultTrickle, FaultEndless, FaultHuge, FaultWrongShape, FaultOmit, FaultStrayIDs, FaultWrongRequestID,
		FaultAuthFailure, FaultRedirect,
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
	// Applied, where the kind leaves the choice; empty means sometimes.
	Applied Applied
	// Delay of slow and trickle; 0 means their default.
	Delay time.Duration
	// Size of huge in bytes; 0 means 2 GiB.
	Size int64
	// Status and Code replace those of error_5xx (5xx), html (4xx, 5xx) and
	// auth_failure (401, 403); 0 and empty mean the kind's own.
	Status int
	Code   apiclient.Code
}

// Window is a span of time since the simulator's beginning. To is not part of
// it; 0 means for ever.
type Window struct {
	From, To time.Duration
}

func (w Window) contains(at time.Duration) bool {
	return at >= w.From && (w.To == 0 || at < w.To)
}

// fixed is whether a kind's requests are applied, empty where that is a choice.
func (k FaultKind) fixed() Applied {
	switch k {
	case FaultLostBefore, FaultAuthFailure, FaultRedirect:
		return AppliedNever
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
	for _, a := range f.Actions {
		if !slices.Contains(actionNames(), a) {
			errs = append(errs, fmt.Errorf("%s: unknown action %q", f.Kind, a))
		}
	}
	for _, w := range f.Windows {
		if w.From < 0 || w.From > maxDuration || w.To > maxDuration || (w.To != 0 && w.To <= w.From) {
			errs = append(errs, fmt.Errorf("%s: window %s..%s ends before it begins", f.Kind, w.From, w.To))
		}
	}
	if f.Applied != "" && f.Applied != AppliedSometimes && f.Applied != AppliedAlways && f.Applied != AppliedNever {
		errs = append(errs, fmt.Errorf("%s: applied %q: use %s, %s or %s", f.Kind, f.Applied, AppliedAlways, AppliedNever, AppliedSometimes))
	}
	if fixed := f.Kind.fixed(); f.Applied != "" && fixed != "" && fixed != f.Applied {
		errs = append(errs, fmt.Errorf("%s: applied %s: this kind is %s applied", f.Kind, f.Applied, fixed))
	}
	if f.Size < 0 || (f.Size > 0 && f.Size < 1<<10) {
		errs = append(errs, fmt.Errorf("%s: size %d: use at least 1024 bytes", f.Kind, f.Size))
	}
	return errors.Join(errs...)
}

func (f Fault) validateStatus() error {
	lowest, highest := 0, -1
	switch f.Kind {
	case FaultError5xx:
		lowest, highest = 500, 599
	case FaultHTML:
		lowest, highest = 400, 599
	case FaultAuthFailure:
		lowest, highest = 401, 403
	}
	if f.Status != 0 && (f.Status < lowest || f.Status > highest) {
		return fmt.Errorf("%s: status %d does not go with this kind", f.Kind, f.Status)
	}
	return nil
}

// hits reports whether a request is one that the fault is limited to.
func (f *Fault) hits(action string, at time.Duration) bool {
	if f.Kind == FaultOmit && action != apiclient.ActionDescribeInstances && action != apiclient.ActionDescribeInstancesStatus {
		return false
	}
	if len(f.Actions) > 0 && !slices.Contains(f.Actions, action) {
		return false
	}
	return len(f.Windows) == 0 || slices.ContainsFunc(f.Windows, func(w Window) bool { return w.contains(at) })
}

// applies decides whether this request takes effect.
func (f *Fault) applies(rng *rand.Rand) bool {
	coin := rng.IntN(2) == 0
	switch or(f.Kind.fixed(), f.Applied) {
	case AppliedAlways:
		return true
	case AppliedNever:
		return false
	}
	return coin
}

// rollFault picks the fault that a request meets, nil where it meets none. Each
// fault takes one number whatever the others do, so that adding a window to
// one does not change the others' choices.
func rollFault(faults []Fault, rng *rand.Rand, action string, at time.Duration) *Fault {
	var met *Fault
	for i := range faults {
		f := &faults[i]
		if roll := rng.Float64(); met == nil && roll < f.Probability && f.hits(action, at) {
			met = f
		}
	}
	return met
}
