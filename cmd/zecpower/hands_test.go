package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"zecpower/apiclient"
	"zecpower/internal/app"
	"zecpower/internal/store"
	"zecpower/internal/zecsim"
)

// handWorld is a fleet of n instances, and a daemon that has them as the group web, with a schedule
// that is not due.
func handWorld(t *testing.T, o zecsim.Options) (*world, *process) {
	w := newWorld(t, o)
	w.write("web.txt", fleetFile(o.Instances))
	w.configure("groups: {web: {instances_file: web.txt}, other: {instances: [i-000000]}}\n" +
		"schedules: {yearly: {cron: '@yearly', action: start, groups: [web]}}\n")
	return w, w.daemon().ready()
}

// asOperator is a command of a person without a credential.
func (w *world) asOperator(args ...string) []string {
	return append(args, "--state-dir", w.state())
}

// withoutKeys takes the credentials out of the environment of the commands that follow.
func (w *world) withoutKeys() {
	w.env = slices.DeleteFunc(slices.Clone(w.env), func(v string) bool { return strings.HasPrefix(v, "ZENLAYER_ACCESS") })
}

// A run by hand is the daemon's: with its configuration and credential, in its history with the name
// of who asked, and its outcome as if it were made here.
func TestARunByHandGoesThroughTheDaemon(t *testing.T) {
	t.Parallel()
	o := healthyFleet(30)
	o.Overrides[3] = zecsim.InstanceSpec{State: apiclient.StateRecycle}
	w, d := handWorld(t, o)
	w.withoutKeys()
	out, errs, status := w.run(w.asOperator("start", "web")...)
	if status != exitFailed || !strings.Contains(out, "29 of 30 instances seen RUNNING, 1 failed") || !strings.Contains(out, "recycled (1)") {
		t.Fatalf("status %d\n%s%s", status, out, errs)
	}
	d.awaitMetric("zecpower_group_instances", `{action="start",group="web",outcome="failed"}`, "1")
	var entries []store.Entry
	w.runJSON(&entries, w.asOperator("history", "--schedule", "manual")...)
	if len(entries) != 1 || entries[0].Results[0].Done != 29 || !strings.Contains(entries[0].Actor, "(uid ") {
		t.Errorf("history: %+v", entries)
	}
	if e := d.events("done by hand"); len(e) != 1 || e[0].text("actor") != entries[0].Actor || e[0].text("run_id") != entries[0].RunID {
		t.Errorf("the log does not say who asked for %s: %v", entries[0].RunID, e)
	}
	out, errs, status = w.run(w.asOperator("stop", "other", "--output", "json")...)
	if status != 0 || !strings.Contains(out, `"stopped": 1`) {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}
	if e := d.events("run finished"); len(e) != 2 || e[0].text("run_id") == "" {
		t.Errorf("the daemon logged %v", e)
	}
	d.stop()
}

// The daemon refuses what makes no sense, and a command refuses what the daemon would not use. Nothing
// is sent.
func TestOrdersThatAreRefused(t *testing.T) {
	t.Parallel()
	w, d := handWorld(t, healthyFleet(3))
	w.write("else.yaml", "x: y\n")
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"no such group":               {[]string{"start", "wbe"}, `did you mean "web"?`},
		"no group":                    {[]string{"start"}, "name at least one group"},
		"another configuration":       {[]string{"start", "web", "--config", w.path("else.yaml")}, "the daemon runs " + w.path("c.yaml")},
		"a credential":                {[]string{"stop", "web", "--profile", "x"}, "leave --profile out, or run in this process: --local"},
		"no such schedule":            {[]string{"trigger", "yaerly"}, `did you mean "yearly"?`},
		"no such run":                 {[]string{"cancel", "manual/2026-11-25T07:50:00Z-5e1f0a"}, "is in progress: zecpower status lists them"},
		"a deadline beyond all bound": {[]string{"start", "web", "--deadline", "100h"}, "it must be over 0, up to 24h0m0s"},
		"members of no guard":         {[]string{"groups", "other", "--accept-membership", "--yes"}, "group other has no guard"},
	} {
		if out, errs, status := w.run(w.asOperator(c.args...)...); status != exitUsage || !strings.Contains(errs, c.says) {
			t.Errorf("%s: status %d, want %q\n%s%s", name, status, c.says, out, errs)
		}
	}
	if n := requestsOf(w.sim, "StartInstances") + requestsOf(w.sim, "StopInstances"); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
	if out, errs, status := w.run(w.asOperator("start", "web", "--local", "--config", w.path("c.yaml"))...); status != 0 {
		t.Errorf("--local: status %d\n%s%s", status, out, errs)
	}
	d.stop()
}

