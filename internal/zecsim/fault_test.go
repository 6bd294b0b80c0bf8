package zecsim

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"zecpower/apiclient"
)

// withFault is an account of three stopped instances whose requests all meet a fault.
func withFault(f Fault) Options {
	if f.Probability == 0 {
		f.Probability = 1
	}
	return Options{Instances: 3, Boot: boot3s, Faults: []Fault{f}, KeepRequests: true, Seed: 3}
}

func TestFaultsOnTheWire(t *testing.T) {
	broken := func(t *testing.T, a answer) {
		if a.err == nil {
			t.Errorf("a reply came: HTTP %d %s", a.status, a.raw)
		}
	}
	for name, tc := range map[string]struct {
		fault   Fault
		applied bool
		check   func(t *testing.T, a answer)
	}{
		"lost_before":  {Fault{Kind: FaultLostBefore}, false, broken},
		"applied_lost": {Fault{Kind: FaultAppliedLost}, true, broken},
		"error_5xx before": {Fault{Kind: FaultError5xx, Applied: AppliedNever}, false, func(t *testing.T, a answer) {
			if a.status < 500 || a.Code == "" {
				t.Errorf("HTTP %d %s", a.status, a.Code)
			}
		}},
		"error_5xx after": {Fault{Kind: FaultError5xx, Applied: AppliedAlways, Status: 503, Code: apiclient.CodeServiceUnavailable}, true, func(t *testing.T, a answer) {
			a.want(t, 503, apiclient.CodeServiceUnavailable)
		}},
		"html": {Fault{Kind: FaultHTML, Applied: AppliedNever}, false, func(t *testing.T, a answer) {
			if a.status != 502 || !bytes.HasPrefix(a.raw, []byte("<html>")) {
				t.Errorf("HTTP %d %s", a.status, a.raw)
			}
		}},
		"html_200": {Fault{Kind: FaultHTML200, Applied: AppliedAlways}, true, func(t *testing.T, a answer) {
			if a.status != 200 || a.header.Get("Content-Type") != "text/html" {
				t.Errorf("HTTP %d %s", a.status, a.header.Get("Content-Type"))
			}
		}},
		"truncated": {Fault{Kind: FaultTruncated}, true, func(t *testing.T, a answer) {
			if _, ok := errors.AsType[*json.SyntaxError](a.err); !ok || a.status != 200 {
				t.Errorf("HTTP %d %s, %v", a.status, a.raw, a.err)
			}
		}},
		"cut": {Fault{Kind: FaultCut}, true, func(t *testing.T, a answer) {
			if !errors.Is(a.err, io.ErrUnexpectedEOF) || a.status != 200 || len(a.raw) == 0 {
				t.Errorf("HTTP %d %s, %v", a.status, a.raw, a.err)
			}
		}},
		"slow, applied":     {Fault{Kind: FaultSlow, Applied: AppliedAlways}, true, broken},
		"slow, not applied": {Fault{Kind: FaultSlow, Applied: AppliedNever}, false, broken},
		"slow within the client's patience": {Fault{Kind: FaultSlow, Applied: AppliedAlways, Delay: 20 * time.Second}, true, func(t *testing.T, a answer) {
			a.want(t, 200, "")
		}},
		"slow gateway within the client's patience": {Fault{Kind: FaultSlow, Applied: AppliedNever, Delay: 20 * time.Second}, false, func(t *testing.T, a answer) {
			a.want(t, 504, apiclient.CodeRequestTimedOut)
		}},
		"trickle": {Fault{Kind: FaultTrickle}, true, func(t *testing.T, a answer) {
			if !errors.Is(a.err, context.DeadlineExceeded) || len(a.raw) < 30 || len(a.raw) > 31 {
				t.Errorf("%d bytes in 30 s, %v", len(a.raw), a.err)
			}
		}},
		"endless": {Fault{Kind: FaultEndless, Applied: AppliedAlways}, true, func(t *testing.T, a answer) {
			if a.err == nil || len(a.raw) != 1<<20 {
				t.Errorf("%d bytes, %v", len(a.raw), a.err)
			}
		}},
		"huge": {Fault{Kind: FaultHuge, Applied: AppliedAlways}, true, func(t *testing.T, a answer) {
			if a.header.Get("Content-Length") != "2147483648" || len(a.raw) != 1<<20 {
				t.Errorf("%d bytes of %s", len(a.raw), a.header.Get("Content-Length"))
			}
		}},
		"huge, but readable": {Fault{Kind: FaultHuge, Applied: AppliedAlways, Size: 100_000}, true, func(t *testing.T, a answer) {
			a.want(t, 200, "")
			if len(a.raw) != 100_000 || a.RequestID != a.Response.RequestID {
				t.Errorf("%d bytes, request ids %s and %s", len(a.raw), a.RequestID, a.Response.RequestID)
			}
		}},
		"wrong_request_id": {Fault{Kind: FaultWrongRequestID}, true, func(t *testing.T, a answer) {
			a.want(t, 200, "")
			if a.RequestID == a.Response.RequestID {
				t.Errorf("request ids are both %s", a.RequestID)
			}
		}},
		"stray_ids": {Fault{Kind: FaultStrayIDs}, true, func(t *testing.T, a answer) {
			if !slices.Equal(a.Response.InstanceIDs, []string{strayID}) {
				t.Errorf("failed list is %v", a.Response.InstanceIDs)
			}
		}},
		"auth_failure": {Fault{Kind: FaultAuthFailure}, false, func(t *testing.T, a answer) {
			a.want(t, 401, apiclient.CodeSignatureFailure)
		}},
		"html of a proxy that refuses": {Fault{Kind: FaultHTML, Status: 407}, false, func(t *testing.T, a answer) {
			if a.status != 407 || !bytes.HasPrefix(a.raw, []byte("<html>")) {
				t.Errorf("HTTP %d %s", a.status, a.raw)
			}
		}},
		"html with 300": {Fault{Kind: FaultHTML, Status: 300}, false, func(t *testing.T, a answer) {
			if a.status != 300 || a.header.Get("Location") != "" {
				t.Errorf("HTTP %d to %q", a.status, a.header.Get("Location"))
			}
		}},
		"html with 304, which has no body": {Fault{Kind: FaultHTML, Status: 304}, false, func(t *testing.T, a answer) {
			if a.status != 304 || len(a.raw) != 0 {
				t.Errorf("HTTP %d %s", a.status, a.raw)
			}
		}},
		"html with 599, applied": {Fault{Kind: FaultHTML, Status: 599, Applied: AppliedAlways}, true, func(t *testing.T, a answer) {
			if a.status != 599 {
				t.Errorf("HTTP %d", a.status)
			}
		}},
		"challenge": {Fault{Kind: FaultChallenge}, false, func(t *testing.T, a answer) {
			if a.status != 403 || a.header.Get("cf-mitigated") != "challenge" || !bytes.HasPrefix(a.raw, []byte("<html>")) {
				t.Errorf("HTTP %d %v %s", a.status, a.header, a.raw)
			}
		}},
		"legal_451": {Fault{Kind: FaultLegal451}, false, func(t *testing.T, a answer) {
			if a.status != 451 || !bytes.HasPrefix(a.raw, []byte("<html>")) {
				t.Errorf("HTTP %d %s", a.status, a.raw)
			}
		}},
		"redirect": {Fault{Kind: FaultRedirect}, false, func(t *testing.T, a answer) {
			if a.status/100 != 3 || !strings.HasPrefix(a.header.Get("Location"), "https://") {
				t.Errorf("HTTP %d to %q", a.status, a.header.Get("Location"))
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, withFault(tc.fault), func(t *testing.T, s *Simulator, c *caller) {
				a := c.start("i-000000", "i-000001")
				tc.check(t, a)
				if a.status != 0 && a.header.Get("Date") == "" {
					t.Error("no Date header")
				}
				time.Sleep(5 * time.Minute)
				r := s.Requests()[0]
				if r.Applied != tc.applied || r.Fault != tc.fault.Kind || r.IDs != 2 || r.Accepted != map[bool]int{true: 2}[tc.applied] {
					t.Errorf("record is %+v", r)
				}
				in, _ := s.Instance("i-000001")
				if (in.State == apiclient.StateRunning) != tc.applied || s.Truth().Faults[tc.fault.Kind] != 1 {
					t.Errorf("instance is %+v", in)
				}
			})
		})
	}
}

