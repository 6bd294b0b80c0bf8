package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"zecpower/internal/app"
	"zecpower/internal/store"
	"zecpower/internal/web"
	"zecpower/internal/zecsim"
)

// A run that boots for minutes is seen in progress while its daemon lives, and as cut off once that
// was killed, each time with what the API had accepted.
func TestHistoryDistinguishesARunInProgressFromOneThatWasCutOff(t *testing.T) {
	t.Parallel()
	o := healthyFleet(40)
	o.Boot = zecsim.Boot{Time: 10 * time.Minute}
	w := newWorld(t, o)
	w.write("web.txt", fleetFile(40))
	d, _ := w.punctual(func(spec string) {
		w.configure("groups: {web: {instances_file: web.txt}}\nschedules: {morning: {cron: \"" + spec + "\", action: start, groups: [web]}}\n")
	})
	const done = ": 0 of 40 instances started, 0 there already, 0 failed, 4 requests accepted (40 instances)"
	shown := func(want string) error {
		stdout, stderr, _ := w.run("history", "--state-dir", w.state())
		if !strings.Contains(stdout, want) {
			return fmt.Errorf("no %q in:\n%s%s", want, stdout, stderr)
		}
		return nil
	}
	if err := eventually(func() error { return shown("in progress" + done) }); err != nil {
		t.Fatal(err)
	}
	if e := w.history()[0]; !e.Begun || !e.Going || e.BegunAt.IsZero() || e.Results[0].Total != 40 {
		t.Errorf("in progress: %+v", e)
	}
	d.kill()
	if err := shown("cut off" + done); err != nil {
		t.Error(err)
	}
	if e := w.history()[0]; !e.Begun || e.Going || e.Result != "" {
		t.Errorf("cut off: %+v", e)
	}
}

// A run by hand beside a daemon is in this user's own store: history shows it among the daemon's, and
// says where each is from.
func TestHistoryAsksAllPlaces(t *testing.T) {
	t.Parallel()
	w := newWorld(t, healthyFleet(4))
	w.write("web.txt", fleetFile(4))
	d, _ := w.punctual(func(spec string) {
		w.configure("groups: {web: {instances_file: web.txt}}\nschedules: {morning: {cron: \"" + spec + "\", action: start, groups: [web]}}\n")
	})
	d.await("run finished", 1)
	if _, stderr, status := w.run("stop", "--config", "c.yaml", "web"); status != 0 {
		t.Fatal(stderr)
	}
	own := w.dir + "/xdg/zecpower"
	service := daemonFolders{w.state() + "/" + web.ControlSocket, w.state()}
	user := daemonFolders{own + "/" + web.ControlSocket, own}
	ask := func(places []daemonFolders, q store.Query) (schedules []string, stderr string) {
		var out, errs bytes.Buffer
		h := &host{stdout: &out, stderr: &errs, getenv: func(string) string { return "" }}
		q.Limit = 20
		entries, err := h.historyOf(t.Context(), places, q)
		if err != nil {
			t.Error(err)
		}
		for _, e := range entries {
			schedules = append(schedules, e.Schedule)
		}
		return schedules, errs.String()
	}
	both := []daemonFolders{service, user}
	got, said := ask(both, store.Query{})
	if !slices.Equal(got, []string{"manual", "morning"}) || said != "from the daemon on "+service.socket+" and the store in "+own+"\n" {
		t.Errorf("%q, said %q", got, said)
	}
	if got, _ := ask(both, store.Query{Schedule: "manual"}); !slices.Equal(got, []string{"manual"}) {
		t.Errorf("by hand: %q", got)
	}
	if got, said := ask([]daemonFolders{{"/nowhere", "/nowhere"}, user}, store.Query{}); !slices.Equal(got, []string{"manual"}) || said != "" {
		t.Errorf("without a daemon: %q, said %q", got, said)
	}
	d.stop()
}

// next, status and history show a time alike, in the zone of its schedule, wherever the person who asks
// is.
func TestTimesAgree(t *testing.T) {
	t.Parallel()
	w := newWorld(t, healthyFleet(4))
	w.write("web.txt", fleetFile(4))
	w.env = append(w.env, "TZ=America/New_York")
	d, nominal := w.punctual(func(spec string) {
		w.configure("groups: {web: {instances_file: web.txt}}\nschedules: {morning: {cron: \"" + spec + "\", timezone: Pacific/Kiritimati, action: start, groups: [web]}}\n")
	})
	d.await("run finished", 1)

	shows := func(text string, args ...string) {
		t.Helper()
		if stdout, stderr, _ := w.run(args...); !strings.Contains(stdout, text) {
			t.Errorf("zecpower %s lacks %q:\n%s%s", args[0], text, stdout, stderr)
		}
	}
	inZone := func(at time.Time) string {
		return at.In(time.FixedZone("+14", 14*60*60)).Format("Mon 2006-01-02 15:04:05 -0700 (")
	}
	var s app.Status
	w.runJSON(&s, "status", "--state-dir", w.state())
	if s.Plans[0].Timezone != "Pacific/Kiritimati" {
		t.Errorf("status: %+v", s.Plans)
	}
	next := inZone(s.Plans[0].NextRun) + "in "
	shows(next, "next", "--config", "c.yaml")
	shows(next, "status", "--state-dir", w.state())
	shows(inZone(nominal), "history", "--state-dir", w.state())

	// A date is that of the schedule, which is another one in New York at most hours.
	date := nominal.In(time.FixedZone("+14", 14*60*60))
	shows("morning", "history", "--state-dir", w.state(), "--since", date.Format("2006-01-02"))
	shows("nothing is recorded", "history", "--state-dir", w.state(), "--since", date.AddDate(0, 0, 1).Format("2006-01-02"))
	d.stop()
	shows(inZone(nominal), "history", "--state-dir", w.state())
}
