package zecsim

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"zecpower/apiclient"
)

// Many clients at once, every fault at once: sums, records and instances must agree.
func TestEverythingAtOnceKeepsSumsAndRecordsInAgreement(t *testing.T) {
	faults := []Fault{}
	for _, k := range FaultKinds() {
		if k != FaultHuge { // two gigabytes through a pipe take a while
			faults = append(faults, Fault{Kind: k, Probability: 0.03})
		}
	}
	for seed := range uint64(8) {
		o := Options{
			Instances: 500, Seed: seed, BadIDs: BadIDsFailedList, Boot: Boot{Time: time.Second, Jitter: 5 * time.Second}, StatusLag: time.Second,
			Faults: faults, Limit: &Limit{Rate: 20, RetryAfter: RetryAfterSeconds}, Latency: Latency{Fixed: 10 * time.Millisecond, Jitter: time.Second},
			ActionLimits: map[string]*Limit{"StartInstances": {Rate: 5}, "StopInstances": {Rate: 10, Statuses: []int{400}}},
			Refusals:     []Refusal{{Code: soldOut, Windows: []Window{{From: 5 * time.Second, To: 8 * time.Second}}}},
			KeepRequests: true,
		}
		inBubble(t, o, func(t *testing.T, s *Simulator, c *caller) {
			var wg sync.WaitGroup
			for worker := range 8 {
				rng := rand.New(rand.NewPCG(seed, uint64(worker)))
				wg.Go(func() {
					for range 40 {
						action := actionNames()[rng.IntN(4)]
						ids := make([]string, 1+rng.IntN(5))
						for i := range ids {
							ids[i] = InstanceID(rng.IntN(520))
						}
						c.call(action, idsBody(ids, ""))
					}
				})
			}
			wg.Wait()
			time.Sleep(time.Hour)
			if problem := audit(s); problem != "" {
				t.Errorf("seed %d: %s", seed, problem)
			}
		})
	}
}

// audit compares the sums with the records and the instances.
func audit(s *Simulator) string {
	truth, records := s.Truth(), s.Requests()
	var starts, stops, throttled, faulty, instanceStarts, instanceStops int
	for _, r := range records {
		switch {
		case !r.Applied && r.Accepted > 0:
			return fmt.Sprintf("request %d accepted %d though it was not applied", r.N, r.Accepted)
		case r.Action == apiclient.ActionStartInstances:
			starts += r.Accepted
		case r.Action == apiclient.ActionStopInstances:
			stops += r.Accepted
		}
		if r.Throttled {
			throttled++
		}
		if r.Fault != "" {
			faulty++
		}
	}
	for in := range s.Instances() {
		instanceStarts += in.AcceptedStarts
		instanceStops += in.AcceptedStops
		if (in.AcceptedStarts == 0) != in.FirstRunning.IsZero() || in.AcceptedStops > in.AcceptedStarts || in.StartRequests < in.AcceptedStarts {
			return fmt.Sprintf("instance %+v", in)
		}
	}
	sum := 0
	for _, n := range truth.Faults {
		sum += n
	}
	got := fmt.Sprint(len(records), starts, starts, stops, stops, throttled, faulty)
	want := fmt.Sprint(truth.Requests, truth.AcceptedStarts, instanceStarts, truth.AcceptedStops, instanceStops, truth.Throttled, sum)
	if got != want {
		return fmt.Sprintf("requests, starts, stops, throttled and faults are %s in the records, %s in the truth", got, want)
	}
	if truth.PeakConcurrency > 8 || truth.Requests != 320 {
		return fmt.Sprintf("truth is %+v", truth)
	}
	return ""
}

// FuzzHandler sends anything at all: whatever comes, the answer is a JSON object with a request id
// and a date, and nothing starts without permission.
func FuzzHandler(f *testing.F) {
	f.Add("POST", "/api/v2/zec", "StartInstances", "2025-09-01", "application/json", "Bearer tok", "0", []byte(`{"instanceIds":["i-000000"]}`))
	f.Add("POST", "/api/v2/zec", "DescribeInstances", "2024-04-01", "application/json; charset=utf-8", "Bearer tok", "", []byte(`{"pageSize":1,"pageNum":9223372036854775807,"tags":[{"key":"a"}]}`))
	f.Add("POST", "/api/v2/zec", "StopInstances", "2025-09-01", "application/json", "ZC2-HMAC-SHA256 Credential=demo, SignedHeaders=content-type;host;;, Signature=00", "946684800", []byte(`{`))
	f.Add("GET", "/", "", "", "", "", "-9223372036854775808", []byte(nil))
	o := Options{Instances: 3, Credentials: []apiclient.Credentials{
		{AccessKeyID: "demo", AccessKeySecret: apiclient.NewSecret("demo")}, {Token: apiclient.NewSecret("tok")},
	}}
	f.Fuzz(func(t *testing.T, method, path, action, version, contentType, authorization, timestamp string, body []byte) {
		s, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest(http.MethodPost, "http://sim.test/", strings.NewReader(string(body)))
		r.Method, r.URL.Path = method, path
		for name, value := range map[string]string{
			"X-ZC-Action": action, "X-ZC-Version": version, "Content-Type": contentType, "Authorization": authorization,
			"X-ZC-Timestamp": timestamp, "X-ZC-Signature-Method": "ZC2-HMAC-SHA256",
		} {
			r.Header.Set(name, value)
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		var reply struct {
			RequestID string           `json:"requestId"`
			Code      string           `json:"code"`
			Response  *json.RawMessage `json:"response"`
		}
		if err := json.Unmarshal(w.Body.Bytes(), &reply); err != nil || reply.RequestID == "" || w.Header().Get("Date") == "" {
			t.Fatalf("HTTP %d %s: %v", w.Code, w.Body, err)
		}
		if (w.Code == http.StatusOK) != (reply.Response != nil) || (w.Code == http.StatusOK) == (reply.Code != "") {
			t.Errorf("HTTP %d with %s", w.Code, w.Body)
		}
		if truth := s.Truth(); w.Code != http.StatusOK && truth.AcceptedStarts > 0 {
			t.Errorf("%d starts were accepted by a reply of HTTP %d", truth.AcceptedStarts, w.Code)
		}
	})
}
