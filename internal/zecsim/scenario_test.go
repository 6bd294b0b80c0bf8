package zecsim

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"zecpower/apiclient"
)

func TestExampleScenarioMeansWhatItSays(t *testing.T) {
	o, err := LoadScenario("scenario.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := New(o); err != nil {
		t.Fatal(err)
	}
	overrides := o.Overrides
	o.Overrides = nil
	want := Options{
		Seed: 1, Instances: 1000, BadIDs: BadIDsReject,
		Boot:    Boot{2 * time.Second, time.Second, apiclient.StateStarting},
		Stop:    Stop{Forced: time.Second, Soft: 5 * time.Second},
		Latency: Latency{20 * time.Millisecond, 30 * time.Millisecond},
		Limit: &Limit{Rate: 20, Burst: 20, Statuses: []int{429, 403}, RetryAfter: RetryAfterSeconds, Changes: []LimitChange{
			{After: 30 * time.Second, Rate: 5}, {After: time.Minute, Rate: 40, Burst: 40},
		}},
		Faults: []Fault{
			{Kind: FaultAppliedLost, Probability: 0.02, Actions: []string{"StartInstances"}},
			{Kind: FaultError5xx, Probability: 1, Windows: []Window{{90 * time.Second, 105 * time.Second}, {From: 10 * time.Minute}}, Applied: AppliedSometimes},
			{Kind: FaultError5xx, Probability: 0.005, Status: 503, Code: apiclient.CodeServiceUnavailable},
			{Kind: FaultSlow, Probability: 0.001, Delay: 45 * time.Second},
			{Kind: FaultHuge, Probability: 0.001, Size: 32 << 20},
		},
	}
	if !reflect.DeepEqual(o, want) {
		t.Errorf("options are\n%+v, want\n%+v", o, want)
	}
	flaky := 0
	for _, s := range overrides {
		flaky += s.BootFailures
	}
	if flaky != 10 {
		t.Errorf("%d instances fail their first boot, want 1 %% of 1000", flaky)
	}
	for i, want := range map[int]InstanceSpec{
		7: {State: "RECYCLE"}, 13: {State: StateMissing}, 40: {Boot: BootFails},
		29: {State: "RUNNING", Name: "build-host", ZoneID: "asia-southeast-1b", ImageID: "img-debian-12", ResourceGroupID: "rg-build", Tags: map[string]string{"team": "build", "tier": "worker"}},
		30: {State: "REBUILDING", StateFor: 40 * time.Second, StateThen: "STOPPED", IPv4Address: "192.0.2.30"},
		50: {Refuses: true, RefusesFor: 20 * time.Second, RefusalCode: apiclient.CodeInstanceNotStopped},
		60: {BootTime: 90 * time.Second, BootJitter: 10 * time.Second, BootState: apiclient.StateBooting, StatusLag: 5 * time.Second, SoftStopHangs: true},
	} {
		if got := overrides[i]; !reflect.DeepEqual(got, want) {
			t.Errorf("%s is %+v, want %+v", InstanceID(i), got, want)
		}
	}
}

func TestExampleScenarioShowsEveryKey(t *testing.T) {
	text, err := os.ReadFile("scenario.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	keys := []string{
		"seed", "instances", "bad_ids", "boot", "stop", "status_lag", "clock_offset", "latency", "limit", "faults", "overrides",
		"time", "jitter", "forced", "soft", "soft_hangs", "fixed", "rate", "burst", "statuses", "retry_after", "changes", "after",
		"kind", "probability", "actions", "windows", "applied", "delay", "size", "status", "code", "share",
	}
	for _, f := range new(scenarioParser).specFields(nil) {
		keys = append(keys, f.key)
	}
	for _, k := range keys {
		if !strings.Contains(string(text), k+":") {
			t.Errorf("the example does not show %s", k)
		}
	}
	for _, k := range FaultKinds() {
		if !strings.Contains(string(text), string(k)) {
			t.Errorf("the example does not name the fault %s", k)
		}
	}
}