func TestWrongShapesAreNeverTakenForTheRightOne(t *testing.T) {
	for _, applied := range []Applied{AppliedAlways, AppliedNever} {
		inBubble(t, withFault(Fault{Kind: FaultWrongShape, Applied: applied}), func(t *testing.T, s *Simulator, c *caller) {
			seen := map[string]bool{}
			for range 200 {
				for _, action := range []string{"StopInstances", "DescribeInstancesStatus"} {
					a := c.call(action, `{"instanceIds":["i-000000"]}`)
					seen[string(a.raw)] = true
					var power struct {
						Response *struct {
							InstanceIDs []string `json:"instanceIds"`
						} `json:"response"`
					}
					if err := json.Unmarshal(a.raw, &power); a.status != 200 || (err == nil && power.Response != nil) {
						t.Errorf("HTTP %d %s can be taken for the reply of a start", a.status, a.raw)
					}
				}
			}
			if len(seen) < 8 {
				t.Errorf("only %d shapes came", len(seen))
			}
		})
	}
}

func TestOmitLeavesInstancesOutOfDescribesAlone(t *testing.T) {
	o := withFault(Fault{Kind: FaultOmit})
	o.Instances = 100
	inBubble(t, o, func(t *testing.T, s *Simulator, c *caller) {
		for _, action := range []string{"DescribeInstancesStatus", "DescribeInstances"} {
			a := c.call(action, `{"pageSize":100}`)
			a.want(t, 200, "")
			if n := len(a.Response.DataSet); a.Response.TotalCount != 100 || n < 20 || n > 80 {
				t.Errorf("%d instances of %d", n, a.Response.TotalCount)
			}
		}
		c.start("i-000000").want(t, 200, "")
		if r := s.Requests()[2]; r.Fault != "" {
			t.Errorf("a start met %s", r.Fault)
		}
	})
}

