package zecsim

import (
	"fmt"
	"testing"
	"time"

	"zecpower/apiclient"
)

func TestAccountWideRefusalMeetsEveryRequestOfItsActions(t *testing.T) {
	o := Options{
		Fleet:        []InstanceSpec{{}, {State: "RUNNING"}},
		Refusals:     []Refusal{{Code: soldOut, Windows: []Window{{To: 20 * time.Second}}}},
		BadIDs:       BadIDsFailedList,
		KeepRequests: true,
	}
	inBubble(t, o, func(t *testing.T, s *Simulator, c *caller) {
		for range 3 {
			c.start("i-000000").want(t, 403, soldOut)
			c.start("i-999999").want(t, 403, soldOut) // whatever it names
			c.call("StartInstances", `{"instanceIds":[]}`).want(t, 403, soldOut)
			c.stop("", "i-000001").want(t, 403, soldOut)
		}
		a := c.start("i-000000")
		if a.RequestID == "" || a.Message == "" {
			t.Errorf("the refusal is not the API's: %s", a.raw)
		}
		c.call("DescribeInstances", "{}").want(t, 200, "")
		if in, _ := s.Instance("i-000000"); in.StartRequests != 0 || in.AcceptedStarts != 0 {
			t.Errorf("a refused request was judged: %+v", in)
		}
		if r := s.Requests()[0]; r.Applied || r.Code != soldOut || r.Status != 403 || r.Throttled || r.Fault != "" {
			t.Errorf("record is %+v", r)
		}
		time.Sleep(20 * time.Second)
		c.start("i-000000").want(t, 200, "")
		c.stop("", "i-000001").want(t, 200, "")
	})
}

func TestAccountWideRefusalsKeepToTheirActionsInTheirOrder(t *testing.T) {
	o := spec(InstanceSpec{State: "RUNNING"})
	o.Refusals = []Refusal{
		{Code: "ACCOUNT_IN_ARREARS", Status: 402, Actions: []string{"StartInstances"}, Windows: []Window{{From: time.Minute}}},
		{Code: soldOut, Status: 409, Actions: []string{"StartInstances", "DescribeInstances"}},
	}
	inBubble(t, o, func(t *testing.T, s *Simulator, c *caller) {
		c.start("i-000000").want(t, 409, soldOut)
		c.call("DescribeInstances", "{}").want(t, 409, soldOut)
		c.call("DescribeInstancesStatus", "{}").want(t, 200, "")
		c.stop("", "i-000000").want(t, 200, "")
		time.Sleep(time.Minute)
		c.start("i-000000").want(t, 402, "ACCOUNT_IN_ARREARS")
	})
}

func TestAccountWideRefusalComesAfterAuthenticationAndLimit(t *testing.T) {
	o := Options{Instances: 1, Refusals: []Refusal{{Code: soldOut}}, Limit: &Limit{Rate: 1, Burst: 1}}
	inBubble(t, o, func(t *testing.T, s *Simulator, c *caller) {
		c.key = "wrong"
		c.start("i-000000").want(t, 401, apiclient.CodeSignatureFailure)
		c.key = "demo"
		c.start("i-000000").want(t, 403, soldOut)
		c.start("i-000000").want(t, 429, apiclient.CodeRequestLimitExceeded)
	})
}

