package logging

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"zecpower/apiclient"
	"zecpower/batcher"
	"zecpower/internal/event"
	"zecpower/internal/power"
	"zecpower/scheduler"
)

var at = time.Date(2026, 11, 23, 7, 45, 0, 0, time.UTC)

var info = event.Run{ID: "morning/2026-11-23T07:45:00Z", Schedule: "morning", Action: power.ActionStart, Nominal: at}

// message is that of the first line of an event.
func message(e event.Event) string {
	for l := range e.Lines() {
		return l.Message
	}
	return ""
}

var (
	eventRunStarted      = message(event.RunStarted{})
	eventBatchFinished   = message(event.BatchFinished{})
	eventInstanceFailed  = "instance failed"
	eventRunFinished     = message(event.RunFinished{})
	eventRequestRetried  = message(event.RequestRetried{})
	eventThrottled       = "throttled"
	eventBlocked         = message(event.Blocked{})
	eventScheduleMissed  = message(event.Missed{})
	eventScheduleSkipped = message(event.Skipped{})
)

// dedupWindow is longer than any error must be away to be logged again.
const dedupWindow = 2 * time.Minute

// refusal words an error of the API as the batcher does.
func refusal(err error) event.Refusal {
	e, ok := errors.AsType[*apiclient.Error](err)
	if !ok {
		return event.Refusal{Err: err, Cause: err}
	}
	return event.Refusal{
		Class: string(e.Class), Code: string(e.Code), HTTPStatus: e.HTTPStatus, RequestID: e.RequestID, RetryAfter: e.RetryAfter, Err: e, Cause: e.Err,
	}
}

// retried is a request of a run that is sent again.
func retried(run event.Run, action string, err error) event.RequestRetried {
	return event.RequestRetried{Account: "default", Run: run, APIAction: action, Refusal: refusal(err)}
}

var failure = power.InstanceResult{
	InstanceID: "i-7", Outcome: power.OutcomeFailed, Reason: power.ReasonRecycled,
	Code: string(apiclient.CodeInstanceRecycled), State: string(apiclient.StateRecycle), RequestID: "T1", Attempts: 2,
}

func watched(level zapcore.Level) (*Events, *observer.ObservedLogs) {
	core, logs := observer.New(level)
	return NewEvents(EventsConfig{Logger: zap.New(core), InstanceLines: 3}), logs
}

// only is the one event with this message.
func only(t *testing.T, logs *observer.ObservedLogs, message string) observer.LoggedEntry {
	t.Helper()
	entries := logs.FilterMessage(message).All()
	if len(entries) != 1 {
		t.Fatalf("%d events %q in %v", len(entries), message, logs.All())
	}
	return entries[0]
}

func expect(t *testing.T, e observer.LoggedEntry, level zapcore.Level, want map[string]any) {
	t.Helper()
	if e.Level != level {
		t.Errorf("%s: level %s, want %s", e.Message, e.Level, level)
	}
	got := e.ContextMap()
	for key, value := range want {
		if fmt.Sprint(got[key]) != fmt.Sprint(value) {
			t.Errorf("%s: %s is %v, want %v", e.Message, key, got[key], value)
		}
	}
	for key := range got {
		if _, named := want[key]; !named {
			t.Errorf("%s: unexpected key %s = %v", e.Message, key, got[key])
		}
	}
}

// with adds to the keys that every event of the run has.
func with(more map[string]any) map[string]any {
	all := map[string]any{"run_id": info.ID, "schedule": "morning", "action": "start", "scheduled_at": at}
	for k, v := range more {
		all[k] = v
	}
	return all
}

// finished is the end of a run with a report.
func finished(run event.Run, r power.Report) event.RunFinished {
	return event.RunFinished{Run: run, Result: r.Result(), Report: &r}
}

func TestRunStartedDescribesTheRun(t *testing.T) {
	e, logs := watched(zapcore.InfoLevel)
	e.Receive(event.RunStarted{Run: info, Groups: []event.Group{{Name: "web", Total: 3, Duplicates: 1}, {Name: "db", Total: 2}}})
	expect(t, only(t, logs, eventRunStarted), zapcore.InfoLevel, with(map[string]any{"groups": []string{"web", "db"}, "instances": 5, "duplicates": 1}))
}

