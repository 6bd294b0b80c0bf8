package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"zecpower/internal/app"
	"zecpower/internal/store"
	"zecpower/scheduler"
)

// A skip is obeyed at once and over a kill, and shown by next, status, history and the list. Taken back
// in time, the run is made.
func TestASkipLeavesOutOneRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t, healthyFleet(4))
	w.write("web.txt", fleetFile(4))
	w.configure("groups: {web: {instances_file: web.txt}}\n" +
		"schedules: {often: {cron: '@every 5s', action: start, groups: [web], timezone: Asia/Singapore}, yearly: {cron: '@yearly', action: start, groups: [web]}}\n")
	d := w.daemon().ready()
	do := func(want int, args ...string) string {
		t.Helper()
		out, errs, status := w.run(w.asOperator(args...)...)
		if status != want {
			t.Fatalf("%v: status %d, want %d\n%s%s", args, status, want, out, errs)
		}
		return out + errs
	}
	// The time after the next, so that the daemon can be killed and come back before it.
	at := time.Now().Truncate(5 * time.Second).Add(15 * time.Second)
	var skip store.Skip
	w.runJSON(&skip, w.asOperator("skip", "often", "--at", at.Format(time.RFC3339), "--reason", "INC-7", "--output", "json")...)
	if !skip.Nominal.Equal(at) || skip.Timezone != "Asia/Singapore" || !strings.Contains(skip.Actor, "(uid ") || skip.Reason != "INC-7" {
		t.Errorf("skipped %+v", skip)
	}
	for args, want := range map[string]string{
		"skip often":            "give a reason: --reason TEXT",
		"skip offen --reason x": `did you mean "often"?`,
		"skip often --reason x --at 2020-01-01T07:45":  "Wed 2020-01-01 07:45:00 +0800 is over",
		"skip yearly --reason x --at 2126-01-01T00:01": "has no run at ",
		"skip remove nothing":                          `there is no skip "nothing"`,
	} {
		if out := do(exitUsage, strings.Fields(args)...); !strings.Contains(out, want) {
			t.Errorf("%s: no %q in %s", args, want, out)
		}
	}
	if out := do(exitUsage, "skip", "often", "--at", at.Format(time.RFC3339), "--reason", "again"); !strings.Contains(out, "is skipped already, by "+skip.Actor+": INC-7") {
		t.Error(out)
	}
	if out := do(0, "skip", "yearly", "--reason", "a mistake"); !strings.Contains(out, " is skipped\n") {
		t.Error(out)
	}
	var s app.Status
	w.runJSON(&s, w.asOperator("status")...)
	if len(s.Skips) != 2 || s.Plans[1].Schedule != "yearly" || s.Plans[1].NextRun.Year() != s.Skips[1].Nominal.Year()+1 {
		t.Errorf("status: %+v %+v", s.Skips, s.Plans)
	}
	taken := s.Skips[1].ID
	do(0, "skip", "remove", taken, "--reason", "mended")
	d.kill()
	d = w.daemon().ready()
	if out := do(0, "status"); !strings.Contains(out, skip.ID) || strings.Contains(out, taken) {
		t.Error(out)
	}
	if out := do(0, "skip", "list"); !strings.Contains(out, "INC-7") {
		t.Error(out)
	}
	if out := do(0, "next", "--config", w.path("c.yaml"), "--schedule", "often"); !strings.Contains(out, "skipped by "+skip.Actor+": INC-7") || strings.Count(out, "due") != 3 {
		t.Error(out)
	}
	var coming []nextJSON
	w.runJSON(&coming, w.asOperator("next", "--config", w.path("c.yaml"), "--schedule", "often", "--from", at.Add(-time.Second).Format(time.RFC3339))...)
	if coming[0].Status != scheduler.StatusSkipped || coming[0].Reason != "INC-7" || len(coming) != 4 {
		t.Errorf("next: %+v", coming)
	}
	d.await("schedule skipped", 1)
	if err := eventually(func() error {
		for _, e := range w.history("--schedule", "often") {
			if e.Kind == store.KindRun && e.NominalTime.Equal(at.Add(5*time.Second)) {
				return nil
			}
		}
		return fmt.Errorf("the run after it is not made")
	}); err != nil {
		t.Error(err)
	}
	for _, e := range w.history("--schedule", "often") {
		if e.NominalTime.Equal(at) && (e.Kind != store.KindSkipped || e.Actor != skip.Actor || e.Reason != "INC-7") {
			t.Errorf("the skipped time: %+v", e)
		}
	}
	if e := d.events("schedule skipped")[0]; e.text("reason") != "skipped" || e.text("actor") != skip.Actor || e.text("why") != "INC-7" {
		t.Errorf("logged %v", e)
	}
	d.awaitMetric("zecpower_schedule_runs_missed_total", `{reason="skipped",schedule="often"}`, "1")
	shown := do(0, "history", "--by-hand")
	for _, want := range []string{
		"skip of " + skip.ID + " by " + skip.Actor + ": INC-7", "skip of " + taken + " taken back by " + skip.Actor + ": mended",
		"refused: skip of " + skip.ID + " by " + skip.Actor + ": again", "refused: skip by " + skip.Actor + ": x", "did not run: skipped by " + skip.Actor + ": INC-7",
	} {
		if !strings.Contains(shown, want) {
			t.Errorf("no %q in:\n%s", want, shown)
		}
	}
	if out := do(exitUsage, "skip", "remove", skip.ID); !strings.Contains(out, "is over, and does not come back") {
		t.Error(out)
	}
	d.stop()
}
