package metrics

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/expfmt"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"zecpower/internal/event"
	"zecpower/internal/power"
	"zecpower/scheduler"
)

var at = time.Date(2026, 11, 23, 7, 45, 0, 0, time.UTC)

type fakeBudget struct{}

// Rate is another one for each action, so that a test sees them mixed up.
func (fakeBudget) Rate(apiAction string) float64 { return float64(len(apiAction)) + 0.5 }
func (fakeBudget) Waited() time.Duration         { return 90 * time.Second }

func known() Known {
	return Known{
		Accounts: map[string]Budget{"default": fakeBudget{}},
		Schedules: []KnownSchedule{
			{"morning", power.ActionStart, []string{"web", "db"}},
			{"evening", power.ActionStop, []string{"web"}},
		},
		CalendarEnds: map[string]time.Time{"holidays": at},
		Guarded:      map[string]bool{"web": true}, Unreadable: map[string]bool{"web": false, "db": true},

		UnreadableCalendars: map[string]bool{"holidays": true, "office": false},
		UnreadableFiles:     map[string]bool{"conf.d/hk.yaml": true, "conf.d/sg.yaml": false},
	}
}

// run is a run of schedule over one group in which done instances went well and the others failed.
func run(schedule string, action power.Action, group string, done, failed int) (event.RunStarted, power.Report) {
	info := event.RunStarted{
		Run:    event.Run{ID: schedule + "/x", Schedule: schedule, Action: action, Nominal: at},
		Groups: []event.Group{{Name: group, Total: done + failed}},
	}
	g := power.GroupReport{Group: group, Total: done + failed, Done: done, Failed: failed}
	for i := range done {
		g.Results = append(g.Results, power.InstanceResult{
			InstanceID: fmt.Sprintf("i-%06d", i), Outcome: power.Outcomes(action)[0], BootDuration: 20 * time.Second,
		})
	}
	for i := range failed {
		g.Results = append(g.Results, power.InstanceResult{
			InstanceID: fmt.Sprintf("x-%06d", i), Outcome: power.OutcomeFailed, Reason: power.ReasonRecycled,
		})
	}
	return info, power.Report{
		RunID: info.Run.ID, Schedule: schedule, Action: action, ScheduledAt: at, StartedAt: at, FirstRequestAt: at.Add(time.Second),
		FinishedAt: at.Add(time.Minute), Groups: []power.GroupReport{g},
	}
}

// play reports a whole run to m.
func play(m *Metrics, info event.RunStarted, r power.Report) {
	m.Receive(info)
	for _, g := range r.Groups {
		m.Receive(event.BatchFinished{Account: "default", Run: info.Run, Action: info.Run.Action, Group: g.Group, Size: g.Total, Result: "partial"})
		m.Receive(event.Final{Account: "default", Run: info.Run, Group: g.Group, Results: g.Results})
	}
	m.Receive(finished(info, r))
}

// finished is the end of a run with a report.
func finished(info event.RunStarted, r power.Report) event.RunFinished {
	return event.RunFinished{Run: info.Run, Result: r.Result(), Report: &r, Resumed: info.Resumed}
}

// populated has every series that there is.
func populated() *Metrics {
	m := New()
	m.SetKnown(known())
	m.Handler(zap.NewNop())
	m.ConfigInUse(at)
	m.Receive(event.CredentialsAccepted{Account: "default", At: at})
	m.Receive(event.NextRun{Schedule: "morning", At: at})
	m.Receive(event.Missed{Times: event.Times{Schedule: "morning", Count: 1}, Reason: "down"})
	m.Receive(event.LastRun{Schedule: "morning", FinishedAt: at, LastSuccess: at})
	m.Receive(event.Membership{Group: "web", Members: 5})
	playRun(m, "morning", power.ActionStart, "web", 3, 2)
	return m
}