func TestServerErrorsComeWithEachDocumentedCode(t *testing.T) {
	inBubble(t, withFault(Fault{Kind: FaultError5xx}), func(t *testing.T, s *Simulator, c *caller) {
		seen := map[string]bool{}
		applied := 0
		for range 100 {
			a := c.call("DescribeInstances", "{}")
			seen[fmt.Sprint(a.status, a.Code)] = true
		}
		for _, r := range s.Requests() {
			if r.Applied {
				applied++
			}
		}
		want := map[string]bool{"500INTERNAL_SERVER_ERROR": true, "503SERVICE_TEMPORARY_UNAVAILABLE": true, "504REQUEST_TIMED_OUT": true}
		if fmt.Sprint(seen) != fmt.Sprint(want) {
			t.Errorf("seen %v", seen)
		}
		if applied < 30 || applied > 70 {
			t.Errorf("%d of 100 applied, want about half", applied)
		}
	})
}

func TestFaultsKeepToWindowsActionsAndProbability(t *testing.T) {
	o := Options{Instances: 1, Faults: []Fault{
		{Kind: FaultHTML, Probability: 1, Windows: []Window{{From: 10 * time.Second, To: 20 * time.Second}}},
		{Kind: FaultRedirect, Probability: 1, Windows: []Window{{From: 10 * time.Second, To: 20 * time.Second}}}, // never its turn
		{Kind: FaultAuthFailure, Probability: 1, Windows: []Window{{From: time.Minute}}},
		{Kind: FaultError5xx, Probability: 1, Actions: []string{"StopInstances"}},
		{Kind: FaultRedirect, Probability: 0.25, Actions: []string{"DescribeInstances"}},
	}}
	inBubble(t, o, func(t *testing.T, s *Simulator, c *caller) {
		status := func(action string) int { return c.call(action, `{"instanceIds":["i-000000"]}`).status }
		redirects := 0
		for range 1000 {
			if status("DescribeInstances")/100 == 3 {
				redirects++
			}
		}
		if redirects < 200 || redirects > 300 {
			t.Errorf("%d redirects of 1000, want about 250", redirects)
		}
		if got := status("StopInstances"); got < 500 {
			t.Errorf("a stop got HTTP %d", got)
		}
		for _, step := range []struct {
			at   time.Duration
			want int
		}{{9999 * time.Millisecond, 200}, {10 * time.Second, 502}, {19 * time.Second, 502}, {20 * time.Second, 200}, {time.Minute, 401}, {time.Hour, 401}} {
			time.Sleep(step.at - time.Since(s.Started()))
			if got := status("DescribeInstancesStatus"); got != step.want {
				t.Errorf("after %s HTTP %d, want %d", step.at, got, step.want)
			}
		}
	})
}