func TestRunByHandHasNoSchedule(t *testing.T) {
	e, logs := watched(zapcore.InfoLevel)
	e.Receive(event.RunStarted{Run: event.Run{ID: "manual/x", Action: power.ActionStop}})
	expect(t, only(t, logs, eventRunStarted), zapcore.InfoLevel, map[string]any{"run_id": "manual/x", "action": "stop", "groups": []string{}, "instances": 0})
}

func TestBatchIsALineUnlessItGoesAgain(t *testing.T) {
	for _, tc := range []struct {
		result batcher.BatchResult
		class  apiclient.Class // of its error; empty for none
		level  zapcore.Level
	}{
		{batcher.BatchAccepted, "", zapcore.InfoLevel},
		{batcher.BatchPartial, "", zapcore.InfoLevel},
		{batcher.BatchRefused, apiclient.ClassInstance, zapcore.InfoLevel},
		{batcher.BatchRefused, apiclient.ClassRequest, zapcore.InfoLevel},
		{batcher.BatchRefused, apiclient.ClassCredentials, zapcore.InfoLevel},
		{batcher.BatchRefused, apiclient.ClassThrottled, zapcore.DebugLevel},
		{batcher.BatchRefused, apiclient.ClassTransient, zapcore.DebugLevel},
		{batcher.BatchRefused, apiclient.ClassAmbiguous, zapcore.DebugLevel},
	} {
		e, logs := watched(zapcore.DebugLevel)
		b := event.BatchFinished{
			Account: "default", Run: info, Action: power.ActionStart, Group: "web", Runs: 1, Size: 100, Failed: 2, Result: string(tc.result), RequestID: "T1",
			Took: 1500 * time.Microsecond, Again: tc.level == zapcore.DebugLevel,
		}
		fields := map[string]any{
			"account": "default", "runs": 1, "group": "web", "result": tc.result, "instances": 100, "failed": 2, "request_id": "T1", "duration_seconds": 0.002,
		}
		if tc.class != "" {
			err := &apiclient.Error{Action: "StartInstances", Class: tc.class, Code: "C", RequestID: "T1"}
			of := refusal(err)
			b.Refusal = &of
			fields["code"], fields["error"] = "C", err.Error()
		}
		e.Receive(b)
		expect(t, only(t, logs, eventBatchFinished), tc.level, with(fields))
	}
}

// A batch of several runs is no one's.
func TestBatchOfSeveralRunsNamesNone(t *testing.T) {
	e, logs := watched(zapcore.InfoLevel)
	e.Receive(event.BatchFinished{Account: "default", Action: power.ActionStop, Runs: 3, Size: 15, Result: "accepted", RequestID: "T1"})
	expect(t, only(t, logs, eventBatchFinished), zapcore.InfoLevel, map[string]any{
		"account": "default", "action": "stop", "runs": 3, "result": batcher.BatchAccepted, "instances": 15, "failed": 0, "request_id": "T1",
		"duration_seconds": 0.0,
	})
}

func TestFailedInstanceIsALine(t *testing.T) {
	e, logs := watched(zapcore.InfoLevel)
	e.Receive(event.Final{Run: info, Group: "web", Results: []power.InstanceResult{{InstanceID: "i-1", Outcome: power.OutcomeStarted}, failure}})
	expect(t, only(t, logs, eventInstanceFailed), zapcore.WarnLevel, with(map[string]any{
		"group": "web", "instance_id": "i-7", "reason": "recycled", "code": "OPERATION_DENIED_INSTANCE_RECYCLED",
		"state": "RECYCLE", "request_id": "T1", "attempts": 2,
	}))
}

func TestARefusalsHTTPStatusIsLogged(t *testing.T) {
	e, logs := watched(zapcore.InfoLevel)
	refused := failure
	refused.Code, refused.HTTPStatus = "", 403
	e.Receive(event.Final{Run: info, Group: "web", Results: []power.InstanceResult{refused}})
	err := &apiclient.Error{Action: "StartInstances", HTTPStatus: 403, Class: apiclient.ClassRequest}
	of := refusal(err)
	e.Receive(event.BatchFinished{Run: info, Group: "web", Result: "refused", Refusal: &of})
	e.Receive(retried(info, "StartInstances", err))
	for _, message := range []string{eventInstanceFailed, eventBatchFinished, eventRequestRetried} {
		fields := only(t, logs, message).ContextMap()
		if fields["http_status"] != int64(403) || fields["code"] != "" {
			t.Errorf("%s: %v", message, fields)
		}
	}
}

