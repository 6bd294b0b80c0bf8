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

// InstanceSpec is one instance: its names, its first state, and what becomes of starts and stops.
// The zero value is a healthy STOPPED one.
type InstanceSpec struct {
	// ID is i-NNNNNN by position where empty; the other names follow from the position too.
	ID, Name, ZoneID, ImageID, InstanceType, ResourceGroupID, IPv4Address string
	// Tags may be nil; describes then show null.
	Tags map[string]string

	// JoinsAfter and LeavesAfter are when the API first and last knows the instance, counted from
	// the simulator's beginning; 0 is from the beginning, and for ever. Before and after it is
	// StateMissing, whatever it was doing.
	JoinsAfter, LeavesAfter time.Duration

	// State is the first state: any name, known or not, or StateMissing; empty is STOPPED.
	State apiclient.State
	// StateFor is how long State lasts, from JoinsAfter, where no start or stop ends it; 0 means
	// for ever.
	StateFor time.Duration
	// StateThen follows State; empty is RUNNING after STARTING or BOOTING, else STOPPED.
	StateThen apiclient.State

	Boot BootOutcome
	// BootFailures is how many starts fall back to STOPPED before one works. Starts by Others
	// count.
	BootFailures int
	// BootFailsStopping makes a boot that fails show STOPPING, for the time of a forced stop,
	// before it is STOPPED.
	BootFailsStopping bool
	// BootTime and BootJitter replace those of Options.Boot where BootTime is set.
	BootTime, BootJitter time.Duration
	// BootState replaces that of Options.Boot where set.
	BootState apiclient.State

	// Refuses refuses starts though the instance is STOPPED, RefusesStops refuses stops though it
	// is RUNNING: both for RefusesFor from the simulator's beginning, or always where that is 0.
	Refuses, RefusesStops bool
	RefusesFor            time.Duration
	// RefusalCode is the code of such a refusal; empty is CodeInstanceNotStopped for a start and
	// CodeInstanceNotRunning for a stop.
	RefusalCode apiclient.Code
	// RefusalStatus is the HTTP status with which BadIDsReject refuses the request, 400 to 499; 0
	// is the one that the reference gives the code, else 403.
	RefusalStatus int

	// SoftStopHangs is Stop.SoftHangs for this instance alone.
	SoftStopHangs bool
	// StopHangs keeps it in STOPPING for ever after any stop, forced or not.
	StopHangs bool
	// StopFailures is how many stops fall back to RUNNING before one works. Stops by Others count.
	StopFailures int
	// StatusLag replaces Options.StatusLag where set.
	StatusLag time.Duration

	// Others is what other actors do to the instance.
	Others []OtherAct
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
	errs = append(errs, i.validateFailures(), i.validateRefusal(), i.validateStay())
	for _, act := range i.Others {
		errs = append(errs, act.validate())
	}
	errs = append(errs, validBootState(i.BootState),
		validDuration("state for", i.StateFor), validDuration("boot time", i.BootTime), validDuration("boot jitter", i.BootJitter),
		validDuration("refuses for", i.RefusesFor), validDuration("status lag", i.StatusLag))
	return errors.Join(errs...)
}

func (i InstanceSpec) validateFailures() error {
	switch {
	case i.BootFailsStopping && i.Boot != BootFails && i.BootFailures == 0:
		return fmt.Errorf("boot fails stopping, but no boot fails: use boot %s or boot failures, too", BootFails)
	case i.StopFailures < 0 || (i.StopFailures > 0 && i.StopHangs):
		return fmt.Errorf("stop failures %d: use 0 or more, and only with a stop that works in the end", i.StopFailures)
	}
	return nil
}

func (i InstanceSpec) validateStay() error {
	switch {
	case i.LeavesAfter != 0 && i.LeavesAfter <= i.JoinsAfter:
		return fmt.Errorf("it leaves after %s, and joins after %s: let it join before it leaves", i.LeavesAfter, i.JoinsAfter)
	case i.JoinsAfter != 0 && i.State == StateMissing:
		return fmt.Errorf("it joins after %s in the state %s: give it a state that it joins in", i.JoinsAfter, StateMissing)
	}
	return errors.Join(validDuration("joins after", i.JoinsAfter), validDuration("leaves after", i.LeavesAfter))
}

func (i InstanceSpec) validateRefusal() error {
	if !i.Refuses && !i.RefusesStops && (i.RefusesFor != 0 || i.RefusalCode != "" || i.RefusalStatus != 0) {
		return errors.New("a refusal is described, but the instance does not refuse: let it refuse starts or stops")
	}
	return validStatus("refusal status", i.RefusalStatus)
}

func or[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}
