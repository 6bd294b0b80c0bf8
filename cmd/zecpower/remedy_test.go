package main

import (
	"cmp"
	"net/http"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"zecpower/apiclient"
	"zecpower/batcher"
	"zecpower/internal/power"
	"zecpower/internal/zecsim"
)

// failing is a story of a run by hand of the group web that fails for a reason, and of what its
// remedy then does.
type failing struct {
	reason power.Reason
	action power.Action
	forced bool // a stop with --force

	spec    zecsim.InstanceSpec // of i-000000, without a state in that before the action; i-000001 is healthy
	batch   string              // keys of the batch section
	api     string              // keys of the api section
	front   http.HandlerFunc    // what stands before the API during the run
	refused string              // the code with which each start and stop is refused during the run
	env     string              // of the run
	args    []string            // further arguments of the run
	blind   bool                // no describe is answered, and Ctrl-C ends the run

	advice string       // what of the remedy is tried; it must be printed
	mend   func(*world) // does what cannot be done by a run
	then   []string     // the run that the remedy advises; empty: there is none in the simulator
}

// Keys of the batch section.
const (
	patient  = "boot_timeout: 20s"
	timeouts = "boot_timeout: 300ms"
	onceOnly = "attempts: 1"
)

func answering(status int, header, value, body string) http.HandlerFunc {
	return func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set(header, value)
		rw.WriteHeader(status)
		_, _ = rw.Write([]byte(body))
	}
}

func refusing(status int, code string) http.HandlerFunc {
	return answering(status, "Content-Type", "application/json", `{"requestId": "T1", "code": "`+code+`", "message": "no"}`)
}

// refusingPower refuses each start and stop; describes pass.
func (w *world) refusingPower(code string) *http.HandlerFunc {
	refuse := refusing(403, code)
	handler := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Header.Get(apiclient.HeaderAction) == apiclient.ActionDescribeInstancesStatus {
			w.sim.ServeHTTP(rw, r)
			return
		}
		refuse(rw, r)
	})
	return &handler
}

// both is a story of a start and the same of a stop.
func both(f failing) []failing {
	start, stop := f, f
	start.action, stop.action = power.ActionStart, power.ActionStop
	start.then, stop.then = append([]string{"start", "web"}, f.then...), append([]string{"stop", "web"}, f.then...)
	return []failing{start, stop}
}

func stories() []failing {
	withoutIt := func(w *world) { w.configureWeb("i-000001", "", patient) }
	unfronted := func(w *world) { w.front.Store(nil) }
	soon := []string{"--deadline", "500ms"}
	var all []failing
	for _, f := range []failing{
		{reason: power.ReasonNotFound, spec: zecsim.InstanceSpec{State: zecsim.StateMissing}, advice: "take the id out of its group", mend: withoutIt},
		{reason: power.ReasonRecycled, spec: zecsim.InstanceSpec{State: apiclient.StateRecycle}, advice: "take the id out of its group", mend: withoutIt},
		{reason: power.ReasonRecycled, spec: zecsim.InstanceSpec{State: apiclient.StateReinstallFailed}, advice: "take the id out of its group", mend: withoutIt},
		{reason: power.ReasonRejected, refused: "OPERATION_DENIED_LOCKED", advice: "CODE says why", mend: unfronted},
		{reason: power.ReasonAPIError, api: `api_version: "2020-01-01"`, args: soon, advice: "CODE or the log says how (an unknown api_version, for one)", mend: func(w *world) { w.configureWeb("i-000000, i-000001", "", patient) }},
		{reason: power.ReasonAPIError, front: refusing(500, "INTERNAL_SERVER_ERROR"), args: soon, advice: "run again once that is over", mend: unfronted},
		{reason: power.ReasonBlocked, front: answering(403, "cf-mitigated", "challenge", "<html>"), args: soon, advice: "have it allowed there, then run again", mend: unfronted},
		{reason: power.ReasonThrottled, front: refusing(429, "REQUEST_LIMIT_EXCEEDED"), args: soon, advice: "run again, with a longer deadline", mend: unfronted, then: []string{"--deadline", "1m"}},
		{reason: power.ReasonAuth, env: "ZENLAYER_ACCESS_KEY_SECRET=wrong", advice: "check key"},
	} {
		all = append(all, both(f)...)
	}
	cancelled := failing{reason: power.ReasonCancelled, blind: true, advice: "run again", mend: func(w *world) { w.blind.Store(false) }}
	all = append(all, both(cancelled)...)
	force := []string{"stop", "web", "--force"}
	busy := func(then apiclient.State) zecsim.InstanceSpec {
		return zecsim.InstanceSpec{State: "REBUILDING", StateFor: 4 * time.Second, StateThen: then}
	}
	return append(all,
		failing{reason: power.ReasonWrongState, action: power.ActionStart, spec: busy(apiclient.StateStopped), args: soon, advice: "let that end, then run again", then: []string{"start", "web"}},
		failing{reason: power.ReasonWrongState, action: power.ActionStop, spec: busy(apiclient.StateRunning), args: soon, advice: "let that end, then run again", then: []string{"stop", "web"}},
		failing{reason: power.ReasonReversed, action: power.ActionStart, spec: zecsim.InstanceSpec{BootTime: time.Minute, Others: []zecsim.OtherAct{{AfterStart: 300 * time.Millisecond, Action: zecsim.OtherStop}}}, advice: "someone stopped it"},
		failing{reason: power.ReasonReversed, action: power.ActionStop, spec: zecsim.InstanceSpec{BootTime: time.Minute, Others: []zecsim.OtherAct{{AfterStop: softStop, Action: zecsim.OtherStart}}}, advice: "someone started it"},
		failing{reason: power.ReasonBootFailed, action: power.ActionStart, spec: zecsim.InstanceSpec{BootFailures: 1}, batch: onceOnly, advice: "see its console, then run again", then: []string{"start", "web"}},
		failing{reason: power.ReasonBootTimeout, action: power.ActionStart, spec: zecsim.InstanceSpec{BootTime: 4 * time.Second}, batch: timeouts, advice: "or raise that limit and run again", mend: func(w *world) { w.configureWeb("i-000000, i-000001", "", patient) }, then: []string{"start", "web"}},
		failing{reason: power.ReasonStopFailed, action: power.ActionStop, spec: zecsim.InstanceSpec{StopFailures: 1}, batch: onceOnly, advice: "zecpower stop --force GROUP", then: force},
		failing{reason: power.ReasonStopFailed, action: power.ActionStop, forced: true, spec: zecsim.InstanceSpec{StopFailures: 1}, batch: onceOnly, advice: "its power was cut", then: force},
		failing{reason: power.ReasonStopTimeout, action: power.ActionStop, spec: zecsim.InstanceSpec{SoftStopHangs: true}, batch: timeouts, advice: "when it is RUNNING again"},
		failing{reason: power.ReasonStopTimeout, action: power.ActionStop, forced: true, spec: zecsim.InstanceSpec{State: apiclient.StateStopping, StateFor: 5 * time.Second, StateThen: apiclient.StateRunning}, args: soon, advice: "of an instance that is STOPPING no stop is taken, forced or not", then: force},
		failing{reason: power.ReasonStopTimeout, action: power.ActionStop, spec: zecsim.InstanceSpec{State: apiclient.StateStopping, StateFor: 5 * time.Second, StateThen: apiclient.StateRunning}, args: soon, advice: "when it is RUNNING again: zecpower stop --force GROUP", then: force},
	)
}

