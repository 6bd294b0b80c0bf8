package batcher

import (
	"time"

	"zecpower/apiclient"
	"zecpower/internal/power"
)

// RunInfo names one run to whoever watches it.
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

// Batch is one finished StartInstances or StopInstances request.
type Batch struct {
	Group     string
	Size      int // ids in the request
	Failed    int // ids in the reply's failed list
	Result    BatchResult
	RequestID string
	Duration  time.Duration
	Err       error // nil unless Result is BatchRefused
}

// Progress is how far a run is. Settled ids have their final outcome; pending
// ones were accepted and are on their way.
type Progress struct {
	Total, Final, Failed, Pending int
}

// Observer is told what a run does, as it does it. The calls of one run come
// from one goroutine, in order, and hold the run up while they last; several
// runs call at the same time.
type Observer interface {
	RunStarted(RunInfo)
	// BatchFinished follows each request that starts or stops instances.
	BatchFinished(RunInfo, Batch)
	// Retried: a request failed with this class and will be followed by another.
	Retried(run RunInfo, apiAction string, class apiclient.Class, err error)
	// CredentialsRejected comes once a run at most.
	CredentialsRejected(RunInfo, error)
	// Settled: these instances have their final outcome. Each id comes once a run.
	Final(run RunInfo, group string, results []power.InstanceResult)
	// Progressed follows every reply.
	Progressed(RunInfo, Progress)
	RunFinished(RunInfo, power.Report)
}

// Journal keeps a run's progress where a crash cannot lose it. An error is for
// the journal's owner to report: the run goes on, since powering the fleet on
// matters more than remembering it.
type Journal interface {
	// Attempted: the API accepted the action for these ids.
	Attempted(runID, group string, ids []string) error
	// Settled: these ids are final and need nothing more.
	Final(runID, group string, results []power.InstanceResult) error
}

// Observers fans out to several observers, in order.
type Observers []Observer

// RunStarted implements Observer.
func (os Observers) RunStarted(run RunInfo) {
	for _, o := range os {
		o.RunStarted(run)
	}
}

// BatchFinished implements Observer.
func (os Observers) BatchFinished(run RunInfo, b Batch) {
	for _, o := range os {
		o.BatchFinished(run, b)
	}
}

// Retried implements Observer.
func (os Observers) Retried(run RunInfo, apiAction string, class apiclient.Class, err error) {
	for _, o := range os {
		o.Retried(run, apiAction, class, err)
	}
}

// CredentialsRejected implements Observer.
func (os Observers) CredentialsRejected(run RunInfo, err error) {
	for _, o := range os {
		o.CredentialsRejected(run, err)
	}
}

// Settled implements Observer.
func (os Observers) Final(run RunInfo, group string, results []power.InstanceResult) {
	for _, o := range os {
		o.Final(run, group, results)
	}
}

// Progressed implements Observer.
func (os Observers) Progressed(run RunInfo, p Progress) {
	for _, o := range os {
		o.Progressed(run, p)
	}
}

// RunFinished implements Observer.
func (os Observers) RunFinished(run RunInfo, r power.Report) {
	for _, o := range os {
		o.RunFinished(run, r)
	}
}

// Quiet is an Observer that does nothing: embed it and implement what matters.
type Quiet struct{}

// RunStarted implements Observer.
func (Quiet) RunStarted(RunInfo) {}

// BatchFinished implements Observer.
func (Quiet) BatchFinished(RunInfo, Batch) {}

// Retried implements Observer.
func (Quiet) Retried(RunInfo, string, apiclient.Class, error) {}

// CredentialsRejected implements Observer.
func (Quiet) CredentialsRejected(RunInfo, error) {}

// Settled implements Observer.
func (Quiet) Final(RunInfo, string, []power.InstanceResult) {}

// Progressed implements Observer.
func (Quiet) Progressed(RunInfo, Progress) {}

// RunFinished implements Observer.
func (Quiet) RunFinished(RunInfo, power.Report) {}