// The members of a group with a guard are those of its last run or check; what joins and leaves counts
// with the run that found it, once. A group that is gone has no series.
func TestMembersOfGroups(t *testing.T) {
	m := New()
	m.SetKnown(known())
	expect(t, m, `zecpower_group_guarded_instances{group="web"} 0`, `zecpower_group_membership_changes_total{change="joined",group="web"} 0`)
	of := event.Membership{Group: "web", Members: 12, Accepted: 9, Guarded: []string{"i-1", "i-2", "i-3", "i-4", "i-5", "i-6"}, Left: []string{"i-7", "i-8"}, Shrunk: true}
	m.Receive(of) // ahead of a run
	expect(t, m, `zecpower_group_members{group="web"} 12`, `zecpower_group_accepted_instances{group="web"} 9`, `zecpower_group_guarded_instances{group="web"} 6`,
		`zecpower_group_shrunk_instances{group="web"} 2`, `zecpower_group_membership_changes_total{change="left",group="web"} 0`)
	of.Run, of.Guarded, of.Shrunk, of.Joined = event.Run{ID: "morning/1"}, nil, false, []string{"i-9"}
	m.Receive(of)
	of.Resumed = true
	m.Receive(of)
	expect(t, m, `zecpower_group_guarded_instances{group="web"} 0`, `zecpower_group_shrunk_instances{group="web"} 0`,
		`zecpower_group_membership_changes_total{change="joined",group="web"} 1`, `zecpower_group_membership_changes_total{change="left",group="web"} 2`)
	m.SetKnown(Known{})
	m.Receive(of)
	for _, name := range []string{"members", "accepted_instances", "guarded_instances", "shrunk_instances", "membership_changes_total"} {
		if got := text(t, m, "zecpower_group_"+name+"{"); got != "" {
			t.Error(got)
		}
	}
}

func playRun(m *Metrics, schedule string, action power.Action, group string, done, failed int) {
	info, report := run(schedule, action, group, done, failed)
	play(m, info, report)
}

// text is what a scrape shows of the series whose line begins with prefix.
func text(t *testing.T, m *Metrics, prefix string) string {
	t.Helper()
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(&all, f); err != nil {
			t.Fatal(err)
		}
	}
	var lines []string
	for line := range strings.Lines(all.String()) {
		if strings.HasPrefix(line, prefix) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

func expect(t *testing.T, m *Metrics, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(text(t, m, line), line+"\n") {
			name, _, _ := strings.Cut(line, "{")
			name, _, _ = strings.Cut(name, " ")
			t.Errorf("missing %s\nhave:\n%s", line, text(t, m, name))
		}
	}
}

func expectNone(t *testing.T, m *Metrics, substring string) {
	t.Helper()
	for line := range strings.Lines(text(t, m, "zecpower_")) {
		if strings.Contains(line, substring) {
			t.Errorf("unwanted: %s", line)
		}
	}
}

func TestMetricsAreTheDocumentedOnes(t *testing.T) {
	documented := map[string]string{
		"runs_total":                                   "counter schedule action result",
		"run_duration_seconds":                         "histogram action",
		"run_start_delay_seconds":                      "histogram",
		"runs_in_progress":                             "gauge schedule",
		"schedule_next_run_timestamp_seconds":          "gauge schedule",
		"schedule_last_run_timestamp_seconds":          "gauge schedule",
		"schedule_last_run_duration_seconds":           "gauge schedule",
		"schedule_last_success_timestamp_seconds":      "gauge schedule",
		"schedule_runs_missed_total":                   "counter schedule reason",
		"group_instances":                              "gauge group action outcome",
		"group_unreadable":                             "gauge group",
		"group_members":                                "gauge group",
		"group_accepted_instances":                     "gauge group",
		"group_guarded_instances":                      "gauge group",
		"group_shrunk_instances":                       "gauge group",
		"group_membership_changes_total":               "counter group change",
		"instances_total":                              "counter group action outcome",
		"instance_failed_info":                         "gauge group action instance_id reason",
		"instances_failed_omitted":                     "gauge group action",
		"instance_boot_duration_seconds":               "histogram account",
		"batches_total":                                "counter account action result",
		"api_requests_total":                           "counter account api_action code",
		"api_request_duration_seconds":                 "histogram account api_action",
		"api_retries_total":                            "counter account api_action reason",
		"api_rate_limit_requests_per_second":           "gauge account api_action",
		"api_rate_limit_wait_seconds_total":            "counter account",
		"api_blocked":                                  "gauge account",
		"credential_last_accepted_timestamp_seconds":   "gauge account",
		"config_last_reload_successful":                "gauge",
		"config_last_reload_success_timestamp_seconds": "gauge",
		"clock_steps_total":                            "counter",
		"store_write_failures_total":                   "counter",
		"calendar_end_timestamp_seconds":               "gauge calendar",
		"calendar_unreadable":                          "gauge calendar",
		"config_file_unreadable":                       "gauge file",
		"build_info":                                   "gauge version revision branch goversion goos goarch tags",
	}
	m := populated()
	gathered, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	served := map[string]int{}
	for i, f := range gathered {
		if name, ours := strings.CutPrefix(f.GetName(), "zecpower_"); ours {
			served[name] = i
			if documented[name] == "" {
				t.Errorf("%s is served and not documented", name)
			}
		}
	}
	for name, want := range documented {
		kind, labels, _ := strings.Cut(want, " ")
		i, ok := served[name]
		if !ok {
			t.Errorf("%s is documented and not served", name)
			continue
		}
		f := gathered[i]
		if got := strings.ToLower(f.GetType().String()); got != kind {
			t.Errorf("%s is a %s, want %s", name, got, kind)
		}
		var got []string
		for _, l := range f.Metric[0].Label {
			got = append(got, l.GetName())
		}
		wanted := strings.Fields(labels)
		slices.Sort(wanted)
		slices.Sort(got)
		if !slices.Equal(got, wanted) {
			t.Errorf("%s has labels %v, want %v", name, got, wanted)
		}
	}
	for _, f := range m.Families() {
		if want := documented[strings.TrimPrefix(f.Name, "zecpower_")]; want != strings.TrimSpace(string(f.Kind)+" "+strings.Join(f.Labels, " ")) {
			t.Errorf("Families says %v, want %q", f, want)
		}
	}
	if len(m.Families()) != len(documented) {
		t.Errorf("%d families, want %d", len(m.Families()), len(documented))
	}
}