// A daemon that is killed in the middle of a run by hand goes on with it, and the command that waits
// has the report of the whole. No instance is started twice.
func TestARunByHandOutlivesTheDaemon(t *testing.T) {
	t.Parallel()
	const n = 60
	w, d := handWorld(t, healthyFleet(n))
	w.blind.Store(true)
	p := w.begin(w.asOperator("start", "web")...)
	awaitRequests(t, w, "StartInstances", n/10)
	d.kill()
	w.blind.Store(false)
	d = w.daemon().ready()
	if status := p.wait(); status != 0 || !strings.Contains(p.out.String(), fmt.Sprintf("%d of %[1]d instances seen RUNNING", n)) {
		t.Errorf("status %d\n%s%s", status, p.out.String(), p.log.String())
	}
	for i := range n {
		if again := w.startsOfRunning(fmt.Sprintf("i-%06d", i)); again > 0 {
			t.Errorf("i-%06d was started %d times more", i, again)
		}
	}
	if entries := w.history("--schedule", "manual"); len(entries) != 1 || entries[0].Resumes != 1 {
		t.Errorf("history: %+v", entries)
	}
	d.stop()
}

// Ctrl-C cancels the run, a lost terminal and --detach leave it to the daemon, and cancel ends it from
// elsewhere.
func TestWhoWatchesARunMayLetGoOfIt(t *testing.T) {
	t.Parallel()
	hearHangups(t)
	w, d := handWorld(t, healthyFleet(20))
	w.blind.Store(true)
	inProgress := func(want int) {
		t.Helper()
		if err := eventually(func() error {
			var s app.Status
			w.runJSON(&s, w.asOperator("status")...)
			if len(s.Runs) != want {
				return fmt.Errorf("%d runs in progress, want %d: %+v", len(s.Runs), want, s.Runs)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	p := w.begin(w.asOperator("start", "web")...)
	awaitRequests(t, w, "StartInstances", 2)
	p.signal(syscall.SIGINT)
	if status := p.wait(); status != exitFailed || !strings.Contains(p.out.String(), "cancelled (") {
		t.Errorf("Ctrl-C: status %d\n%s%s", status, p.out.String(), p.log.String())
	}
	inProgress(0)
	p = w.begin(w.asOperator("start", "web")...)
	inProgress(1)
	p.signal(syscall.SIGHUP)
	if status := p.wait(); status != 0 || !strings.Contains(p.log.String(), "goes on in the daemon") {
		t.Errorf("a lost terminal: status %d\n%s%s", status, p.out.String(), p.log.String())
	}
	inProgress(1)
	id, errs, status := w.run(w.asOperator("start", "other", "--detach")...)
	if id = strings.TrimSpace(id); status != 0 || !strings.HasPrefix(id, "manual/") {
		t.Fatalf("status %d: %q\n%s", status, id, errs)
	}
	inProgress(2)
	if out, errs, status := w.run(w.asOperator("cancel", id)...); status != 0 {
		t.Errorf("cancel: status %d\n%s%s", status, out, errs)
	}
	inProgress(1)
	w.blind.Store(false)
	inProgress(0)
	if err := w.running(20); err != nil {
		t.Error(err)
	}
	d.stop()
}

// A run of a schedule may be asked for at any time. One that is well ends what alerts on the schedule's
// last run, also after a restart.
func TestTriggerMakesARunOfASchedule(t *testing.T) {
	t.Parallel()
	w, d := handWorld(t, healthyFleet(5))
	before := time.Now()
	if out, errs, status := w.run(w.asOperator("trigger", "yearly")...); status != 0 || !strings.Contains(out, "5 of 5 instances seen RUNNING") {
		t.Fatalf("status %d\n%s%s", status, out, errs)
	}
	if got := d.metric("zecpower_schedule_last_success_timestamp_seconds")[`{schedule="yearly"}`]; got == "" {
		t.Errorf("no success of the schedule since %v: %v", before, got)
	}
	d.stop()
	d = w.daemon().ready()
	d.awaitMetric("zecpower_group_instances", `{action="start",group="web",outcome="failed"}`, "0")
	if got := d.metric("zecpower_schedule_last_success_timestamp_seconds")[`{schedule="yearly"}`]; got == "" {
		t.Error("after a restart there is no success of the schedule")
	}
	d.stop()
}

// In a runtime folder, which readers share, an operator socket without a group of its own is closed to
// them, and the log says so. In the state folder, which is the daemon's own, there is nothing to say.
func TestAnOperatorSocketWithoutAGroupIsClosedLoudly(t *testing.T) {
	t.Parallel()
	for name, runtime := range map[string]bool{"runtime folder": true, "state folder": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, healthyFleet(1))
			w.configure("groups: {one: {instances: [i-000000]}}\nschedules: {yearly: {cron: '@yearly', action: start, groups: [one]}}\n")
			folder, warnings := w.state(), 0
			if runtime {
				folder, warnings = w.path("run"), 1
				if err := os.Mkdir(folder, 0o755); err != nil {
					t.Fatal(err)
				}
				w.env = append(w.env, "RUNTIME_DIRECTORY="+folder)
			}
			d := w.daemon().ready()
			info, err := os.Stat(filepath.Join(folder, "operator.sock"))
			if err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%v, %v, want 0600", info, err)
			}
			if got := d.events("only root may ask this daemon for runs by hand"); len(got) != warnings {
				t.Errorf("%d warnings, want %d", len(got), warnings)
			}
			d.stop()
		})
	}
}

