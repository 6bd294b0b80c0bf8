package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"zecpower/apiclient"
	"zecpower/internal/app"
	"zecpower/internal/store"
	"zecpower/internal/zecsim"
)

// oddFleet is 40 instances, some of which are missing, recycled or running.
func oddFleet() zecsim.Options {
	o := healthyFleet(40)
	o.Overrides[3] = zecsim.InstanceSpec{State: zecsim.StateMissing}
	o.Overrides[7] = zecsim.InstanceSpec{State: apiclient.StateRunning}
	o.Overrides[21] = zecsim.InstanceSpec{State: apiclient.StateRecycle}
	o.Overrides[22] = zecsim.InstanceSpec{Boot: zecsim.BootFails}
	o.Overrides[35] = zecsim.InstanceSpec{State: zecsim.StateMissing}
	return o
}

// oddFailures are what fails of it, as group, id and reason.
func oddFailures() []string {
	return []string{
		"left i-000003 not_found", "right i-000021 recycled", "right i-000022 boot_failed", "right i-000035 not_found",
	}
}

func (w *world) configureOdd(spec string) {
	w.write("left.txt", fleetFile(20))
	_, right, _ := strings.Cut(fleetFile(40), "i-000019\n")
	w.write("right.txt", right)
	w.configure(`groups:
  left: {instances_file: left.txt}
  right: {instances_file: right.txt}
schedules:
  morning: {cron: "` + spec + `", action: start, groups: [left, right]}
`)
}

// failedInLog lists the same of the log's run finished and instance failed.
func (p *process) failedInLog(t *testing.T) []string {
	t.Helper()
	reasons := map[string]string{}
	for _, e := range p.events("instance failed") {
		reasons[e.text("instance_id")] = e.text("reason")
	}
	failed := []string{}
	for _, e := range p.events("run finished") {
		for _, id := range e.texts("failed_ids") {
			failed = append(failed, e.text("group")+" "+id+" "+reasons[id])
		}
	}
	slices.Sort(failed)
	return failed
}

func failedInHistory(entries []store.Entry) []string {
	failed := []string{}
	for _, e := range entries {
		for _, g := range e.Results {
			for _, f := range g.Failures {
				failed = append(failed, g.Group+" "+f.InstanceID+" "+string(f.Reason))
			}
		}
	}
	slices.Sort(failed)
	return failed
}

// One run of a daemon: log, metrics and history tell the same; the commands
// that ask about it answer while it runs and after.
func TestDaemonReportsTheSameEverywhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t, oddFleet())
	d, nominal := w.punctual(w.configureOdd, "--config", "c.yaml") // status shall tell the whole path
	for path, want := range map[string]int{"/-/healthy": 200, "/-/ready": 200, "/": 200} {
		if status, body := d.get(path); status != want {
			t.Errorf("%s: %d %s, want %d", path, status, body, want)
		}
	}
	t.Run("the control socket is for user and group", func(t *testing.T) {
		info, err := os.Stat(filepath.Join(w.state(), "control.sock"))
		if err != nil || info.Mode().Perm() != 0o660 {
			t.Errorf("%v, %v, want 0660", info.Mode(), err)
		}
	})
	t.Run("a second daemon on the state is refused", func(t *testing.T) { refusedSecond(t, w, d) })
	t.Run("a busy port is refused", func(t *testing.T) {
		second := w.daemon("--state-dir", w.path("other"), "--web.listen-address", d.await("ready", 1).text("web"))
		if status := second.wait(); status != 1 || !strings.Contains(second.log.String(), "address already in use") {
			t.Errorf("status %d, %s", status, second.log.String())
		}
	})

	d.await("run finished", 2)
	if got := d.failedInLog(t); !slices.Equal(got, oddFailures()) {
		t.Errorf("log: %q, want %q", got, oddFailures())
	}
	if got := d.failedInMetrics(); !slices.Equal(got, oddFailures()) {
		t.Errorf("metrics: %q, want %q", got, oddFailures())
	}
	alive := w.history("--schedule", "morning")
	if got := failedInHistory(alive); !slices.Equal(got, oddFailures()) {
		t.Errorf("history: %q, want %q", got, oddFailures())
	}
	if len(alive) != 1 || !alive[0].NominalTime.Equal(nominal) || alive[0].Result != "partial" {
		t.Errorf("history: %+v, want one partial run of %s", alive, nominal)
	}
	d.checkStatus(t, w, nominal)
	d.checkInstance(t, w)

	d.stop()
	if dead := w.history("--schedule", "morning"); !slices.Equal(failedInHistory(dead), oddFailures()) || len(dead) != 1 {
		t.Errorf("history without the daemon: %+v, want as before", dead)
	}
	if _, stderr, status := w.run("status", "--state-dir", w.state()); status != 1 || !strings.Contains(stderr, "no daemon answers") {
		t.Errorf("status without the daemon: %d %s", status, stderr)
	}

	again := w.daemon().ready()
	if got := again.failedInMetrics(); !slices.Equal(got, oddFailures()) {
		t.Errorf("metrics after a restart: %q, want %q", got, oddFailures())
	}
	again.stop()
}

