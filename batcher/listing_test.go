package batcher

import (
	"context"
	"crypto/x509"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"zecpower/apiclient"
)

// fakeLister answers listings with what a test says; without a word of it with one instance.
type fakeLister struct {
	answer func(n int) error

	mu   sync.Mutex
	sent []time.Time
}

func (f *fakeLister) DescribeInstances(context.Context, apiclient.InstanceQuery) (apiclient.InstancePage, error) {
	f.mu.Lock()
	f.sent = append(f.sent, time.Now())
	n := len(f.sent)
	f.mu.Unlock()
	time.Sleep(50 * time.Millisecond)
	if f.answer != nil {
		if err := f.answer(n); err != nil {
			return apiclient.InstancePage{}, err
		}
	}
	return apiclient.InstancePage{TotalCount: 1, Instances: []apiclient.Instance{{InstanceID: "i-1"}}}, nil
}

func listerAccount(t *testing.T, f *fakeLister, perSecond float64, ids ...string) (*Account, *fakeAPI) {
	api := newFakeAPI(ids)
	cfg := testConfig(api, perSecond)
	cfg.Lister = f
	return newAccountOf(t, cfg), api
}

func TestAListingIsTriedAgainForAsLongAsThatMayHelp(t *testing.T) {
	refusedFor := func(n int, e *apiclient.Error) func(int) error {
		return func(k int) error {
			if k > n {
				return nil
			}
			return e
		}
	}
	denied := &apiclient.Error{Class: apiclient.ClassCredentials, HTTPStatus: 401, Code: "AUTHFAILURE_SIGNATURE_FAILURE"}
	for name, c := range map[string]struct {
		listing     Listing
		answer      func(int) error
		wantErr     bool
		least, most int // requests
		takes       time.Duration
	}{
		"at once":                           {answer: refusedFor(0, nil), least: 1, most: 1, takes: 50 * time.Millisecond},
		"after throttles":                   {answer: refusedFor(4, refusal(apiclient.ClassThrottled, 429, "")), least: 5, most: 5, takes: time.Minute},
		"after an outage":                   {answer: refusedFor(9, refusal(apiclient.ClassTransient, 503, "")), least: 10, most: 10, takes: 100 * time.Second},
		"after pages of a proxy":            {answer: refusedFor(3, foreign(404)), least: 4, most: 4, takes: time.Minute},
		"after one flaky 401":               {answer: refusedFor(1, denied), least: 2, most: 2, takes: 10 * time.Second},
		"until the deadline":                {answer: refusedFor(1e6, refusal(apiclient.ClassTransient, 503, "")), wantErr: true, least: 5, most: 60, takes: 2 * time.Minute},
		"refused for good":                  {answer: refusedFor(1e6, refusal(apiclient.ClassUnknown, 400, "INVALID_TAG")), wantErr: true, least: 3, most: 3, takes: 5 * time.Second},
		"credentials refused for good":      {answer: refusedFor(1e6, denied), wantErr: true, least: 3, most: 20, takes: 50 * time.Second},
		"credentials that were never known": {listing: Listing{UnprovenKey: true}, answer: refusedFor(1e6, denied), wantErr: true, least: 1, most: 1, takes: time.Second},
		"an API that was never reached by hand": {
			listing: Listing{FirstContact: true},
			answer:  refusedFor(1e6, &apiclient.Error{Class: apiclient.ClassTransient, Err: x509.UnknownAuthorityError{}}), wantErr: true, least: 3, most: 10, takes: 20 * time.Second,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fakeLister{answer: c.answer}
				a, _ := listerAccount(t, f, 10)
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
				defer cancel()
				begun := time.Now()
				page, err := a.List(ctx, c.listing)
				took := time.Since(begun)
				var failed *ListingError
				if errors.As(err, &failed) != c.wantErr || !c.wantErr && len(page.Instances) != 1 {
					t.Errorf("%v, error %v", page, err)
				}
				if n := len(f.sent); n < c.least || n > c.most || took > c.takes {
					t.Errorf("%d requests in %v, want %d to %d within %v", n, took, c.least, c.most, c.takes)
				}
				time.Sleep(time.Minute) // what its caller left in flight ends
				checkIdle(t, a)
			})
		})
	}
}

func TestAListingKeepsToTheBudgetAndLetsStartsGoFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeLister{}
		ids := fleet(5000)
		a, api := listerAccount(t, f, 10, ids...)
		begun := time.Now()
		var pages sync.WaitGroup
		for range 20 {
			pages.Go(func() {
				if _, err := a.List(t.Context(), Listing{}); err != nil {
					t.Error(err)
				}
			})
		}
		a.Run(t.Context(), startRun(ids))
		pages.Wait()
		if got := exceeds(append(append(append([]time.Time(nil), f.sent...), api.startTimes...), api.describeArrivals...), begun, 10, 10); got != "" {
			t.Error(got)
		}
		if last := api.startTimes[len(api.startTimes)-1].Sub(begun); last > 7*time.Second {
			t.Errorf("the last of 50 starts left after %v beside 20 listings", last)
		}
		checkIdle(t, a)
	})
}

func TestAPanickingListingFailsAndIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeLister{answer: func(n int) error {
			if n == 1 {
				panic("boom")
			}
			return nil
		}}
		a, _ := listerAccount(t, f, 10)
		if _, err := a.List(t.Context(), Listing{}); err != nil || len(f.sent) != 2 {
			t.Errorf("%v after %d requests", err, len(f.sent))
		}
		checkIdle(t, a)
	})
}
