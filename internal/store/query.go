package store

import (
	"fmt"
	"time"

	"zecpower/internal/power"
)

// Query selects entries. The zero value selects the newest ones.
type Query struct {
	Schedule string // empty: any; ManualSchedule: runs by hand
	Group    string // empty: any
	// Instance selects what happened to this one: the runs that had it, and the times at which a
	// schedule of its groups did not run.
	Instance string
	// InstanceGroups are groups that hold Instance in the present configuration; the store itself
	// knows only groups that have run.
	InstanceGroups []string
	// Actor selects what a person did or tried whose name has this in it, and ByHand what any did; runs
	// by hand are among it.
	Actor        string
	ByHand       bool
	Since, Until time.Time // of the nominal time, both included; zero: open
	Limit        int       // entries; 0: DefaultLimit; at most MaxLimit
	MaxFailures  int       // listed a group; 0: DefaultMaxFailures
}

// The bounds of an answer. An answer lists maxListed failed instances at most, however many entries
// it has; the others are counted. A query examines maxExamined records at most: more than 10,000
// schedules make in 90 days of two runs a day.
const (
	DefaultLimit       = 100
	MaxLimit           = 10_000
	DefaultMaxFailures = 200
	maxListed          = 50_000
	maxExamined        = 2_000_000
)

// Check reports what is wrong with q.
func (q Query) Check() error {
	if q.Limit > MaxLimit {
		return fmt.Errorf("limit %d: at most %d; ask for less, and for older entries with another --since", q.Limit, MaxLimit)
	}
	return nil
}

func (q Query) withDefaults() Query {
	if q.Limit <= 0 {
		q.Limit = DefaultLimit
	}
	if q.MaxFailures <= 0 {
		q.MaxFailures = DefaultMaxFailures
	}
	return q
}

// Entry is what became of one nominal time of one schedule, or of a stretch of them, or what a person
// did. Times are UTC;
// zero ones are left out of the JSON.
type Entry struct {
	Kind        Kind         `json:"kind"`
	RunID       string       `json:"run_id,omitempty"` // of KindRun and KindInterrupted
	Schedule    string       `json:"schedule"`         // ManualSchedule: by hand, about no schedule
	Action      power.Action `json:"action"`
	Groups      []string     `json:"groups"`
	NominalTime time.Time    `json:"nominal_time"`
	Timezone    string       `json:"timezone,omitempty"` // of its schedule at that time; empty: by hand, or not recorded
	LastTime    time.Time    `json:"last_time,omitzero"` // of a stretch
	Count       int          `json:"count,omitempty"`    // of a stretch
	AtLeast     bool         `json:"at_least,omitempty"` // Count is a lower bound
	Reason      string       `json:"reason,omitempty"`   // of KindMissed and KindInterrupted; by hand, and of KindSkipped: what the person gave
	Calendar    string       `json:"calendar,omitempty"` // of KindExcluded

	Actor      string         `json:"actor,omitempty"`   // who asked for it, or skipped it; empty: a schedule, or not recorded
	Trigger    string         `json:"trigger,omitempty"` // the schedule whose run the person asked for
	Act        ActKind        `json:"act,omitempty"`     // of KindAct: what the person did, or tried
	Subject    string         `json:"subject,omitempty"` // of KindAct: the id of the run that it was about
	Refused    string         `json:"refused,omitempty"` // of KindAct: why it was not done; empty: it was
	RunTime    time.Time      `json:"run_time,omitzero"`
	Deadline   time.Time      `json:"deadline,omitzero"`
	CatchUp    bool           `json:"catch_up,omitempty"`
	Waits      string         `json:"waits,omitempty"`   // for what; empty once it has begun
	Resumes    int            `json:"resumes,omitempty"` // restarts of the daemon that it outlived
	Begun      bool           `json:"begun,omitempty"`   // it has begun, and has no end
	Going      bool           `json:"going,omitempty"`   // its process is alive; else it was cut off
	BegunAt    time.Time      `json:"begun_at,omitzero"` // zero where it is not known
	StartedAt  time.Time      `json:"started_at,omitzero"`
	FinishedAt time.Time      `json:"finished_at,omitzero"`
	Result     power.Result   `json:"result,omitempty"` // empty while it has no end
	Err        string         `json:"error,omitempty"`
	Results    []GroupEntry   `json:"results,omitempty"`
	Instance   *InstanceEntry `json:"instance,omitempty"` // of a query for one
}

// GroupEntry is one group's part of a run. While the run has no end the sums are those so far, and
// Total is what is known of the group's size.
type GroupEntry struct {
	Group    string          `json:"group"`
	Total    int             `json:"total"`
	Done     int             `json:"done"`
	Already  int             `json:"already"`
	Failed   int             `json:"failed"`
	Skipped  int             `json:"skipped,omitempty"`
	Requests int             `json:"requests_accepted,omitempty"`  // while the run has no end
	Accepted int             `json:"instances_accepted,omitempty"` // that these requests named
	Err      string          `json:"error,omitempty"`
	Failures []InstanceEntry `json:"failures,omitempty"`
	Omitted  int             `json:"failures_omitted,omitempty"`
}

// InstanceEntry is what became of one instance in one run. Where the run had come no further,
// Outcome is empty and Attempts counts accepted requests.
type InstanceEntry struct {
	InstanceID  string        `json:"instance_id"`
	Group       string        `json:"group,omitempty"`
	Outcome     power.Outcome `json:"outcome,omitempty"`
	Reason      power.Reason  `json:"reason,omitempty"`
	By          string        `json:"by,omitempty"` // of a skip: the run for which it was skipped
	Code        string        `json:"code,omitempty"`
	State       string        `json:"state,omitempty"`
	RequestID   string        `json:"request_id,omitempty"`
	HTTPStatus  int           `json:"http_status,omitempty"`
	Attempts    int           `json:"attempts,omitempty"`
	ReachedAt   time.Time     `json:"reached_at,omitzero"`
	BootSeconds float64       `json:"boot_seconds,omitempty"`
}

func newInstanceEntry(r power.InstanceResult) InstanceEntry {
	return InstanceEntry{
		InstanceID: r.InstanceID, Outcome: r.Outcome, Reason: r.Reason, Code: r.Code, State: r.State,
		RequestID: r.RequestID, HTTPStatus: r.HTTPStatus, Attempts: r.Attempts, ReachedAt: r.ReachedAt,
		BootSeconds: r.BootDuration.Seconds(), By: r.By,
	}
}