func refusedSecond(t *testing.T, w *world, d *process) {
	second := w.daemon()
	status, log := second.wait(), second.log.String()
	pid := d.cmd.Process.Pid
	if status != 1 || !strings.Contains(log, "held by the zecpower with pid "+strconv.Itoa(pid)+" ") {
		t.Errorf("status %d, want 1 and the pid %d named: %s", status, pid, log)
	}
}

func (d *process) checkStatus(t *testing.T, w *world, nominal time.Time) {
	t.Helper()
	var s app.Status
	w.runJSON(&s, "status", "--state-dir", w.state())
	if len(s.Plans) != 1 || s.Plans[0].LastResult != "partial" || s.Plans[0].LastRunID != "morning/"+nominal.Format(time.RFC3339) ||
		!s.Plans[0].NextRun.After(nominal) || s.Config.Path != w.path("c.yaml") || len(s.Runs) != 0 {
		t.Errorf("status: %+v", s)
	}
	text, _, _ := w.run("status", "--state-dir", w.state())
	for _, want := range []string{"no run in progress", "SCHEDULE  NEXT RUN", "partial", "budget: 200 of 200 requests a second"} {
		if !strings.Contains(text, want) {
			t.Errorf("status lacks %q:\n%s", want, text)
		}
	}
}

func (d *process) checkInstance(t *testing.T, w *world) {
	t.Helper()
	text, _, _ := w.run("history", "--state-dir", w.state(), "--instance", "i-000021")
	if !strings.Contains(text, "failed: recycled, state RECYCLE") {
		t.Errorf("history of a recycled instance:\n%s", text)
	}
	text, _, _ = w.run("history", "--state-dir", w.state(), "--instance", "i-000000")
	if !strings.Contains(text, "started, seen there at ") {
		t.Errorf("history of a started instance:\n%s", text)
	}
}

func TestSIGTERMLeavesARunToBeResumed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, healthyFleet(30))
	w.blind.Store(true) // the run is under way until the second daemon can see its end
	w.write("web.txt", fleetFile(30))

	d, _ := w.punctual(func(spec string) {
		w.configure("groups: {web: {instances_file: web.txt}}\nschedules: {morning: {cron: \"" + spec + "\", action: start, groups: [web]}}\n")
	})
	first := d.await("run started", 1)
	awaitRequests(t, w, "StartInstances", 3)
	text, _, _ := w.run("status", "--state-dir", w.state())
	if !strings.Contains(text, "RUN IN PROGRESS") || !strings.Contains(text, first.text("run_id")) {
		t.Errorf("status in the middle of a run:\n%s", text)
	}
	d.stop()
	d.await("run suspended, the next start resumes it", 1)
	for _, message := range []string{"run finished", "instance failed"} {
		if ended := d.events(message); len(ended) > 0 {
			t.Errorf("a run that goes on later was logged as ended: %v", ended)
		}
	}

	w.blind.Store(false)
	d = w.daemon()
	second := d.await("run started", 1)
	for _, key := range []string{"run_id", "scheduled_at", "deadline"} {
		if first.text(key) != second.text(key) {
			t.Errorf("%s is %s after the restart, was %s", key, second.text(key), first.text(key))
		}
	}
	if end := d.await("run finished", 1); end.text("started") != "30" || end.text("result") != "ok" {
		t.Errorf("the resumed run: %v", end)
	}
	if got := w.sim.Truth().AcceptedStarts; got != 30 {
		t.Errorf("%d starts were accepted, want 30", got)
	}
	if entries := w.history(); len(entries) != 1 || entries[0].Resumes != 1 {
		t.Errorf("history: %+v, want one run, resumed once", entries)
	}
}

