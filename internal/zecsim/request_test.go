package zecsim

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"zecpower/apiclient"
)

func TestRequestsOutsideTheDocumentedFormAreRefused(t *testing.T) {
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	for name, tc := range map[string]struct {
		tweak  func(*http.Request)
		status int
		code   apiclient.Code
	}{
		"another path":         {func(r *http.Request) { r.URL.Path = "/api/v2/vm" }, 404, codeInvalidPath},
		"the root":             {func(r *http.Request) { r.URL.Path = "/" }, 404, codeInvalidPath},
		"GET":                  {func(r *http.Request) { r.Method = "GET" }, 405, codeInvalidMethod},
		"PUT":                  {func(r *http.Request) { r.Method = "PUT" }, 405, codeInvalidMethod},
		"no action":            {func(r *http.Request) { r.Header.Del("X-ZC-Action") }, 400, codeInvalidAction},
		"unknown action":       {header("X-ZC-Action", "DeleteInstances"), 400, codeInvalidAction},
		"no version":           {func(r *http.Request) { r.Header.Del("X-ZC-Version") }, 400, codeInvalidVersion},
		"unknown version":      {header("X-ZC-Version", "2019-01-01"), 400, codeInvalidVersion},
		"no content type":      {func(r *http.Request) { r.Header.Del("Content-Type") }, 415, codeInvalidContentType},
		"another content type": {header("Content-Type", "text/plain"), 415, codeInvalidContentType},
		"another charset":      {header("Content-Type", "application/json; charset=latin1"), 415, codeInvalidContentType},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, Options{Instances: 1}, func(t *testing.T, s *Simulator, c *caller) {
				c.tweak = tc.tweak
				a := c.call("DescribeInstances", "{}")
				a.want(t, tc.status, tc.code)
				if a.RequestID == "" || a.header.Get("Date") == "" {
					t.Errorf("request id %q, date %q", a.RequestID, a.header.Get("Date"))
				}
				if s.Truth().Malformed != 1 {
					t.Errorf("%d malformed requests counted", s.Truth().Malformed)
				}
			})
		})
	}
}

func TestBodiesOutsideTheDocumentedFormAreRefused(t *testing.T) {
	many := make([]string, 101)
	for i := range many {
		many[i] = InstanceID(i)
	}
	for name, tc := range map[string]struct {
		action, body string
		status       int
		code         apiclient.Code
	}{
		"not JSON":                {"StartInstances", `{`, 400, codeInvalidBody},
		"trailing data":           {"StartInstances", `{} {}`, 400, codeInvalidBody},
		"a list":                  {"StartInstances", `[]`, 400, codeInvalidBody},
		"ids that are no list":    {"StartInstances", `{"instanceIds":"i-000000"}`, 400, codeInvalidIDs},
		"ids that are numbers":    {"StopInstances", `{"instanceIds":[1]}`, 400, codeInvalidIDs},
		"no ids":                  {"StartInstances", `{"instanceIds":[]}`, 400, codeInvalidIDs},
		"no body":                 {"StopInstances", ``, 400, codeInvalidIDs},
		"101 ids":                 {"StartInstances", idsBody(many, ""), 400, codeInvalidIDs},
		"101 ids in a describe":   {"DescribeInstancesStatus", idsBody(many, ""), 400, codeInvalidIDs},
		"repeated id":             {"StartInstances", `{"instanceIds":["i-000000","i-000000"]}`, 400, codeInvalidIDs},
		"repeated id in describe": {"DescribeInstances", `{"instanceIds":["i-000000","i-000000"]}`, 400, codeInvalidIDs},
		"empty id":                {"StartInstances", `{"instanceIds":[""]}`, 400, codeInvalidIDs},
		"force that is no bool":   {"StopInstances", `{"instanceIds":["i-000000"],"forceShutdown":"no"}`, 400, codeInvalidBody},
		"page of 0":               {"DescribeInstancesStatus", `{"pageSize":0}`, 400, codeInvalidPage},
		"page of 1001":            {"DescribeInstancesStatus", `{"pageSize":1001}`, 400, codeInvalidPage},
		"page number 0":           {"DescribeInstances", `{"pageNum":0}`, 400, codeInvalidPage},
		"21 tag keys":             {"DescribeInstances", `{"tagKeys":["a"` + strings.Repeat(`,"b"`, 20) + `]}`, 400, codeInvalidTags},
		"too large":               {"DescribeInstances", `{"name":"` + strings.Repeat("x", maxBody) + `"}`, 413, codeInvalidBody},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, Options{Instances: 200}, func(t *testing.T, s *Simulator, c *caller) {
				c.call(tc.action, tc.body).want(t, tc.status, tc.code)
				if truth := s.Truth(); truth.Malformed != 1 || truth.AcceptedStarts != 0 {
					t.Errorf("%d malformed, %d starts accepted", truth.Malformed, truth.AcceptedStarts)
				}
			})
		})
	}
}