// Every Prometheus reads the classic buckets; one that asks for native ones gets those.
func TestHistogramsAreClassicAndNative(t *testing.T) {
	m := populated()
	m.Receive(event.Requested{Account: "default", APIAction: "StartInstances", Code: "200", Took: time.Second})
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, f := range families {
		if f.GetType().String() != "HISTOGRAM" || !strings.HasPrefix(f.GetName(), "zecpower_") {
			continue
		}
		seen++
		for _, s := range f.GetMetric() {
			if h := s.GetHistogram(); h.Schema == nil || len(h.GetBucket()) == 0 {
				t.Errorf("%s: native %v, %d classic buckets", f.GetName(), h.Schema != nil, len(h.GetBucket()))
			}
		}
	}
	if seen != 4 {
		t.Errorf("%d histograms, want 4", seen)
	}
}

func TestMetricsAreLintClean(t *testing.T) {
	m := populated()
	problems, err := testutil.GatherAndLint(m.registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// An alert asks for it, and it must be there where /proc/stat is not, and stand
// still while the clock is adjusted.
func TestStartTimeIsTheProcessesOwnAndStandsStill(t *testing.T) {
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(newProcess(at))
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]float64{}
	for _, f := range families {
		names[f.GetName()] = f.GetMetric()[0].GetGauge().GetValue()
	}
	if got := names["process_start_time_seconds"]; got != unix(at) {
		t.Errorf("began at %g, want %g", got, unix(at))
	}
	if _, ok := names["process_resident_memory_bytes"]; !ok {
		t.Errorf("the other metrics of the process are gone: %v", names)
	}
}

func TestNamesDoNotDependOnWhatHasRun(t *testing.T) {
	fresh, err := New().Names()
	if err != nil {
		t.Fatal(err)
	}
	full, err := populated().Names()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		"zecpower_instance_failed_info", "zecpower_run_duration_seconds_bucket", "zecpower_instance_boot_duration_seconds_sum",
		"zecpower_build_info", "go_goroutines", "process_resident_memory_bytes",
	} {
		if !slices.Contains(fresh, name) {
			t.Errorf("%s is not named", name)
		}
	}
	for _, name := range full {
		if !slices.Contains(fresh, name) && !strings.HasPrefix(name, "promhttp_") {
			t.Errorf("%s came up later", name)
		}
	}
}

func TestKnownSeriesStartAtZero(t *testing.T) {
	m := New()
	m.SetKnown(known())
	for _, result := range []string{"ok", "partial", "failed"} {
		expect(t, m, `zecpower_runs_total{action="start",result="`+result+`",schedule="morning"} 0`)
	}
	for _, outcome := range []string{"stopped", "already_stopped", "failed"} {
		expect(t, m, `zecpower_instances_total{action="stop",group="web",outcome="`+outcome+`"} 0`,
			`zecpower_group_instances{action="stop",group="web",outcome="`+outcome+`"} 0`)
	}
	expectNone(t, m, "schedule_runs_missed_total{")
	expect(t, m,
		`zecpower_runs_in_progress{schedule="morning"} 0`,
		`zecpower_run_duration_seconds_count{action="start"} 0`,
		`zecpower_run_start_delay_seconds_count 0`,
		`zecpower_instance_boot_duration_seconds_count{account="default"} 0`,
		`zecpower_batches_total{account="default",action="start",result="refused"} 0`,
		`zecpower_instances_failed_omitted{action="start",group="db"} 0`,
		`zecpower_api_requests_total{account="default",api_action="StartInstances",code="429"} 0`,
		`zecpower_api_requests_total{account="default",api_action="DescribeInstancesStatus",code="error"} 0`,
		`zecpower_api_retries_total{account="default",api_action="StopInstances",reason="throttled"} 0`,
		`zecpower_clock_steps_total 0`,
	)
	// A timestamp of 0 would be a run in 1970, overdue ever since.
	for _, name := range []string{"next_run", "last_run", "last_success"} {
		if got := text(t, m, "zecpower_schedule_"+name); got != "" {
			t.Errorf("before any run: %s", got)
		}
	}
}