func TestReload(t *testing.T) {
	t.Parallel()
	w := newWorld(t, healthyFleet(20))
	const groups = "groups: {web: {instances_file: web.txt}}\nschedules:\n"
	const beat = "  beat: {cron: \"@every 1s\", action: start, groups: [web]}\n"
	w.write("web.txt", fleetFile(5))
	w.configure(groups + beat + "  moved: {cron: \"0 7 * * *\", action: start, groups: [web]}\n  gone: {cron: \"@yearly\", action: stop, groups: [web]}\n")
	d := w.daemon().ready()
	d.await("run finished", 1)

	t.Run("SIGHUP reads again though nothing changed", func(t *testing.T) {
		d.signal(syscall.SIGHUP)
		d.await("configuration reloaded", 1)
	})
	t.Run("a good one says what it changed", func(t *testing.T) {
		w.configure(groups + beat + "  moved: {cron: \"0 8 * * *\", action: start, groups: [web]}\n  new: {cron: \"@yearly\", action: stop, groups: [web]}\n")
		d.signal(syscall.SIGHUP)
		e := d.await("configuration reloaded", 2)
		for key, want := range map[string]string{"schedules_added": "new", "schedules_removed": "gone", "schedules_moved": "moved"} {
			if got := e.texts(key); !slices.Equal(got, []string{want}) {
				t.Errorf("%s: %q, want %s", key, got, want)
			}
		}
		if e := d.await("schedule moved", 1); !strings.Contains(e.text("next_run_was"), "T07:00:00") || !strings.Contains(e.text("next_run"), "T08:00:00") {
			t.Errorf("moved: %v, want from 07:00 to 08:00", e)
		}
		d.awaitMetric("zecpower_config_last_reload_successful", "", "1")
	})
	t.Run("a bad one is refused and the running one stays", func(t *testing.T) {
		w.configure(groups + "  beat: {cron: \"@every 1s\", action: start, groups: [wbe]}\n")
		d.signal(syscall.SIGHUP)
		e := d.await("configuration rejected", 1)
		if want := "c.yaml:5:53: schedules.beat.groups: there is no group"; !strings.Contains(e.text("error"), want) {
			t.Errorf("%s, want %s", e.text("error"), want)
		}
		d.awaitMetric("zecpower_config_last_reload_successful", "", "0")
		text, _, _ := w.run("status", "--state-dir", w.state())
		if !strings.Contains(text, "LAST RELOAD REFUSED, the one above stays:\n") || !strings.Contains(text, "\nmoved ") {
			t.Errorf("status:\n%s", text)
		}
		d.await("run finished", len(d.events("run finished"))+1)
	})
	t.Run("a file that changes is read without being asked", func(t *testing.T) {
		w.configure(groups + beat)
		d.await("configuration reloaded", 3)
		d.awaitMetric("zecpower_config_last_reload_successful", "", "1")
		w.write("web.txt", fleetFile(8))
		d.await("configuration reloaded", 4)
		if err := eventually(func() error { return w.running(8) }); err != nil {
			t.Error(err)
		}
	})
	d.stop()
}

func TestWrongWebConfigurationIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, healthyFleet(1))
	w.configure("groups: {web: {instances: [i-000000]}}\nschedules: {yearly: {cron: \"@yearly\", action: start, groups: [web]}}\n")
	w.write("web.yaml", "tls_server_config: {cert_file: none.pem, key_file: none.key}\n")
	for _, file := range []string{"web.yaml", "none.yaml"} {
		d := w.daemon("--web.config.file", w.path(file))
		if status := d.wait(); status != 2 || !strings.Contains(d.log.String(), "web configuration file "+w.path(file)) {
			t.Errorf("%s: status %d: %s", file, status, d.log.String())
		}
	}
	if _, err := os.Stat(w.state()); !os.IsNotExist(err) {
		t.Errorf("the state folder: %v, want none", err)
	}
}

