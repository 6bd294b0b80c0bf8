package logging

import (
	"errors"
	"sync"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"zecpower/apiclient"
	"zecpower/batcher"
	"zecpower/internal/power"
)

// The messages of the events. They and the keys below are a contract with scripts that read the
// log.
const (
	EventRunStarted            = "run started"
	EventBatchFinished         = "batch finished"
	EventInstanceFailed        = "instance failed"
	EventRunFinished           = "run finished"
	EventScheduleMissed        = "schedule missed"
	EventScheduleSkipped       = "schedule skipped"
	EventClockStepped          = "clock stepped"
	EventConfigurationReloaded = "configuration reloaded"
	EventConfigurationRejected = "configuration rejected"
	EventGroupUnreadable       = "group unreadable"
	EventThrottled             = "throttled"
	EventBlocked               = "blocked"
	EventInternalError         = "internal error"
	EventCredentialsRejected   = "credentials rejected"
	EventCredentialsReplaced   = "credentials replaced"
)

// The fixed keys. A key of a Report's failures has the same name in its JSON.
const (
	keyAccount     = "account"
	keyRunID       = "run_id"
	keySchedule    = "schedule"
	keyGroup       = "group"
	keyAction      = "action"
	keyScheduledAt = "scheduled_at"
	keyInstanceID  = "instance_id"
	keyReason      = "reason"
	keyCode        = "code"
	keyRequestID   = "request_id"
	keyHTTPStatus  = "http_status"
	keyAttempts    = "attempts"
	keyFailed      = "failed"
	keyFailedIDs   = "failed_ids"
	keySkipped     = "skipped"
	keyDuration    = "duration_seconds"
	keyResult      = "result"
	keyState       = "state"
	keyError       = "error"
)

// defaultInstanceLines is a tenth of what journald takes in 30 seconds.
const defaultInstanceLines = 1000

// dedupWindow is how long an error must not occur before its next occurrence is logged again. It is
// longer than the longest pause between two attempts, backoff and timeout together; else an outage
// would be logged at every attempt.
const dedupWindow = 2 * time.Minute

// EventsConfig is what Events needs.
type EventsConfig struct {
	Logger *zap.Logger
	// InstanceLines is the most "instance failed" lines of one run; 0 means
	// 1,000, a negative number none.
	InstanceLines int
}

// Events logs what happens. It implements batcher.Observer, and
// scheduler.Observer through [Events.Scheduler].
type Events struct {
	logger *zap.Logger
	limit  int

	mu      sync.Mutex
	lines   map[string]int          // "instance failed" lines written, by run in progress
	lastMet map[dedupKey]time.Time  // when an error last occurred
	skips   map[string]skippedGroup // by schedule: the last skip that was logged as info
}

// dedupKey identifies a repeated error. The account's throttle has no run.
type dedupKey struct{ runID, apiAction, fingerprint string }

var _ batcher.Observer = (*Events)(nil)

// NewEvents makes an Events.
func NewEvents(cfg EventsConfig) *Events {
	limit := cfg.InstanceLines
	if limit == 0 {
		limit = defaultInstanceLines
	}
	return &Events{
		logger: cfg.Logger, limit: limit,
		lines: map[string]int{}, lastMet: map[dedupKey]time.Time{}, skips: map[string]skippedGroup{},
	}
}

// RunStarted implements batcher.Observer.
func (e *Events) RunStarted(run batcher.RunInfo) {
	groups, total, duplicates := make([]string, 0, len(run.Groups)), 0, 0
	for _, g := range run.Groups {
		groups, total, duplicates = append(groups, g.Group), total+g.Total, duplicates+g.Duplicates
	}
	fields := append(runFields(run), zap.Strings("groups", groups), zap.Int("instances", total))
	if duplicates > 0 {
		fields = append(fields, zap.Int("duplicates", duplicates))
	}
	if !run.Deadline.IsZero() {
		fields = append(fields, zap.Time("deadline", run.Deadline))
	}
	if run.Resumed {
		fields = append(fields, zap.Bool("resumed", true))
	}
	e.logger.Info(EventRunStarted, fields...)
}