func TestOwnRefusalsHaveAnyCodeAndStatus(t *testing.T) {
	for name, tc := range map[string]struct {
		spec   InstanceSpec
		status int
		code   apiclient.Code
	}{
		"neither given":         {InstanceSpec{}, 403, ""},
		"unlisted code":         {InstanceSpec{RefusalCode: soldOut}, 403, soldOut},
		"with a status":         {InstanceSpec{RefusalCode: soldOut, RefusalStatus: 409}, 409, soldOut},
		"status alone":          {InstanceSpec{RefusalStatus: 400}, 400, ""},
		"not found":             {InstanceSpec{RefusalCode: apiclient.CodeResourceNotFound}, 404, apiclient.CodeResourceNotFound},
		"throttled":             {InstanceSpec{RefusalCode: apiclient.CodeRequestLimitExceeded}, 429, apiclient.CodeRequestLimitExceeded},
		"not allowed":           {InstanceSpec{RefusalCode: "AUTHFAILURE_NOT_AUTHORIZED"}, 401, "AUTHFAILURE_NOT_AUTHORIZED"},
		"malformed":             {InstanceSpec{RefusalCode: "INVALID_PARAMETER_FORMAT"}, 400, "INVALID_PARAMETER_FORMAT"},
		"a server's own":        {InstanceSpec{RefusalCode: apiclient.CodeInternalServerError}, 500, apiclient.CodeInternalServerError},
		"the same, with a 4xx":  {InstanceSpec{RefusalCode: apiclient.CodeServiceUnavailable, RefusalStatus: 403}, 403, apiclient.CodeServiceUnavailable},
		"service unavailable":   {InstanceSpec{RefusalCode: apiclient.CodeServiceUnavailable}, 503, apiclient.CodeServiceUnavailable},
		"gateway timed out":     {InstanceSpec{RefusalCode: apiclient.CodeRequestTimedOut}, 504, apiclient.CodeRequestTimedOut},
		"in the recycle bin":    {InstanceSpec{RefusalCode: apiclient.CodeInstanceRecycled}, 403, apiclient.CodeInstanceRecycled},
		"unlisted, later to go": {InstanceSpec{RefusalCode: soldOut, RefusesFor: time.Hour}, 403, soldOut},
	} {
		starts, stops := tc.spec, tc.spec
		starts.Refuses = true
		stops.RefusesStops, stops.State = true, "RUNNING"
		o := spec(starts, stops, InstanceSpec{}, InstanceSpec{State: "RUNNING"})
		t.Run(name+", the whole request", func(t *testing.T) {
			inBubble(t, o, func(t *testing.T, s *Simulator, c *caller) {
				c.start("i-000002", "i-000000").want(t, tc.status, or(tc.code, apiclient.CodeInstanceNotStopped))
				c.stop("", "i-000003", "i-000001").want(t, tc.status, or(tc.code, apiclient.CodeInstanceNotRunning))
				if truth := s.Truth(); truth.AcceptedStarts+truth.AcceptedStops != 0 {
					t.Errorf("truth is %+v", truth)
				}
			})
		})
		t.Run(name+", in the failed list", func(t *testing.T) {
			o := o
			o.BadIDs = BadIDsFailedList
			inBubble(t, o, func(t *testing.T, s *Simulator, c *caller) {
				start, stop := c.start("i-000002", "i-000000"), c.stop("", "i-000003", "i-000001")
				start.want(t, 200, "")
				stop.want(t, 200, "")
				if got := fmt.Sprint(start.Response.InstanceIDs, stop.Response.InstanceIDs); got != "[i-000000] [i-000001]" {
					t.Errorf("failed lists are %s", got)
				}
			})
		})
	}
}

func TestStopsAndStartsAreRefusedApart(t *testing.T) {
	o := spec(InstanceSpec{RefusesStops: true, RefusesFor: 20 * time.Second}, InstanceSpec{Refuses: true, State: "RUNNING"})
	inBubble(t, o, func(t *testing.T, s *Simulator, c *caller) {
		c.start("i-000000").want(t, 200, "")
		c.stop("", "i-000000").want(t, 403, apiclient.CodeInstanceNotRunning)
		c.stop("", "i-000001").want(t, 200, "")
		c.start("i-000001").want(t, 403, apiclient.CodeInstanceNotStopped)
		if in, _ := s.Instance("i-000000"); !in.Startable || !in.StartableFrom.Equal(s.Started()) {
			t.Errorf("a refusal of stops keeps starts off: %+v", in)
		}
		time.Sleep(20 * time.Second)
		c.stop("", "i-000000").want(t, 200, "")
	})
}

func TestIDsThatDoNotExistHaveTheOtherCodeWhereThatIsWanted(t *testing.T) {
	o := spec(InstanceSpec{State: StateMissing}, InstanceSpec{Refuses: true, RefusalCode: apiclient.CodeInstanceNotFound})
	o.NotFoundCode = apiclient.CodeResourceNotFound
	inBubble(t, o, func(t *testing.T, s *Simulator, c *caller) {
		c.start("i-000000").want(t, 404, apiclient.CodeResourceNotFound)
		c.stop("", "i-000000").want(t, 404, apiclient.CodeResourceNotFound)
		c.start("i-999999").want(t, 404, apiclient.CodeResourceNotFound)
		c.start("i-000001").want(t, 404, apiclient.CodeInstanceNotFound) // its own code
	})
}