// A store that cannot be written is loud, and keeps no fleet off.
func TestFleetIsStartedWithoutAStore(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*testing.T, string){"read-only": readOnly, "full": full} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, healthyFleet(20))
			w.write("web.txt", fleetFile(20))
			w.configure("groups: {web: {instances_file: web.txt}}\nschedules: {beat: {cron: \"@every 2s\", action: start, groups: [web]}}\n")
			if err := os.Mkdir(w.state(), 0o700); err != nil {
				t.Fatal(err)
			}
			spoil(t, w.state())
			if err := os.Mkdir(w.path("run"), 0o700); err != nil {
				t.Fatal(err)
			}
			w.env = append(w.env, "RUNTIME_DIRECTORY="+w.path("run"))
			d := w.daemon().ready()
			d.await("run finished", 1)
			if err := w.running(20); err != nil {
				t.Error(err)
			}
			if !strings.Contains(d.log.String(), `"level":"error"`) {
				t.Error("nothing loud in the log")
			}
			d.await("store not written, runs go on", 1)
			text, stderr, _ := w.run("status", "--state-dir", w.path("run"))
			if !strings.Contains(text, "STORE FAILS, runs go on and a restart would forget them: ") {
				t.Errorf("status: %s%s", text, stderr)
			}
			if os.Remove(ballast(w.state())) == nil { // the disk has room again
				d.await("the store can be written again", 1)
				d.await("run finished", len(d.events("run finished"))+1)
			}
			d.stop()
		})
	}
}

// readOnly makes a folder one that no process can write to.
func readOnly(t *testing.T, dir string) {
	if os.Geteuid() != 0 {
		chmod(t, dir, 0o500)
		t.Cleanup(func() { chmod(t, dir, 0o700) })
		return
	}
	mountTmpfs(t, dir, "size=64k")
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Skipf("needs a read-only file system: %v", err)
	}
}

// full puts a folder on a disk that has room for half of an empty store.
func full(t *testing.T, dir string) {
	mountTmpfs(t, dir, "size=256k")
	f, err := os.Create(ballast(dir))
	if err != nil {
		t.Fatal(err)
	}
	size := int64(0)
	for err == nil {
		n := 0
		n, err = f.Write(make([]byte, 4096))
		size += int64(n)
	}
	if err := errors.Join(f.Truncate(size-8192), f.Close()); err != nil {
		t.Fatal(err)
	}
}

func ballast(dir string) string { return filepath.Join(dir, "ballast") }

func mountTmpfs(t *testing.T, dir, options string) {
	t.Helper()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		t.Skipf("needs a small tmpfs, which takes root: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
}

func chmod(t *testing.T, path string, mode fs.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// The story: one group's file is missing at boot, because its mount is late. That group fails at its
// runs, and the rest works.
func TestAGroupThatCannotBeReadKeepsNoOtherOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t, healthyFleet(20))
	const schedule = "schedules: {beat: {cron: \"@every 1s\", action: start, groups: [late, web]}}\n"
	w.configure("groups: {late: {instances_file: late.txt}, web: {instances: [i-000000, i-000001]}}\n" + schedule)
	d := w.daemon().ready() // as after a boot where a mount is late
	loaded := d.await("group unreadable", 1)
	if text := loaded.text("error"); loaded.text("level") != "error" || loaded.text("group") != "late" ||
		!strings.HasSuffix(text, "groups.late.instances_file: "+w.path("late.txt")+": there is no such file (check the path)") {
		t.Errorf("not loud, or without the place: %v", loaded)
	}
	failed, powered := runOf(d, "late"), runOf(d, "web")
	if !strings.HasSuffix(failed.text("error"), w.path("late.txt")+": there is no such file (check the path)") || failed.text("level") != "error" {
		t.Errorf("the run of the group without a file: %v", failed)
	}
	d.awaitMetric("zecpower_group_unreadable", `{group="late"}`, "1")
	d.awaitMetric("zecpower_group_unreadable", `{group="web"}`, "0")
	if powered.text("started") != "2" || powered.text("failed") != "0" {
		t.Errorf("the run of the other group: %v", powered)
	}

	t.Run("its file comes, and is used without being asked", func(t *testing.T) {
		w.write("late.txt", fleetFile(20))
		d.await("configuration reloaded", 1)
		if err := eventually(func() error { return w.running(20) }); err != nil {
			t.Error(err)
		}
		d.awaitMetric("zecpower_group_unreadable", `{group="late"}`, "0")
	})
	t.Run("it goes bad: a reload takes the rest", func(t *testing.T) {
		w.write("late.txt", "i-000000\nnot an id\n")
		d.signal(syscall.SIGHUP)
		e := d.await("group unreadable", 2)
		if want := w.path("late.txt") + `:2:1: "not an id" is not an instance id`; !strings.HasPrefix(e.text("error"), want) {
			t.Errorf("%v, want %s", e, want)
		}
		if rejected := d.events("configuration rejected"); len(rejected) > 0 {
			t.Errorf("one bad file refused the whole configuration: %v", rejected)
		}
		d.awaitMetric("zecpower_group_unreadable", `{group="late"}`, "1")
		w.configure("groups: {late: {instances_file: late.txt}, web: {instances: [i-000000, i-000001]}, new: {instances: [i-000002]}}\n" +
			strings.Replace(schedule, "web]", "web, new]", 1))
		d.signal(syscall.SIGHUP)
		if e := runOf(d, "new"); e.text("already_running") != "1" {
			t.Errorf("a group that came with that reload: %v", e)
		}
	})
	d.stop()
}

