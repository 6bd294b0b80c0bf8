// Package powertest makes results of runs for tests. What it makes is the same in every call.
package powertest

import (
	"time"

	"zecpower/internal/power"
)

// Morning is the nominal time that the results belong to, a Tuesday.
var Morning = time.Date(2026, 11, 17, 7, 45, 0, 0, time.UTC)

// Started is an instance that was seen RUNNING 42 s after Morning.
func Started(id string) power.InstanceResult {
	return power.InstanceResult{
		InstanceID: id, Outcome: power.OutcomeStarted, State: "RUNNING", Attempts: 1,
		ReachedAt: Morning.Add(42 * time.Second), BootDuration: 40 * time.Second,
	}
}

// Failed is an instance in the recycle bin that failed with the given reason.
func Failed(id string, reason power.Reason) power.InstanceResult {
	return power.InstanceResult{
		InstanceID: id, Outcome: power.OutcomeFailed, Reason: reason, Code: "OPERATION_DENIED_INSTANCE_RECYCLED",
		State: "RECYCLE", RequestID: "T-" + id, Attempts: 1,
	}
}

// Fleet is n results of a common mix: most started, within ten minutes; about 1 in 50 ran already,
// and 1 in 100 failed. Their ids look like the API's.
func Fleet(n int) []power.InstanceResult {
	results := make([]power.InstanceResult, n)
	for i := range results {
		id := InstanceID(i)
		switch {
		case i%97 == 0:
			results[i] = Failed(id, power.ReasonRecycled)
			results[i].HTTPStatus = 403
		case i%53 == 0:
			results[i] = power.InstanceResult{InstanceID: id, Outcome: power.OutcomeAlreadyRunning, State: "RUNNING", ReachedAt: Morning}
		default:
			results[i] = Started(id)
			results[i].ReachedAt = Morning.Add(time.Duration(i*7919%600_000) * time.Millisecond)
			results[i].BootDuration = time.Duration(20_000+i*31%40_000) * time.Millisecond
		}
	}
	return results
}

// InstanceID is the i-th of about a billion different ids of 19 digits, as the API gives them.
func InstanceID(i int) string {
	const digits = "0123456789"
	id := []byte("1301473919000000000")
	for at, n := len(id)-1, uint64(i)*2654435761%999_999_937; n > 0; at, n = at-1, n/10 {
		id[at] = digits[n%10]
	}
	return string(id)
}

// IDs are the ids of results, in their order.
func IDs(results []power.InstanceResult) (ids []string) {
	for _, r := range results {
		ids = append(ids, r.InstanceID)
	}
	return ids
}