func TestRunIsCounted(t *testing.T) {
	m := New()
	m.SetKnown(known())
	info, report := run("morning", power.ActionStart, "web", 3, 2)
	m.Receive(info)
	expect(t, m, `zecpower_runs_in_progress{schedule="morning"} 1`)
	m.Receive(event.BatchFinished{Account: "default", Run: info.Run, Action: power.ActionStart, Group: "web", Result: "partial"})
	m.Receive(event.RequestRetried{Account: "default", Run: info.Run, APIAction: "StartInstances", Refusal: event.Refusal{Class: "throttled"}})
	m.Receive(event.Final{Account: "default", Run: info.Run, Group: "web", Results: report.Groups[0].Results})
	m.Receive(finished(info, report))
	expect(t, m,
		`zecpower_runs_in_progress{schedule="morning"} 0`,
		`zecpower_runs_total{action="start",result="partial",schedule="morning"} 1`,
		`zecpower_run_duration_seconds_sum{action="start"} 60`,
		`zecpower_run_start_delay_seconds_sum 1`,
		`zecpower_instances_total{action="start",group="web",outcome="started"} 3`,
		`zecpower_instances_total{action="start",group="web",outcome="failed"} 2`,
		`zecpower_group_instances{action="start",group="web",outcome="started"} 3`,
		`zecpower_group_instances{action="start",group="web",outcome="failed"} 2`,
		`zecpower_instance_failed_info{action="start",group="web",instance_id="x-000000",reason="recycled"} 1`,
		`zecpower_instances_failed_omitted{action="start",group="web"} 0`,
		`zecpower_instance_boot_duration_seconds_count{account="default"} 3`,
		`zecpower_batches_total{account="default",action="start",result="partial"} 1`,
		`zecpower_api_retries_total{account="default",api_action="StartInstances",reason="throttled"} 1`,
		`zecpower_schedule_last_run_duration_seconds{schedule="morning"} 60`,
	)
	expectNone(t, m, "last_success")
	info, report = run("morning", power.ActionStart, "web", 5, 0)
	play(m, info, report)
	expectNone(t, m, "instance_failed_info")
}

func TestResumedRunHasNoStartDelay(t *testing.T) {
	m := New()
	info, report := run("morning", power.ActionStart, "web", 1, 0)
	info.Resumed, report.FirstRequestAt = true, at.Add(time.Hour)
	play(m, info, report)
	expect(t, m, `zecpower_run_start_delay_seconds_count 0`)
}

func TestLastRunOfAGroupReplacesTheOneBeforeWhicheverItsAction(t *testing.T) {
	m := New()
	m.SetKnown(known())
	playRun(m, "morning", power.ActionStart, "web", 3, 2)
	playRun(m, "evening", power.ActionStop, "web", 4, 1)
	expect(t, m,
		`zecpower_group_instances{action="start",group="web",outcome="failed"} 0`,
		`zecpower_group_instances{action="stop",group="web",outcome="stopped"} 4`,
		`zecpower_instance_failed_info{action="stop",group="web",instance_id="x-000000",reason="recycled"} 1`,
		`zecpower_instances_total{action="start",group="web",outcome="failed"} 2`,
	)
	expectNone(t, m, `instance_failed_info{action="start"`)
}

func TestRestoredOutcomesShowUntilTheGroupRunsAndCountNothing(t *testing.T) {
	m := New()
	m.SetKnown(known())
	_, newest := run("morning", power.ActionStart, "web", 3, 2)
	_, older := run("morning", power.ActionStart, "web", 1, 4)
	m.RestoreGroups(newest)
	m.RestoreGroups(older)
	expect(t, m,
		`zecpower_group_instances{action="start",group="web",outcome="failed"} 2`,
		`zecpower_instance_failed_info{action="start",group="web",instance_id="x-000001",reason="recycled"} 1`,
		`zecpower_instances_total{action="start",group="web",outcome="failed"} 0`,
		`zecpower_runs_total{action="start",result="partial",schedule="morning"} 0`,
	)
	playRun(m, "morning", power.ActionStart, "web", 5, 0)
	expectNone(t, m, "instance_failed_info{")
}

