package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// The story: a run by hand from a host whose way to the API can never work. What is wrong is said at
// once, every id is reported, and the run ends within seconds and not at its deadline. That a host's
// name does not exist needs a name server, so apiclient tests it.
func TestARunByHandThatCanNeverArriveSaysSoAndEnds(t *testing.T) {
	t.Parallel()
	untrusted := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(untrusted.Close)
	refusing := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusProxyAuthRequired) }))
	t.Cleanup(refusing.Close)
	gone := httptest.NewServer(nil)
	gone.Close()
	for name, c := range map[string]struct{ endpoint, proxy, want string }{
		"an unknown CA":        {untrusted.URL, "", "certificate signed by unknown authority"},
		"a proxy that says no": {"https://api.example", refusing.URL, "the proxy " + strings.TrimPrefix(refusing.URL, "http://") + " does not connect to it: 407 Proxy Authentication Required"},
		"no proxy there":       {"https://api.example", gone.URL, "proxyconnect tcp: dial tcp " + strings.TrimPrefix(gone.URL, "http://") + ": connect: connection refused"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, healthyFleet(3))
			w.endpoint = c.endpoint
			w.env = append(w.env, "HTTPS_PROXY="+c.proxy, "https_proxy=", "NO_PROXY=", "no_proxy=")
			w.configure("groups: {web: {instances: [i-000000, i-000001, i-000002]}}\nschedules: {yearly: {cron: \"@yearly\", action: start, groups: [web]}}\n")
			for _, action := range []string{"start", "stop"} {
				begun := time.Now()
				stdout, stderr, status := w.run(action, "--config", "c.yaml", "web", "--deadline", "20m")
				if status != 1 || !strings.Contains(stdout, "FAILED: the API was never reached: ") || !strings.Contains(stdout, c.want) || strings.Count(stdout, " api_error  ") < 3 {
					t.Errorf("%s: status %d, want %q:\n%s", action, status, c.want, stdout)
				}
				if !strings.Contains(stderr, c.want) {
					t.Errorf("%s: not said at once:\n%s", action, stderr)
				}
				if took := time.Since(begun); took > patience {
					t.Errorf("%s: it took %s", action, took)
				}
			}
		})
	}
}
