package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

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