func TestLinesOfFailedInstancesAreBoundedARun(t *testing.T) {
	e, logs := watched(zapcore.InfoLevel)
	e.Receive(event.RunStarted{Run: info})
	results := slices.Repeat([]power.InstanceResult{failure}, 2)
	for range 10 {
		e.Receive(event.Final{Run: info, Group: "web", Results: results})
	}
	if n := logs.FilterMessage(eventInstanceFailed).Len(); n != 3 {
		t.Errorf("%d lines, want 3", n)
	}
	if n := logs.FilterField(zap.Int("limit", 3)).Len(); n != 1 {
		t.Errorf("the cut was logged %d times", n)
	}
	e.Receive(finished(info, power.Report{Groups: []power.GroupReport{{Group: "web", Total: 20, Failed: 20, Results: slices.Repeat(results, 10)}}}))
	ids := only(t, logs, eventRunFinished).ContextMap()["failed_ids"].([]any)
	if len(ids) != 20 {
		t.Errorf("%d failed_ids, want all 20", len(ids))
	}
	e.Receive(event.Final{Run: info, Group: "web", Results: results[:1]}) // another run starts from 0
	if n := logs.FilterMessage(eventInstanceFailed).Len(); n != 4 {
		t.Errorf("%d lines after the next run's first, want 4", n)
	}
}

func TestRunFinishedIsOneEventAGroupWithItsFailedIDs(t *testing.T) {
	e, logs := watched(zapcore.InfoLevel)
	e.Receive(finished(info, power.Report{Action: power.ActionStart, StartedAt: at, FinishedAt: at.Add(90 * time.Second), Groups: []power.GroupReport{
		{Group: "web", Total: 3, Done: 1, Already: 1, Failed: 1, Results: []power.InstanceResult{{Outcome: power.OutcomeStarted}, failure}},
		{Group: "db", Total: 2, Done: 2},
		{Group: "cache", Total: 1, Failed: 1, Results: []power.InstanceResult{failure}},
		{Group: "lost", Err: "web.txt: permission denied"},
	}}))
	entries := logs.FilterMessage(eventRunFinished).All()
	if len(entries) != 4 {
		t.Fatalf("%d events", len(entries))
	}
	expect(t, entries[0], zapcore.WarnLevel, with(map[string]any{
		"group": "web", "result": "partial", "started": 1, "already_running": 1, "failed": 1, "failed_ids": []string{"i-7"}, "duration_seconds": 90,
	}))
	expect(t, entries[1], zapcore.InfoLevel, with(map[string]any{
		"group": "db", "result": "ok", "started": 2, "already_running": 0, "failed": 0, "failed_ids": []string{}, "duration_seconds": 90,
	}))
	expect(t, entries[2], zapcore.ErrorLevel, with(map[string]any{
		"group": "cache", "result": "failed", "started": 0, "already_running": 0, "failed": 1, "failed_ids": []string{"i-7"}, "duration_seconds": 90,
	}))
	expect(t, entries[3], zapcore.ErrorLevel, with(map[string]any{
		"group": "lost", "result": "failed", "started": 0, "already_running": 0, "failed": 0, "failed_ids": []string{}, "duration_seconds": 90,
		"error": "web.txt: permission denied",
	}))
}

func TestStopIsLoggedInItsOwnWords(t *testing.T) {
	e, logs := watched(zapcore.InfoLevel)
	run := event.Run{ID: "evening/x", Schedule: "evening", Action: power.ActionStop}
	e.Receive(finished(run, power.Report{Action: power.ActionStop, Groups: []power.GroupReport{{Group: "web", Total: 2, Done: 1, Already: 1}}}))
	expect(t, only(t, logs, eventRunFinished), zapcore.InfoLevel, map[string]any{
		"run_id": "evening/x", "schedule": "evening", "action": "stop", "group": "web", "result": "ok",
		"stopped": 1, "already_stopped": 1, "failed": 0, "failed_ids": []string{}, "duration_seconds": 0,
	})
}

func TestThrottleIsLoggedOnceASlowDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, logs := watched(zapcore.InfoLevel)
		throttle := &apiclient.Error{Action: "StartInstances", HTTPStatus: 429, Code: apiclient.CodeRequestLimitExceeded, Class: apiclient.ClassThrottled, RequestID: "T1", RetryAfter: 2 * time.Second}
		other := info
		other.ID = "other"
		for range 50 { // one slow-down of the account, met by two runs and two actions
			e.Receive(retried(info, "StartInstances", throttle))
			e.Receive(retried(other, "DescribeInstancesStatus", throttle))
			time.Sleep(10 * time.Second)
		}
		entry := only(t, logs, eventThrottled)
		expect(t, entry, zapcore.WarnLevel, with(map[string]any{
			"account": "default", "api_action": "StartInstances", "reason": "throttled", "code": "REQUEST_LIMIT_EXCEEDED", "http_status": 429, "request_id": "T1",
			"retry_after_seconds": 2, "error": throttle.Error(),
		}))
		time.Sleep(dedupWindow)
		e.Receive(retried(info, "StartInstances", throttle))
		if n := logs.FilterMessage(eventThrottled).Len(); n != 2 {
			t.Errorf("%d events after the second slow-down, want 2", n)
		}
	})
}

func lost(port int, request string) error {
	return &apiclient.Error{Action: "StartInstances", Class: apiclient.ClassAmbiguous, RequestID: request, Err: &net.OpError{
		Op: "read", Net: "tcp", Source: &net.TCPAddr{Port: port}, Err: syscall.ECONNRESET,
	}}
}

func TestRetryIsLoggedWhenTheErrorChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, logs := watched(zapcore.InfoLevel)
		tell := func(err error) int {
			e.Receive(retried(info, "StartInstances", err))
			return logs.FilterMessage(eventRequestRetried).Len()
		}
		unavailable := func(request string) error {
			return &apiclient.Error{HTTPStatus: 503, Code: apiclient.CodeServiceUnavailable, Class: apiclient.ClassTransient, RequestID: request}
		}
		for i, step := range []struct {
			err  error
			want int
		}{
			{lost(1000, "T1"), 1},
			{lost(1001, "T2"), 1},    // only the port and the request differ
			{unavailable("T3"), 2},   // news
			{lost(1002, "T4"), 2},    // both go on
			{unavailable("T5"), 2},   //
			{errors.New("other"), 3}, // no API error at all
		} {
			if got := tell(step.err); got != step.want {
				t.Errorf("step %d: %d lines, want %d", i, got, step.want)
			}
			time.Sleep(time.Minute)
		}
		time.Sleep(dedupWindow)
		if got := tell(lost(1003, "T6")); got != 4 {
			t.Errorf("back after a pause: %d lines, want 4", got)
		}
		e.Receive(finished(info, power.Report{}))
		if got := tell(lost(1004, "T7")); got != 5 {
			t.Errorf("in the next run: %d lines, want 5", got)
		}
	})
}

func TestRefusalAboutAnInstanceIsNoWarning(t *testing.T) {
	e, logs := watched(zapcore.InfoLevel)
	e.Receive(retried(info, "StartInstances", &apiclient.Error{HTTPStatus: 404, Class: apiclient.ClassInstance}))
	if logs.Len() != 0 {
		t.Errorf("%v", logs.All())
	}
}

func TestRejectedCredentialsAreAnError(t *testing.T) {
	e, logs := watched(zapcore.InfoLevel)
	err := &apiclient.Error{Action: "StartInstances", HTTPStatus: 401, Code: apiclient.CodeSignatureFailure, Class: apiclient.ClassCredentials, RequestID: "T9"}
	e.Receive(event.CredentialsRejected{Account: "default", Run: info, Refusal: refusal(err)})
	expect(t, only(t, logs, "credentials rejected"), zapcore.ErrorLevel, with(map[string]any{
		"account": "default",
		"code":    "AUTHFAILURE_SIGNATURE_FAILURE", "http_status": 401, "request_id": "T9", "error": err.Error(),
	}))
}

func TestBlockedIsAnErrorAndItsEndIsNot(t *testing.T) {
	e, logs := watched(zapcore.InfoLevel)
	err := &apiclient.Error{Action: "StartInstances", HTTPStatus: 403, Class: apiclient.ClassTransient}
	e.Receive(event.Blocked{Account: "default", Refusal: refusal(err)})
	e.Receive(event.BlockedEnded{Account: "default", Lasted: 90 * time.Second})
	events := logs.FilterMessage(eventBlocked).All()
	if len(events) != 2 {
		t.Fatalf("%d events", len(events))
	}
	expect(t, events[0], zapcore.ErrorLevel, map[string]any{"account": "default", "code": "", "http_status": 403, "request_id": "", "error": err.Error()})
	expect(t, events[1], zapcore.InfoLevel, map[string]any{"account": "default", "ended": true, "duration_seconds": 90})
}