func TestEmptyScenarioIsTheDefault(t *testing.T) {
	for _, text := range []string{"", "# nothing\n", "null\n", "{}\n", "overrides:\n"} {
		o, err := ParseScenario("s.yaml", []byte(text), 0)
		o.Overrides = nil
		if err != nil || !reflect.DeepEqual(o, DefaultOptions()) {
			t.Errorf("%q gives %+v, %v", text, o, err)
		}
	}
}

func TestSizeFromOutsideWins(t *testing.T) {
	text := []byte("instances: 10\noverrides: [{share: 0.5, state: RUNNING}]\n")
	o, err := ParseScenario("s.yaml", text, 2000)
	if err != nil || o.Instances != 2000 || len(o.Overrides) != 1000 {
		t.Errorf("%d instances, %d overridden, %v", o.Instances, len(o.Overrides), err)
	}
}

func TestLaterOverridesAddToEarlierOnes(t *testing.T) {
	o, err := ParseScenario("s.yaml", []byte(`
overrides:
  - {instances: ["i-000000..i-000002"], state: RUNNING, name: a}
  - {instances: [i-000001], name: b}
`), 0)
	if err != nil {
		t.Fatal(err)
	}
	if got := o.Overrides[1]; got.State != "RUNNING" || got.Name != "b" || o.Overrides[2].Name != "a" {
		t.Errorf("overrides are %+v", o.Overrides)
	}
}

func TestMistakesInAScenarioHaveTheirPlaceAndRemedy(t *testing.T) {
	for name, tc := range map[string]struct{ text, want string }{
		"unknown key":           {"sead: 1\n", `s.yaml:1:1: unknown key "sead" in a scenario; did you mean seed?`},
		"unknown key far off":   {"boot: {speed: 1}\n", `s.yaml:1:8: unknown key "speed" in boot; known: time, jitter, state`},
		"repeated key":          {"seed: 1\nseed: 2\n", `s.yaml:2:1: key "seed" is there twice in a scenario; keep one`},
		"not a mapping":         {"- 1\n", `s.yaml:1:1: a scenario must be a mapping, not a list`},
		"a list wanted":         {"faults: {kind: cut}\n", `s.yaml:1:9: faults must be a list, not a mapping`},
		"a number without unit": {"boot:\n  time: 3\n", `s.yaml:2:9: duration "3"; write a number with its unit`},
		"negative duration":     {"status_lag: -1s\n", `s.yaml:1:13: -1s is negative; use 0s or more`},
		"a list for a duration": {"status_lag: [1s]\n", `s.yaml:1:13: a duration is wanted, not a list`},
		"a text for a number":   {"instances: many\n", `s.yaml:1:12: a whole number is wanted, not "many"`},
		"nothing for a number":  {"seed:\n", `s.yaml:1:6: a whole number is wanted, not nothing`},
		"too many instances":    {"instances: 99999999999\n", `s.yaml:1:12: 99999999999 is out of range; use 0 to 10000000`},
		"a choice":              {"bad_ids: rejekt\n", `s.yaml:1:10: "rejekt" is not known here; did you mean reject?`},
		"a boolean":             {"stop: {soft_hangs: maybe}\n", `s.yaml:1:20: true or false is wanted, not "maybe"`},
		"limit without rate":    {"limit: {burst: 3}\n", `s.yaml:1:8: limit has no rate; say rate: 20`},
		"rate of zero":          {"limit: {rate: 0}\n", `0 is out of range`},
		"rate that is no rate":  {"limit: {rate: .nan}\n", `.nan is out of range`},
		"status":                {"limit: {rate: 1, statuses: [200]}\n", `s.yaml:1:29: 200 is out of range; use 400 to 499`},
		"change without rate":   {"limit: {rate: 1, changes: [{after: 1s}]}\n", `s.yaml:1:28: a change of the limit has no rate`},
		"changes out of order":  {"limit: {rate: 1, changes: [{after: 2s, rate: 1}, {after: 1s, rate: 2}]}\n", `not in the order of time; sort them by after`},
		"fault without kind":    {"faults: [{probability: 0.5}]\n", `s.yaml:1:10: a fault has no kind; say kind: lost_before`},
		"unknown kind":          {"faults: [{kind: lost_befor}]\n", `s.yaml:1:17: "lost_befor" is not known here; did you mean lost_before?`},
		"probability":           {"faults: [{kind: cut, probability: 2}]\n", `s.yaml:1:35: 2 is out of range; use 1e-09 to 1`},
		"action":                {"faults: [{kind: cut, actions: [StartInstance]}]\n", `did you mean StartInstances?`},
		"window":                {"faults: [{kind: cut, windows: [1m-2m]}]\n", `s.yaml:1:32: window "1m-2m"; write from..to`},
		"window backwards":      {"faults: [{kind: cut, windows: [2m..1m]}]\n", `s.yaml:1:32: window "2m..1m"`},
		"applied of a kind":     {"faults: [{kind: cut, applied: never}]\n", `s.yaml:1:10: cut: applied never: this kind is always applied`},
		"override of nobody":    {"overrides: [{state: RUNNING}]\n", `s.yaml:1:13: an override selects no instance; say instances`},
		"id outside the fleet":  {"instances: 5\noverrides: [{instances: [i-000005]}]\n", `s.yaml:2:26: instance "i-000005"; write i-000003, or "i-000010..i-000019"; this fleet has 5`},
		"range backwards":       {"overrides: [{instances: [i-000005..i-000004]}]\n", `s.yaml:1:26: instance "i-000005..i-000004"`},
		"contradiction":         {"overrides: [{instances: [i-000001], boot: hangs, boot_failures: 1}]\n", `s.yaml:1:13: i-000001: boot failures 1`},
		"then without for":      {"overrides: [{share: 1, state_then: RUNNING}]\n", `i-000000: state then RUNNING: say how long the first state lasts`},
		"empty text":            {"overrides: [{share: 1, state: ''}]\n", `s.yaml:1:31: an empty text; leave the key out instead`},
		"alias":                 {"boot: {time: &a 1s, jitter: *a}\n", `an alias; anchors and aliases are not supported here; write the value out`},
		"two documents":         {"seed: 1\n---\nseed: 2\n", `s.yaml:1:1: more than one YAML document`},
		"no YAML":               {"seed: 1\n\tboot: 2\n", `s.yaml:2:1: found a tab character that violates indentation; this is not YAML`},
		"too large":             {strings.Repeat("#", maxScenarioBytes+1), `s.yaml:1:1: the file is larger than 1024 KiB`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseScenario("s.yaml", []byte(tc.text), 0)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error is\n%v\nwant\n%s", err, tc.want)
			}
		})
	}
}

