package zecsim

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"testing"
	"time"

	"zecpower/apiclient"
)

// accepted counts what gets through when a request is sent every step until an end.
func accepted(t *testing.T, l *Limit, step, until time.Duration) int {
	n := 0
	inBubble(t, Options{Instances: 1, Limit: l}, func(t *testing.T, s *Simulator, c *caller) {
		for time.Since(s.Started()) < until {
			a := c.call("DescribeInstances", "{}")
			switch {
			case a.status == 200:
				n++
			case a.Code != string(apiclient.CodeRequestLimitExceeded):
				t.Fatalf("HTTP %d %s %v", a.status, a.Code, a.err)
			}
			time.Sleep(step)
		}
		if truth := s.Truth(); truth.Requests-truth.Throttled != n {
			t.Errorf("%d of %d throttled, %d came through", truth.Throttled, truth.Requests, n)
		}
	})
	return n
}

func TestLimitLetsRateAndBurstThrough(t *testing.T) {
	for name, tc := range map[string]struct {
		limit       *Limit
		step, until time.Duration
		want        int
	}{
		"burst, then the rate":      {&Limit{Rate: 10, Burst: 5}, 10 * time.Millisecond, 10 * time.Second, 104},
		"slower than the rate":      {&Limit{Rate: 10, Burst: 1}, 100 * time.Millisecond, 10 * time.Second, 100},
		"a fraction of a request":   {&Limit{Rate: 0.5, Burst: 1}, 100 * time.Millisecond, 10 * time.Second, 5},
		"default burst is the rate": {&Limit{Rate: 8}, time.Microsecond, time.Millisecond, 8},
		"a limit that moves":        {&Limit{Rate: 20, Burst: 1, Changes: []LimitChange{{After: 10 * time.Second, Rate: 5}, {After: 20 * time.Second, Rate: 40}}}, 5 * time.Millisecond, 30 * time.Second, 650},
		"a limit that shuts":        {&Limit{Rate: 10, Burst: 1, Changes: []LimitChange{{After: time.Second, Rate: 0}}}, 10 * time.Millisecond, 5 * time.Second, 10},
	} {
		t.Run(name, func(t *testing.T) {
			if got := accepted(t, tc.limit, tc.step, tc.until); got < tc.want-1 || got > tc.want+1 {
				t.Errorf("%d requests came through, want %d", got, tc.want)
			}
		})
	}
}

func TestBucketThatGetsSmallerLosesWhatIsTooMuch(t *testing.T) {
	b := newBucket(&Limit{Rate: 1, Burst: 100, Changes: []LimitChange{{After: time.Second, Rate: 1, Burst: 2}}})
	n := 0
	for ok := true; ok; n++ {
		over, _ := takeToken(10*time.Second, b)
		ok = over == nil
	}
	if n-1 != 2 {
		t.Errorf("%d requests came through at once, want 2", n-1)
	}
}

func TestThrottledReplies(t *testing.T) {
	for _, status := range []int{429, 400, 403} {
		for _, form := range []RetryAfter{RetryAfterNone, RetryAfterSeconds, RetryAfterDate} {
			t.Run(fmt.Sprint(status, form), func(t *testing.T) {
				o := Options{Instances: 1, Limit: &Limit{Rate: 0.25, Burst: 1, Statuses: []int{status}, RetryAfter: form}}
				inBubble(t, o, func(t *testing.T, s *Simulator, c *caller) {
					time.Sleep(300 * time.Millisecond) // a Date has no fractions
					c.start("i-000000").want(t, 200, "")
					a := c.call("DescribeInstances", "{}")
					a.want(t, status, apiclient.CodeRequestLimitExceeded)
					time.Sleep(waitOf(t, form, a.header.Get("Retry-After"), 4*time.Second))
					c.call("DescribeInstances", "{}").want(t, 200, "")
				})
			})
		}
	}
}

// waitOf reads a Retry-After, which must be there exactly if the form has one.
func waitOf(t *testing.T, form RetryAfter, header string, otherwise time.Duration) time.Duration {
	t.Helper()
	switch form {
	case RetryAfterSeconds:
		n, err := strconv.Atoi(header)
		if err != nil || n != 4 {
			t.Errorf("Retry-After is %q, want 4", header)
		}
		return time.Duration(n) * time.Second
	case RetryAfterDate:
		at, err := http.ParseTime(header)
		if err != nil || time.Until(at) < 4*time.Second || time.Until(at) > 6*time.Second {
			t.Errorf("Retry-After is %q (%v), %s from now", header, err, time.Until(at))
		}
		return time.Until(at)
	}
	if header != "" {
		t.Errorf("Retry-After is %q", header)
	}
	return otherwise
}

func TestThrottledRequestsAreNotApplied(t *testing.T) {
	o := Options{Instances: 2, Limit: &Limit{Rate: 1, Burst: 1}, KeepRequests: true}
	inBubble(t, o, func(t *testing.T, s *Simulator, c *caller) {
		c.start("i-000000").want(t, 200, "")
		c.start("i-000001").want(t, 429, apiclient.CodeRequestLimitExceeded)
		in, _ := s.Instance("i-000001")
		if last := s.Requests()[1]; in.AcceptedStarts != 0 || last.Applied || !last.Throttled {
			t.Errorf("instance %+v, request %+v", in, last)
		}
	})
}

