package batcher

import (
	"context"
	"errors"
	"fmt"
	"time"

	"zecpower/apiclient"
	"zecpower/internal/power"
)

// API is what a run needs of the ZEC API. *apiclient.Client implements it.
// Errors are *apiclient.Error. It must be safe for concurrent use, and a call
// must end by itself in bounded time: a run waits for the calls in flight.
type API interface {
	StartInstances(ctx context.Context, ids []string) (apiclient.PowerReply, error)
	StopInstances(ctx context.Context, ids []string, force bool) (apiclient.PowerReply, error)
	DescribeInstancesStatus(ctx context.Context, q apiclient.StatusQuery) (apiclient.StatusPage, error)
}

// Config says how a run goes about its work.
type Config struct {
	API    API
	Budget *Budget // shared by all that call the same account
	// Size is how many ids a request names at most, 1–100.
	Size int
	// Attempts is how many failed starts one instance may use up in a run: those
	// that the API refused to it, and those after which it fell back. At least 1.
	// For a start whose reply was lost see the package comment.
	Attempts int
	// Backoff paces the retries of one request.
	Backoff Backoff
	// PollInterval is how long an instance on its way is left alone between two
	// describes. It stretches by itself when so many are pending that the budget
	// would not keep up.
	PollInterval time.Duration
	// BootTimeout is how long an accepted start may take until RUNNING is seen,
	// and an accepted stop until STOPPED is.
	BootTimeout time.Duration
	Observer    Observer // nil is fine
	Journal     Journal  // nil is fine
	// OnPanic receives each panic that ended a run or a request. It must be safe
	// for concurrent use. nil drops them.
	OnPanic func(*PanicError)
	// Seed makes the jitter repeatable; 0 draws one.
	Seed uint64
}

func (c Config) reportPanic(p *PanicError) {
	if c.OnPanic != nil {
		_ = catch("OnPanic", func() { c.OnPanic(p) }) // nothing is left to report it to
	}
}

func (c Config) validate() error {
	switch {
	case c.API == nil || c.Budget == nil:
		return errors.New("batcher: an API and a budget are needed")
	case c.Size < 1 || c.Size > apiclient.MaxInstanceIDs:
		return fmt.Errorf("batcher: batch size %d; it must be 1 to %d", c.Size, apiclient.MaxInstanceIDs)
	case c.Attempts < 1:
		return fmt.Errorf("batcher: %d attempts; at least 1 is needed", c.Attempts)
	case c.PollInterval <= 0 || c.BootTimeout <= 0:
		return errors.New("batcher: poll interval and boot timeout must be over 0")
	}
	return c.Backoff.validate()
}

// Batcher runs groups. It is safe for concurrent use.
type Batcher struct{ cfg Config }

// New checks cfg and returns a Batcher.
func New(cfg Config) (*Batcher, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	if cfg.Observer == nil {
		cfg.Observer = Observers{}
	}
	if cfg.Journal == nil {
		cfg.Journal = noJournal{}
	}
	return &Batcher{cfg: cfg}, nil
}

// Group is one group of a run.
type Group struct {
	Name string
	// IDs may hold repeats and surrounding blanks; both are removed.
	IDs []string
	// Err says why the ids could not be read; the group then fails, and the others
	// go on.
	Err error
	// Final and Attempted continue a run that was interrupted: the outcomes
	// that were final, and for the other ids how often a start was accepted.
	Final     []power.InstanceResult
	Attempted map[string]int
	// Decided are outcomes that were decided before the run began: nothing is sent for them.
	Decided []power.InstanceResult
}

// Run describes one run.
type Run struct {
	RunID    string
	Schedule string // empty for a run by hand
	Action   power.Action
	// ScheduledAt is the nominal time; zero means now.
	ScheduledAt time.Time
	// Deadline ends the run; what is not there by then fails. Zero means never.
	Deadline time.Time
	// Force cuts the power at a stop instead of asking the guest to shut down.
	Force bool
	// Resumed says that an earlier process began this run: every id is described
	// before anything is sent.
	Resumed bool
	// UnprovenKey says that the run was asked for by hand and that no process or
	// store has ever seen the credentials accepted: their first refusal ends it.
	UnprovenKey bool
	// FirstContact says that the run was asked for by hand, so that a person waits: while the API
	// was never reached, an error that waiting does not mend ends it.
	FirstContact bool
	Groups       []Group
}

// noJournal is the Journal of a run that is never resumed.
type noJournal struct{}

func (noJournal) Attempted(string, string, []string) error           { return nil }
func (noJournal) Final(string, string, []power.InstanceResult) error { return nil }

// Run brings every instance of r's groups to the wanted state and reports. It
// returns when each id has its outcome: the wanted state seen, deadline over, ctx
// ended, or credentials finally refused; in the last three cases as soon as the
// requests in flight have ended. Ids that ctx's end cut off fail as
// ReasonCancelled. A panic in the run ends it alone, with ReasonInternalError for
// the ids that were open.
func (b *Batcher) Run(ctx context.Context, r Run) power.Report {
	return newRun(b.cfg, r).execute(ctx)
}