func TestFailedInstancesAreNamedUpToTheCapInOrder(t *testing.T) {
	m := New()
	info, report := run("morning", power.ActionStart, "web", 0, MaxFailedInfo+37)
	slices.Reverse(report.Groups[0].Results)
	play(m, info, report)
	got := strings.Split(strings.TrimSpace(text(t, m, "zecpower_instance_failed_info{")), "\n")
	if len(got) != MaxFailedInfo {
		t.Errorf("%d named, want %d", len(got), MaxFailedInfo)
	}
	expect(t, m, `zecpower_instances_failed_omitted{action="start",group="web"} 37`,
		`zecpower_instance_failed_info{action="start",group="web",instance_id="x-000236",reason="recycled"} 1`)
	expectNone(t, m, "x-000036")
}

func TestOddInstanceIDsDoNotCostTheScrape(t *testing.T) {
	m := New()
	info, report := run("morning", power.ActionStart, "web", 0, 3)
	for i, id := range []string{"i-\xff", "i-\xfe", "a\"b\\c\nd"} {
		report.Groups[0].Results[i].InstanceID = id
	}
	play(m, info, report)
	got := strings.Count(text(t, m, "zecpower_instance_failed_info{"), "\n")
	expect(t, m, fmt.Sprintf(`zecpower_instances_failed_omitted{action="start",group="web"} %d`, 3-got))
}

func TestReloadDropsWhatIsGoneAndStartsWhatIsNew(t *testing.T) {
	m := populated()
	m.Receive(event.NextRun{Schedule: "evening", At: at})
	m.SetKnown(Known{Schedules: []KnownSchedule{{"morning", power.ActionStop, []string{"cache"}}}})
	for _, gone := range []string{`"evening"`, `"web"`, `"db"`, `"holidays"`, `action="start",result="ok",schedule="morning"`} {
		expectNone(t, m, gone)
	}
	expect(t, m,
		`zecpower_runs_total{action="stop",result="ok",schedule="morning"} 0`,
		`zecpower_run_duration_seconds_count{action="start"} 1`,
		`zecpower_group_instances{action="stop",group="cache",outcome="stopped"} 0`)
	// What the scheduler still has to say of a schedule that is gone brings nothing back.
	m.Receive(event.NextRun{Schedule: "evening", At: at})
	m.Receive(event.LastRun{Schedule: "evening", FinishedAt: at})
	expectNone(t, m, `"evening"`)
}

func TestUnreadableGroupsFollowLoadsAndRuns(t *testing.T) {
	m := New()
	m.SetKnown(known())
	expect(t, m, `zecpower_group_unreadable{group="web"} 0`, `zecpower_group_unreadable{group="db"} 1`)
	m.Receive(event.GroupResolved{Group: "web", Err: errors.New("no such file")})
	m.Receive(event.GroupResolved{Group: "db"})
	m.Receive(event.GroupResolved{Group: "gone", Err: errors.New("no such file")}) // a run that outlived a reload
	expect(t, m, `zecpower_group_unreadable{group="web"} 1`, `zecpower_group_unreadable{group="db"} 0`)
	expectNone(t, m, `"gone"`)
	m.SetKnown(Known{Unreadable: map[string]bool{"web": false}})
	expect(t, m, `zecpower_group_unreadable{group="web"} 0`)
	expectNone(t, m, `"db"`)
}

func TestUnreadableCalendarsFollowLoads(t *testing.T) {
	m := New()
	m.SetKnown(known())
	expect(t, m, `zecpower_calendar_unreadable{calendar="holidays"} 1`, `zecpower_calendar_unreadable{calendar="office"} 0`)
	m.SetKnown(Known{UnreadableCalendars: map[string]bool{"holidays": false}})
	expect(t, m, `zecpower_calendar_unreadable{calendar="holidays"} 0`)
	expectNone(t, m, `"office"`)
}

func TestUnreadableFilesFollowLoads(t *testing.T) {
	m := New()
	m.SetKnown(known())
	expect(t, m, `zecpower_config_file_unreadable{file="conf.d/hk.yaml"} 1`, `zecpower_config_file_unreadable{file="conf.d/sg.yaml"} 0`)
	m.SetKnown(Known{UnreadableFiles: map[string]bool{"conf.d/hk.yaml": false}})
	expect(t, m, `zecpower_config_file_unreadable{file="conf.d/hk.yaml"} 0`)
	expectNone(t, m, `"conf.d/sg.yaml"`)
}