func TestLimitsThemselvesAreAllowed(t *testing.T) {
	ids := make([]string, 100)
	for i := range ids {
		ids[i] = InstanceID(i)
	}
	inBubble(t, Options{Instances: 200}, func(t *testing.T, s *Simulator, c *caller) {
		a := c.start(ids...)
		a.want(t, 200, "")
		if a.RequestID == "" || a.RequestID != a.Response.RequestID || a.Response.InstanceIDs == nil {
			t.Errorf("reply %s: want the request id in both places and a failed list", a.raw)
		}
		if got := s.Truth(); got.AcceptedStarts != 100 || got.Malformed != 0 {
			t.Errorf("%d starts accepted, %d malformed", got.AcceptedStarts, got.Malformed)
		}
		a = c.call("DescribeInstancesStatus", `{"pageSize":1000}`)
		a.want(t, 200, "")
		if a.Response.TotalCount != 200 || len(a.Response.DataSet) != 200 {
			t.Errorf("%d of %d instances on a page of 1000", len(a.Response.DataSet), a.Response.TotalCount)
		}
	})
}

func TestDescribeCutsPagesShort(t *testing.T) {
	ids := make([]string, 100)
	for i := range ids {
		ids[i] = InstanceID(i)
	}
	for name, tc := range map[string]struct {
		body         string
		total, count int
		first        string
	}{
		"20 where no size is given":    {idsBody(ids, ""), 100, 20, "i-000000"},
		"all with a size":              {idsBody(ids, `,"pageSize":100`), 100, 100, "i-000000"},
		"a later page":                 {`{"pageSize":30,"pageNum":8}`, 250, 30, "i-000210"},
		"the last page is shorter":     {`{"pageSize":40,"pageNum":7}`, 250, 10, "i-000240"},
		"past the end is empty":        {`{"pageSize":50,"pageNum":6}`, 250, 0, ""},
		"far past the end is empty":    {`{"pageSize":1000,"pageNum":9223372036854775807}`, 250, 0, ""},
		"unknown ids are not there":    {`{"instanceIds":["i-000001","i-999999","x","i-1","i-0000001"]}`, 1, 1, "i-000001"},
		"an empty list means no ids":   {`{"instanceIds":[],"pageSize":7}`, 250, 7, "i-000000"},
		"unknown fields are no matter": {`{"pageSize":5,"pageToken":true}`, 250, 5, "i-000000"},
	} {
		for _, action := range []string{"DescribeInstancesStatus", "DescribeInstances"} {
			t.Run(fmt.Sprint(name, " ", action), func(t *testing.T) {
				inBubble(t, Options{Instances: 250}, func(t *testing.T, _ *Simulator, c *caller) {
					a := c.call(action, tc.body)
					a.want(t, 200, "")
					if a.Response.TotalCount != tc.total || len(a.Response.DataSet) != tc.count {
						t.Fatalf("%d of %d instances, want %d of %d", len(a.Response.DataSet), a.Response.TotalCount, tc.count, tc.total)
					}
					if tc.count > 0 && a.Response.DataSet[0].InstanceID != tc.first {
						t.Errorf("the page begins with %s, want %s", a.Response.DataSet[0].InstanceID, tc.first)
					}
				})
			})
		}
	}
}