// BatchFinished implements batcher.Observer. A batch belongs to the account: run, schedule and group
// stand there only where there is one of each. The level is info, but debug for a request that is
// simply sent again, which Retried logs once. A refused batch is no warning: what it costs is known
// only when its instances are final.
func (e *Events) BatchFinished(run batcher.RunInfo, b batcher.Batch) {
	level := zapcore.InfoLevel
	if b.Err != nil {
		switch apiclient.ClassOf(b.Err) {
		case apiclient.ClassThrottled, apiclient.ClassTransient, apiclient.ClassAmbiguous, apiclient.ClassBlocked:
			level = zapcore.DebugLevel
		}
	}
	fields := []zap.Field{zap.String(keyAccount, "default")}
	if run.RunID == "" {
		fields = append(fields, zap.String(keyAction, string(b.Action)))
	} else {
		fields = append(fields, runFields(run)...)
	}
	if b.Group != "" {
		fields = append(fields, zap.String(keyGroup, b.Group))
	}
	fields = append(fields, zap.Int("runs", b.Runs), zap.String(keyResult, string(b.Result)),
		zap.Int("instances", b.Size), zap.Int(keyFailed, b.Failed), zap.String(keyRequestID, b.RequestID), seconds(b.Duration))
	if b.Err != nil {
		api, _ := errors.AsType[*apiclient.Error](b.Err)
		fields = append(fields, refusalFields(api)...)
		fields = append(fields, zap.String(keyError, b.Err.Error()))
	}
	e.logger.Log(level, EventBatchFinished, fields...)
}

// Final implements batcher.Observer. It logs a line for each instance that failed, up to the run's
// limit.
func (e *Events) Final(run batcher.RunInfo, group string, results []power.InstanceResult) {
	for _, r := range results {
		if r.Outcome != power.OutcomeFailed {
			continue
		}
		switch n := e.countLine(run.RunID); {
		case n <= e.limit:
			e.logger.Warn(EventInstanceFailed, append(runFields(run), failureFields(group, r)...)...)
		case n == e.limit+1:
			e.logger.Warn("further failed instances of this run are listed in run finished and in the history only",
				append(runFields(run), zap.Int("limit", e.limit))...)
		default:
			return
		}
	}
}

func failureFields(group string, r power.InstanceResult) []zap.Field {
	fields := []zap.Field{
		zap.String(keyGroup, group), zap.String(keyInstanceID, r.InstanceID), zap.String(keyReason, string(r.Reason)),
		zap.String(keyCode, r.Code), zap.String(keyState, r.State), zap.String(keyRequestID, r.RequestID),
		zap.Int(keyAttempts, r.Attempts),
	}
	return append(fields, statusFields(r.HTTPStatus)...)
}

func (e *Events) countLine(runID string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lines[runID]++
	return e.lines[runID]
}

// Progressed implements batcher.Observer.
func (e *Events) Progressed(batcher.RunInfo, batcher.Progress) {}

// CredentialsRejected implements batcher.Observer.
func (e *Events) CredentialsRejected(run batcher.RunInfo, err error) {
	e.logger.Error(EventCredentialsRejected, append(runFields(run), errorFields(err)...)...)
}

// Blocked logs that the network in front of the API has begun to refuse this host. err is the
// refusal that showed it. Call it once, when it begins.
func (e *Events) Blocked(err error) { e.logger.Error(EventBlocked, errorFields(err)...) }

// Panicked logs a bug: a panic that ended one run or request.
func (e *Events) Panicked(err error, stack []byte) {
	e.logger.Error(EventInternalError, zap.String(keyError, errorText(err)), zap.ByteString("stack", stack))
}

// BlockedEnded logs that the API answers again, took after Blocked.
func (e *Events) BlockedEnded(took time.Duration) {
	e.logger.Info(EventBlocked, zap.Bool("ended", true), seconds(took))
}

