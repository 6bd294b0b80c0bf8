package batcher

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"zecpower/apiclient"
	"zecpower/internal/power"
)

func fleet(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("i-%06d", i)
	}
	return ids
}

// newTestAccount has the default limits.
func newTestAccount(t *testing.T, api API) *Account {
	t.Helper()
	return newAccountAt(t, api, 10)
}

func newAccountAt(tb testing.TB, api API, perSecond float64) *Account {
	tb.Helper()
	return newAccountOf(tb, testConfig(api, perSecond))
}

// testConfig has the default limits, but for the rate.
func testConfig(api API, perSecond float64) Config {
	return Config{Seed: 1, Settings: Settings{
		API: api, Size: 100, Attempts: 3, PollInterval: 5 * time.Second, BootTimeout: 10 * time.Minute,
		Limits: Limits{
			RequestsPerSecond: perSecond, Burst: 10, MaxInFlight: 8, Backoff: Backoff{Initial: 500 * time.Millisecond, Max: 30 * time.Second},
		},
	}}
}

func newAccountOf(tb testing.TB, cfg Config) *Account {
	tb.Helper()
	a, err := NewAccount(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return a
}

func startRun(ids []string) Run {
	return Run{RunID: "test", Action: power.ActionStart, Deadline: time.Now().Add(30 * time.Minute), Groups: []Group{{Name: "web", IDs: ids}}}
}

func TestCleanFleetCostsOneStartAHundred(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newFakeAPI(fleet(1000))
		report := newTestAccount(t, api).Run(t.Context(), startRun(fleet(1000)))
		if g := report.Groups[0]; g.Done != 1000 || g.Failed != 0 {
			t.Errorf("done %d, failed %d", g.Done, g.Failed)
		}
		if len(api.starts) != 10 {
			t.Errorf("%d StartInstances, want 10", len(api.starts))
		}
	})
}

func TestRefusedChunkGoesAgainWithoutItsBadIDs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ids := fleet(100)
		api := newFakeAPI(ids)
		delete(api.states, ids[3])
		api.states[ids[7]] = apiclient.StateRecycle
		api.onStart = func(_ int, ids []string) ([]string, error, bool) {
			for _, id := range ids {
				if _, ok := api.states[id]; !ok {
					return nil, &apiclient.Error{Action: "StartInstances", HTTPStatus: 404, Code: apiclient.CodeInstanceNotFound, Class: apiclient.ClassInstance, RequestID: "T9"}, true
				}
			}
			return nil, nil, false
		}
		report := newTestAccount(t, api).Run(t.Context(), startRun(ids))
		g := report.Groups[0]
		if g.Done != 98 || g.Failed != 2 {
			t.Fatalf("done %d, failed %d: %+v", g.Done, g.Failed, g.Failures())
		}
		if f := g.Failures(); f[0].Reason != power.ReasonNotFound || f[0].Code != string(apiclient.CodeInstanceNotFound) || f[1].Reason != power.ReasonRecycled || f[1].Code != "" {
			t.Errorf("failures are %+v", f)
		}
		if len(api.starts) != 2 {
			t.Errorf("%d StartInstances, want 2", len(api.starts))
		}
	})
}

func TestCodeOfAChunkIsShownOnlyWhereItFitsTheReason(t *testing.T) {
	for _, tc := range []struct {
		code   apiclient.Code
		reason power.Reason
		shown  bool
	}{
		{apiclient.CodeInstanceNotFound, power.ReasonNotFound, true},
		{apiclient.CodeInstanceNotFound, power.ReasonRecycled, false},
		{apiclient.CodeInstanceRecycled, power.ReasonRecycled, true},
		{apiclient.CodeInstanceRecycled, power.ReasonNotFound, false},
		{apiclient.CodeInstanceNotStopped, power.ReasonNotFound, false},
		{apiclient.CodeInstanceNotStopped, power.ReasonRecycled, false},
		{apiclient.CodeInstanceNotStopped, power.ReasonWrongState, true},
		{apiclient.CodeInstanceNotRunning, power.ReasonRejected, true},
		{apiclient.CodeInstanceNotStopped, power.ReasonCancelled, false},
		{apiclient.CodeSignatureFailure, power.ReasonAuth, true},
		{"SOMETHING_ELSE", power.ReasonNotFound, true},
	} {
		if got := tc.code != "" && explains(tc.code, tc.reason); got != tc.shown {
			t.Errorf("%s for %s: shown %v, want %v", tc.code, tc.reason, got, tc.shown)
		}
	}
}

// What bad ids cost, counted: k of them, spread over as many chunks, and states
// that explain each.
func TestBadIDsCostAtMostTwoMoreRequestsForEachChunkThatHoldsOne(t *testing.T) {
	for _, rejects := range []bool{true, false} {
		for _, k := range []int{0, 1, 7, 50, 200} {
			t.Run(fmt.Sprintf("rejects=%v/k=%d", rejects, k), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					const n, size = 5000, 100
					ids := fleet(n)
					api := newFakeAPI(ids)
					touched := map[int]bool{}
					for b := range k {
						i := (b*size + b*37) % n // a chunk further each time, at another place of it
						touched[i/size] = true
						switch b % 3 {
						case 0:
							delete(api.states, ids[i])
						case 1:
							api.states[ids[i]] = apiclient.StateRecycle
						case 2:
							api.states[ids[i]] = apiclient.StateRunning
						}
					}
					if rejects {
						api.onStart = api.rejectBad
					}
					begun := time.Now()
					report := newAccountAt(t, api, 1000).Run(t.Context(), startRun(ids))
					if g := report.Groups[0]; g.Done != n-k {
						t.Errorf("%d started, want %d", g.Done, n-k)
					}
					describes := 0 // before the first poll is due
					for _, at := range api.describeArrivals {
						if at.Sub(begun) < 5*time.Second {
							describes++
						}
					}
					more := len(api.starts) + describes - n/size
					t.Logf("%d chunks, %d with a bad id: %d starts, %d describes", n/size, len(touched), len(api.starts), describes)
					if !rejects && describes > 1+len(touched)/2 { // how many share one depends on which replies come first
						t.Errorf("%d describes of %d ids: they do not share requests", describes, k)
					}
					if more > 2*len(touched) {
						t.Errorf("%d more requests than for a clean fleet, want at most %d", more, 2*len(touched))
					}
				})
			})
		}
	}
}

// testWorks brings ids into work by a run that sends nothing by itself.
func testWorks(a *Account, ids []string) []*work {
	x := a.newRun(startRun(ids))
	a.runs = append(a.runs, x)
	var works []*work
	for i, id := range ids {
		w := &work{instance: instance{id: id}, lane: a.lanes[laneStart], runs: []ref{{x, i}}, order: i}
		a.works[id], x.works[i] = w, w
		works = append(works, w)
	}
	return works
}

// checkIdle holds an account without runs to having nothing left.
func checkIdle(t *testing.T, a *Account) {
	t.Helper()
	synctest.Wait()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.looping || len(a.listings)+len(a.works)+len(a.runs)+len(a.inFlight)+a.budget.inFlight > 0 {
		t.Errorf("works on: %v; %d instances, %d runs, %d requests, %d of them counted, after all runs",
			a.looping, len(a.works), len(a.runs), len(a.inFlight), a.budget.inFlight)
	}
}