func TestDescribeInstancesFilters(t *testing.T) {
	fleet := []InstanceSpec{
		{Name: "web-1", ZoneID: "z1", ImageID: "img-a", ResourceGroupID: "rg1", Tags: map[string]string{"env": "prod", "tier": "web"}},
		{Name: "Web-2", ZoneID: "z2", ImageID: "img-b", ResourceGroupID: "rg1", Tags: map[string]string{"env": "test"}, State: "RUNNING"},
		{Name: "db-1", ZoneID: "z1", ImageID: "img-a", ResourceGroupID: "rg2", IPv4Address: "192.0.2.9"},
		{State: StateMissing, Name: "web-gone"},
		{ID: "custom", Name: "own id"},
	}
	for filter, want := range map[string]string{
		`{}`:                            "i-000000 i-000001 i-000002 custom",
		`{"zoneId":"z1"}`:               "i-000000 i-000002",
		`{"imageId":"img-b"}`:           "i-000001",
		`{"status":"RUNNING"}`:          "i-000001",
		`{"name":"web"}`:                "i-000000 i-000001",
		`{"resourceGroupId":"rg1"}`:     "i-000000 i-000001",
		`{"ipv4Address":"192.0.2.9"}`:   "i-000002",
		`{"ipv4Address":"10.0.0.1"}`:    "i-000001",
		`{"ipv6Address":"2001:db8::1"}`: "",
		`{"name":"SIM-"}`:               "",
		`{"zoneId":"z1","imageId":"img-a","status":"STOPPED","resourceGroupId":"rg2","name":"B-"}`: "i-000002",
		`{"tagKeys":["env"]}`:                                                 "i-000000 i-000001",
		`{"tagKeys":["env","tier"]}`:                                          "i-000000",
		`{"tags":[{"key":"env","value":"test"}]}`:                             "i-000001",
		`{"tags":[{"key":"env","value":"prod"},{"key":"tier","value":"db"}]}`: "",
		`{"name":"web","zoneId":"z2"}`:                                        "i-000001",
		`{"instanceIds":["i-000003","custom","i-000004"]}`:                    "custom",
		`{"instanceIds":["i-000002","i-000001"],"zoneId":"z1"}`:               "i-000002",
	} {
		t.Run(filter, func(t *testing.T) {
			inBubble(t, spec(fleet...), func(t *testing.T, _ *Simulator, c *caller) {
				a := c.call("DescribeInstances", filter)
				a.want(t, 200, "")
				got := []string{}
				for _, item := range a.Response.DataSet {
					got = append(got, item.InstanceID)
				}
				if strings.Join(got, " ") != want || a.Response.TotalCount != len(got) {
					t.Errorf("got %v of %d, want %s", got, a.Response.TotalCount, want)
				}
			})
		})
	}
	t.Run("status takes the resource group alone", func(t *testing.T) {
		inBubble(t, spec(fleet...), func(t *testing.T, _ *Simulator, c *caller) {
			a := c.call("DescribeInstancesStatus", `{"resourceGroupId":"rg1","zoneId":"z2"}`)
			if a.Response.TotalCount != 2 {
				t.Errorf("%d instances, want 2", a.Response.TotalCount)
			}
		})
	})
	t.Run("version 2024-04-01 knows no tags", func(t *testing.T) {
		inBubble(t, spec(fleet...), func(t *testing.T, _ *Simulator, c *caller) {
			c.tweak = func(r *http.Request) { r.Header.Set("X-ZC-Version", "2024-04-01") }
			a := c.call("DescribeInstances", `{"tags":[{"key":"env","value":"test"}],"tagKeys":["tier"],"zoneId":"z1"}`)
			a.want(t, 200, "")
			if a.Response.TotalCount != 2 || strings.Contains(string(a.raw), `"tags"`) {
				t.Errorf("want both instances of z1 and no tags in %s", a.raw)
			}
		})
	})
	t.Run("no tags are null", func(t *testing.T) {
		inBubble(t, spec(fleet...), func(t *testing.T, _ *Simulator, c *caller) {
			if a := c.call("DescribeInstances", `{"name":"db-1"}`); !strings.Contains(string(a.raw), `"tags":null`) {
				t.Errorf("reply is %s", a.raw)
			}
		})
	})
	t.Run("tags come as the SDK reads them", func(t *testing.T) {
		inBubble(t, spec(fleet...), func(t *testing.T, _ *Simulator, c *caller) {
			a := c.call("DescribeInstances", `{"name":"web-1"}`)
			tags := a.Response.DataSet[0].Tags
			if plain := `"tags":{"tags":[{"key":"env","value":"prod"},{"key":"tier","value":"web"}]}`; !strings.Contains(string(a.raw), plain) {
				t.Errorf("%s does not hold %s", a.raw, plain)
			}
			if tags == nil || fmt.Sprint(tags.Tags) != "[{env prod} {tier web}]" {
				t.Errorf("tags are %v in %s", tags, a.raw)
			}
		})
	})
}

func TestEmptyPages(t *testing.T) {
	for _, null := range []bool{false, true} {
		want := map[bool]string{false: `"totalCount":%d,"dataSet":[]`, true: `"totalCount":%d,"dataSet":null`}[null]
		o := Options{Instances: 3, NullPages: null}
		inBubble(t, o, func(t *testing.T, s *Simulator, c *caller) {
			for _, action := range []string{"DescribeInstancesStatus", "DescribeInstances"} {
				for body, total := range map[string]int{`{"instanceIds":["i-000009"]}`: 0, `{"pageNum":2}`: 3, `{"instanceIds":["i-000001"],"pageNum":2}`: 1} {
					a := c.call(action, body)
					a.want(t, 200, "")
					if plain := fmt.Sprintf(want, total); !strings.Contains(string(a.raw), plain) {
						t.Errorf("%s %s gives %s, want %s", action, body, a.raw, plain)
					}
				}
				if a := c.call(action, "{}"); len(a.Response.DataSet) != 3 {
					t.Errorf("a full page is %s", a.raw)
				}
			}
			if a := c.start("i-000000"); !strings.Contains(string(a.raw), `"instanceIds":[]`) {
				t.Errorf("a start without failures gives %s", a.raw)
			}
		})
	}
}

func TestPagesThatAFaultEmptiesAreNullToo(t *testing.T) {
	o := withFault(Fault{Kind: FaultOmit})
	o.NullPages = true
	inBubble(t, o, func(t *testing.T, s *Simulator, c *caller) {
		empty := 0
		for range 20 {
			a := c.call("DescribeInstancesStatus", `{"instanceIds":["i-000000"]}`)
			a.want(t, 200, "")
			if len(a.Response.DataSet) == 0 {
				empty++
				if !strings.Contains(string(a.raw), `"totalCount":1,"dataSet":null`) {
					t.Errorf("reply is %s", a.raw)
				}
			}
		}
		if empty == 0 || empty == 20 {
			t.Errorf("%d of 20 pages are empty", empty)
		}
	})
}