// runOf waits for the end of a run of a group.
func runOf(d *process, group string) logged {
	d.t.Helper()
	var ended logged
	if err := eventually(func() error {
		for _, e := range d.events("run finished") {
			if e.text("group") == group {
				ended = e
				return nil
			}
		}
		return errors.New("no run of " + group + " has ended")
	}); err != nil {
		d.t.Fatal(err)
	}
	return ended
}

// The story: one team's file has a mistake when the bastion boots. Its schedules do not run, a
// schedule of another team that needs its group makes the rest, and the mended file is used without
// being asked.
func TestATeamsFileWithAMistakeCostsThatTeamAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, healthyFleet(20))
	if err := os.Mkdir(w.path("conf.d"), 0o755); err != nil {
		t.Fatal(err)
	}
	const hk = "groups: {hk: {instances: [i-000001]}}\nschedules: {hk-beat: {cron: \"@every 1s\", action: start, groups: [hk]}}\n"
	w.configure("include_files: [\"conf.d/*.yaml\"]\n")
	w.write("conf.d/sg.yaml", "groups: {sg: {instances: [i-000000]}}\nschedules: {sg-beat: {cron: \"@every 1s\", action: start, groups: [hk, sg]}}\n")
	w.write("conf.d/hk.yaml", strings.Replace(hk, "start", "strat", 1))
	d := w.daemon().ready()
	loaded := d.await("configuration file unreadable", 1)
	where := w.path("conf.d/hk.yaml") + ":2:50: "
	if loaded.text("level") != "error" || loaded.text("file") != "conf.d/hk.yaml" || loaded.text("without") != "does not run: hk-beat" ||
		!strings.HasPrefix(loaded.text("error"), where) {
		t.Errorf("not loud, or without the place: %v", loaded)
	}
	if sg := runOf(d, "sg"); sg.text("started") != "1" {
		t.Errorf("the run of the sound team: %v", sg)
	}
	if e := runOf(d, "hk"); e.text("level") != "error" || !strings.HasPrefix(e.text("error"), where+`conf.d/hk.yaml is left out, and the group "hk" with it: `) {
		t.Errorf("the group of the file that is left out: %v", e)
	}
	d.awaitMetric("zecpower_config_file_unreadable", `{file="conf.d/hk.yaml"}`, "1")
	d.awaitMetric("zecpower_config_file_unreadable", `{file="conf.d/sg.yaml"}`, "0")
	d.awaitMetric("zecpower_group_unreadable", `{group="hk"}`, "1")
	if text, _, _ := w.run("status", "--state-dir", w.state()); !strings.Contains(text, "/c.yaml and 1 included file, in use since") ||
		!strings.Contains(text, "FILE conf.d/hk.yaml IS LEFT OUT, does not run: hk-beat:\n  "+where) {
		t.Errorf("status:\n%s", text)
	}

	t.Run("a reload is refused as long as it is wrong", func(t *testing.T) {
		w.write("conf.d/sg.yaml", "groups: {sg: {instances: [i-000000, i-000002]}}\nschedules: {sg-beat: {cron: \"@every 1s\", action: start, groups: [hk, sg]}}\n")
		d.signal(syscall.SIGHUP)
		if e := d.await("configuration rejected", 1); !strings.HasPrefix(e.text("error"), where) {
			t.Errorf("refused with %v", e)
		}
		d.awaitMetric("zecpower_config_last_reload_successful", "", "0")
	})
	t.Run("mended, it is used without being asked", func(t *testing.T) {
		w.write("conf.d/hk.yaml", hk)
		e := d.await("configuration reloaded", 1)
		if got := e.texts("schedules_added"); !slices.Equal(got, []string{"hk-beat"}) {
			t.Errorf("added: %q", got)
		}
		if err := eventually(func() error { return w.running(3) }); err != nil {
			t.Error(err)
		}
		d.awaitMetric("zecpower_config_file_unreadable", `{file="conf.d/hk.yaml"}`, "0")
		d.awaitMetric("zecpower_group_unreadable", `{group="hk"}`, "0")
		d.awaitMetric("zecpower_config_last_reload_successful", "", "1")
	})
	t.Run("a new file is used without being asked", func(t *testing.T) {
		w.write("conf.d/us.yaml", "groups: {us: {instances: [i-000003]}}\nschedules: {us-beat: {cron: \"@every 1s\", action: start, groups: [us]}}\n")
		if us := runOf(d, "us"); us.text("started") != "1" {
			t.Errorf("the run of the new team: %v", us)
		}
		d.awaitMetric("zecpower_config_file_unreadable", `{file="conf.d/us.yaml"}`, "0")
	})
	t.Run("a file that turns bad takes nothing away", func(t *testing.T) {
		rejected := len(d.events("configuration rejected"))
		w.write("conf.d/us.yaml", "groups: {hk: {instances: [i-000003]}}\n")
		e := d.await("configuration rejected", rejected+1)
		if want := w.path("conf.d/us.yaml") + `:1:10: groups.hk: the group "hk" stands at ` + w.path("conf.d/hk.yaml") + ":1 already (rename one: a name stands once in all files)"; e.text("error") != want {
			t.Errorf("got  %s\nwant %s", e.text("error"), want)
		}
		if _, _, status := w.run("status", "--state-dir", w.state()); status != 0 {
			t.Error("the daemon does not answer")
		}
	})
	t.Run("a file that is removed takes its schedules away", func(t *testing.T) {
		reloaded := len(d.events("configuration reloaded"))
		if err := os.Remove(w.path("conf.d/us.yaml")); err != nil {
			t.Fatal(err)
		}
		if e := d.await("configuration reloaded", reloaded+1); !slices.Equal(e.texts("schedules_removed"), []string{"us-beat"}) {
			t.Errorf("removed: %v", e)
		}
	})
	d.stop()
}

