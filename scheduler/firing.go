package scheduler

import (
	"context"
	"fmt"
	"time"

	"zecpower/internal/power"
	"zecpower/internal/store"
)

// Firing is one run, claimed or begun. It is a value: once it is passed on, no one changes it or
// its Groups.
type Firing struct {
	RunID    string // the run's key, see RunID
	Schedule string
	Action   power.Action
	Groups   []string
	Nominal  time.Time // the time that the schedule names
	RunAt    time.Time // when it begins: nominal time and jitter, or later where it had to wait
	Deadline time.Time // when it has to end; counts from RunAt, and a restart keeps it; zero: none
	CatchUp  bool      // it begins late, after its nominal time was missed
	Waits    Wait      // what it waits for; WaitNone once it begins
	Resumed  bool      // an earlier process claimed it, and may have done a part of it

	// Source is that of the schedule that decided the run, or where it waited or is resumed, of the
	// schedule by then. The store does not keep it.
	Source any
	// Round is what Config.Gather returned for the runs that begin together with this one; nil: it
	// begins alone.
	Round Round

	// Planned is the nominal time and jitter. It ranks runs: queue, catch-up and resume do not change
	// it. The store does not keep it.
	Planned time.Time

	// Superseded are those of Groups of which a newer intention wants otherwise, with the id of the
	// run that it is about. Their instances are skipped.
	Superseded map[string]string

	// LeftOut are the groups with which a resumed run began, and which its schedule no longer names.
	// Their open instances are not powered any more. Groups has the others.
	LeftOut []string
	// Fingerprint identifies the timing, zone and action of the schedule that claimed it. Empty: it
	// was claimed before there were fingerprints, and its schedule has no watermark.
	Fingerprint string
	Timezone    string // its schedule's; empty: claimed before zones were recorded
}

// Wanted are the groups that the run powers: Groups without Superseded.
func (f Firing) Wanted() []string {
	wanted := make([]string, 0, len(f.Groups))
	for _, g := range f.Groups {
		if f.Superseded[g] == "" {
			wanted = append(wanted, g)
		}
	}
	return wanted
}

// Wait says what a claimed run waits for.
type Wait string

// What a run waits for, a closed set.
const (
	WaitNone Wait = ""     // nothing: it began, or begins at once
	WaitTime Wait = "time" // its RunAt
	WaitTurn Wait = "turn" // the end of its predecessor; RunAt and Deadline count from there
)

// RunID returns the key of the run of a schedule's nominal time.
func RunID(schedule string, nominal time.Time) string {
	return schedule + "/" + nominal.UTC().Format(time.RFC3339)
}

// Round is several runs that begin together.
type Round interface {
	// Leave says that one of them does not begin after all.
	Leave()
}

// Prepared is a run that is ready to begin.
type Prepared struct {
	// Groups are recorded with the run's beginning.
	Groups []store.Targets
	// Run makes the run and returns when it is over. It is called at most once, after the beginning
	// is recorded. It obeys ctx and the firing's deadline by itself. ctx ends when the daemon stops,
	// and a minute after the deadline at the latest.
	Run func(ctx context.Context) RunEnd
}

// RunEnd is how a run ended.
type RunEnd struct {
	Result power.Result
	Err    error         // why the whole run failed; a *PanicError after a panic; nil: it did not
	Report *power.Report // the outcomes of its instances; nil where it failed before any
	// CutOff says that the end of the context kept it from its end. Where the daemon stops, such a
	// run stays open for the next start.
	CutOff bool
	// Accepted are recorded with the end of the run. The time of each is set then.
	Accepted []store.Acceptance
}

// PanicError is a panic of the run function.
type PanicError struct {
	Value any    // the value that it panicked with
	Stack []byte // the stack of its goroutine, as debug.Stack returns it
}

// Error gives the value without the stack.
func (e *PanicError) Error() string { return fmt.Sprintf("the run panicked: %v", e.Value) }