// RunFinished implements batcher.Observer. It logs one event a group, on the level of the group's
// result.
func (e *Events) RunFinished(run batcher.RunInfo, r power.Report) {
	e.forget(run.RunID)
	for _, g := range r.Groups {
		e.logger.Log(levelOf(g.Result()), EventRunFinished, append(runFields(run), groupFields(r, g)...)...)
	}
	if len(r.Groups) == 0 {
		e.logger.Info(EventRunFinished, append(runFields(run), zap.String(keyResult, string(r.Result())), seconds(r.FinishedAt.Sub(r.StartedAt)))...)
	}
}

func groupFields(r power.Report, g power.GroupReport) []zap.Field {
	outcomes := power.Outcomes(r.Action)
	ids := make([]string, 0, g.Failed)
	for _, f := range g.Failures() {
		ids = append(ids, f.InstanceID)
	}
	fields := []zap.Field{
		zap.String(keyGroup, g.Group), zap.String(keyResult, string(g.Result())),
		zap.Int(string(outcomes[0]), g.Done), zap.Int(string(outcomes[1]), g.Already),
		zap.Int(keyFailed, g.Failed), zap.Strings(keyFailedIDs, ids), seconds(r.FinishedAt.Sub(r.StartedAt)),
	}
	if g.Skipped > 0 {
		fields = append(fields, zap.Int(keySkipped, g.Skipped))
	}
	if g.Err != "" {
		fields = append(fields, zap.String(keyError, g.Err))
	}
	return fields
}

func levelOf(r power.Result) zapcore.Level {
	switch r {
	case power.ResultOK:
		return zapcore.InfoLevel
	case power.ResultPartial:
		return zapcore.WarnLevel
	}
	return zapcore.ErrorLevel
}

// forget drops what Events holds of a run.
func (e *Events) forget(runID string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.lines, runID)
	for key, last := range e.lastMet {
		// Errors of the account outlive runs, but not the window.
		if key.runID == runID || time.Since(last) > dedupWindow {
			delete(e.lastMet, key)
		}
	}
}

// runFields are the fields that every event of a run begins with.
func runFields(run batcher.RunInfo) []zap.Field {
	fields := make([]zap.Field, 0, 16)
	fields = append(fields, zap.String(keyRunID, run.RunID))
	if run.Schedule != "" {
		fields = append(fields, zap.String(keySchedule, run.Schedule))
	}
	fields = append(fields, zap.String(keyAction, string(run.Action)))
	if !run.ScheduledAt.IsZero() {
		fields = append(fields, zap.Time(keyScheduledAt, run.ScheduledAt))
	}
	return fields
}

// errorFields are the API's code, HTTP status and request id, where err has them, and err itself.
func errorFields(err error) []zap.Field {
	var fields []zap.Field
	if api, ok := errors.AsType[*apiclient.Error](err); ok {
		fields = append(refusalFields(api), zap.String(keyRequestID, api.RequestID))
	}
	return append(fields, zap.String(keyError, errorText(err)))
}

// refusalFields are the API's code, empty where api is nil, and the HTTP status where a reply came.
func refusalFields(api *apiclient.Error) []zap.Field {
	if api == nil {
		return []zap.Field{zap.String(keyCode, "")}
	}
	return append([]zap.Field{zap.String(keyCode, string(api.Code))}, statusFields(api.HTTPStatus)...)
}

// statusFields omit an HTTP status of 0, where no reply came.
func statusFields(status int) []zap.Field {
	if status == 0 {
		return nil
	}
	return []zap.Field{zap.Int(keyHTTPStatus, status)}
}

// errorText is err's text without the other forms of it that zap.Error adds.
func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// seconds is a duration rounded to the millisecond.
func seconds(d time.Duration) zap.Field {
	return zap.Float64(keyDuration, d.Round(time.Millisecond).Seconds())
}
