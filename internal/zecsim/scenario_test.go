package zecsim

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"zecpower/apiclient"
	"zecpower/internal/strictyaml"
)

// soldOut is a code that the reference does not list for power actions.
const soldOut apiclient.Code = "RESOURCE_INSUFFICIENT_PRODUCT_SOLD_OUT"

func TestExampleScenarioMeansWhatItSays(t *testing.T) {
	o, err := LoadScenario("scenario.example.yaml", 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := New(o); err != nil {
		t.Fatal(err)
	}
	overrides := o.Overrides
	o.Overrides = nil
	want := Options{
		Seed: 1, Instances: 1000, BadIDs: BadIDsReject, NotFoundCode: apiclient.CodeInstanceNotFound,
		Pages:   Pages{Order: OrderPosition},
		Boot:    Boot{2 * time.Second, time.Second, apiclient.StateStarting},
		Stop:    Stop{Forced: time.Second, Soft: 5 * time.Second},
		Latency: Latency{20 * time.Millisecond, 30 * time.Millisecond},
		Limit: &Limit{Rate: 20, Burst: 20, Statuses: []int{429, 403}, RetryAfter: RetryAfterSeconds, Changes: []LimitChange{
			{After: 30 * time.Second, Rate: 5}, {After: time.Minute, Rate: 40, Burst: 40},
		}},
		ActionLimits: map[string]*Limit{
			"StartInstances": {Rate: 10, Burst: 10}, "DescribeInstancesStatus": {Rate: 40, RetryAfter: RetryAfterDate},
		},
		Refusals: []Refusal{{
			Actions: []string{"StartInstances"}, Windows: []Window{{240 * time.Second, 260 * time.Second}}, Status: 403, Code: soldOut,
		}},
		Faults: []Fault{
			{Kind: FaultAppliedLost, Probability: 0.02, Actions: []string{"StartInstances"}},
			{Kind: FaultError5xx, Probability: 1, Windows: []Window{{90 * time.Second, 105 * time.Second}, {From: 10 * time.Minute}}, Applied: AppliedSometimes},
			{Kind: FaultError5xx, Probability: 0.005, Status: 503, Code: apiclient.CodeServiceUnavailable},
			{Kind: FaultSlow, Probability: 0.001, Delay: 45 * time.Second},
			{Kind: FaultHuge, Probability: 0.001, Size: 32 << 20},
			{Kind: FaultAuthFailure, Probability: 1, Windows: []Window{{From: 2 * time.Minute}}, Times: 1},
			{Kind: FaultHTML, Probability: 1, Windows: []Window{{3 * time.Minute, 182 * time.Second}}, Status: 404},
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
		7: {State: "RECYCLE"}, 13: {State: StateMissing}, 16: {State: "REINSTALL_FAILED"}, 40: {Boot: BootFails, BootFailsStopping: true},
		29:  {State: "RUNNING", Name: "build-host", ZoneID: "asia-southeast-1b", ImageID: "img-debian-12", InstanceType: "z2a.cpu.4", ResourceGroupID: "rg-build", Tags: map[string]string{"team": "build", "tier": "worker"}},
		30:  {State: "REBUILDING", StateFor: 40 * time.Second, StateThen: "STOPPED", IPv4Address: "192.0.2.30"},
		105: {Name: "web-6", ZoneID: "asia-east-1c", Tags: map[string]string{"env": "test", "role": "web", "host": "h000105"}},
		300: {Name: "web-201", ZoneID: "asia-east-1c", Tags: map[string]string{"env": "test", "role": "web", "host": "h000300"}, JoinsAfter: 2 * time.Minute},
		319: {
			Name: "web-220", ZoneID: "asia-east-1a", Tags: map[string]string{"env": "prod", "role": "web", "host": "h000319"},
			JoinsAfter: 30 * time.Second, LeavesAfter: 5 * time.Minute,
		},
		50: {Refuses: true, RefusesStops: true, RefusesFor: 20 * time.Second, RefusalCode: soldOut, RefusalStatus: 400},
		61: {State: "RUNNING", StopFailures: 2}, 62: {State: "RUNNING", StopHangs: true},
		79: {Others: []OtherAct{
			{After: 30 * time.Second, Action: OtherStart}, {AfterStart: 3 * time.Second, Action: OtherStop}, {AfterStop: time.Minute, Action: OtherStart},
		}},
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
		"not_found_code", "null_pages", "pages", "order", "moving", "action_limits", "refusals", "times", "after_start", "after_stop", "action",
	}
	for key := range new(specChanges).keys() {
		keys = append(keys, key)
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

func TestScenarioThatSaysNothingIsTheDefault(t *testing.T) {
	for _, text := range []string{"null\n", "{}\n", "boot:\n", "latency: {}\n"} {
		o, err := ParseScenario("s.yaml", []byte(text), 0)
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

func TestSizeFromOutsideIsWhatPositionsAreHeldAgainst(t *testing.T) {
	_, err := ParseScenario("s.yaml", []byte("instances: 5k\noverrides: [{instances: [i-000049, i-000050]}]\n"), 50)
	want := "s.yaml:1:12: instances: \"5k\" is not a whole number (write digits only, 0 to 10000000)\n" +
		"s.yaml:2:36: overrides.instances: \"i-000050\" is outside the fleet of 50 (raise instances, or name lower ones; the first is i-000000)"
	if err == nil || err.Error() != want {
		t.Errorf("error is\n%v\nwant\n%s", err, want)
	}
}

func TestDefaultsCanBeSpelledOut(t *testing.T) {
	o, err := ParseScenario("s.yaml", []byte("limit: {rate: 1, retry_after: none}\noverrides: [{share: 1, boot: fails, refuses: true}, {instances: [i-000001], boot: works, refuses: false}]\n"), 2)
	if err != nil {
		t.Fatal(err)
	}
	want := map[int]InstanceSpec{0: {Boot: BootFails, Refuses: true}, 1: {}}
	if o.Limit.RetryAfter != RetryAfterNone || !reflect.DeepEqual(o.Overrides, want) {
		t.Errorf("retry after %q, overrides %+v", o.Limit.RetryAfter, o.Overrides)
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
		"unknown key":           {"sead: 1\n", `s.yaml:1:1: unknown key "sead" (did you mean "seed"?)`},
		"unknown key far off":   {"boot: {speed: 1}\n", `s.yaml:1:8: boot: unknown key "speed" (known here: jitter, state, time)`},
		"a credential":          {"access_key: hunter2\n", `s.yaml:1:1: unknown key "access_key" (credentials come from the environment or a credentials file; take it out of here)`},
		"repeated key":          {"seed: 1\nseed: 2\n", `s.yaml:2:1: the key "seed" is repeated; it stands on line 1 already (keep one)`},
		"not a mapping":         {"- 1\n", `s.yaml:1:1: this is a list, where a mapping of keys to values belongs (take the dashes or brackets off and write key: value, one a line)`},
		"a list wanted":         {"faults: {kind: cut}\n", `s.yaml:1:9: faults: this is a mapping, where a list belongs (put a dash before each item)`},
		"a list without items":  {"overrides:\n", `s.yaml:1:1: overrides: the list is empty (add an item or take the key out)`},
		"a number without unit": {"boot:\n  time: 3\n", `s.yaml:2:9: boot.time: "3" is not a duration (add a unit: 3s, 3m or 3h)`},
		"negative duration":     {"status_lag: -1s\n", `s.yaml:1:13: status_lag: -1s is out of range (use 0s to 87600h)`},
		"a list for a duration": {"status_lag: [1s]\n", `s.yaml:1:13: status_lag: this is a list, where a duration such as 30s or 10m belongs (take the dashes or brackets off and write one value)`},
		"a clock too far off":   {"clock_offset: -99999h\n", `s.yaml:1:15: clock_offset: -99999h is out of range (use -87600h to 87600h)`},
		"a text for a number":   {"instances: many\n", `s.yaml:1:12: instances: "many" is not a whole number (write digits only, 0 to 10000000)`},
		"nothing for a number":  {"seed:\n", `s.yaml:1:1: seed: there is no value (give it a whole number, or take it out)`},
		"too many instances":    {"instances: 99999999999\n", `s.yaml:1:12: instances: 99999999999 is out of range (use 0 to 10000000)`},
		"a choice":              {"bad_ids: rejekt\n", `s.yaml:1:10: bad_ids: "rejekt" is not known here (did you mean "reject"?)`},
		"a state of a boot":     {"boot: {state: RUNNING}\n", `s.yaml:1:15: boot.state: "RUNNING" is not known here (use STARTING, BOOTING)`},
		"a boolean":             {"stop: {soft_hangs: maybe}\n", `s.yaml:1:20: stop.soft_hangs: "maybe" is neither true nor false (write true or false)`},
		"limit without rate":    {"limit: {burst: 3}\n", `s.yaml:1:1: limit: the key "rate" is missing (add rate: …)`},
		"rate of zero":          {"limit: {rate: 0}\n", `s.yaml:1:15: limit.rate: 0 is out of range (use 0.000001 to 1000000)`},
		"rate that is no rate":  {"limit: {rate: .nan}\n", `s.yaml:1:15: limit.rate: ".nan" is not a number (write a number such as 10 or 0.5)`},
		"status":                {"limit: {rate: 1, statuses: [200]}\n", `s.yaml:1:29: limit.statuses: 200 is out of range (use 400 to 499)`},
		"form of retry_after":   {"limit: {rate: 1, retry_after: later}\n", `s.yaml:1:31: limit.retry_after: "later" is not known here (use none, seconds, date)`},
		"change without rate":   {"limit: {rate: 1, changes: [{after: 1s}]}\n", `s.yaml:1:28: limit.changes: the key "rate" is missing (add rate: …)`},
		"changes out of order":  {"limit: {rate: 1, changes: [{after: 2s, rate: 1}, {after: 1s, rate: 2}]}\n", `s.yaml:1:50: limit.changes: the change after 1s stands behind that after 2s (sort the changes by after)`},
		"fault without kind":    {"faults: [{probability: 0.5}]\n", `s.yaml:1:10: faults: the key "kind" is missing (add kind: …)`},
		"unknown kind":          {"faults: [{kind: lost_befor}]\n", `s.yaml:1:17: faults.kind: "lost_befor" is not known here (did you mean "lost_before"?)`},
		"probability":           {"faults: [{kind: cut, probability: 2}]\n", `s.yaml:1:35: faults.probability: 2 is out of range (use more than 0, at most 1)`},
		"action":                {"faults: [{kind: cut, actions: [StartInstance]}]\n", `s.yaml:1:32: faults.actions: "StartInstance" is not known here (did you mean "StartInstances"?)`},
		"window":                {"faults: [{kind: cut, windows: [1m-2m]}]\n", `s.yaml:1:32: faults.windows: "1m-2m" is not a window (write from..to since the simulator's beginning, such as "30s..45s" or "2m..")`},
		"window of all time":    {"faults: [{kind: cut, windows: [..]}]\n", `s.yaml:1:32: faults.windows: ".." is not a window (write from..to since the simulator's beginning, such as "30s..45s" or "2m..")`},
		"window backwards":      {"faults: [{kind: cut, windows: [2m..1m]}]\n", `s.yaml:1:32: faults.windows: the window "2m..1m" ends before it begins (put the earlier time first)`},
		"window before all":     {"faults: [{kind: cut, windows: [-2m..1m]}]\n", `s.yaml:1:32: faults.windows: "-2m..1m" is not a window (write from..to since the simulator's beginning, such as "30s..45s" or "2m..")`},
		"applied of a kind":     {"faults: [{kind: cut, applied: never}]\n", `s.yaml:1:10: faults: cut: applied never: this kind is always applied`},
		"applied of a status":   {"faults: [{kind: html, status: 404, applied: always}]\n", `s.yaml:1:10: faults: html: applied always: this kind is never applied with status 404; use 500 or more, or leave applied out`},
		"html that redirects":   {"faults: [{kind: html, status: 302}]\n", `s.yaml:1:10: faults: html: status 302 leads to another place: use the kind redirect`},
		"html with 200":         {"faults: [{kind: html, status: 200}]\n", `s.yaml:1:31: faults.status: 200 is out of range (use 300 to 599)`},
		"times of none":         {"faults: [{kind: html, times: 0}]\n", `s.yaml:1:30: faults.times: 0 is out of range (use 1 to 1000000000)`},
		"refusal without code":  {"refusals: [{status: 403}]\n", `s.yaml:1:12: refusals: the key "code" is missing (add code: …)`},
		"refusal with a 5xx":    {"refusals: [{code: X, status: 503}]\n", `s.yaml:1:30: refusals.status: 503 is out of range (use 400 to 499)`},
		"refusal of an action":  {"refusals: [{code: X, actions: [Start]}]\n", `s.yaml:1:32: refusals.actions: "Start" is not known here (did you mean "StartInstances"?)`},
		"refusal window":        {"refusals: [{code: X, windows: [2s]}]\n", `s.yaml:1:32: refusals.windows: "2s" is not a window (write from..to since the simulator's beginning, such as "30s..45s" or "2m..")`},
		"code for not found":    {"not_found_code: INVALID_INSTANCE\n", `s.yaml:1:17: not_found_code: "INVALID_INSTANCE" is not known here (did you mean "INVALID_INSTANCE_NOT_FOUND"?)`},
		"null pages":            {"null_pages: 1\n", `s.yaml:1:13: null_pages: "1" is neither true nor false (write true or false)`},
		"page order":            {"pages: {order: random}\n", `s.yaml:1:16: pages.order: "random" is not known here (use position, shuffled)`},
		"pages move too much":   {"pages: {moving: 1.5}\n", `s.yaml:1:17: pages.moving: 1.5 is out of range (use 0 to 1)`},
		"leaves before joining": {"overrides: [{share: 1, joins_after: 2m, leaves_after: 1m}]\n", `s.yaml:1:13: overrides: i-000000: it leaves after 1m0s, and joins after 2m0s: let it join before it leaves`},
		"joins as missing":      {"overrides: [{share: 1, joins_after: 2m, state: MISSING}]\n", `s.yaml:1:13: overrides: i-000000: it joins after 2m0s in the state MISSING: give it a state that it joins in`},
		"joins in the past":     {"overrides: [{share: 1, joins_after: -1s}]\n", `s.yaml:1:37: overrides.joins_after: -1s is out of range (use 0s to 87600h)`},
		"no pattern":            {"overrides: [{share: 1, name: 'web-{i}'}]\n", `s.yaml:1:30: overrides.name: "i" is not known in braces (in braces write {k} for 1, 2, 3, {n} for the digits of the id, or a choice such as {a|b})`},
		"brace not closed":      {"overrides: [{share: 1, zone: 'z{a|b'}]\n", `s.yaml:1:30: overrides.zone: "z{a|b" opens a brace that it does not close (in braces write {k} for 1, 2, 3, {n} for the digits of the id, or a choice such as {a|b})`},
		"brace not opened":      {"overrides: [{share: 1, tags: {env: 'a}'}}]\n", `s.yaml:1:36: overrides.tags.env: "a}" closes a brace that it does not open (in braces write {k} for 1, 2, 3, {n} for the digits of the id, or a choice such as {a|b})`},
		"brace within a brace":  {"overrides: [{share: 1, name: '{a|{k}}'}]\n", `s.yaml:1:30: overrides.name: "a|{k" is not known in braces (in braces write {k} for 1, 2, 3, {n} for the digits of the id, or a choice such as {a|b})`},
		"empty name":            {"overrides: [{share: 1, name: ''}]\n", `s.yaml:1:30: overrides.name: the text is empty (take the key out instead)`},
		"limit of no action":    {"action_limits: {StartInstance: {rate: 1}}\n", `s.yaml:1:17: action_limits: unknown key "StartInstance" (did you mean "StartInstances"?)`},
		"limit without a rate":  {"action_limits: {StartInstances: {burst: 1}}\n", `s.yaml:1:17: action_limits.StartInstances: the key "rate" is missing (add rate: …)`},
		"other without action":  {"overrides: [{share: 1, others: [{after: 3s}]}]\n", `s.yaml:1:33: overrides.others: the key "action" is missing (add action: …)`},
		"other at no moment":    {"overrides: [{share: 1, others: [{action: stop}]}]\n", `s.yaml:1:33: overrides.others: this act has no single moment (give one of after, after_start and after_stop)`},
		"other at two moments":  {"overrides: [{share: 1, others: [{after: 3s, after_stop: 3s, action: stop}]}]\n", `s.yaml:1:33: overrides.others: this act has no single moment (give one of after, after_start and after_stop)`},
		"other at once":         {"overrides: [{share: 1, others: [{after: 0s, action: stop}]}]\n", `s.yaml:1:41: overrides.others.after: 0s is out of range (use 1ms to 87600h)`},
		"other's action":        {"overrides: [{share: 1, others: [{after: 3s, action: reboot}]}]\n", `s.yaml:1:53: overrides.others.action: "reboot" is not known here (use start, stop)`},
		"own refusal's status":  {"overrides: [{share: 1, refuses_stops: true, refusal_status: 500}]\n", `s.yaml:1:61: overrides.refusal_status: 500 is out of range (use 400 to 499)`},
		"status without":        {"overrides: [{share: 1, refusal_status: 400}]\n", `s.yaml:1:13: overrides: i-000000: a refusal is described, but the instance does not refuse: let it refuse starts or stops`},
		"stop failures of hang": {"overrides: [{share: 1, stop_hangs: true, stop_failures: 1}]\n", `s.yaml:1:13: overrides: i-000000: stop failures 1: use 0 or more, and only with a stop that works in the end`},
		"no boot that fails":    {"overrides: [{share: 1, boot_fails_stopping: true}]\n", `s.yaml:1:13: overrides: i-000000: boot fails stopping, but no boot fails: use boot fails or boot failures, too`},
		"size":                  {"faults: [{kind: huge, size: 5}]\n", `s.yaml:1:29: faults.size: 5 is out of range (use 1024 to 1125899906842624)`},
		"override of nothing":   {"overrides: [{state: RUNNING}]\n", `s.yaml:1:13: overrides: this selects no instance (add instances: [i-000003, "i-000010..i-000019"] or share: 0.01)`},
		"share":                 {"overrides: [{share: 2, state: RUNNING}]\n", `s.yaml:1:21: overrides.share: 2 is out of range (use more than 0, at most 1)`},
		"id outside the fleet":  {"instances: 5\noverrides: [{instances: [i-000005]}]\n", `s.yaml:2:26: overrides.instances: "i-000005" is outside the fleet of 5 (raise instances, or name lower ones; the first is i-000000)`},
		"no id":                 {"overrides: [{instances: [web-1]}]\n", `s.yaml:1:26: overrides.instances: "web-1" is neither an instance nor a range of them (write i-000003 or "i-000010..i-000019")`},
		"range backwards":       {"overrides: [{instances: [i-000005..i-000004]}]\n", `s.yaml:1:26: overrides.instances: the range "i-000005..i-000004" runs backwards (put the lower one first)`},
		"contradiction":         {"overrides: [{instances: [i-000001], boot: hangs, boot_failures: 1}]\n", `s.yaml:1:13: overrides: i-000001: boot failures 1: use 0 or more, and only with a boot that works in the end`},
		"contradiction of two":  {"overrides: [{share: 1, boot: fails}, {instances: [i-000009], boot_failures: 2}]\n", `s.yaml:1:38: overrides: i-000009: boot failures 2: use 0 or more, and only with a boot that works in the end`},
		"then without for":      {"overrides: [{share: 1, state_then: RUNNING}]\n", `s.yaml:1:13: overrides: i-000000: state then RUNNING: say how long the first state lasts`},
		"empty text":            {"overrides: [{share: 1, state: ''}]\n", `s.yaml:1:31: overrides.state: the text is empty (take the key out instead)`},
		"tag":                   {"overrides: [{share: 1, tags: {Team: [a]}}]\n", `s.yaml:1:37: overrides.tags."Team": this is a list, where text belongs (take the dashes or brackets off and write one value)`},
		"alias":                 {"boot: {time: &a 1s, jitter: *a}\n", "s.yaml:1:14: the YAML anchor &a is not supported (write the value out wherever it is needed; a text that starts with & needs quotes)\ns.yaml:1:29: the YAML alias *a is not supported (write the value out wherever it is needed; a text that starts with * needs quotes)"},
		"two documents":         {"seed: 1\n---\nseed: 2\n", `s.yaml:2:1: there is a second YAML document (keep one; the line --- starts another)`},
		"no YAML":               {"seed: 1\n\tboot: 2\n", `s.yaml:2:1: the line is indented with a tab (indent with spaces)`},
		"nothing at all":        {"# nothing\n", `s.yaml: the file is empty (start from scenario.example.yaml)`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseScenario("s.yaml", []byte(tc.text), 0)
			if err == nil || err.Error() != tc.want {
				t.Errorf("error is\n%v\nwant\n%s", err, tc.want)
			}
		})
	}
}

func TestAllMistakesComeAtOnceInTheOrderOfTheFile(t *testing.T) {
	_, err := ParseScenario("s.yaml", []byte("overrides: [{instances: [x], stat: 1}]\nseed: -1\nboot: 3\nfaults: [{kind: nope}]\n"), 0)
	invalid, ok := errors.AsType[*strictyaml.Invalid](err)
	if !ok {
		t.Fatalf("error is %v", err)
	}
	var places [][2]int
	for _, p := range invalid.Problems {
		places = append(places, [2]int{p.Line, p.Column})
	}
	if want := [][2]int{{1, 26}, {1, 30}, {2, 7}, {3, 7}, {4, 17}}; !slices.Equal(places, want) {
		t.Errorf("mistakes are at %v, want %v:\n%v", places, want, err)
	}
}

func TestOneMistakeIsReportedOnce(t *testing.T) {
	for name, text := range map[string]string{
		"the size, which positions depend on":    "instances: 5k\noverrides: [{instances: [i-004000]}, {share: 0.5, boot: hangs}]\n",
		"the kind, which the rest depends on":    "faults: [{kind: slw, delay: 1s}]\n",
		"a kind with a tag":                      "faults: [{kind: !!str cut}]\n",
		"the key that selects":                   "overrides: [{instance: [i-000001], state: RUNNING}]\n",
		"a contradiction in a thousand":          "overrides: [{share: 1, boot: hangs, boot_failures: 1}, {share: 1, name: a}]\n",
		"what a later override builds on":        "overrides: [{instances: [i-000001], state_for: 5}, {instances: [i-000001], state_then: RUNNING}]\n",
		"the moment of another's act":            "overrides: [{share: 1, others: [{after: x, action: stop}, {after_stop: 1s, action: start}]}]\n",
		"the rate of a change among its fellows": "limit: {rate: 1, changes: [{after: 2s, rate: x}, {after: 1s, rate: 2}]}\n",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseScenario("s.yaml", []byte(text), 0)
			if invalid, ok := errors.AsType[*strictyaml.Invalid](err); !ok || len(invalid.Problems) != 1 {
				t.Errorf("want one problem, got\n%v", err)
			}
		})
	}
}

func TestIndependentMistakesOfOverridesAreAllReported(t *testing.T) {
	_, err := ParseScenario("s.yaml", []byte("overrides:\n- {instances: [i-000001], stat: a}\n- {instances: [i-000002], boot: hangs, boot_failures: 1}\n"), 0)
	if invalid, ok := errors.AsType[*strictyaml.Invalid](err); !ok || len(invalid.Problems) != 2 {
		t.Errorf("want two problems, got\n%v", err)
	}
}

func TestScenarioFileThatCannotBeRead(t *testing.T) {
	folder := t.TempDir()
	large := filepath.Join(folder, "large.yaml")
	if err := os.WriteFile(large, bytes.Repeat([]byte("#"), maxScenarioBytes+1), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(folder, "none.yaml"): "there is no such file (check the path)",
		folder:                             "is a directory, not a file (name a file in it)",
		large:                              "is larger than the 1 MiB that are read (is this the right file?)",
	} {
		if _, err := LoadScenario(path, 0); err == nil || err.Error() != path+": "+want {
			t.Errorf("error is %v, want %s", err, want)
		}
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
	f.Add([]byte("refusals: [{code: A}]\naction_limits: {StartInstances: {rate: 1}}\noverrides: [{share: 1, stop_failures: 1, others: [{after: 1s, action: stop}]}]\n"))
	f.Add([]byte("pages: {order: shuffled, moving: 0.5}\noverrides: [{share: 1, name: 'a{k}{n}{b|c}', joins_after: 1s, leaves_after: 2s}]\n"))
	f.Add([]byte("overrides: [{share: 1, tags: {\"a\\nb\": [1]}}]\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		o, err := ParseScenario("s.yaml", data, 50)
		if err != nil {
			checkProblems(t, err)
			return
		}
		if _, err := New(o); err != nil {
			t.Errorf("a scenario that was accepted makes options that are not: %v", err)
		}
	})
}

// checkProblems holds a refusal against what people and editors rely on.
func checkProblems(t *testing.T, err error) {
	t.Helper()
	invalid, ok := errors.AsType[*strictyaml.Invalid](err)
	if !ok || len(invalid.Problems) == 0 {
		t.Fatalf("not an *Invalid with problems: %v", err)
	}
	for _, p := range invalid.Problems {
		if p.Message == "" || strings.ContainsAny(p.String(), "\n\r") || p.Line < 0 || p.Line > 0 && p.Column < 1 {
			t.Errorf("a problem without a message or place, or of several lines: %+v", p)
		}
	}
}
