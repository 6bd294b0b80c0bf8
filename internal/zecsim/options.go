package zecsim

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"zecpower/apiclient"
)

// maxDuration bounds every configured duration, so that times never overflow.
const maxDuration = 10 * 365 * 24 * time.Hour

// maxInstances bounds a fleet: an instance costs about 130 bytes.
const maxInstances = 10_000_000

// BadIDs says what one bad id does to a StartInstances or StopInstances. The reference does not
// say; its error codes suggest the first, its response field the second.
type BadIDs string

// The ways of treating a bad id.
const (
	// BadIDsReject refuses the whole request with the code of its first bad id. The default.
	BadIDsReject BadIDs = "reject"
	// BadIDsFailedList accepts the good ids and names the bad ones in the reply.
	BadIDsFailedList BadIDs = "failed_list"
)

// Options describe one simulated account. The zero value of every field but the fleet is usable:
// everything then happens at once and nothing fails.
type Options struct {
	// Instances is the size of the fleet, i-000000 upwards. Leave it 0 where Fleet is set.
	Instances int
	// Overrides replaces what is at a position of the fleet that Instances describes.
	Overrides map[int]InstanceSpec
	// Fleet describes every instance instead.
	Fleet []InstanceSpec

	BadIDs BadIDs
	// NotFoundCode is the code for an id that does not exist; empty is CodeInstanceNotFound, the
	// other is CodeResourceNotFound.
	NotFoundCode apiclient.Code
	// NullPages sends an empty page of a describe as "dataSet": null instead of [].
	NullPages bool
	Pages     Pages

	Boot      Boot
	Stop      Stop
	StatusLag time.Duration // how long describes show the old state after an accepted start or stop

	Limit *Limit // of the account; nil: none
	// ActionLimits are further limits, each for the requests of one action.
	ActionLimits map[string]*Limit
	Latency      Latency
	Faults       []Fault   // rolled in order for each request; the first that hits counts
	Refusals     []Refusal // account-wide; the first that hits a request counts

	// Seed decides every random choice.
	Seed uint64
	// Credentials lists those that may call. None means the documented pair demo / demo.
	Credentials []apiclient.Credentials
	// Now is the clock; nil means time.Now. Waits always use real (or bubble) timers.
	Now func() time.Time
	// ClockOffset is the server's clock less ours, as seen in Date and in the check of timestamps.
	ClockOffset time.Duration

	// KeepRequests keeps a record of every request for Requests; it grows without bound.
	KeepRequests bool
	// OnRequest is called with each request once it is over, from the goroutine that served it; nil
	// is fine.
	OnRequest func(RequestRecord)
}

// DefaultOptions is a healthy account of 1,000 stopped instances that boot in two to three seconds:
// what a scenario file starts from.
func DefaultOptions() Options {
	return Options{
		Instances: 1000,
		BadIDs:    BadIDsReject,
		Boot:      Boot{Time: 2 * time.Second, Jitter: time.Second},
		Stop:      Stop{Forced: time.Second, Soft: 5 * time.Second},
		Latency:   Latency{Fixed: 20 * time.Millisecond, Jitter: 30 * time.Millisecond},
	}
}

// Boot is how instances start unless their own spec says otherwise.
type Boot struct {
	// Time is from the accepted start to RUNNING (or to the fall back to STOPPED).
	Time time.Duration
	// Jitter adds up to so much, differently for each instance and start.
	Jitter time.Duration
	// State is shown meanwhile: STARTING (the default, as the reference says) or BOOTING (as the
	// SDK says).
	State apiclient.State
}

// Stop is how long instances take to stop.
type Stop struct {
	Forced time.Duration // power cut, also where forceShutdown is left out
	Soft   time.Duration // forceShutdown false
	// SoftHangs keeps an instance that is asked nicely in STOPPING for ever.
	SoftHangs bool
}

// Latency delays each reply by Fixed plus up to Jitter.
type Latency struct {
	Fixed, Jitter time.Duration
}

// validate reports every value that makes no sense, with its name.
func (o Options) validate() error {
	errs := []error{o.validateFleet(), o.Limit.validate(), o.validateActionLimits(), validNotFoundCode(o.NotFoundCode), o.Pages.validate()}
	if o.BadIDs != "" && o.BadIDs != BadIDsReject && o.BadIDs != BadIDsFailedList {
		errs = append(errs, fmt.Errorf("bad ids %q: use %s or %s", o.BadIDs, BadIDsReject, BadIDsFailedList))
	}
	errs = append(errs, validBootState(o.Boot.State))
	for name, d := range map[string]time.Duration{
		"boot time": o.Boot.Time, "boot jitter": o.Boot.Jitter,
		"forced stop": o.Stop.Forced, "soft stop": o.Stop.Soft, "status lag": o.StatusLag,
		"latency": o.Latency.Fixed, "latency jitter": o.Latency.Jitter,
	} {
		errs = append(errs, validDuration(name, d))
	}
	errs = append(errs, validDuration("clock offset", o.ClockOffset.Abs()))
	for i, f := range o.Faults {
		if err := f.validate(); err != nil {
			errs = append(errs, fmt.Errorf("fault %d: %w", i, err))
		}
	}
	for i := range o.Refusals {
		if err := o.Refusals[i].validate(); err != nil {
			errs = append(errs, fmt.Errorf("refusal %d: %w", i, err))
		}
	}
	for i, c := range o.Credentials {
		if err := c.Validate(); err != nil {
			errs = append(errs, fmt.Errorf("credentials %d: %w", i, err))
		}
	}
	return errors.Join(errs...)
}

func (o Options) validateFleet() error {
	n := o.Instances + len(o.Fleet)
	switch {
	case n < 0 || n > maxInstances:
		return fmt.Errorf("%d instances: use 0 to %d", n, maxInstances)
	case o.Fleet != nil && (o.Instances != 0 || o.Overrides != nil):
		return errors.New("fleet: give either a fleet, or a number of instances and overrides")
	}
	for i := range o.Overrides {
		if i < 0 || i >= o.Instances {
			return fmt.Errorf("override of instance %d: the fleet has instances 0 to %d", i, o.Instances-1)
		}
	}
	return nil
}

func (o Options) validateActionLimits() error {
	var errs []error
	for _, action := range slices.Sorted(maps.Keys(o.ActionLimits)) {
		errs = append(errs, validActions("action limit", []string{action}))
		if err := o.ActionLimits[action].validate(); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", action, err))
		}
	}
	return errors.Join(errs...)
}

func validNotFoundCode(c apiclient.Code) error {
	if c != "" && c != apiclient.CodeInstanceNotFound && c != apiclient.CodeResourceNotFound {
		return fmt.Errorf("not found code %q: use %s or %s", c, apiclient.CodeInstanceNotFound, apiclient.CodeResourceNotFound)
	}
	return nil
}

func validDuration(name string, d time.Duration) error {
	if d < 0 || d > maxDuration {
		return fmt.Errorf("%s %s: use 0s to %s", name, d, maxDuration)
	}
	return nil
}

func validBootState(s apiclient.State) error {
	if s != "" && s != apiclient.StateStarting && s != apiclient.StateBooting {
		return fmt.Errorf("boot state %q: use %s or %s", s, apiclient.StateStarting, apiclient.StateBooting)
	}
	return nil
}
