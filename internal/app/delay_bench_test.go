package app

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"zecpower/apiclient"
	"zecpower/internal/config"
	"zecpower/internal/logging"
)

// BenchmarkStartDelay is how long after its nominal time a run's StartInstances reaches the API, with
// the whole daemon, its store on the disk of the temporary folder, real time and real connections. Of
// 1,000 schedules that fire together it is about the eight requests that burst and max_in_flight let
// out at once. The store knows the lists of ids, and each schedule has 100.
//
// bare is a timer that fires between two rounds, in the same process, and sends one request with
// apiclient to the same server. The ratios are to that.
//
//	go test ./internal/app -run '^$' -bench StartDelay -benchtime 100x -timeout 30m
func BenchmarkStartDelay(b *testing.B) {
	for _, c := range []struct {
		schedules int
		period    time.Duration
	}{{1, time.Second}, {1000, 10 * time.Second}} {
		b.Run(fmt.Sprint(c.schedules), func(b *testing.B) {
			api := &punctualAPI{starts: map[time.Time][]time.Duration{}, period: c.period}
			server := httptest.NewServer(api)
			defer server.Close()
			defer runDaemon(b, delayConfig(b, server.URL, c.schedules, c.period))()
			bare := apiclientTo(b, server.URL)
			api.round(b, bare) // the first one, whose lists are new
			var ours, plain []time.Duration
			for b.Loop() {
				starts, timer := api.round(b, bare)
				ours, plain = append(ours, starts...), append(plain, timer)
			}
			b.ReportMetric(0, "ns/op") // mostly waiting
			for _, p := range []int{50, 99} {
				b.ReportMetric(percentile(ours, p), fmt.Sprintf("p%d-ms", p))
				b.ReportMetric(percentile(plain, p), fmt.Sprintf("bare-p%d-ms", p))
				b.ReportMetric(percentile(ours, p)/percentile(plain, p), fmt.Sprintf("p%d-ratio", p))
			}
		})
	}
}

// percentile is the p-th of all, in milliseconds.
func percentile(all []time.Duration, p int) float64 {
	slices.Sort(all)
	return float64(all[min(len(all)*p/100, len(all)-1)]) / 1e6
}

// firstOut is how many requests leave at once: the least of the defaults of burst and max_in_flight.
const firstOut = 8

// delayConfig has schedules that fire at the multiples of period, each over 100 instances.
func delayConfig(b *testing.B, endpoint string, schedules int, period time.Duration) *config.Config {
	b.Helper()
	var groups, times strings.Builder
	for s := range schedules {
		ids := make([]string, 100)
		for i := range ids {
			ids[i] = fmt.Sprintf("i-%06d", 100*s+i)
		}
		fmt.Fprintf(&groups, "  g-%d: {instances: [%s]}\n", s, strings.Join(ids, ", "))
		fmt.Fprintf(&times, "  s-%d: {cron: \"@every %s\", action: start, groups: [g-%d]}\n", s, period, s)
	}
	path := filepath.Join(b.TempDir(), "c.yaml")
	text := "api: {endpoint: \"" + endpoint + "\", requests_per_second: 1000, burst: 10, max_in_flight: 8}\nbatch: {poll_interval: 100ms}\n" +
		"groups:\n" + groups.String() + "schedules:\n" + times.String()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	cfg, err := config.Load(path)
	if err != nil {
		b.Fatal(err)
	}
	return cfg
}

var demo = apiclient.Credentials{AccessKeyID: "demo", AccessKeySecret: apiclient.NewSecret("demo")}

func apiclientTo(b *testing.B, endpoint string) *apiclient.Client {
	b.Helper()
	c, err := apiclient.New(apiclient.Config{Endpoint: endpoint, Credentials: demo})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(c.Close)
	return c
}

// runDaemon runs a daemon until stop, and returns once it is ready.
func runDaemon(b *testing.B, cfg *config.Config) (stop func()) {
	b.Helper()
	logger, err := logging.New(logging.Config{Output: io.Discard})
	if err != nil {
		b.Fatal(err)
	}
	ready := make(chan struct{})
	dir := b.TempDir()
	d, err := New(Options{
		Config: cfg, StateDir: dir, RuntimeDir: dir, WebAddress: "127.0.0.1:0", Logger: logger,
		Access:  func(config.Account) (Access, error) { return Access{Credentials: demo, Source: "the benchmark"}, nil },
		OnReady: func(net.Addr) { close(ready) },
	})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	select {
	case <-ready:
	case err := <-done:
		b.Fatal(err)
	}
	return func() {
		cancel()
		if err := <-done; err != nil {
			b.Error(err)
		}
	}
}

// punctualAPI accepts every start, whose instances are RUNNING at once, and notes when it came.
type punctualAPI struct {
	period time.Duration

	mu     sync.Mutex                    // guards all below
	starts map[time.Time][]time.Duration // by nominal time: how long after it the first ones came
	bare   time.Time                     // when the last one of the bare timer came
}

// bareID names the instance of the bare timer.
const bareID = "i-bare"

// ServeHTTP implements http.Handler.
func (p *punctualAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	at := time.Now()
	var in struct {
		InstanceIDs []string `json:"instanceIds"`
	}
	var body bytes.Buffer
	_, _ = body.ReadFrom(r.Body)          // a request that is cut short
	_ = json.Unmarshal(body.Bytes(), &in) // names no instance
	states := make([]string, 0, len(in.InstanceIDs))
	if r.Header.Get(apiclient.HeaderAction) == apiclient.ActionStartInstances {
		p.note(at, in.InstanceIDs[0] == bareID)
	} else {
		for _, id := range in.InstanceIDs {
			states = append(states, fmt.Sprintf(`{"instanceId":%q,"instanceStatus":"RUNNING"}`, id))
		}
	}
	fmt.Fprintf(w, `{"requestId":"T1","response":{"totalCount":%d,"dataSet":[%s]}}`, len(states), strings.Join(states, ","))
}

func (p *punctualAPI) note(at time.Time, bare bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if bare {
		p.bare = at
		return
	}
	nominal := at.Truncate(p.period)
	if len(p.starts[nominal]) < firstOut {
		p.starts[nominal] = append(p.starts[nominal], at.Sub(nominal))
	}
}

// round lets one nominal time pass, and half a period later the bare timer. It returns how long after
// their times the requests of both came.
func (p *punctualAPI) round(b *testing.B, bare *apiclient.Client) (starts []time.Duration, timer time.Duration) {
	b.Helper()
	nominal := time.Now().Truncate(p.period).Add(p.period)
	due := nominal.Add(p.period / 2)
	<-time.After(time.Until(due))
	if _, err := bare.StartInstances(b.Context(), []string{bareID}); err != nil {
		b.Fatal(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.starts[nominal]) == 0 {
		b.Fatalf("no run of %s sent anything", nominal)
	}
	return p.starts[nominal], p.bare.Sub(due)
}