func TestScheduleEvents(t *testing.T) {
	e, logs := watched(zapcore.InfoLevel)
	once := event.Times{Schedule: "morning", First: at, Last: at, Count: 1}
	e.Receive(event.Missed{Times: once, Reason: string(scheduler.MissedDown)})
	expect(t, only(t, logs, eventScheduleMissed), zapcore.WarnLevel, map[string]any{"schedule": "morning", "scheduled_at": at, "reason": "down"})
	logs.TakeAll()

	e.Receive(event.Missed{Times: event.Times{Schedule: "morning", First: at, Last: at.Add(time.Hour), Count: 61}, AtLeast: true, Reason: string(scheduler.MissedDown)})
	expect(t, only(t, logs, eventScheduleMissed), zapcore.WarnLevel, map[string]any{
		"schedule": "morning", "scheduled_at": at, "last_scheduled_at": at.Add(time.Hour), "count": 61, "at_least": true, "reason": "down",
	})
	logs.TakeAll()

	e.Receive(event.ClockStepped{Delta: -90 * time.Second})
	expect(t, only(t, logs, "clock stepped"), zapcore.WarnLevel, map[string]any{"step_seconds": -90})
}

func TestOverlapIsAWarningEachTime(t *testing.T) {
	e, logs := watched(zapcore.InfoLevel)
	for range 3 {
		e.Receive(event.Skipped{Times: event.Times{Schedule: "morning", First: at, Last: at, Count: 1}, Cause: string(scheduler.DecisionOverlap)})
	}
	if n := logs.FilterMessage(eventScheduleSkipped).Len(); n != 3 {
		t.Errorf("%d events, want 3", n)
	}
	expect(t, logs.All()[0], zapcore.WarnLevel, map[string]any{"schedule": "morning", "scheduled_at": at, "reason": "overlap"})
}

func TestATimeThatAPersonSkippedIsLoggedWithWhoAndWhy(t *testing.T) {
	e, logs := watched(zapcore.InfoLevel)
	for range 2 {
		e.Receive(event.Skipped{Times: event.Times{Schedule: "morning", First: at, Last: at, Count: 1}, Cause: string(scheduler.DecisionSkipped), Actor: "alice", Why: "INC-7"})
	}
	if n := logs.FilterMessage(eventScheduleSkipped).Len(); n != 2 {
		t.Errorf("%d events, want 2", n)
	}
	expect(t, logs.All()[0], zapcore.InfoLevel, map[string]any{"schedule": "morning", "scheduled_at": at, "reason": "skipped", "actor": "alice", "why": "INC-7"})
}

func TestSkipsMeantToBeAreLoggedOnceADayAndCause(t *testing.T) {
	e, logs := watched(zapcore.InfoLevel)
	skip := func(schedule string, day int, cause scheduler.DecisionKind, calendar string) int {
		for i := range 5 {
			nominal := at.AddDate(0, 0, day).Add(time.Duration(i) * time.Minute)
			e.Receive(event.Skipped{Times: event.Times{Schedule: schedule, First: nominal, Last: nominal, Count: 1}, Cause: string(cause), Calendar: calendar})
		}
		return logs.FilterMessage(eventScheduleSkipped).Len()
	}
	for i, got := range []int{
		skip("a", 0, scheduler.DecisionPaused, ""), skip("b", 0, scheduler.DecisionPaused, ""),
		skip("a", 1, scheduler.DecisionPaused, ""), skip("a", 1, scheduler.DecisionExcluded, "holidays"),
		skip("a", 1, scheduler.DecisionExcluded, "2026-11-24"),
	} {
		if got != i+1 {
			t.Errorf("step %d: %d events, want %d", i, got, i+1)
		}
	}
	expect(t, logs.All()[3], zapcore.InfoLevel, map[string]any{"schedule": "a", "scheduled_at": at.AddDate(0, 0, 1), "reason": "excluded", "calendar": "holidays"})
}