func TestRunThatOutlivesItsScheduleIsStillCounted(t *testing.T) {
	m := New()
	m.SetKnown(known())
	info, report := run("morning", power.ActionStart, "web", 3, 2)
	m.Receive(event.NextRun{Schedule: "morning", At: at})
	m.Receive(info)
	m.SetKnown(Known{})
	expect(t, m, `zecpower_runs_in_progress{schedule="morning"} 1`)
	expectNone(t, m, "next_run")
	m.Receive(event.Final{Account: "default", Run: info.Run, Group: "web", Results: report.Groups[0].Results})
	m.Receive(finished(info, report))
	expect(t, m, `zecpower_runs_in_progress{schedule="morning"} 0`,
		`zecpower_runs_total{action="start",result="partial",schedule="morning"} 1`,
		`zecpower_group_instances{action="start",group="web",outcome="started"} 3`)
	m.SetKnown(Known{})
	expectNone(t, m, `schedule="morning"`)
	expectNone(t, m, `group="web"`)
}

func TestBlockedAndAcceptedCredentialsAreShown(t *testing.T) {
	m := New()
	m.SetKnown(known())
	expect(t, m, `zecpower_api_blocked{account="default"} 0`)
	expectNone(t, m, "credential_last_accepted")
	m.Receive(event.Blocked{Account: "default"})
	m.Receive(event.CredentialsAccepted{Account: "default", At: at})
	expect(t, m, `zecpower_api_blocked{account="default"} 1`, fmt.Sprintf(`zecpower_credential_last_accepted_timestamp_seconds{account="default"} %g`, unix(at)))
	m.Receive(event.BlockedEnded{Account: "default"})
	m.Receive(event.CredentialsAccepted{Account: "default", At: at.Add(time.Hour)})
	expect(t, m, `zecpower_api_blocked{account="default"} 0`, fmt.Sprintf(`zecpower_credential_last_accepted_timestamp_seconds{account="default"} %g`, unix(at.Add(time.Hour))))
	m.Receive(event.CredentialsReplaced{Account: "default"})
	expectNone(t, m, "credential_last_accepted")
}

func TestSchedulerIsHeard(t *testing.T) {
	m := New()
	m.SetKnown(known())
	of := func(n int) event.Times { return event.Times{Schedule: "morning", Count: n} }
	m.Receive(event.Missed{Times: of(3), Reason: string(scheduler.MissedDown)})
	m.Receive(event.Skipped{Times: of(2), Cause: string(scheduler.DecisionOverlap)})
	m.Receive(event.Skipped{Times: of(5), Cause: string(scheduler.DecisionPaused)})
	m.Receive(event.Skipped{Times: of(1), Cause: string(scheduler.DecisionSkipped)})
	m.Receive(event.ClockStepped{Delta: time.Hour})
	m.Receive(event.StoreFailed{Op: "decide", Err: errors.New("disk full")})
	m.Receive(event.NextRun{Schedule: "morning", At: at})
	m.Receive(event.LastRun{Schedule: "morning", FinishedAt: at, LastSuccess: at.Add(-time.Hour)})
	expect(t, m,
		`zecpower_schedule_runs_missed_total{reason="down",schedule="morning"} 3`,
		`zecpower_schedule_runs_missed_total{reason="overlap",schedule="morning"} 2`,
		`zecpower_schedule_runs_missed_total{reason="skipped",schedule="morning"} 1`,
		`zecpower_clock_steps_total 1`,
		`zecpower_store_write_failures_total 1`,
		fmt.Sprintf(`zecpower_schedule_next_run_timestamp_seconds{schedule="morning"} %g`, unix(at)),
		fmt.Sprintf(`zecpower_schedule_last_run_timestamp_seconds{schedule="morning"} %g`, unix(at)),
		fmt.Sprintf(`zecpower_schedule_last_success_timestamp_seconds{schedule="morning"} %g`, unix(at.Add(-time.Hour))))
	m.Receive(event.NextRun{Schedule: "morning", At: time.Time{}})
	expectNone(t, m, "next_run")
	// A run by hand did the schedule's work. Its own next run, which fails, knows an older success.
	m.Receive(event.LastRun{Schedule: "morning", LastSuccess: at.Add(time.Hour)})
	m.Receive(event.LastRun{Schedule: "morning", FinishedAt: at.Add(2 * time.Hour), LastSuccess: at.Add(-time.Hour)})
	expect(t, m,
		fmt.Sprintf(`zecpower_schedule_last_run_timestamp_seconds{schedule="morning"} %g`, unix(at.Add(2*time.Hour))),
		fmt.Sprintf(`zecpower_schedule_last_success_timestamp_seconds{schedule="morning"} %g`, unix(at.Add(time.Hour))))
}