const softStop = 200 * time.Millisecond

func (w *world) configureWeb(ids, api, batch string) {
	w.write("c.yaml", `
api: {endpoint: "`+w.endpoint+`", requests_per_second: 200, burst: 20, `+api+`}
batch: {poll_interval: 20ms, backoff: {initial: 5ms, max: 20ms}, `+batch+`}
groups: {web: {instances: [`+ids+`]}}
schedules: {yearly: {cron: "@yearly", action: start, groups: [web]}}
`)
}

// Each remedy that a run by hand prints is true: what it advises is done, and helps.
func TestRemediesAreTrue(t *testing.T) {
	t.Parallel()
	tried := map[power.Reason]bool{
		power.ReasonInvalidRequest: true, power.ReasonInternalError: true, // bugs, which no API brings about
		power.ReasonGuarded: true, // groups.txtar tries it
	}
	for _, f := range stories() {
		tried[f.reason] = true
		name := string(f.action) + " " + string(f.reason) + " " + string(f.spec.State) + f.api
		if f.forced {
			name = "forced " + name
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f.try(t)
		})
	}
	for _, reason := range power.Reasons() {
		if !tried[reason] {
			t.Errorf("the remedy of %s is not tried", reason)
		}
	}
}

func (f *failing) try(t *testing.T) {
	o := healthyFleet(2)
	o.Stop.Soft, o.Stop.Forced = softStop, time.Second
	o.Overrides[0] = f.spec
	if f.action == power.ActionStop {
		f.spec.State = cmp.Or(f.spec.State, apiclient.StateRunning)
		o.Overrides[0], o.Overrides[1] = f.spec, zecsim.InstanceSpec{State: apiclient.StateRunning}
	}
	w := newWorld(t, o)
	w.configureWeb("i-000000, i-000001", f.api, f.batch)
	if f.front != nil {
		w.front.Store(&f.front)
	}
	if f.refused != "" {
		w.front.Store(w.refusingPower(f.refused))
	}
	w.blind.Store(f.blind)
	well := w.env
	if f.env != "" {
		w.env = append(well[:len(well):len(well)], f.env)
	}
	args := append([]string{string(f.action), "web", "--config", w.path("c.yaml")}, f.args...)
	if f.forced {
		args = append(args, "--force")
	}
	p := w.begin(args...)
	if f.blind {
		awaitRequests(t, w, batcher.APIAction(f.action), 1)
		p.signal(syscall.SIGINT)
	}
	status, printed := p.wait(), p.out.String()
	line := regexp.MustCompile(`(?m)^  ` + string(f.reason) + ` \(\d+\) +(.*)$`).FindStringSubmatch(printed)
	if status != exitFailed || line == nil || line[1] != remedy(f.action, f.forced, f.reason) || !strings.Contains(line[1], f.advice) {
		t.Fatalf("status %d, and not the remedy with %q:\n%s", status, f.advice, printed)
	}
	w.env = well
	if f.mend != nil {
		f.mend(w)
	}
	if len(f.then) == 0 {
		return
	}
	if out, errs, status := w.run(append(f.then, "--config", w.path("c.yaml"))...); status != 0 {
		t.Errorf("%s does not help: status %d\n%s%s", strings.Join(f.then, " "), status, out, errs)
	}
}