func TestHTMLOfAStationOnTheWayIsNeverApplied(t *testing.T) {
	for status := 300; status < 500; status++ {
		if isRedirect(status) {
			continue
		}
		inBubble(t, withFault(Fault{Kind: FaultHTML, Status: status}), func(t *testing.T, s *Simulator, c *caller) {
			c.start("i-000000")
			if r := s.Requests()[0]; r.Applied || r.Status != status {
				t.Errorf("status %d: record is %+v", status, r)
			}
		})
	}
}

func TestAFaultIsMetSoManyTimesAndNoMore(t *testing.T) {
	for name, tc := range map[string]struct {
		faults []Fault
		want   string // statuses of the first requests
	}{
		"the very first": {[]Fault{{Kind: FaultAuthFailure, Probability: 1, Times: 1}}, "[401 200 200 200 200]"},
		"three of them":  {[]Fault{{Kind: FaultHTML, Probability: 1, Times: 3, Status: 404}}, "[404 404 404 200 200]"},
		"then another":   {[]Fault{{Kind: FaultHTML, Probability: 1, Times: 2}, {Kind: FaultLegal451, Probability: 1, Times: 1}}, "[502 502 451 200 200]"},
		"in a window":    {[]Fault{{Kind: FaultHTML, Probability: 1, Times: 1, Windows: []Window{{From: 2 * time.Second}}}}, "[200 200 502 200 200]"},
		"no bound":       {[]Fault{{Kind: FaultLegal451, Probability: 1}}, "[451 451 451 451 451]"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, Options{Instances: 1, Faults: tc.faults}, func(t *testing.T, s *Simulator, c *caller) {
				var got []int
				for i := range 5 {
					a := c.call("DescribeInstances", fmt.Sprintf(`{"pageNum":%d}`, i+1))
					got = append(got, a.status)
					if a.status == 401 && (a.Code != string(apiclient.CodeSignatureFailure) || a.RequestID == "") {
						t.Errorf("the refusal is not the API's: %s", a.raw)
					}
					time.Sleep(time.Second)
				}
				if fmt.Sprint(got) != tc.want {
					t.Errorf("statuses are %v, want %s", got, tc.want)
				}
			})
		})
	}
}

// The fate of a request must not depend on the order in which others arrive.
func TestFateFollowsFromSeedAndRequestAlone(t *testing.T) {
	fates := func(seed uint64, order []int) string {
		o := Options{Instances: 20, Seed: seed, KeepRequests: true, Faults: []Fault{
			{Kind: FaultError5xx, Probability: 0.3}, {Kind: FaultAppliedLost, Probability: 0.3},
		}}
		byID := make([]string, 20)
		inBubble(t, o, func(t *testing.T, s *Simulator, c *caller) {
			for _, i := range slices.Concat(order, order) {
				c.start(InstanceID(i))
				r := s.Requests()[len(s.Requests())-1]
				byID[i] += fmt.Sprint(r.Fault, r.Code, r.Status, " ")
			}
		})
		return strings.Join(byID, "\n")
	}
	up := make([]int, 20)
	for i := range up {
		up[i] = i
	}
	down := slices.Clone(up)
	slices.Reverse(down)
	if a, b := fates(1, up), fates(1, down); a != b {
		t.Errorf("in one order\n%s\nin the other\n%s", a, b)
	}
	if fates(1, up) == fates(2, up) {
		t.Error("another seed gives the same fates")
	}
}