// A folder of teams that is not there yet, as a mount that is late, keeps the daemon from no start.
func TestADaemonWhoseTeamsComeLaterStarts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, healthyFleet(2))
	w.configure("include_files: [\"late/*.yaml\"]\n")
	d := w.daemon().ready()
	if e := d.await("configuration file unreadable", 1); e.text("file") != "late/*.yaml" || !strings.HasSuffix(e.text("error"),
		"include_files: there is no schedule, neither here nor in an included file (add one, or check the path)") {
		t.Errorf("%v", e)
	}
	d.awaitMetric("zecpower_config_file_unreadable", `{file="late/*.yaml"}`, "1")
	if err := os.Mkdir(w.path("late"), 0o755); err != nil {
		t.Fatal(err)
	}
	w.write("late/team.yaml", "groups: {web: {instances: [i-000000]}}\nschedules: {beat: {cron: \"@every 1s\", action: start, groups: [web]}}\n")
	if web := runOf(d, "web"); web.text("started") != "1" {
		t.Errorf("the run of the team that came: %v", web)
	}
	d.stop()
}

// holidayFile is an iCalendar file with the days around a moment.
func holidayFile(at time.Time) string {
	const day, layout = 24 * time.Hour, "20060102"
	return fmt.Sprintf("BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART;VALUE=DATE:%s\nDTEND;VALUE=DATE:%s\nEND:VEVENT\nEND:VCALENDAR\n",
		at.Add(-2*day).Format(layout), at.Add(3*day).Format(layout))
}

