package metrics

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	versioncollector "github.com/prometheus/client_golang/prometheus/collectors/version"

	"zecpower/internal/power"
)

// Buckets in seconds. Each list begins at the fastest value worth distinguishing and ends past the
// default limit of what it measures. No histogram has the label of a schedule or group, because there
// may be 10,000.
var (
	startDelayBuckets  = []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 900, 3600}
	runDurationBuckets = []float64{1, 5, 15, 60, 120, 300, 600, 1800, 3600, 14400}
	bootBuckets        = []float64{1, 2.5, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600, 900, 1200}
	apiBuckets         = []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30}
)

// Metrics is one set of collectors in its own registry. Make it with [New].
type Metrics struct {
	registry *prometheus.Registry
	families []Family

	runs           *prometheus.CounterVec
	runDuration    *prometheus.HistogramVec
	runStartDelay  prometheus.Histogram
	runsInProgress *prometheus.GaugeVec

	nextRun     *prometheus.GaugeVec
	lastRun     *prometheus.GaugeVec
	lastSuccess *prometheus.GaugeVec
	// lastDuration has no series until the schedule has run in this process.
	lastDuration *prometheus.GaugeVec
	missed       *prometheus.CounterVec

	instances    *prometheus.CounterVec
	bootDuration *prometheus.HistogramVec
	batches      *prometheus.CounterVec
	lastRuns     *lastRuns

	groupUnreadable *prometheus.GaugeVec
	membership      membership

	apiRequests *prometheus.CounterVec
	apiDuration *prometheus.HistogramVec
	apiRetries  *prometheus.CounterVec
	apiBlocked  *prometheus.GaugeVec
	// credentialAccepted has no series until credentials were accepted once.
	credentialAccepted *prometheus.GaugeVec

	reloadOK    prometheus.Gauge
	reloadAt    prometheus.Gauge
	clockSteps  prometheus.Counter
	storeFails  prometheus.Counter
	calendarEnd *prometheus.GaugeVec

	fileUnreadable     *prometheus.GaugeVec
	calendarUnreadable *prometheus.GaugeVec

	budgets *budgets

	// mu guards series. It also orders a reload, which drops series, against the runs that write
	// them.
	mu     sync.Mutex
	series series
}

// New makes the metrics and registers them, with the Go runtime's, the
// process's and zecpower_build_info (from the version variables of
// prometheus/common, set by the linker) beside them.
func New() *Metrics {
	r := &registrar{registry: prometheus.NewRegistry()}
	m := &Metrics{registry: r.registry, series: newSeries()}
	m.registerRuns(r)
	m.registerSchedules(r)
	m.registerInstances(r)
	m.registerAPI(r)
	m.registerDaemon(r)
	m.families = r.families
	for _, action := range []power.Action{power.ActionStart, power.ActionStop} {
		m.runDuration.WithLabelValues(string(action))
	}
	return m
}

func (m *Metrics) registerRuns(r *registrar) {
	m.runs = r.counter("runs_total", "Finished runs by result: ok, partial or failed.", "schedule", "action", "result")
	m.runDuration = r.histogram("run_duration_seconds", "How long finished runs took.", runDurationBuckets, "action")
	m.runStartDelay = r.histogram("run_start_delay_seconds",
		"Nominal time to first request, jitter and catch-up included; runs resumed after a restart are left out.", startDelayBuckets).
		WithLabelValues().(prometheus.Histogram)
	m.runsInProgress = r.gauge("runs_in_progress", "Runs in progress.", "schedule")
}

func (m *Metrics) registerSchedules(r *registrar) {
	m.nextRun = r.gauge("schedule_next_run_timestamp_seconds", "When the schedule runs next; absent while it has no next run.", "schedule")
	m.lastRun = r.gauge("schedule_last_run_timestamp_seconds",
		"When the schedule's last run finished, restarts included; absent until there is one.", "schedule")
	m.lastSuccess = r.gauge("schedule_last_success_timestamp_seconds",
		"When the schedule's last run with result ok finished, restarts included; absent until there is one.", "schedule")
	m.lastDuration = r.gauge("schedule_last_run_duration_seconds", "How long the schedule's last run took; absent until it has run in this process.", "schedule")
	m.missed = r.counter("schedule_runs_missed_total", "Nominal times that were due and did not run, by reason.", "schedule", "reason")
}