func TestLatencyDelaysTheReplyNotTheEffect(t *testing.T) {
	o := Options{Instances: 2, Boot: Boot{Time: time.Second}, Latency: Latency{Fixed: 3 * time.Second, Jitter: time.Second}, KeepRequests: true}
	inBubble(t, o, func(t *testing.T, s *Simulator, c *caller) {
		before := time.Now()
		c.start("i-000000").want(t, 200, "")
		if took := time.Since(before); took < 3*time.Second || took > 4*time.Second {
			t.Errorf("the reply took %s", took)
		}
		in, _ := s.Instance("i-000000")
		if in.FirstRunning.Sub(before) != time.Second {
			t.Errorf("running after %s", in.FirstRunning.Sub(before))
		}
		c.timeout = time.Second
		if a := c.start("i-000001"); !errors.Is(a.err, context.DeadlineExceeded) {
			t.Errorf("a client of little patience got HTTP %d, %v", a.status, a.err)
		}
		time.Sleep(time.Minute)
		if r := s.Requests()[1]; !r.Abandoned || !r.Applied || r.Status != 0 {
			t.Errorf("record is %+v", r)
		}
	})
}

func TestOptionsThatMakeNoSenseAreRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		o    Options
		want string
	}{
		"fleet twice":            {Options{Instances: 1, Fleet: []InstanceSpec{{}}}, "either a fleet"},
		"negative fleet":         {Options{Instances: -1}, "-1 instances"},
		"override outside":       {Options{Instances: 3, Overrides: map[int]InstanceSpec{3: {}}}, "override of instance 3"},
		"unknown bad ids":        {Options{BadIDs: "maybe"}, "maybe"},
		"negative time":          {Options{Boot: Boot{Time: -1}}, "boot time"},
		"absurd time":            {Options{StatusLag: 1 << 62}, "status lag"},
		"boot state":             {Options{Boot: Boot{State: "RUNNING"}}, "boot state"},
		"same id":                {spec(InstanceSpec{ID: "a"}, InstanceSpec{ID: "a"}), "stands for another"},
		"boot":                   {spec(InstanceSpec{Boot: "maybe"}), "maybe"},
		"boot failures of hangs": {spec(InstanceSpec{Boot: BootHangs, BootFailures: 1}), "boot failures"},
		"then without for":       {spec(InstanceSpec{StateThen: "RUNNING"}), "how long"},
		"refusal without":        {spec(InstanceSpec{RefusalCode: "X"}), "does not refuse"},
		"rate of 0":              {Options{Limit: &Limit{}}, "rate"},
		"burst below 1":          {Options{Limit: &Limit{Rate: 1, Burst: 0.5}}, "burst"},
		"limit status":           {Options{Limit: &Limit{Rate: 1, Statuses: []int{500}}}, "500"},
		"retry after":            {Options{Limit: &Limit{Rate: 1, RetryAfter: "soon"}}, "soon"},
		"changes out of order":   {Options{Limit: &Limit{Rate: 1, Changes: []LimitChange{{After: 2}, {After: 1}}}}, "order of time"},
		"credentials":            {Options{Credentials: []apiclient.Credentials{{AccessKeyID: "a"}}}, "credentials 0"},
		"unknown fault":          {withFault(Fault{Kind: "gremlin"}), "gremlin"},
		"no probability":         {Options{Faults: []Fault{{Kind: FaultCut}}}, "probability"},
		"unknown action":         {withFault(Fault{Kind: FaultCut, Actions: []string{"Reboot"}}), "Reboot"},
		"window backwards":       {withFault(Fault{Kind: FaultCut, Windows: []Window{{2, 1}}}), "window"},
		"applied":                {withFault(Fault{Kind: FaultHTML, Applied: "perhaps"}), "perhaps"},
		"applied of lost_before": {withFault(Fault{Kind: FaultLostBefore, Applied: AppliedAlways}), "never applied"},
		"status of a cut":        {withFault(Fault{Kind: FaultCut, Status: 500}), "status 500"},
		"status of error_5xx":    {withFault(Fault{Kind: FaultError5xx, Status: 404}), "status 404"},
		"tiny huge":              {withFault(Fault{Kind: FaultHuge, Size: 10}), "size 10"},
		"applied of html 404":    {withFault(Fault{Kind: FaultHTML, Status: 404, Applied: AppliedAlways}), "never applied with status 404"},
		"html that redirects":    {withFault(Fault{Kind: FaultHTML, Status: 302}), "use the kind redirect"},
		"html with 200":          {withFault(Fault{Kind: FaultHTML, Status: 200}), "status 200"},
		"status of a challenge":  {withFault(Fault{Kind: FaultChallenge, Status: 404}), "status 404"},
		"times below 0":          {withFault(Fault{Kind: FaultCut, Times: -1}), "times -1"},
		"refusal without a code": {Options{Refusals: []Refusal{{}}}, "refusal 0: refusal without a code"},
		"refusal with a 5xx":     {Options{Refusals: []Refusal{{Code: "X", Status: 500}}}, "status 500: use 400 to 499"},
		"refusal of an action":   {Options{Refusals: []Refusal{{Code: "X", Actions: []string{"Reboot"}}}}, "Reboot"},
		"refusal window":         {Options{Refusals: []Refusal{{Code: "X", Windows: []Window{{2, 1}}}}}, "window"},
		"own refusal's status":   {spec(InstanceSpec{Refuses: true, RefusalStatus: 500}), "refusal status 500"},
		"status without refusal": {spec(InstanceSpec{RefusalStatus: 400}), "does not refuse"},
		"code for not found":     {Options{NotFoundCode: "NOPE"}, "NOPE"},
		"limit of an action":     {Options{ActionLimits: map[string]*Limit{"StartInstances": {}}}, "StartInstances: limit: rate 0"},
		"limit of none":          {Options{ActionLimits: map[string]*Limit{"Reboot": {Rate: 1}}}, "Reboot"},
		"other's act without":    {spec(InstanceSpec{Others: []OtherAct{{Action: "stop"}}}), "give one of"},
		"other's act with two":   {spec(InstanceSpec{Others: []OtherAct{{After: 1, AfterStop: 1, Action: "stop"}}}), "give one of"},
		"other's act backwards":  {spec(InstanceSpec{Others: []OtherAct{{After: -1, Action: "stop"}}}), "after -1ns"},
		"other's action":         {spec(InstanceSpec{Others: []OtherAct{{After: 1, Action: "reboot"}}}), "reboot"},
		"stop failures of hangs": {spec(InstanceSpec{StopHangs: true, StopFailures: 1}), "stop failures"},
		"page order":             {Options{Pages: Pages{Order: "any"}}, `page order "any"`},
		"pages that move less":   {Options{Pages: Pages{Moving: -0.1}}, "moving -0.1"},
		"leaves before it joins": {spec(InstanceSpec{JoinsAfter: 2, LeavesAfter: 2}), "join before it leaves"},
		"joins in the past":      {spec(InstanceSpec{JoinsAfter: -1}), "joins after -1ns"},
		"joins as missing":       {spec(InstanceSpec{JoinsAfter: 1, State: StateMissing}), "give it a state"},
		"no boot that fails":     {spec(InstanceSpec{BootFailsStopping: true}), "no boot fails"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := New(tc.o); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error is %v, want one that says %q", err, tc.want)
			}
		})
	}
}

func TestEveryKindOfFaultIsUsableAsItIs(t *testing.T) {
	for _, k := range FaultKinds() {
		if _, err := New(withFault(Fault{Kind: k})); err != nil {
			t.Errorf("%s: %v", k, err)
		}
	}
	if len(FaultKinds()) != 19 {
		t.Error("a kind was added: test it on the wire, too")
	}
}
