package main

import (
	"fmt"
	"strings"
	"testing"
	"time"
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
