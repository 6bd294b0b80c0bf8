package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"zecpower/apiclient"
	"zecpower/internal/zecsim"
)

// 200 schedules of 5 instances come due in one second: they share their requests.
func TestSchedulesThatComeDueTogetherShareTheirRequests(t *testing.T) {
	t.Parallel()
	const schedules, each = 200, 5
	w := newWorld(t, healthyFleet(schedules*each))
	w.budget = "requests_per_second: 10, burst: 10"
	d, nominal := w.punctual(func(spec string) {
		var groups, times strings.Builder
		for k := range schedules {
			var ids []string
			for i := range each {
				ids = append(ids, fmt.Sprintf("i-%06d", each*k+i))
			}
			fmt.Fprintf(&groups, "  g%d: {instances: [%s]}\n", k, strings.Join(ids, ", "))
			fmt.Fprintf(&times, "  s%d: {cron: %q, action: start, groups: [g%d]}\n", k, spec, k)
		}
		w.write("c.yaml", "api: {endpoint: \""+w.endpoint+"\", "+w.budget+"}\ngroups:\n"+groups.String()+"schedules:\n"+times.String())
	})
	d.await("run finished", schedules)
	last := time.Time{}
	for _, e := range d.events("batch finished") {
		at, err := time.Parse(time.RFC3339, e.text("ts"))
		if err != nil {
			t.Fatal(err)
		}
		last = at
		if e.text("account") != "default" || e.text("runs") == "" {
			t.Errorf("batch: %v", e)
		}
	}
	// On a machine that is busy some come after the 10 ms for which the first ones wait.
	if n := requestsOf(w.sim, "StartInstances"); n > 30 || last.Sub(nominal) > 2*time.Second {
		t.Errorf("%d StartInstances, the last %s after the nominal time", n, last.Sub(nominal))
	}
	for _, e := range d.events("run finished") {
		if e.text("started") != fmt.Sprint(each) {
			t.Errorf("%v", e)
		}
	}
	d.stop()
}

// The stop comes due while a slow start is still going: it takes over instance by instance, and none
// is started, or stopped, more than once.
func TestAStopTakesOverASlowStart(t *testing.T) {
	t.Parallel()
	const n = 200
	o := healthyFleet(n)
	o.Boot = zecsim.Boot{Time: time.Second}
	w := newWorld(t, o)
	w.budget = "requests_per_second: 3, burst: 1"
	w.write("web.txt", fleetFile(n))
	d, nominal := w.punctual(func(spec string) {
		stop, _ := once(time.Now().Add(4 * time.Second)) // the starts take seven seconds from their time on
		w.configure("groups: {web: {instances_file: web.txt}}\nschedules:\n" +
			"  morning: {cron: \"" + spec + "\", action: start, groups: [web]}\n" +
			"  night: {cron: \"" + stop + "\", action: stop, groups: [web]}\n")
	})
	finished := map[string]logged{}
	for k := range 2 {
		e := d.await("run finished", k+1)
		finished[e.text("schedule")] = e
	}
	if e := finished["night"]; e.text("result") != "ok" || e.text("failed") != "0" {
		t.Errorf("night: %v", e)
	}
	if e := finished["morning"]; e.text("result") != "ok" || e.text("skipped") == "<nil>" {
		t.Errorf("morning: %v", e)
	}
	for in := range w.sim.Instances() {
		if in.State != apiclient.StateStopped || in.AcceptedStarts > 1 || in.AcceptedStops > 1 {
			t.Errorf("%s is %s, started %d and stopped %d times (from %s on)", in.ID, in.State, in.AcceptedStarts, in.AcceptedStops, nominal)
		}
	}
	d.stop()
}