func TestAllowedAddsUpTheStages(t *testing.T) {
	s, err := New(Options{Limit: &Limit{Rate: 20, Changes: []LimitChange{{After: 10 * time.Second, Rate: 5}, {After: 20 * time.Second, Rate: 40}}}})
	if err != nil {
		t.Fatal(err)
	}
	at := func(seconds int) time.Time { return s.Started().Add(time.Duration(seconds) * time.Second) }
	for _, tc := range []struct {
		from, to int
		want     float64
	}{{0, 10, 200}, {0, 30, 650}, {5, 15, 125}, {19, 21, 45}, {25, 26, 40}, {7, 7, 0}} {
		if got := s.Allowed(at(tc.from), at(tc.to)); math.Abs(got-tc.want) > 1e-6 {
			t.Errorf("from %d to %d s: %v, want %v", tc.from, tc.to, got, tc.want)
		}
	}
	unlimited, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := unlimited.Allowed(at(0), at(1)); !math.IsInf(got, 1) {
		t.Errorf("without a limit %v are allowed", got)
	}
}

func TestLimitsOfActionsStandBesideTheAccounts(t *testing.T) {
	o := Options{Instances: 100, Limit: &Limit{Rate: 1, Burst: 8}, ActionLimits: map[string]*Limit{
		"StartInstances": {Rate: 0.5, Burst: 2, Statuses: []int{403}, RetryAfter: RetryAfterSeconds},
		"StopInstances":  nil,
	}}
	inBubble(t, o, func(t *testing.T, s *Simulator, c *caller) {
		start := func(i int) answer { return c.start(InstanceID(i)) }
		start(0).want(t, 200, "")
		start(1).want(t, 200, "")
		for range 20 { // over the action's limit: none of them uses up a token of the account's
			a := start(2)
			a.want(t, 403, apiclient.CodeRequestLimitExceeded)
			if got := a.header.Get("Retry-After"); got != "2" {
				t.Errorf("Retry-After is %q, want that of the action", got)
			}
		}
		for range 6 {
			c.call("DescribeInstances", "{}").want(t, 200, "")
		}
		c.call("DescribeInstances", "{}").want(t, 429, apiclient.CodeRequestLimitExceeded)
		c.stop("", "i-000000").want(t, 429, apiclient.CodeRequestLimitExceeded)
		time.Sleep(2 * time.Second) // one token of the action, two of the account
		c.call("DescribeInstances", "{}").want(t, 200, "")
		c.call("DescribeInstances", "{}").want(t, 200, "")
		start(2).want(t, 429, apiclient.CodeRequestLimitExceeded) // the account's: the action's token stays
		time.Sleep(time.Second)
		start(2).want(t, 200, "")
		if truth := s.Truth(); truth.Throttled != 23 || truth.AcceptedStarts != 3 {
			t.Errorf("truth is %+v", truth)
		}
	})
}

func TestRetryAfterIsThatOfTheLimitThatIsEmptyForLonger(t *testing.T) {
	for name, tc := range map[string]struct{ account, action float64 }{
		"the account's": {0.1, 0.5}, "the action's": {0.5, 0.1},
	} {
		t.Run(name, func(t *testing.T) {
			o := Options{Instances: 1, Limit: &Limit{Rate: tc.account, RetryAfter: RetryAfterSeconds}, ActionLimits: map[string]*Limit{
				"StartInstances": {Rate: tc.action, RetryAfter: RetryAfterSeconds},
			}}
			inBubble(t, o, func(t *testing.T, s *Simulator, c *caller) {
				c.start("i-000000").want(t, 200, "")
				if got := c.start("i-000000").header.Get("Retry-After"); got != "10" {
					t.Errorf("Retry-After is %q, want 10", got)
				}
			})
		})
	}
}

func TestRefusalBehindALimitUsesUpItsToken(t *testing.T) {
	o := Options{Instances: 1, ActionLimits: map[string]*Limit{"StartInstances": {Rate: 1, Burst: 1}}, Refusals: []Refusal{{Code: soldOut}}}
	inBubble(t, o, func(t *testing.T, s *Simulator, c *caller) {
		c.start("i-000000").want(t, 403, soldOut)
		c.start("i-000000").want(t, 429, apiclient.CodeRequestLimitExceeded)
	})
}

func TestAllowedActionIsTheLowerOfTheTwoRates(t *testing.T) {
	limit := &Limit{Rate: 20, Changes: []LimitChange{{After: 10 * time.Second, Rate: 5}, {After: 20 * time.Second, Rate: 40}}}
	own := map[string]*Limit{"StartInstances": {Rate: 10, Changes: []LimitChange{{After: 15 * time.Second, Rate: 1}}}}
	for name, tc := range map[string]struct {
		o        Options
		action   string
		from, to int
		want     float64
	}{
		"both":                        {Options{Limit: limit, ActionLimits: own}, "StartInstances", 0, 30, 100 + 25 + 15},
		"both, in between":            {Options{Limit: limit, ActionLimits: own}, "StartInstances", 9, 16, 10 + 25 + 1},
		"an action without its own":   {Options{Limit: limit, ActionLimits: own}, "StopInstances", 0, 30, 650},
		"no limit of the account":     {Options{ActionLimits: own}, "StartInstances", 0, 30, 165},
		"no limit at all":             {Options{ActionLimits: own}, "StopInstances", 0, 30, math.Inf(1)},
		"no time at all":              {Options{Limit: limit, ActionLimits: own}, "StartInstances", 7, 7, 0},
		"an action that is not known": {Options{Limit: limit}, "Reboot", 0, 10, 200},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := New(tc.o)
			if err != nil {
				t.Fatal(err)
			}
			at := func(seconds int) time.Time { return s.Started().Add(time.Duration(seconds) * time.Second) }
			if got := s.AllowedAction(tc.action, at(tc.from), at(tc.to)); got != tc.want && math.Abs(got-tc.want) > 1e-6 {
				t.Errorf("%v are allowed, want %v", got, tc.want)
			}
		})
	}
}
