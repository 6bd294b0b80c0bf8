package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"zecpower/internal/app"
)

// twoAccounts are two simulated accounts with the same ids, and what a configuration says of the
// second. The first is the default one.
func twoAccounts(t *testing.T, n int) (w, hk *world) {
	t.Helper()
	w, hk = newWorld(t, healthyFleet(n)), newWorld(t, healthyFleet(n))
	w.write("hk.json", `{"hk": {"access_key_id": "demo", "access_key_secret": "demo"}}`)
	if err := os.MkdirAll(w.path(".zenlayer"), 0o700); err != nil {
		t.Fatal(err)
	}
	w.write(filepath.Join(".zenlayer", "credentials.json"), `{"hk": {"access_key_id": "demo", "access_key_secret": "demo"}}`)
	return w, hk
}

const groupsOfTwo = "groups: {web: {instances: [%s]}, far: {account: hk, instances: [%[1]s]}}\n"

func idList(n int) string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("i-%06d", i)
	}
	return strings.Join(ids, ", ")
}

// running is how many instances of a simulated account run.
func running(w *world, n int) (running int) {
	for i := range n {
		if in, _ := w.sim.Instance(fmt.Sprintf("i-%06d", i)); in.State == "RUNNING" {
			running++
		}
	}
	return running
}

