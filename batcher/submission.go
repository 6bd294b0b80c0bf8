package batcher

import (
	"time"

	"zecpower/internal/power"
)

// Run describes one run to an account.
type Run struct {
	RunID    string
	Schedule string // empty for a run by hand
	Action   power.Action
	// ScheduledAt is the nominal time; zero means now.
	ScheduledAt time.Time
	// Planned ranks runs that want opposite things of one instance: the later one wins. Zero:
	// ScheduledAt.
	Planned time.Time
	// Deadline ends the run; what is not there by then fails. Zero means never.
	Deadline time.Time
	// Force cuts the power at a stop instead of asking the guest to shut down.
	Force bool
	// Resumed says that an earlier process began this run: every id is described before anything is
	// sent.
	Resumed bool
	// Resumable says that a later process resumes the run where its context ends, unless that ends with
	// the cause ErrCancelled: what it cuts off is cancelled in the report, and no event calls it final.
	Resumable bool
	// UnprovenKey says that the run was asked for by hand and that no process or store has ever seen
	// the credentials accepted: their first refusal ends it.
	UnprovenKey bool
	// FirstContact says that the run was asked for by hand, so that a person waits: while the API was
	// never reached, an error that waiting does not mend ends it.
	FirstContact bool
	// Gathering, where it is set, holds the run's first requests back until the other runs of its
	// round have come, too.
	Gathering *Gathering
	Groups    []Group
}

// Group is one group of a run.
type Group struct {
	Name string
	// IDs may hold repeats and surrounding blanks; both are removed. It must not change while the run
	// is in work.
	IDs []string
	// Err says why the ids could not be read; the group then fails, and the others go on.
	Err error
	// Final and Attempted continue a run that was interrupted: the outcomes that were final, and for
	// the other ids how often a start was accepted.
	Final     []power.InstanceResult
	Attempted map[string]int
	// Decided are outcomes that were decided before the run began: nothing is sent for them.
	Decided []power.InstanceResult
	// Suspects are the ids that failed in the group's last finished run, and why. Those that were not
	// found or recycled are described before anything is sent for them; those that were rejected
	// share no request with others until one start of them is accepted.
	Suspects map[string]power.Reason
}