func (m *Metrics) registerInstances(r *registrar) {
	m.lastRuns = newLastRuns(r)
	r.registry.MustRegister(m.lastRuns)
	m.groupUnreadable = r.gauge("group_unreadable", "Whether the group's members could not be read (1) or could (0), at the last load or run.", "group")
	m.membership = newMembership(r)
	m.instances = r.counter("instances_total", "Instances that reached their outcome in a run.", "group", "action", "outcome")
	m.bootDuration = r.histogram("instance_boot_duration_seconds",
		"Accepted start to RUNNING, to within a poll interval.", bootBuckets, "account")
	m.batches = r.counter("batches_total", "StartInstances and StopInstances requests: accepted, partial or refused.", "account", "action", "result")
}

func (m *Metrics) registerAPI(r *registrar) {
	m.apiRequests = r.counter("api_requests_total", "API requests by HTTP status, or error where no reply of the API arrived.", "account", "api_action", "code")
	m.apiDuration = r.histogram("api_request_duration_seconds", "How long API requests took.", apiBuckets, "account", "api_action")
	m.apiRetries = r.counter("api_retries_total", "API requests that failed and were followed by another, by class of error.", "account", "api_action", "reason")
	m.apiBlocked = r.gauge("api_blocked", "Whether the network in front of the API refuses this host (1) or not (0).", "account")
	m.credentialAccepted = r.gauge("credential_last_accepted_timestamp_seconds",
		"When a reply of the API last showed that it accepts the credentials; absent until one has.", "account")
	m.budgets = newBudgets(r)
}

func (m *Metrics) registerDaemon(r *registrar) {
	m.reloadOK = r.gauge("config_last_reload_successful", "Whether the last attempt to load the configuration succeeded (1) or not (0).").WithLabelValues()
	m.reloadAt = r.gauge("config_last_reload_success_timestamp_seconds", "When the configuration in use was loaded.").WithLabelValues()
	m.clockSteps = r.counter("clock_steps_total", "Steps of the wall clock that were noticed.").WithLabelValues()
	m.storeFails = r.counter("store_write_failures_total", "Writes of the store that failed, or may have; the fleet is powered on regardless.").WithLabelValues()
	m.fileUnreadable = r.gauge("config_file_unreadable", "Whether the included file was left out at the start for a mistake (1) or is in use (0).", "file")
	m.calendarUnreadable = r.gauge("calendar_unreadable", "Whether the calendar's iCalendar files could not be read at the start (1) or could (0).", "calendar")
	m.calendarEnd = r.gauge("calendar_end_timestamp_seconds", "End of the last day of the calendar's data; absent where it never ends.", "calendar")
	r.record(KindGauge, "build_info", "Version, revision and Go version of this binary.",
		[]string{"version", "revision", "branch", "goversion", "goos", "goarch", "tags"})
	r.registry.MustRegister(
		versioncollector.NewCollector(namespace),
		collectors.NewGoCollector(),
		newProcess(time.Now()),
	)
}

// Registry is the registry of all collectors, for a caller that adds its own or gathers in a test.
func (m *Metrics) Registry() *prometheus.Registry { return m.registry }

// Families lists the families named zecpower_…, in the order of the documentation.
func (m *Metrics) Families() []Family { return slices.Clone(m.families) }

// Names lists, sorted, every name that a query may use: ours, a histogram's
// _bucket, _sum and _count, and what the Go runtime, the process and the scrape
// handler expose here. It does not depend on what has run so far.
func (m *Metrics) Names() ([]string, error) {
	gathered, err := m.registry.Gather()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, f := range gathered {
		if !strings.HasPrefix(f.GetName(), namespace+"_") {
			names = append(names, f.GetName())
		}
	}
	for _, f := range m.families {
		names = append(names, f.Name)
		if f.Kind == KindHistogram {
			names = append(names, f.Name+"_bucket", f.Name+"_sum", f.Name+"_count")
		}
	}
	slices.Sort(names)
	return names, nil
}
