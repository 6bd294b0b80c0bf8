package power

import (
	"encoding/json"
	"testing"
)

// What was skipped is in the total and in a list of its own, and makes nothing partial.
func TestSkippedInstancesAreListedAndMakeNothingPartial(t *testing.T) {
	skipped := InstanceResult{InstanceID: "i-2", Outcome: OutcomeSkipped, Reason: ReasonSuperseded, By: "night/1"}
	failed := InstanceResult{InstanceID: "i-3", Outcome: OutcomeFailed, Reason: ReasonNotFound}
	for name, tc := range map[string]struct {
		group GroupReport
		want  Result
	}{
		"some skipped":            {GroupReport{Total: 2, Done: 1, Skipped: 1, Results: []InstanceResult{{InstanceID: "i-1", Outcome: OutcomeStarted}, skipped}}, ResultOK},
		"all skipped":             {GroupReport{Total: 1, Skipped: 1, Results: []InstanceResult{skipped}}, ResultOK},
		"the others failed":       {GroupReport{Total: 2, Skipped: 1, Failed: 1, Results: []InstanceResult{skipped, failed}}, ResultFailed},
		"one of the others is up": {GroupReport{Total: 3, Done: 1, Skipped: 1, Failed: 1, Results: []InstanceResult{skipped, failed}}, ResultPartial},
	} {
		if got := tc.group.Result(); got != tc.want {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
	}
	data, err := json.Marshal(Report{RunID: "a/1", Action: ActionStart, Groups: []GroupReport{{Group: "web", Total: 1, Skipped: 1, Results: []InstanceResult{skipped}}}})
	want := `{"run_id":"a/1","action":"start","result":"ok","groups":[{"group":"web","total":1,"started":0,"already_running":0,` +
		`"failed":0,"skipped":1,"failures":[],"skips":[{"instance_id":"i-2","reason":"superseded","by":"night/1"}]}]}`
	if err != nil || string(data) != want {
		t.Errorf("%s, %v\nwant %s", data, err, want)
	}
}