// typing runs a command on a terminal, types what answers once the terminal shows asked, and gives what
// the terminal showed. interrupt sends Ctrl-C once the run has begun.
func (w *world) typing(interrupt bool, asked, answer string, args ...string) (shown string, status int) {
	w.t.Helper()
	ours, theirs := newTerminal(w.t, 100)
	cmd := w.command(w.asOperator(args...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs, theirs, theirs
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	_ = theirs.Close() // the command holds the other end now
	var out lockedBuffer
	read := make(chan struct{})
	go func() {
		defer close(read)
		_, _ = io.Copy(&out, ours) // ends with EIO once the command is gone
	}()
	if interrupt {
		awaitRequests(w.t, w, "StartInstances", 2)
		if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
			w.t.Fatal(err)
		}
	}
	if err := eventually(func() error {
		if !strings.Contains(out.String(), asked) {
			return fmt.Errorf("the terminal shows %q, and not %q", out.String(), asked)
		}
		return nil
	}); err != nil {
		w.t.Fatal(err)
	}
	if _, err := ours.WriteString(answer); err != nil {
		w.t.Fatal(err)
	}
	_ = cmd.Wait() // its status is in ProcessState
	<-read
	return out.String(), cmd.ProcessState.ExitCode()
}

// On a terminal a stop asks before anything is stopped, and Ctrl-C asks whether the run is to end.
func TestATerminalIsAsked(t *testing.T) {
	t.Parallel()
	w, d := handWorld(t, healthyFleet(20))
	w.blind.Store(true)
	if shown, status := w.typing(true, "Ctrl-C again cancels the run, Enter leaves it to the daemon", "\n", "start", "web"); status != 0 || !strings.Contains(shown, "goes on in the daemon") {
		t.Errorf("Enter: status %d\n%s", status, shown)
	}
	w.blind.Store(false)
	if err := eventually(func() error { return w.running(20) }); err != nil {
		t.Fatal(err)
	}
	d.await("run finished", 1)
	if shown, status := w.typing(false, "stop 1 group: web? [y/N]", "n\n", "stop", "web"); status != exitFailed || !strings.Contains(shown, "you said no; nothing was sent") {
		t.Errorf("no: status %d\n%s", status, shown)
	}
	if err := w.running(20); err != nil {
		t.Error(err)
	}
	if shown, status := w.typing(false, "stop 1 group: web? [y/N]", "y\n", "stop", "web"); status != 0 {
		t.Errorf("yes: status %d\n%s", status, shown)
	}
	if err := w.running(0); err != nil {
		t.Error(err)
	}
	d.stop()
}