// One account whose key is refused, which is blocked, throttled or has no credential costs its own
// groups; those of the other are up as if it were not there. The same id in both is two instances.
func TestOneAccountsTroubleSlowsNoOther(t *testing.T) {
	t.Parallel()
	const n = 40
	page := func(status int) *http.HandlerFunc {
		f := http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { http.Error(rw, "<html>", status) })
		return &f
	}
	envelope := func(status int, code string) *http.HandlerFunc {
		f := http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Type", "application/json")
			rw.WriteHeader(status)
			fmt.Fprintf(rw, `{"requestId":"T","code":%q,"message":"no"}`, code)
		})
		return &f
	}
	for name, c := range map[string]struct {
		front *http.HandlerFunc // of the other account
		keys  string            // of the account hk
		want  string            // reason of its instances; empty: its group has an error
	}{
		"mis-keyed":       {envelope(401, "AUTHFAILURE_SIGNATURE_FAILURE"), "profile: hk", "auth"},
		"blocked":         {page(451), "credentials_file: hk.json", "blocked"},
		"throttled":       {envelope(429, "REQUEST_LIMIT_EXCEEDED"), "credentials_file: hk.json", "throttled"},
		"down":            {page(503), "credentials_file: hk.json", "api_error"},
		"slow by itself":  {nil, "profile: hk, requests_per_second: 1, burst: 1", "throttled"},
		"no credential":   {nil, "credential: zenlayer-hk", ""},
		"a missing file":  {nil, "credentials_file: none.json", ""},
		"no such profile": {nil, "profile: sg", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, hk := twoAccounts(t, n)
			hk.front.Store(c.front)
			w.write("hk.json", `{"default": {"access_key_id": "demo", "access_key_secret": "demo"}}`)
			d, nominal := w.punctual(func(spec string) {
				w.configure(fmt.Sprintf("accounts: {hk: {endpoint: %q, %s}}\n", hk.endpoint, c.keys) + fmt.Sprintf(groupsOfTwo, idList(n)) +
					fmt.Sprintf("schedules:\n  s: {cron: %q, action: start, groups: [web, far], deadline: 3s}\n  w: {cron: %q, action: start, groups: [web], deadline: 3s}\n", spec, spec))
			})
			if err := eventually(func() error {
				if up := running(w, n); up != n {
					return fmt.Errorf("%d of %d of the other account are up", up, n)
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(nominal); took > 2*time.Second {
				t.Errorf("the other account was up %s after its time", took)
			}
			d.await("run finished", 3)
			far := runOf(d, "far")
			switch {
			case c.want == "" && (far.text("error") == "<nil>" || requestsOf(hk.sim, "StartInstances") > 0 || running(hk, n) > 0):
				t.Errorf("%v", far)
			case c.want != "" && len(far.texts("failed_ids")) == 0:
				t.Errorf("%v", far)
			}
			if web := runOf(d, "web"); web.text("result") != "ok" {
				t.Errorf("%v", web)
			}
			if c.want == "" && len(d.events("credentials missing")) != 1 {
				t.Errorf("credentials missing: %v", d.events("credentials missing"))
			}
			d.stop()
		})
	}
}

// An account whose credential comes to be found, and one that a reload adds, are used without a
// restart; one that a reload removes is let go.
func TestReloadsMoveAccounts(t *testing.T) {
	t.Parallel()
	const n = 10
	w, hk := twoAccounts(t, n)
	conf := func(spec, accounts, group string) {
		w.configure(accounts + fmt.Sprintf(groupsOfTwo, idList(n)) + fmt.Sprintf("schedules: {s: {cron: %q, action: start, groups: [%s]}}\n", spec, group))
	}
	known := fmt.Sprintf("accounts: {hk: {endpoint: %q, credentials_file: late.json, requests_per_second: 50}}\n", hk.endpoint)
	conf("@yearly", known, "far")
	d := w.daemon()
	d.await("credentials missing", 1)
	status := func() (s app.Status) {
		w.runJSON(&s, "status", "--state-dir", w.state())
		return s
	}
	if b := status().Budgets; len(b) != 2 || b[1].Account != "hk" || b[1].Missing == "" || b[1].Ceiling != 50 {
		t.Errorf("budgets %+v", b)
	}
	w.write("late.json", "demo:demo")
	d.signal(syscall.SIGHUP)
	d.await("configuration reloaded", 1)
	if b := status().Budgets; len(b) != 2 || b[1].Missing != "" || b[1].Rate != 50 {
		t.Errorf("budgets %+v", b)
	}
	d.awaitMetric("zecpower_api_rate_limit_requests_per_second", `{account="hk",api_action="StartInstances"}`, "50")
	spec, _ := once(time.Now().Add(4 * time.Second))
	conf(spec, known, "far")
	d.await("run finished", 1)
	if up := running(hk, n); up != n || requestsOf(w.sim, "StartInstances") != 0 {
		t.Errorf("%d of %d are up, and %d starts went to the other account", up, n, requestsOf(w.sim, "StartInstances"))
	}
	w.configure("groups: {web: {instances: [i-000000]}}\nschedules: {s: {cron: \"@yearly\", action: start, groups: [web]}}\n")
	d.await("configuration reloaded", 3)
	if b := status().Budgets; len(b) != 1 || b[0].Account != "default" {
		t.Errorf("budgets %+v", b)
	}
	d.stop()
}

// A run by hand over both accounts has one report; a dry run names the account of each request.
func TestARunByHandOverTwoAccounts(t *testing.T) {
	t.Parallel()
	const n = 25
	w, hk := twoAccounts(t, n)
	w.configure(fmt.Sprintf("accounts: {hk: {endpoint: %q, profile: hk}}\n", hk.endpoint) + fmt.Sprintf(groupsOfTwo, idList(n)) +
		"schedules: {s: {cron: \"@yearly\", action: start, groups: [web, far]}}\n")
	plan, _, status := w.run("start", "--config", w.path("c.yaml"), "far", "web", "--dry-run")
	if status != 0 || !strings.Contains(plan, "StartInstances 3 to account hk: 5 instances") || !strings.Contains(plan, "3 StartInstances requests to account default") {
		t.Errorf("%d:\n%s", status, plan)
	}
	var report struct {
		Groups []struct {
			Group   string
			Started int
		}
	}
	w.runJSON(&report, "start", "--config", w.path("c.yaml"), "far", "web")
	var got []string
	for _, g := range report.Groups {
		got = append(got, fmt.Sprint(g.Group, " ", g.Started))
	}
	if want := []string{"far 25", "web 25"}; !slices.Equal(got, want) || running(w, n)+running(hk, n) != 2*n {
		t.Errorf("%v, %d and %d up", got, running(w, n), running(hk, n))
	}
	// Twice the same account under two names would have one budget twice.
	w.configure(fmt.Sprintf("accounts: {hk: {endpoint: %q, profile: hk}}\n", w.endpoint) + fmt.Sprintf(groupsOfTwo, idList(n)) +
		"schedules: {s: {cron: \"@yearly\", action: start, groups: [web, far]}}\n")
	if _, errs, status := w.run("start", "--config", w.path("c.yaml"), "far", "web"); status != 2 || !strings.Contains(errs, "have one endpoint and one access key") {
		t.Errorf("%d: %s", status, errs)
	}
}