// The story: a calendar's file is gone, or cut short by its fetch, when the bastion boots.
func TestACalendarThatCannotBeReadAtTheStartHasTheDatesLastRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t, healthyFleet(2))
	w.write("off.ics", holidayFile(time.Now()))
	w.configure(`groups: {web: {instances: [i-000000, i-000001]}}
calendars: {off: {ics: off.ics}}
schedules: {beat: {cron: "@every 1s", action: start, groups: [web], exclude: [off]}}
`)
	d := w.daemon().ready()
	d.await("schedule skipped", 1)
	d.awaitMetric("zecpower_calendar_unreadable", `{calendar="off"}`, "0")
	d.stop()

	w.write("off.ics", "BEGIN:VCALENDAR\nBEGIN:VEVENT\n")
	d = w.daemon().ready()
	loaded := d.await("calendar unreadable", 1)
	if loaded.text("level") != "error" || loaded.text("calendar") != "off" || !strings.HasPrefix(loaded.text("dates"), "its dates as they were read at 20") ||
		!strings.Contains(loaded.text("error"), "calendars.off: "+w.path("off.ics")+":2: ") {
		t.Errorf("not loud, or without the place or the date: %v", loaded)
	}
	d.awaitMetric("zecpower_calendar_unreadable", `{calendar="off"}`, "1")
	if e := d.await("schedule skipped", 1); e.text("calendar") != "off" || e.text("reason") != "excluded" {
		t.Errorf("the dates last read exclude nothing: %v", e)
	}
	if status, _, _ := w.run("status", "--state-dir", w.state()); !strings.Contains(status, "CALENDAR off CANNOT BE READ, its dates as they were read at 20") {
		t.Errorf("status is silent about it:\n%s", status)
	}

	d.signal(syscall.SIGHUP)
	if e := d.await("configuration rejected", 1); !strings.Contains(e.text("error"), w.path("off.ics")+":2: ") {
		t.Errorf("a reload is refused with %v", e)
	}
	w.write("off.ics", holidayFile(time.Now().AddDate(-1, 0, 0))) // of last year: today is a working day
	d.await("configuration reloaded", 1)
	d.awaitMetric("zecpower_calendar_unreadable", `{calendar="off"}`, "0")
	if e := runOf(d, "web"); e.text("failed") != "0" {
		t.Errorf("once the file is mended: %v", e)
	}
	if n := len(d.events("run started")); n == 0 {
		t.Error("nothing ran")
	}
	d.stop()
}

func TestACalendarThatWasNeverReadHasNoDates(t *testing.T) {
	t.Parallel()
	w := newWorld(t, healthyFleet(2))
	w.configure(`groups: {web: {instances: [i-000000]}, db: {instances: [i-000001]}}
calendars: {off: {ics: off.ics}, days: {ics: days.ics}}
schedules:
  beat: {cron: "@every 1s", action: start, groups: [web], exclude: [off]}
  payday: {cron: "@every 1s", action: start, groups: [db], only: [days]}
`)
	d := w.daemon().ready()
	d.await("calendar unreadable", 2)
	said := map[string]string{}
	for _, e := range d.events("calendar unreadable") {
		said[e.text("calendar")] = e.text("dates")
	}
	want := map[string]string{
		"off":  "the dates of its files are not known; runs on them, too: beat",
		"days": "the dates of its files are not known; without them never runs: payday",
	}
	if !maps.Equal(said, want) {
		t.Errorf("got %v\nwant %v", said, want)
	}
	if e := runOf(d, "web"); e.text("failed") != "0" {
		t.Errorf("without dates nothing is excluded: %v", e)
	}
	if e := d.await("schedule skipped", 1); e.text("schedule") != "payday" || e.text("calendar") != "days" {
		t.Errorf("of a schedule without dates to run on: %v", e)
	}
	d.stop()
}
