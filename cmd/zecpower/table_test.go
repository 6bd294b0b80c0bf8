package main

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"testing"

	"zecpower/internal/power"
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
