package batcher

import (
	"time"

	"zecpower/apiclient"
	"zecpower/internal/power"
)

// RunInfo describes one run to its observers.
type RunInfo struct {
	RunID       string
	Schedule    string // empty for a run by hand
	Action      power.Action
	ScheduledAt time.Time // nominal time
	Deadline    time.Time
	Resumed     bool
	Groups      []GroupInfo
}

// GroupInfo is a group's size at the start of a run: distinct ids, dropped repeats.
type GroupInfo struct {
	Group             string
	Total, Duplicates int
}

// BatchResult says how one StartInstances or StopInstances request of a run went.
type BatchResult string

// The results of a batch.
const (
	BatchAccepted BatchResult = "accepted" // every id of it
	BatchPartial  BatchResult = "partial"  // some ids are in the reply's failed list
	BatchRefused  BatchResult = "refused"  // refused whole, or no answer that says otherwise
)

// BatchResults lists the results of a batch.
func BatchResults() []BatchResult {
	return []BatchResult{BatchAccepted, BatchPartial, BatchRefused}
}

// Batch is one finished StartInstances or StopInstances request of the account.
type Batch struct {
	Action    power.Action
	Group     string // where all of its ids are of one
	Runs      int    // that wanted some of its ids
	Size      int    // ids in the request
	Failed    int    // ids in the reply's failed list
	Result    BatchResult
	RequestID string
	Duration  time.Duration
	Err       error // nil unless Result is BatchRefused
}

// Progress is how far a run is. Final ids have their outcome; pending ones were
// accepted and are on their way.
type Progress struct {
	Total, Final, Failed, Pending int
}

// Observer receives what a run does, as it does it. The calls of one run come
// from one goroutine, in order, and delay the run while they last; several runs
// call at the same time. A panic in a call ends the run.
type Observer interface {
	RunStarted(RunInfo)
	// BatchFinished follows each request that starts or stops instances. It comes from the goroutine
	// of one of the runs that wanted some; RunInfo is zero unless that was the only one.
	BatchFinished(RunInfo, Batch)
	// Retried: a request failed with this class and will be followed by another.
	Retried(run RunInfo, apiAction string, class apiclient.Class, err error)
	// CredentialsRejected: the refusal of the credentials is final. It comes once a
	// run at most.
	CredentialsRejected(RunInfo, error)
	// Final: these instances have their outcome. Each id comes once a run and group.
	Final(run RunInfo, group string, results []power.InstanceResult)
	// Progressed follows every reply.
	Progressed(RunInfo, Progress)
	RunFinished(RunInfo, power.Report)
}

// Journal keeps a run's progress where a crash cannot lose it. Its owner reports
// its errors: the run goes on, since powering the fleet on matters more than the
// record. A panic in a call ends the run.
type Journal interface {
	// Attempted: the API accepted the action for these ids.
	Attempted(runID, group string, ids []string) error
	// Final: these ids have their outcome and need nothing more.
	Final(runID, group string, results []power.InstanceResult) error
}

// Observers calls several observers, in order. It is an Observer.
type Observers []Observer

func (os Observers) RunStarted(run RunInfo) {
	for _, o := range os {
		o.RunStarted(run)
	}
}

func (os Observers) BatchFinished(run RunInfo, b Batch) {
	for _, o := range os {
		o.BatchFinished(run, b)
	}
}

func (os Observers) Retried(run RunInfo, apiAction string, class apiclient.Class, err error) {
	for _, o := range os {
		o.Retried(run, apiAction, class, err)
	}
}

func (os Observers) CredentialsRejected(run RunInfo, err error) {
	for _, o := range os {
		o.CredentialsRejected(run, err)
	}
}

func (os Observers) Final(run RunInfo, group string, results []power.InstanceResult) {
	for _, o := range os {
		o.Final(run, group, results)
	}
}

func (os Observers) Progressed(run RunInfo, p Progress) {
	for _, o := range os {
		o.Progressed(run, p)
	}
}

func (os Observers) RunFinished(run RunInfo, r power.Report) {
	for _, o := range os {
		o.RunFinished(run, r)
	}
}

// Quiet is an Observer that does nothing, to be embedded in one that needs a few
// calls alone.
type Quiet struct{}

func (Quiet) RunStarted(RunInfo) {}

func (Quiet) BatchFinished(RunInfo, Batch) {}

func (Quiet) Retried(RunInfo, string, apiclient.Class, error) {}

func (Quiet) CredentialsRejected(RunInfo, error) {}

func (Quiet) Final(RunInfo, string, []power.InstanceResult) {}

func (Quiet) Progressed(RunInfo, Progress) {}

func (Quiet) RunFinished(RunInfo, power.Report) {}
