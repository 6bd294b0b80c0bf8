package main

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"testing"

	"zecpower/batcher"
)

func TestCancelledInstancesHideNoOtherFailure(t *testing.T) {
	t.Parallel()
	failed := func(id string, reason batcher.Reason) batcher.InstanceResult {
		return batcher.InstanceResult{InstanceID: id, Outcome: batcher.OutcomeFailed, Reason: reason}
	}
	r := batcher.Report{Action: batcher.ActionStart, Groups: []batcher.GroupReport{
		{Group: "left", Total: 2, Failed: 2, Results: []batcher.InstanceResult{
			failed("i-1", batcher.ReasonCancelled), failed("i-2", batcher.ReasonRecycled),
		}},
		{Group: "right", Total: 2, Failed: 2, Results: []batcher.InstanceResult{
			failed("i-3", batcher.ReasonCancelled), failed("i-4", batcher.ReasonNotFound),
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
