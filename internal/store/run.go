package store

import (
	"time"

	"zecpower/internal/power"
)

// Run is one run, claimed or begun.
type Run struct {
	ID       string // its key; opaque to the store
	Schedule string // ManualSchedule: by hand
	Action   power.Action
	Groups   []string
	Nominal  time.Time // the time that the schedule names; by hand, when it was asked for
	Planned  time.Time // when it begins, as far as known: nominal time and jitter, or later
	Deadline time.Time // zero: none
	CatchUp  bool      // it begins late, after its nominal time was missed
	Waits    string    // what it waits for; empty once it begins
	Resumed  bool      // an earlier process claimed it, and may have done a part of it
	// Fingerprint identifies what its schedule said when the run was claimed. Empty: the run was
	// claimed before there were fingerprints, or by hand.
	Fingerprint string
	Force       bool // of a stop: it cuts the power
	// AcceptMembership says that the person who wants the run accepts whatever members its groups have.
	AcceptMembership bool
	// Cancelled says that a person cancelled the run: nothing more is sent for it. Once it is recorded it
	// stays.
	Cancelled bool
	Actor     string // who wanted it: [ActorSchedule], or a person; empty: not recorded
	Timezone  string // its schedule's, by IANA name; empty: by hand, or not recorded
	Reason    string // what the person gave for it; empty: nothing, or scheduled
	Trigger   string // the schedule whose run the person asked for; empty: none
}

// ActorSchedule is the actor of scheduled runs.
const ActorSchedule = "schedule"

// Beginning is what is known of a run once it begins. Where it is recorded again, as by a resumed
// run, the first time stays and the groups are replaced.
type Beginning struct {
	Run    Run
	At     time.Time
	Groups []Targets
}

// Targets are the instances of one group.
type Targets struct {
	Group string
	IDs   []string // the same id twice counts once
	Err   string   // why the group has no ids; empty otherwise
}

// Facts are what is new of one group of a run.
type Facts struct {
	RunID, Group string
	// Key distinguishes the facts of one group. Facts that are recorded again under their key count
	// once.
	Key      string
	Requests int                    // requests that the API accepted
	Accepted []string               // the ids of these requests; one that two of them named stands twice
	Final    []power.InstanceResult // outcomes; the first that is recorded of an instance stays
}

// Progress is what a run without an end has done, by group.
type Progress struct {
	Groups   []Targets                         // with which it began; nil: no beginning is recorded
	Final    map[string][]power.InstanceResult // final outcomes, each id once
	Accepted map[string]map[string]int         // accepted requests by id
	Requests map[string]int                    // accepted requests
}

// NewProgress returns a Progress with nothing in it.
func NewProgress() Progress {
	return Progress{
		Final: map[string][]power.InstanceResult{}, Accepted: map[string]map[string]int{}, Requests: map[string]int{},
	}
}

// AddAccepted counts accepted requests and the ids that they named.
func (p Progress) AddAccepted(group string, requests int, ids []string) {
	p.Requests[group] += requests
	if p.Accepted[group] == nil {
		p.Accepted[group] = make(map[string]int, len(ids))
	}
	for _, id := range ids {
		p.Accepted[group][id]++
	}
}

// empty reports that nothing is recorded.
func (p Progress) empty() bool { return len(p.Final) == 0 && len(p.Accepted) == 0 }

// End is how a run ended.
type End struct {
	At     time.Time
	Result power.Result
	Err    string        // why the whole run failed; empty: it did not
	Report *power.Report // nil where it failed before it had any: its progress is its record
	// Accepted are the members of its groups that the guard let pass; of groups with a guard alone.
	Accepted []Acceptance
}