func TestRunThatFailedAsAWholeIsAnError(t *testing.T) {
	e, logs := watched(zapcore.InfoLevel)
	end := finished(info, power.Report{Groups: []power.GroupReport{{Group: "web", Total: 2, Done: 1, Failed: 1}}})
	end.Groups, end.Took = []string{"web"}, time.Second
	e.Receive(end)
	if n := logs.FilterMessage(eventRunFinished).FilterFieldKey("groups").Len(); n != 0 {
		t.Errorf("logged twice: %v", logs.All())
	}
	logs.TakeAll()
	end.Report, end.Result, end.Err, end.Stack = nil, power.ResultFailed, errors.New("the run panicked: boom"), []byte("stack")
	e.Receive(end)
	expect(t, only(t, logs, eventRunFinished), zapcore.ErrorLevel, with(map[string]any{
		"groups": []string{"web"}, "result": "failed", "duration_seconds": 1, "error": "the run panicked: boom", "stack": "stack",
	}))
}

func TestStoreFailureIsLoggedOnceADedupWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, logs := watched(zapcore.InfoLevel)
		for range 20 {
			e.Receive(event.StoreFailed{Op: "decide", Err: errors.New("no space left on device")})
			time.Sleep(15 * time.Second)
		}
		if logs.Len() != 1 || logs.All()[0].Level != zapcore.ErrorLevel {
			t.Errorf("%v", logs.All())
		}
	})
}

func TestConfigurationEvents(t *testing.T) {
	e, logs := watched(zapcore.InfoLevel)
	e.Receive(event.ConfigurationReloaded{Path: "schedules.yaml", Added: []string{"a"}, Moved: []string{"b"}})
	expect(t, only(t, logs, "configuration reloaded"), zapcore.InfoLevel, map[string]any{
		"config": "schedules.yaml", "schedules_added": []string{"a"}, "schedules_removed": []string{},
		"schedules_moved": []string{"b"}, "schedules_changed": []string{},
	})
	e.Receive(event.ConfigurationRejected{Path: "schedules.yaml", Err: errors.Join(errors.New("one"), errors.New("two"))})
	expect(t, only(t, logs, "configuration rejected"), zapcore.ErrorLevel, map[string]any{"config": "schedules.yaml", "error": "one\ntwo"})
	e.Receive(event.CredentialsReplaced{Account: "default", Source: "--credentials-file key"})
	expect(t, only(t, logs, "credentials replaced"), zapcore.InfoLevel, map[string]any{"account": "default", "source": "--credentials-file key"})
	e.Receive(event.GroupUnreadable{Group: "web", Err: errors.New("web.txt: there is no such file")})
	expect(t, only(t, logs, "group unreadable"), zapcore.ErrorLevel, map[string]any{"group": "web", "error": "web.txt: there is no such file"})
	e.Receive(event.CalendarUnreadable{Calendar: "off", Dates: "the dates of its files are not known", Err: errors.New("off.ics: there is no such file")})
	expect(t, only(t, logs, "calendar unreadable"), zapcore.ErrorLevel, map[string]any{
		"calendar": "off", "dates": "the dates of its files are not known", "error": "off.ics: there is no such file",
	})
	e.Receive(event.FileUnreadable{File: "conf.d/hk.yaml", Without: "does not run: hk-morning", Err: errors.New("hk.yaml:1:1: no")})
	expect(t, only(t, logs, "configuration file unreadable"), zapcore.ErrorLevel, map[string]any{
		"file": "conf.d/hk.yaml", "without": "does not run: hk-morning", "error": "hk.yaml:1:1: no",
	})
}

func TestEventsOfManyRunsAtOnce(t *testing.T) {
	e, logs := watched(zapcore.InfoLevel)
	var runs sync.WaitGroup
	for i := range 8 {
		runs.Go(func() {
			run := info
			run.ID = fmt.Sprint(i)
			e.Receive(event.RunStarted{Run: run})
			for range 20 {
				e.Receive(retried(run, "StartInstances", lost(i, "T")))
				e.Receive(event.Final{Run: run, Group: "web", Results: []power.InstanceResult{failure}})
			}
			e.Receive(finished(run, power.Report{}))
		})
	}
	runs.Wait()
	if n := logs.FilterMessage(eventInstanceFailed).Len(); n != 8*3 {
		t.Errorf("%d lines, want 3 a run", n)
	}
	if len(e.lines)+len(e.last) != 0 {
		t.Errorf("remembered for ever: %v, %v", e.lines, e.last)
	}
}
