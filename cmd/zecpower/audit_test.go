package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"zecpower/internal/app"
	"zecpower/internal/store"
	"zecpower/internal/web"
)

// What people do and try is in the history, in the order of time, with who and why; also after a
// restart of the daemon.
func TestHistoryShowsWhatPeopleDo(t *testing.T) {
	t.Parallel()
	w, d := handWorld(t, healthyFleet(5))
	me := fmt.Sprintf("(uid %d)", os.Getuid())
	do := func(want int, args ...string) string {
		t.Helper()
		out, errs, status := w.run(w.asOperator(args...)...)
		if status != want {
			t.Fatalf("%v: status %d\n%s%s", args, status, out, errs)
		}
		return strings.TrimSpace(out)
	}
	do(0, "start", "web", "--reason", "INC-7: a demo")
	do(0, "trigger", "yearly", "--reason", "again")
	w.blind.Store(true)
	id := do(0, "stop", "web", "--yes", "--detach")
	do(0, "cancel", id, "--reason", "not yet")
	w.blind.Store(false)
	d.await("run finished", 3)
	do(exitUsage, "start", "wbe", "--reason", "a typo")
	do(exitUsage, "cancel", "manual/2026-11-25T07:50:00Z-5e1f0a")
	do(exitUsage, "cancel", "manual/2026-11-25T07:50:00Z-5e1f0a")
	do(exitUsage, "trigger", "yaerly")
	do(0, "groups", "web", "--accept-membership", "--yes", "--reason", "as they are")
	do(exitUsage, "start", "web", "--reason", "two\nlines")

	check := func() {
		t.Helper()
		shown := do(0, "history", "--by-hand")
		for _, want := range []string{
			"  acceptance of the members of web by ", me + ": as they are",
			"refused: trigger by ", "2 times until ", "refused: cancel of manual/2026-11-25T07:50:00Z-5e1f0a by ",
			"refused: start by ", me + `: a typo; ` + w.path("c.yaml") + `: there is no group "wbe"`,
			"cancel of " + id + " by ", me + ": not yet", "; triggered yearly, by ", me + ": again", me + ": INC-7: a demo",
		} {
			if !strings.Contains(shown, want) {
				t.Errorf("no %q in:\n%s", want, shown)
			}
		}
	}
	check()
	if e := d.events("refused by hand"); len(e) != 4 || e[0].text("reason") != "a typo" || !strings.Contains(e[0].text("actor"), me) {
		t.Errorf("the daemon logged %v", e)
	}
	if e := d.events("done by hand"); len(e) != 5 || e[1].text("what") != "trigger" || e[3].text("reason") != "not yet" {
		t.Errorf("the daemon logged %v", e)
	}
	d.stop()
	d = w.daemon().ready()
	check()
	var entries []store.Entry
	w.runJSON(&entries, w.asOperator("history", "--schedule", "yearly")...)
	if len(entries) != 1 || entries[0].Trigger != "yearly" || entries[0].Kind != store.KindRun || entries[0].Reason != "again" {
		t.Errorf("of the schedule: %+v", entries)
	}
	w.runJSON(&entries, w.asOperator("history", "--actor", "nobody-of-that-name")...)
	if len(entries) != 0 {
		t.Errorf("of another person: %+v", entries)
	}
	d.stop()
}

// A body that no client sends is refused, and recorded as tried; asking questions is not recorded.
func TestAnOrderThatCannotBeReadIsRecorded(t *testing.T) {
	t.Parallel()
	w, d := handWorld(t, healthyFleet(1))
	o := web.ControlClient(web.OperatorPath(w.state()))
	for _, path := range []string{"/v1/runs", "/v1/runs/cancel", "/v1/members/accept"} {
		if _, err := o.Post(t.Context(), path, nil, map[string]string{"nonsense": "x"}); err == nil {
			t.Errorf("%s: nonsense was taken", path)
		}
	}
	if _, err := o.Post(t.Context(), "/v1/members/accept", nil, app.AcceptOrder{Members: map[string][]string{"other": {"i-1"}}}); err == nil {
		t.Error("members of a group without a guard were accepted")
	}
	var s app.Status
	w.runJSON(&s, w.asOperator("status")...)
	var entries []store.Entry
	w.runJSON(&entries, w.asOperator("history")...)
	var got []string
	for _, e := range entries {
		got = append(got, string(e.Act)+": "+e.Refused)
	}
	if text := strings.Join(got, "; "); text != "accept: group other has no guard, or no member was given; accept: the request could not be read; cancel: the request could not be read; run: the request could not be read" {
		t.Error(text)
	}
	d.stop()
}

// What a person does without a daemon is in the store that the command writes itself.
func TestHistoryShowsWhatWasDoneWithoutADaemon(t *testing.T) {
	t.Parallel()
	w := newWorld(t, healthyFleet(3))
	w.write("web.txt", fleetFile(3))
	w.configure("groups: {web: {instances_file: web.txt}}\nschedules: {yearly: {cron: '@yearly', action: start, groups: [web]}}\n")
	own := w.dir + "/xdg/zecpower"
	for _, args := range [][]string{
		{"start", "web", "--local", "--config", "c.yaml", "--reason", "INC-7"},
		{"groups", "web", "--local", "--config", "c.yaml", "--state-dir", own, "--accept-membership", "--yes", "--reason", "as they are"},
	} {
		if out, errs, status := w.run(args...); status != 0 {
			t.Fatalf("%v: status %d\n%s%s", args, status, out, errs)
		}
	}
	var entries []store.Entry
	w.runJSON(&entries, "history", "--state-dir", own)
	if len(entries) != 2 || entries[0].Act != store.ActAccept || entries[0].Reason != "as they are" || entries[0].Actor == "" ||
		entries[1].Kind != store.KindRun || entries[1].Reason != "INC-7" {
		t.Errorf("history: %+v", entries)
	}
}
