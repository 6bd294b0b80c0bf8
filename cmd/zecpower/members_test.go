package main

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"zecpower/internal/zecsim"
)

// taggedFleet is n instances; of every ten the first has the tag role=old, the others role=web.
func taggedFleet(n int) zecsim.Options {
	o := healthyFleet(n)
	for i := range n {
		role := "web"
		if i%10 == 0 {
			role = "old"
		}
		o.Overrides[i] = zecsim.InstanceSpec{Name: fmt.Sprintf("%s-%d", role, i), Tags: map[string]string{"role": role}}
	}
	return o
}

func selecting(spec, selector string) string {
	return "groups: {web: {selector: {" + selector + "}, max_instances: 100}}\n" +
		"schedules: {morning: {cron: \"" + spec + "\", action: start, groups: [web]}}\n"
}

// A daemon starts whoever its selector chooses. A selector that is edited to choose many more alerts at
// the reload, long before the run, and a run powers the accepted ones alone.
func TestADaemonStartsWhoItsSelectorChooses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, taggedFleet(40))
	d, _ := w.punctual(func(spec string) { w.configure(selecting(spec, "tags: {role: old}")) })
	e := d.await("run finished", 1)
	if e.text("result") != "ok" || e.text("started") != "4" {
		t.Fatalf("%v", e)
	}
	d.awaitMetric("zecpower_group_members", `{group="web"}`, "4")
	d.awaitMetric("zecpower_group_guarded_instances", `{group="web"}`, "0")

	spec, _ := once(time.Now().Add(3 * time.Second))
	w.configure(selecting(spec, `name: "*-*"`))
	d.signal(syscall.SIGHUP)
	refused := d.await("guard refused", 1)
	if refused.text("guarded") != "36" || refused.text("effect") != "they will not be powered, the other members will" {
		t.Errorf("%v", refused)
	}
	d.awaitMetric("zecpower_group_guarded_instances", `{group="web"}`, "36")
	d.awaitMetric("zecpower_group_accepted_instances", `{group="web"}`, "4")
	e = d.await("run finished", 2)
	if e.text("result") != "partial" || e.text("already_running") != "4" || e.text("failed") != "36" {
		t.Errorf("%v", e)
	}
	if err := w.running(4); err != nil {
		t.Error(err)
	}
	d.stop()
	for _, entry := range w.history("--schedule", "morning") {
		if entry.Results[0].Total == 40 && len(entry.Results[0].Failures) != 36 {
			t.Errorf("history: %+v", entry.Results[0])
		}
	}
}

// A run that is killed goes on with the members that it began with, though its selector would choose
// others by now.
func TestAKilledRunKeepsItsMembers(t *testing.T) {
	t.Parallel()
	o := taggedFleet(100)
	o.Boot = zecsim.Boot{Time: 2 * time.Second}
	w := newWorld(t, o)
	w.blind.Store(true)
	var timing string
	d, _ := w.punctual(func(spec string) {
		timing = spec
		w.configure(selecting(spec, "tags: {role: web}"))
	})
	awaitRequests(t, w, "StartInstances", 9)
	d.kill()
	w.blind.Store(false)
	w.configure(selecting(timing, "tags: {role: old}"))
	d = w.daemon().ready()
	e := d.await("run finished", 1)
	if e.text("result") != "ok" || len(w.history("--instance", "i-000001")) != 1 {
		t.Errorf("%v", e)
	}
	if err := w.running(90); err != nil {
		t.Error(err)
	}
	d.stop()
	for i := range 100 {
		id := fmt.Sprintf("i-%06d", i)
		if n := w.startsOfRunning(id); n > 0 {
			t.Errorf("%s was started %d times more", id, n)
		}
	}
}

// While a run asks for its members it has none yet, and status says so instead of 0 of 0.
func TestStatusOfARunThatFindsItsInstances(t *testing.T) {
	t.Parallel()
	w := newWorld(t, taggedFleet(10))
	d, _ := w.punctual(func(spec string) { w.configure(selecting(spec, "tags: {role: web}")) })
	down := http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { http.Error(rw, "down", http.StatusServiceUnavailable) })
	w.front.Store(&down)
	var printed string
	if err := eventually(func() error {
		printed, _, _ = w.run("status", "--state-dir", w.state())
		if !strings.Contains(printed, "start   finds its instances") {
			return errors.New(printed)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(printed, "0 of 0") {
		t.Error(printed)
	}
	w.front.Store(nil)
	if e := d.await("run finished", 1); e.text("result") != "ok" {
		t.Errorf("%v", e)
	}
	d.stop()
}
