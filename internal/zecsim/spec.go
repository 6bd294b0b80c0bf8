package zecsim

import (
	"errors"
	"fmt"
	"time"

	"zecpower/apiclient"
)

// StateMissing is no state of the API: an instance in it does not exist there.
const StateMissing apiclient.State = "MISSING"

// BootOutcome is what becomes of accepted starts.
type BootOutcome string

// The outcomes of a boot.
const (
	// BootWorks reaches RUNNING, after BootFailures failures. The default.
	BootWorks BootOutcome = ""
	// BootFails always falls back to STOPPED.
	BootFails BootOutcome = "fails"
	// BootHangs stays STARTING (or BOOTING) for ever.
	BootHangs BootOutcome = "hangs"
)

// InstanceSpec is one instance: what it is called, where it stands at first,
// and what becomes of starts and stops. The zero value is a healthy STOPPED one.
type InstanceSpec struct {
	// ID is i-NNNNNN by position where empty; the other names follow from the position too.
	ID, Name, ZoneID, ImageID, ResourceGroupID, IPv4Address string
	Tags                                                    map[string]string

	// State is the first state: any name, known or not, or StateMissing; empty is STOPPED.
	State apiclient.State
	// StateFor is how long State lasts when nobody interferes; 0 means for ever.
	StateFor time.Duration
	// StateThen follows State; empty is RUNNING after STARTING or BOOTING, else STOPPED.
	StateThen apiclient.State

	Boot BootOutcome
	// BootFailures is how many accepted starts fall back to STOPPED before one works.
	BootFailures int
	// BootTime and BootJitter replace those of Options.Boot where BootTime is set.
	BootTime, BootJitter time.Duration
	// BootState replaces that of Options.Boot where set.
	BootState apiclient.State

	// Refuses makes starts be refused though the instance is STOPPED, for
	// RefusesFor from the simulator's beginning, or always where that is 0.
	Refuses    bool
	RefusesFor time.Duration
	// RefusalCode is the code of such a refusal; empty is CodeInstanceNotStopped.
	RefusalCode apiclient.Code

	// SoftStopHangs is Stop.SoftHangs for this instance alone.
	SoftStopHangs bool
	// StatusLag replaces Options.StatusLag where set.
	StatusLag time.Duration
}

// behaviour is the part of a spec that matters after the first state. It is
// comparable, so equal ones are shared by all the instances that have them.
type behaviour struct {
	boot                         BootOutcome
	bootFailures                 int
	bootTime, bootJitter         time.Duration
	bootState                    apiclient.State
	refuses, softStopHangs       bool
	refusesFor, statusLag        time.Duration
	refusalCode                  apiclient.Code
	firstState, stateThen        apiclient.State
	stateFor                     time.Duration
	forcedStopTime, softStopTime time.Duration
}

// attributes is the part of a spec that DescribeInstances shows and filters by.
type attributes struct {
	id, name, zoneID, imageID, resourceGroupID, ipv4 string
	tags                                             map[string]string
}

func (i InstanceSpec) validate() error {
	var errs []error
	if i.Boot != BootWorks && i.Boot != BootFails && i.Boot != BootHangs {
		errs = append(errs, fmt.Errorf("boot %q: use %s, %s or nothing", i.Boot, BootFails, BootHangs))
	}
	if i.BootFailures < 0 || (i.BootFailures > 0 && i.Boot != BootWorks) {
		errs = append(errs, fmt.Errorf("boot failures %d: use 0 or more, and only with a boot that works in the end", i.BootFailures))
	}
	if i.StateThen != "" && i.StateFor == 0 {
		errs = append(errs, fmt.Errorf("state then %s: say how long the first state lasts", i.StateThen))
	}
	if !i.Refuses && (i.RefusesFor != 0 || i.RefusalCode != "") {
		errs = append(errs, errors.New("a refusal is described, but the instance does not refuse"))
	}
	errs = append(errs, validBootState(i.BootState),
		validDuration("state for", i.StateFor), validDuration("boot time", i.BootTime), validDuration("boot jitter", i.BootJitter),
		validDuration("refuses for", i.RefusesFor), validDuration("status lag", i.StatusLag))
	return errors.Join(errs...)
}

// behaviour fills what the spec leaves out from the account's options.
func (i InstanceSpec) behaviour(o *Options) behaviour {
	b := behaviour{
		boot: i.Boot, bootFailures: i.BootFailures, bootTime: i.BootTime, bootJitter: i.BootJitter,
		bootState:  or(i.BootState, or(o.Boot.State, apiclient.StateStarting)),
		refuses:    i.Refuses,
		refusesFor: i.RefusesFor, refusalCode: or(i.RefusalCode, apiclient.CodeInstanceNotStopped),
		softStopHangs: i.SoftStopHangs || o.Stop.SoftHangs, statusLag: or(i.StatusLag, o.StatusLag),
		firstState: or(i.State, apiclient.StateStopped), stateThen: i.StateThen, stateFor: i.StateFor,
		forcedStopTime: o.Stop.Forced, softStopTime: o.Stop.Soft,
	}
	if b.bootTime == 0 {
		b.bootTime, b.bootJitter = o.Boot.Time, o.Boot.Jitter
	}
	if b.stateThen == "" {
		b.stateThen = naturalEnd(b.firstState)
	}
	return b
}

// naturalEnd is where a passing state leads when nothing else is said.
func naturalEnd(s apiclient.State) apiclient.State {
	if onItsWay(s) {
		return apiclient.StateRunning
	}
	return apiclient.StateStopped
}

func onItsWay(s apiclient.State) bool {
	return s == apiclient.StateStarting || s == apiclient.StateBooting
}

// attributes returns nil where everything follows from the position.
func (i InstanceSpec) attributes() *attributes {
	if i.ID == "" && i.Name == "" && i.ZoneID == "" && i.ImageID == "" && i.ResourceGroupID == "" && i.IPv4Address == "" && len(i.Tags) == 0 {
		return nil
	}
	return &attributes{i.ID, i.Name, i.ZoneID, i.ImageID, i.ResourceGroupID, i.IPv4Address, i.Tags}
}

// startability is whether, when and at what cost an instance of a kind can reach
// RUNNING, given its first state.
type startability struct {
	possible    bool
	starts      int           // accepted starts that it takes; 0: it gets there by itself
	from, until time.Duration // when starts are accepted; until is forever where nothing ends that
}

func (b *behaviour) startable() startability {
	state, from, until := b.firstState, time.Duration(0), forever
	switch {
	case state == apiclient.StateRunning:
		return startability{possible: true, until: forever}
	case b.stateFor > 0 && state == apiclient.StateStopped && b.stateThen != apiclient.StateStopped:
		until = b.stateFor
	case b.stateFor > 0:
		state, from = b.stateThen, b.stateFor
	}
	switch {
	case state == apiclient.StateRunning:
		return startability{possible: true, from: from, until: until}
	case state != apiclient.StateStopped || b.boot != BootWorks || (b.refuses && b.refusesFor == 0):
		return startability{}
	}
	from = max(from, b.refusesFor)
	return startability{possible: from < until, starts: 1 + b.bootFailures, from: from, until: until}
}

func or[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}