func TestRunWithoutAReportCountsAsFailedOnce(t *testing.T) {
	m := New()
	m.SetKnown(known())
	info, report := run("morning", power.ActionStart, "web", 2, 0)
	m.Receive(info)
	m.Receive(event.RunFinished{Run: info.Run, Result: power.ResultFailed, Err: errors.New("panic"), Took: time.Second})
	expect(t, m, `zecpower_runs_total{action="start",result="failed",schedule="morning"} 1`,
		`zecpower_runs_in_progress{schedule="morning"} 0`)
	play(m, info, report)
	expect(t, m, `zecpower_runs_total{action="start",result="failed",schedule="morning"} 1`,
		`zecpower_runs_total{action="start",result="ok",schedule="morning"} 1`)
	if len(m.series.running) != 0 {
		t.Errorf("remembered for ever: %v", m.series.running)
	}
}

func TestRequestCodesAreBounded(t *testing.T) {
	for code, want := range map[string]string{
		"200": "200", "404": "404", "599": "599", "error": "error",
		"": "error", "600": "error", "099": "error", "+20": "error", "2000": "error", "teapot": "error",
	} {
		if got := boundedCode(code); got != want {
			t.Errorf("%q counts as %q, want %q", code, got, want)
		}
	}
	m := New()
	m.Receive(event.Requested{Account: "default", APIAction: "StartInstances", Code: "503", Took: 250 * time.Millisecond})
	expect(t, m, `zecpower_api_requests_total{account="default",api_action="StartInstances",code="503"} 1`,
		`zecpower_api_request_duration_seconds_sum{account="default",api_action="StartInstances"} 0.25`)
}

func TestBudgetIsReadAtTheScrape(t *testing.T) {
	m := New()
	m.SetKnown(known())
	expect(t, m,
		`zecpower_api_rate_limit_requests_per_second{account="default",api_action="StartInstances"} 14.5`,
		`zecpower_api_rate_limit_requests_per_second{account="default",api_action="StopInstances"} 13.5`,
		`zecpower_api_rate_limit_requests_per_second{account="default",api_action="DescribeInstancesStatus"} 23.5`,
		`zecpower_api_rate_limit_wait_seconds_total{account="default"} 90`)
}

func TestConfigurationLoadsAreLogged(t *testing.T) {
	m := New()
	m.ConfigInUse(at)
	m.Receive(event.CredentialsAccepted{Account: "default", At: at})
	m.Receive(event.ConfigurationRejected{})
	expect(t, m, `zecpower_config_last_reload_successful 0`,
		fmt.Sprintf(`zecpower_config_last_reload_success_timestamp_seconds %g`, unix(at)))
	m.ConfigInUse(at.Add(time.Hour))
	expect(t, m, `zecpower_config_last_reload_successful 1`)
}

// Runs of 300 and of 250 failures alternate while scrapes go on: whatever a
// scrape sees must be the whole of one of them.
func TestScrapeSeesAWholeRun(t *testing.T) {
	m := New()
	m.SetKnown(known())
	stop := make(chan struct{})
	var writers sync.WaitGroup
	for _, group := range []string{"web", "db"} {
		writers.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				info, report := run("morning", power.ActionStart, group, 10*(i%2), 300-50*(i%2))
				info.Run.ID = fmt.Sprint(group, i)
				play(m, info, report)
				if i%10 == 0 {
					m.SetKnown(known())
				}
			}
		})
	}
	var scrapers sync.WaitGroup
	for range 2 {
		scrapers.Go(func() {
			for range 40 {
				checkScrape(t, m)
			}
		})
	}
	scrapers.Wait()
	close(stop)
	writers.Wait()
}

func checkScrape(t *testing.T, m *Metrics) {
	t.Helper()
	families, err := m.registry.Gather()
	if err != nil {
		t.Error(err)
		return
	}
	failed, done, named := map[string]float64{}, map[string]float64{}, map[string]float64{}
	for _, f := range families {
		for _, s := range f.Metric {
			labels := map[string]string{}
			for _, l := range s.Label {
				labels[l.GetName()] = l.GetValue()
			}
			switch f.GetName() {
			case "zecpower_group_instances":
				if labels["outcome"] == "failed" && labels["action"] == "start" {
					failed[labels["group"]] = s.Gauge.GetValue()
				} else {
					done[labels["group"]] += s.Gauge.GetValue()
				}
			case "zecpower_instance_failed_info", "zecpower_instances_failed_omitted":
				named[labels["group"]] += s.Gauge.GetValue()
			}
		}
	}
	for group, n := range failed {
		if named[group] != n {
			t.Errorf("%s: %v failed, %v named or omitted", group, n, named[group])
		}
		if whole := n == 0 && done[group] == 0 || n == 300 && done[group] == 0 || n == 250 && done[group] == 10; !whole {
			t.Errorf("%s: %v failed, %v done: of no run", group, n, done[group])
		}
	}
}

