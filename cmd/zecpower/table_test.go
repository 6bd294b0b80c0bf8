package main

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"testing"

	"zecpower/internal/power"
	"zecpower/internal/store"
)

func TestCancelledInstancesHideNoOtherFailure(t *testing.T) {
	t.Parallel()
	failed := func(id string, reason power.Reason) power.InstanceResult {
		return power.InstanceResult{InstanceID: id, Outcome: power.OutcomeFailed, Reason: reason}
	}
	r := power.Report{Action: power.ActionStart, Groups: []power.GroupReport{
		{Group: "left", Total: 2, Failed: 2, Results: []power.InstanceResult{
			failed("i-1", power.ReasonCancelled), failed("i-2", power.ReasonRecycled),
		}},
		{Group: "right", Total: 2, Failed: 2, Results: []power.InstanceResult{
			failed("i-3", power.ReasonCancelled), failed("i-4", power.ReasonNotFound),
		}},
	}}
	var out bytes.Buffer
	if err := printReportTable(&out, r, false, false); err != nil {
		t.Fatal(err)
	}
	ids := regexp.MustCompile(`(?m)^i-\d`).FindAllString(out.String(), -1)
	if want := []string{"i-2", "i-4", "i-1", "i-3"}; !slices.Equal(ids, want) {
		t.Errorf("failures in the order %v, want %v:\n%s", ids, want, &out)
	}
	if !strings.Contains(out.String(), "\n  cancelled (2)  the run was stopped") {
		t.Errorf("cancelled instances are not counted:\n%s", &out)
	}
}

// A reply without the API's code comes from something in front of the API: its
// HTTP status is all that a person can go by.
func TestARefusalWithoutACodeShowsItsHTTPStatus(t *testing.T) {
	t.Parallel()
	r := power.Report{Action: power.ActionStart, Groups: []power.GroupReport{{Group: "web", Total: 2, Failed: 2, Results: []power.InstanceResult{
		{InstanceID: "i-1", Outcome: power.OutcomeFailed, Reason: power.ReasonAPIError, HTTPStatus: 403},
		{InstanceID: "i-2", Outcome: power.OutcomeFailed, Reason: power.ReasonRejected, HTTPStatus: 400, Code: "SOLD_OUT"},
	}}}}
	var out bytes.Buffer
	if err := printReportTable(&out, r, false, false); err != nil {
		t.Fatal(err)
	}
	for _, row := range []string{`(?m)^i-1 +web +api_error +- +HTTP 403 +0`, `(?m)^i-2 +web +rejected +- +SOLD_OUT +0`} {
		if !regexp.MustCompile(row).MatchString(out.String()) {
			t.Errorf("no row %s in:\n%s", row, &out)
		}
	}
	for _, tc := range []struct {
		f    store.InstanceEntry
		want string
	}{
		{store.InstanceEntry{Reason: power.ReasonAPIError, HTTPStatus: 403, Attempts: 1}, "api_error, HTTP 403 (1 attempt)"},
		{store.InstanceEntry{Reason: power.ReasonRejected, HTTPStatus: 400, Code: "SOLD_OUT", Attempts: 3}, "rejected, HTTP 400 SOLD_OUT (3 attempts)"},
		{store.InstanceEntry{Reason: power.ReasonRejected, Code: "SOLD_OUT", Attempts: 3}, "rejected, SOLD_OUT (3 attempts)"},
	} {
		if got := failureWords(tc.f); got != tc.want {
			t.Errorf("history says %q, want %q", got, tc.want)
		}
	}
}

func TestEveryReasonHasARemedy(t *testing.T) {
	t.Parallel()
	for _, reason := range power.Reasons() {
		for _, action := range []power.Action{power.ActionStart, power.ActionStop} {
			if remedy(action, false, reason) == "" {
				t.Errorf("a %s that failed for %s: no remedy", action, reason)
			}
		}
		if text := remedy(power.ActionStop, true, reason); text == "" || strings.Contains(text, "--force") {
			t.Errorf("a forced stop that failed for %s: %q", reason, text)
		}
		if text := remedy(power.ActionStart, false, reason); strings.Contains(text, "--force") && !strings.HasPrefix(string(reason), "stop_") {
			t.Errorf("a start that failed for %s: %q", reason, text)
		}
	}
}

// The story: a guest hangs in STOPPING, and a person does what the hint says. The API takes a stop
// only of a RUNNING instance, so the remedy must not read as if --force helped there and then, nor
// advise it to a person who just did that.
func TestAStopThatHangsIsNotForcedBeforeItRunsAgain(t *testing.T) {
	t.Parallel()
	r := power.Report{Action: power.ActionStop, Groups: []power.GroupReport{{Group: "web", Total: 1, Failed: 1, Results: []power.InstanceResult{
		{InstanceID: "i-1", Outcome: power.OutcomeFailed, Reason: power.ReasonStopTimeout, State: "STOPPING"},
	}}}}
	for forced, want := range map[bool]string{
		false: "see its console; a stop is taken only of a RUNNING instance, so when it is RUNNING again: zecpower stop --force GROUP\n",
		true:  "see its console, else ask Zenlayer with the request id\n",
	} {
		var out bytes.Buffer
		if err := printReportTable(&out, r, forced, false); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), want) || forced && strings.Contains(out.String(), "--force") {
			t.Errorf("forced %v:\n%s", forced, &out)
		}
	}
}
