package event

import (
	"iter"
	"time"

	"zecpower/internal/power"
)

// Run names the run of an event.
type Run struct {
	ID       string
	Schedule string // empty: by hand
	Action   power.Action
	Nominal  time.Time // the time that the schedule names; by hand, when it was asked for
}

// fields begin every line of a run. The zero Run has none.
func (r Run) fields() []Field {
	if r.ID == "" {
		return nil
	}
	fields := append(make([]Field, 0, 16), Field{"run_id", r.ID})
	if r.Schedule != "" {
		fields = append(fields, Field{"schedule", r.Schedule})
	}
	fields = append(fields, Field{"action", string(r.Action)})
	if !r.Nominal.IsZero() {
		fields = append(fields, Field{"scheduled_at", r.Nominal})
	}
	return fields
}

// RunStarted comes once a run, when its instances are in work.
type RunStarted struct {
	Run      Run
	Groups   []Group
	Accounts map[string]int // distinct instances, by account
	Deadline time.Time      // zero: none
	Resumed  bool           // an earlier process began it
}

// Group is the size of a group at the beginning of a run.
type Group struct {
	Name       string
	Total      int // distinct ids
	Duplicates int // repeats that were dropped
}

// Total is the sum of the groups' instances: one of two groups counts in both.
func (e RunStarted) Total() (total int) {
	for _, g := range e.Groups {
		total += g.Total
	}
	return total
}

// Lines implements Event.
func (e RunStarted) Lines() iter.Seq[Line] {
	names, duplicates := make([]string, 0, len(e.Groups)), 0
	for _, g := range e.Groups {
		names, duplicates = append(names, g.Name), duplicates+g.Duplicates
	}
	fields := append(e.Run.fields(), Field{"groups", names}, Field{"instances", e.Total()})
	if duplicates > 0 {
		fields = append(fields, Field{"duplicates", duplicates})
	}
	if !e.Deadline.IsZero() {
		fields = append(fields, Field{"deadline", e.Deadline})
	}
	if e.Resumed {
		fields = append(fields, Field{"resumed", true})
	}
	return lines(Line{Level: Info, Message: "run started", Fields: fields})
}

// Accepted says that the API accepted the action for instances of a run's group.
type Accepted struct {
	silent
	Run   Run
	Group string
	IDs   []string
}

// Final says that instances of a run's group have their outcome. Each comes once a run and group.
type Final struct {
	Account string
	Run     Run
	Group   string
	Results []power.InstanceResult
}

// Lines implements Event: one for each instance that failed.
func (e Final) Lines() iter.Seq[Line] {
	return func(yield func(Line) bool) {
		for _, r := range e.Results {
			if r.Outcome == power.OutcomeFailed && !yield(e.line(r)) {
				return
			}
		}
	}
}

func (e Final) line(r power.InstanceResult) Line {
	fields := append(e.Run.fields(),
		Field{"group", e.Group}, Field{"instance_id", r.InstanceID}, Field{"reason", string(r.Reason)}, Field{"code", r.Code},
		Field{"state", r.State}, Field{"request_id", r.RequestID}, Field{"attempts", r.Attempts})
	return Line{Level: Warn, Message: "instance failed", Fields: append(fields, status(r.HTTPStatus)...), Single: e.Run.ID}
}

// Progressed says how far the instances of a run are in one account. It follows every reply.
type Progressed struct {
	silent
	Account  string
	Run      Run
	Progress Progress
}

// Progress counts instances. Final ones have their outcome, Failed ones among them; pending ones were
// accepted and are on their way.
type Progress struct {
	Total, Final, Failed, Pending int
}

// RunFinished comes once a run, when its end is recorded.
type RunFinished struct {
	Run     Run
	Groups  []string // the names of its groups
	Result  power.Result
	Report  *power.Report // the outcomes; nil where it failed before any
	Err     error         // of the run as a whole; nil: none
	Stack   []byte        // of a panic that ended it
	Took    time.Duration // on the monotonic clock
	Resumed bool          // an earlier process began it
}

// Lines implements Event: one a group, with the list of its failed ids, and one for an error of the
// run as a whole.
func (e RunFinished) Lines() iter.Seq[Line] {
	return func(yield func(Line) bool) {
		if e.Report != nil {
			for _, g := range e.Report.Groups {
				if !yield(e.groupLine(g)) {
					return
				}
			}
		}
		if e.Err != nil || e.Report == nil || len(e.Report.Groups) == 0 {
			yield(e.wholeLine())
		}
	}
}

func (e RunFinished) groupLine(g power.GroupReport) Line {
	outcomes := power.Outcomes(e.Run.Action)
	ids := make([]string, 0, g.Failed)
	for _, f := range g.Failures() {
		ids = append(ids, f.InstanceID)
	}
	fields := append(e.Run.fields(), Field{"group", g.Group}, Field{"result", string(g.Result())},
		Field{string(outcomes[0]), g.Done}, Field{string(outcomes[1]), g.Already}, Field{"failed", g.Failed}, Field{"failed_ids", ids},
		Field{"duration_seconds", seconds(e.Duration())})
	if g.Skipped > 0 {
		fields = append(fields, Field{"skipped", g.Skipped})
	}
	if g.Err != "" {
		fields = append(fields, Field{"error", g.Err})
	}
	return Line{Level: levelOf(g.Result()), Message: "run finished", Fields: fields, Keep: true}
}

func (e RunFinished) wholeLine() Line {
	fields := append(e.Run.fields(), Field{"groups", e.Groups}, Field{"result", string(e.Result)}, Field{"duration_seconds", seconds(e.Duration())})
	level := levelOf(e.Result)
	if e.Err != nil {
		level, fields = Error, append(fields, Field{"error", text(e.Err)})
	}
	if e.Stack != nil {
		fields = append(fields, Field{"stack", string(e.Stack)})
	}
	return Line{Level: level, Message: "run finished", Fields: fields, Keep: true}
}

// Duration is how long the run took: as reported, never negative, or as measured where there is no
// report.
func (e RunFinished) Duration() time.Duration {
	if e.Report == nil {
		return e.Took
	}
	return max(0, e.Report.FinishedAt.Sub(e.Report.StartedAt))
}

// RunSuspended comes in place of RunFinished where the daemon stops during a run.
type RunSuspended struct {
	Run    Run
	Groups []string
}

// Lines implements Event.
func (e RunSuspended) Lines() iter.Seq[Line] {
	return lines(Line{Level: Warn, Message: "run suspended, the next start resumes it", Fields: append(e.Run.fields(), Field{"groups", e.Groups})})
}