func TestHandlerServesBothFormatsAndFilters(t *testing.T) {
	m := populated()
	h := m.Handler(zap.NewNop())
	for accept, want := range map[string]string{
		"": "text/plain", "application/openmetrics-text;version=1.0.0": "application/openmetrics-text",
	} {
		req := httptest.NewRequest(http.MethodGet, "/metrics", nil)
		req.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		body, err := io.ReadAll(w.Body)
		if err != nil || w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Type"), want) {
			t.Errorf("Accept %q: %d %s, %v", accept, w.Code, w.Header().Get("Content-Type"), err)
		}
		if !strings.Contains(string(body), "zecpower_instance_failed_info") {
			t.Errorf("Accept %q: no failed instances", accept)
		}
	}
}

// gate is a collector that has nothing, and is done once it is open.
type gate chan struct{}

func (gate) Describe(chan<- *prometheus.Desc) {}

func (g gate) Collect(chan<- prometheus.Metric) { <-g }

func TestAClientThatLeavesInMidScrapeIsNoErrorInTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, open := populated(), make(gate)
		m.Registry().MustRegister(open)
		core, logs := observer.New(zap.InfoLevel)
		ctx, leave := context.WithCancel(t.Context())
		leave()
		m.Handler(zap.New(core)).ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodGet, "/metrics", nil))
		close(open)
		synctest.Wait()
		if gathered(t, m, "promhttp_metric_handler_errors_total") == 0 {
			t.Fatal("the client did not leave in mid-scrape")
		}
		if n := logs.Len(); n != 0 {
			t.Errorf("%d lines, the first: %s", n, logs.All()[0].Message)
		}
	})
}

func TestAScrapeThatGoesWrongIsAnErrorInTheLog(t *testing.T) {
	m := populated()
	m.Registry().MustRegister(broken{})
	core, logs := observer.New(zap.InfoLevel)
	m.Handler(zap.New(core)).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if logs.FilterLevelExact(zap.ErrorLevel).Len() != 1 || !strings.Contains(logs.All()[0].Message, "cannot be told") {
		t.Errorf("%v", logs.All())
	}
}

// broken is a collector that fails.
type broken struct{}

func (broken) Describe(chan<- *prometheus.Desc) {}

func (broken) Collect(out chan<- prometheus.Metric) {
	out <- prometheus.NewInvalidMetric(prometheus.NewDesc("broken", "", nil, nil), errors.New("cannot be told"))
}

// gathered sums a family's counters.
func gathered(t *testing.T, m *Metrics, name string) (sum float64) {
	t.Helper()
	families, err := m.Registry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, series := range f.GetMetric() {
			if f.GetName() == name {
				sum += series.GetCounter().GetValue()
			}
		}
	}
	return sum
}

// stuckWriter is a client that reads nothing until released.
type stuckWriter struct {
	http.ResponseWriter
	entered, released chan struct{}
}

func (w stuckWriter) Write(p []byte) (int, error) {
	w.entered <- struct{}{}
	<-w.released
	return len(p), nil
}

func TestClientsThatDoNotReadHoldNoScrape(t *testing.T) {
	h := populated().Handler(zap.NewNop())
	entered, released := make(chan struct{}, 100), make(chan struct{})
	var clients sync.WaitGroup
	for range maxScrapes {
		clients.Go(func() {
			h.ServeHTTP(stuckWriter{httptest.NewRecorder(), entered, released}, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		})
		<-entered
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Errorf("%d: %s", w.Code, w.Body)
	}
	close(released)
	clients.Wait()
}

func TestInstancesShareNothing(t *testing.T) {
	a, b := populated(), New()
	expectNone(t, b, `"web"`)
	if a.Registry() == b.Registry() {
		t.Error("one registry")
	}
}

func BenchmarkScrapeOfTenThousandSchedules(b *testing.B) {
	m := New()
	k := Known{}
	for i := range 10_000 {
		k.Schedules = append(k.Schedules, KnownSchedule{fmt.Sprintf("s-%05d", i), power.ActionStart, []string{fmt.Sprintf("g-%05d", i)}})
	}
	m.SetKnown(k)
	h := m.Handler(zap.NewNop())
	b.ReportAllocs()
	for b.Loop() {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		b.ReportMetric(float64(w.Body.Len())/1e6, "MB/scrape")
		var packed bytes.Buffer
		z := gzip.NewWriter(&packed)
		_, _ = z.Write(w.Body.Bytes())
		_ = z.Close()
		b.ReportMetric(float64(packed.Len())/1e6, "MB/gzip")
	}
}