func TestAllMistakesComeAtOnceInTheOrderOfTheFile(t *testing.T) {
	_, err := ParseScenario("s.yaml", []byte("overrides: [{instances: [x], stat: 1}]\nseed: -1\nboot: 3\nfaults: [{kind: nope}]\n"), 0)
	want := []string{"s.yaml:1:26:", "s.yaml:1:30:", "s.yaml:2:7:", "s.yaml:3:7:", "s.yaml:4:17:"}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != len(want) {
		t.Fatalf("errors are\n%v", err)
	}
	for i, line := range lines {
		if !strings.HasPrefix(line, want[i]) {
			t.Errorf("error %d is %q, want it at %s", i, line, want[i])
		}
	}
	if p, ok := errors.AsType[*Problem](err); !ok || p.Line != 1 || p.Col != 26 {
		t.Errorf("first problem is %+v", p)
	}
}

func TestScenarioFileThatIsNotThere(t *testing.T) {
	if _, err := LoadScenario(filepath.Join(t.TempDir(), "none.yaml")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error is %v", err)
	}
}

func FuzzScenario(f *testing.F) {
	example, err := os.ReadFile("scenario.example.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(example)
	f.Add([]byte("limit: {rate: 1, changes: [{after: 1s, rate: 0}]}\nfaults: [{kind: omit, windows: [..1s]}]\n"))
	f.Add([]byte("a: &a [*a]\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		o, err := ParseScenario("s.yaml", data, 50)
		if err != nil {
			return
		}
		if _, err := New(o); err != nil {
			t.Errorf("a scenario that was taken makes options that are not: %v", err)
		}
	})
}
