package main

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"testing"

	"zecpower/internal/power"
	"zecpower/internal/store/bolt"
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
	if err := printReportTable(&out, r, false); err != nil {
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
	if err := printReportTable(&out, r, false); err != nil {
		t.Fatal(err)
	}
	for _, row := range []string{`(?m)^i-1 +web +api_error +- +HTTP 403 +0`, `(?m)^i-2 +web +rejected +- +SOLD_OUT +0`} {
		if !regexp.MustCompile(row).MatchString(out.String()) {
			t.Errorf("no row %s in:\n%s", row, &out)
		}
	}
	for _, tc := range []struct {
		f    bolt.InstanceEntry
		want string
	}{
		{bolt.InstanceEntry{Reason: power.ReasonAPIError, HTTPStatus: 403, Attempts: 1}, "api_error, HTTP 403 (1 attempt)"},
		{bolt.InstanceEntry{Reason: power.ReasonRejected, HTTPStatus: 400, Code: "SOLD_OUT", Attempts: 3}, "rejected, HTTP 400 SOLD_OUT (3 attempts)"},
		{bolt.InstanceEntry{Reason: power.ReasonRejected, Code: "SOLD_OUT", Attempts: 3}, "rejected, SOLD_OUT (3 attempts)"},
	} {
		if got := failureWords(tc.f); got != tc.want {
			t.Errorf("history says %q, want %q", got, tc.want)
		}
	}
}
