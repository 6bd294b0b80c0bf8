package batcher

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"zecpower/apiclient"
)

const outOfStock apiclient.Code = "RESOURCE_INSUFFICIENT_PRODUCT_SOLD_OUT"

// soldOutReply refuses with a code that is not documented.
func soldOutReply() *apiclient.Error { return refusal(apiclient.ClassUnknown, 403, outOfStock) }

// noRight refuses the credentials, as for an instance that the key has no right to.
func noRight() *apiclient.Error {
	return refusal(apiclient.ClassCredentials, 403, "AUTHFAILURE_UNAUTHORIZED_OPERATION")
}

// foreign is a page of a station on the way.
func foreign(status int) *apiclient.Error {
	return &apiclient.Error{Action: apiclient.ActionStartInstances, Class: apiclient.ClassTransient, HTTPStatus: status}
}

// alarms counts the final refusals of the credentials that an observer is notified of.
type alarms struct {
	Quiet
	n int
}

func (a *alarms) CredentialsRejected(RunInfo, error) { a.n++ }

// bootingBeside makes the first hundred of a fleet boot for an hour, from a run
// that is resumed: so describes succeed all the time.
func bootingBeside(api *fakeAPI, ids []string) Run {
	r := startRun(ids)
	r.Resumed = true
	r.Groups[0].Attempted = map[string]int{}
	for _, id := range ids[:100] {
		r.Groups[0].Attempted[id] = 1
		api.states[id], api.bootAt[id] = apiclient.StateBooting, time.Now().Add(time.Hour)
	}
	return r
}

// The API refuses each whole describe for one id that went away while it booted.
// Its halves do not join again.
func TestRefusedPollIsDividedDownToTheOneID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ids := fleet(100)
		api := newFakeAPI(ids)
		api.onStatus = func(_ int, asked []string) (apiclient.StatusPage, error, bool) {
			e := refusal(apiclient.ClassInstance, 404, apiclient.CodeInstanceNotFound)
			return apiclient.StatusPage{}, e, slices.Contains(asked, ids[42])
		}
		report := newTestBatcher(t, api).Run(t.Context(), startRun(ids))
		if got := listing(report); got != "1 api_error, 99 started" || len(api.describes) > 200 {
			t.Errorf("%s with %d describes", got, len(api.describes))
		}
	})
}
