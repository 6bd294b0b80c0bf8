package zecsim

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"zecpower/apiclient"
)

// maxScenarioBytes bounds a scenario file.
const maxScenarioBytes = 1 << 20

// Problem is one mistake in a scenario file.
type Problem struct {
	File      string
	Line, Col int // from 1
	Message   string
	Hint      string // the remedy; may be empty
}

// Error gives "file:line:col: message; hint".
func (p *Problem) Error() string {
	s := fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Col, p.Message)
	if p.Hint != "" {
		s += "; " + p.Hint
	}
	return s
}

// LoadScenario reads a scenario file: see scenario.example.yaml, which shows
// every key. Keys that are left out keep the values of [DefaultOptions]; keys
// that are unknown or repeated are errors. The error joins every [*Problem], in
// the order of the file. Credentials never stand in a scenario.
func LoadScenario(path string) (Options, error) { return LoadScenarioSized(path, 0) }

// LoadScenarioSized is LoadScenario for a fleet of another size than the file
// says, where instances is above 0: shares and ranges are taken of that.
func LoadScenarioSized(path string, instances int) (Options, error) {
	f, err := os.Open(path)
	if err != nil {
		return Options{}, fmt.Errorf("scenario: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxScenarioBytes+1))
	if err != nil {
		return Options{}, fmt.Errorf("scenario %s: %w", path, err)
	}
	return ParseScenario(path, data, instances)
}

// ParseScenario is LoadScenarioSized for a file that was read already; name
// stands for it in errors.
func ParseScenario(name string, data []byte, instances int) (Options, error) {
	p := &scenarioParser{decoder: decoder{file: name}, opts: DefaultOptions(), instances: instances}
	if len(data) > maxScenarioBytes {
		return Options{}, &Problem{name, 1, 1, fmt.Sprintf("the file is larger than %d KiB", maxScenarioBytes>>10), "a scenario is a few lines; generate fleets with share or ranges"}
	}
	var doc yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(data))
	if err := dec.Decode(&doc); err != nil && !errors.Is(err, io.EOF) {
		return Options{}, syntaxProblem(name, err)
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return Options{}, &Problem{name, 1, 1, "more than one YAML document", "keep one, without --- in between"}
	}
	if len(doc.Content) > 0 {
		p.root(doc.Content[0])
	}
	if err := p.err(); err != nil {
		return Options{}, err
	}
	return p.opts, nil
}

// scenarioParser fills Options from a YAML tree.
type scenarioParser struct {
	decoder
	opts      Options
	instances int // from outside; 0 where the file decides
}

func (p *scenarioParser) root(n *yaml.Node) {
	o := &p.opts
	badIDs := string(o.BadIDs)
	var overrides *yaml.Node
	p.mapping(n, "a scenario", []field{
		{"seed", func(n *yaml.Node) { p.integer(n, 0, 1<<62, func(v int64) { o.Seed = uint64(v) }) }},
		{"instances", func(n *yaml.Node) { p.integer(n, 0, maxInstances, func(v int64) { o.Instances = int(v) }) }},
		{"bad_ids", func(n *yaml.Node) { p.oneOf(n, &badIDs, string(BadIDsReject), string(BadIDsFailedList)) }},
		{"boot", p.boot},
		{"stop", p.stop},
		{"status_lag", p.durationInto(&o.StatusLag)},
		{"clock_offset", func(n *yaml.Node) { p.signedDuration(n, &o.ClockOffset) }},
		{"latency", func(n *yaml.Node) {
			p.mapping(n, "latency", []field{{"fixed", p.durationInto(&o.Latency.Fixed)}, {"jitter", p.durationInto(&o.Latency.Jitter)}})
		}},
		{"limit", p.limit},
		{"faults", func(n *yaml.Node) { p.list(n, "faults", p.fault) }},
		{"overrides", func(n *yaml.Node) { overrides = n }},
	})
	o.BadIDs = BadIDs(badIDs)
	if p.instances > 0 {
		o.Instances = p.instances
	}
	if overrides != nil { // last, because they speak of the fleet's size
		o.Overrides = map[int]InstanceSpec{}
		p.list(overrides, "overrides", p.override)
	}
}

func (p *scenarioParser) boot(n *yaml.Node) {
	state := ""
	p.mapping(n, "boot", []field{
		{"time", p.durationInto(&p.opts.Boot.Time)},
		{"jitter", p.durationInto(&p.opts.Boot.Jitter)},
		{"state", func(n *yaml.Node) {
			p.oneOf(n, &state, string(apiclient.StateStarting), string(apiclient.StateBooting))
		}},
	})
	p.opts.Boot.State = apiclient.State(state)
}

func (p *scenarioParser) stop(n *yaml.Node) {
	p.mapping(n, "stop", []field{
		{"forced", p.durationInto(&p.opts.Stop.Forced)},
		{"soft", p.durationInto(&p.opts.Stop.Soft)},
		{"soft_hangs", func(n *yaml.Node) { p.boolean(n, &p.opts.Stop.SoftHangs) }},
	})
}

func (p *scenarioParser) limit(n *yaml.Node) {
	l := &Limit{}
	retryAfter := "none"
	p.mapping(n, "limit", []field{
		{"rate", func(n *yaml.Node) { p.number(n, 1e-6, 1e6, &l.Rate) }},
		{"burst", func(n *yaml.Node) { p.number(n, 1, 1e6, &l.Burst) }},
		{"statuses", func(n *yaml.Node) {
			p.list(n, "statuses", func(n *yaml.Node) {
				p.integer(n, 400, 499, func(v int64) { l.Statuses = append(l.Statuses, int(v)) })
			})
		}},
		{"retry_after", func(n *yaml.Node) {
			p.oneOf(n, &retryAfter, "none", string(RetryAfterSeconds), string(RetryAfterDate))
		}},
		{"changes", func(n *yaml.Node) { p.list(n, "changes", func(n *yaml.Node) { p.limitChange(n, l) }) }},
	})
	if l.Rate == 0 {
		p.fail(n, "limit has no rate", "say rate: 20 (requests a second), or leave the limit out")
	}
	if retryAfter != "none" {
		l.RetryAfter = RetryAfter(retryAfter)
	}
	p.opts.Limit = l
}

func (p *scenarioParser) limitChange(n *yaml.Node, l *Limit) {
	c := LimitChange{Rate: -1}
	p.mapping(n, "a change of the limit", []field{
		{"after", p.durationInto(&c.After)},
		{"rate", func(n *yaml.Node) { p.number(n, 0, 1e6, &c.Rate) }},
		{"burst", func(n *yaml.Node) { p.number(n, 1, 1e6, &c.Burst) }},
	})
	if c.Rate < 0 {
		p.fail(n, "a change of the limit has no rate", "say after: 30s and rate: 5")
		return
	}
	if k := len(l.Changes); k > 0 && l.Changes[k-1].After > c.After {
		p.fail(n, "the changes of the limit are not in the order of time", "sort them by after")
	}
	l.Changes = append(l.Changes, c)
}

func (p *scenarioParser) fault(n *yaml.Node) {
	f := Fault{Probability: 1}
	var kind, applied, code string
	kinds := make([]string, 0, len(FaultKinds()))
	for _, k := range FaultKinds() {
		kinds = append(kinds, string(k))
	}
	before := len(p.problems)
	p.mapping(n, "a fault", []field{
		{"kind", func(n *yaml.Node) { p.oneOf(n, &kind, kinds...) }},
		{"probability", func(n *yaml.Node) { p.number(n, 1e-9, 1, &f.Probability) }},
		{"actions", func(n *yaml.Node) {
			p.list(n, "actions", func(n *yaml.Node) {
				action := ""
				p.oneOf(n, &action, actionNames()...)
				f.Actions = append(f.Actions, action)
			})
		}},
		{"windows", func(n *yaml.Node) { p.list(n, "windows", func(n *yaml.Node) { p.window(n, &f) }) }},
		{"applied", func(n *yaml.Node) {
			p.oneOf(n, &applied, string(AppliedAlways), string(AppliedNever), string(AppliedSometimes))
		}},
		{"delay", p.durationInto(&f.Delay)},
		{"size", func(n *yaml.Node) { p.integer(n, 1<<10, 1<<50, func(v int64) { f.Size = v }) }},
		{"status", func(n *yaml.Node) { p.integer(n, 400, 599, func(v int64) { f.Status = int(v) }) }},
		{"code", func(n *yaml.Node) { p.text(n, &code) }},
	})
	f.Kind, f.Applied, f.Code = FaultKind(kind), Applied(applied), apiclient.Code(code)
	switch {
	case len(p.problems) > before:
	case kind == "":
		p.fail(n, "a fault has no kind", "say kind: lost_before, or another of "+strings.Join(kinds, ", "))
	default:
		if err := f.validate(); err != nil {
			p.fail(n, strings.ReplaceAll(err.Error(), "\n", "; "), "")
		}
	}
	p.opts.Faults = append(p.opts.Faults, f)
}

// window takes "30s..45s", "30s.." and "..45s".
func (p *scenarioParser) window(n *yaml.Node, f *Fault) {
	var text string
	if !p.text(n, &text) {
		return
	}
	from, to, ok := strings.Cut(text, "..")
	var w Window
	var errFrom, errTo error
	if from != "" {
		w.From, errFrom = time.ParseDuration(from)
	}
	if to != "" {
		w.To, errTo = time.ParseDuration(to)
	}
	if !ok || text == ".." || errFrom != nil || errTo != nil || w.From < 0 || w.To < 0 || (to != "" && w.To <= w.From) {
		p.fail(n, fmt.Sprintf("window %q", text), `write from..to since the simulator's beginning, such as "30s..45s" or "2m.."`)
		return
	}
	f.Windows = append(f.Windows, w)
}

// override changes the instances that it selects; a later one adds to an earlier.
func (p *scenarioParser) override(n *yaml.Node) {
	var positions []int
	selected := false
	var changes []func(*InstanceSpec)
	change := func(c func(*InstanceSpec)) { changes = append(changes, c) }
	fields := append([]field{
		{"instances", func(n *yaml.Node) {
			selected = true
			p.list(n, "instances", func(n *yaml.Node) { positions = append(positions, p.positions(n)...) })
		}},
		{"share", func(n *yaml.Node) {
			selected = true
			share := 0.0
			p.number(n, 1e-9, 1, &share)
			positions = append(positions, p.randomPositions(share, n)...)
		}},
	}, p.specFields(change)...)
	before := len(p.problems)
	p.mapping(n, "an override", fields)
	if !selected {
		p.fail(n, "an override selects no instance", `say instances: [i-000003, "i-000010..i-000019"] or share: 0.01`)
	}
	failed := len(p.problems) > before
	for _, i := range positions {
		spec := p.opts.Overrides[i]
		for _, c := range changes {
			c(&spec)
		}
		p.opts.Overrides[i] = spec
		if err := spec.validate(); err != nil && !failed {
			p.fail(n, InstanceID(i)+": "+strings.ReplaceAll(err.Error(), "\n", "; "), "")
			failed = true // the others would say the same
		}
	}
}

// specFields are the keys of an override, each handing out a change of a spec.
func (p *scenarioParser) specFields(change func(func(*InstanceSpec))) []field {
	text := func(key string, set func(*InstanceSpec, string)) field {
		return field{key, func(n *yaml.Node) {
			var v string
			if p.text(n, &v) {
				change(func(s *InstanceSpec) { set(s, v) })
			}
		}}
	}
	duration := func(key string, set func(*InstanceSpec, time.Duration)) field {
		return field{key, func(n *yaml.Node) {
			var v time.Duration
			p.duration(n, &v)
			change(func(s *InstanceSpec) { set(s, v) })
		}}
	}
	boolean := func(key string, set func(*InstanceSpec, bool)) field {
		return field{key, func(n *yaml.Node) {
			var v bool
			p.boolean(n, &v)
			change(func(s *InstanceSpec) { set(s, v) })
		}}
	}
	oneOf := func(key string, set func(*InstanceSpec, string), values ...string) field {
		return field{key, func(n *yaml.Node) {
			var v string
			p.oneOf(n, &v, values...)
			change(func(s *InstanceSpec) { set(s, v) })
		}}
	}
	return []field{
		text("state", func(s *InstanceSpec, v string) { s.State = apiclient.State(v) }),
		duration("state_for", func(s *InstanceSpec, v time.Duration) { s.StateFor = v }),
		text("state_then", func(s *InstanceSpec, v string) { s.StateThen = apiclient.State(v) }),
		oneOf("boot", func(s *InstanceSpec, v string) {
			s.Boot = BootOutcome(v)
			if v == "works" {
				s.Boot = BootWorks
			}
		}, "works", string(BootFails), string(BootHangs)),
		{"boot_failures", func(n *yaml.Node) {
			p.integer(n, 0, 1000, func(v int64) { change(func(s *InstanceSpec) { s.BootFailures = int(v) }) })
		}},
		duration("boot_time", func(s *InstanceSpec, v time.Duration) { s.BootTime = v }),
		duration("boot_jitter", func(s *InstanceSpec, v time.Duration) { s.BootJitter = v }),
		oneOf("boot_state", func(s *InstanceSpec, v string) { s.BootState = apiclient.State(v) },
			string(apiclient.StateStarting), string(apiclient.StateBooting)),
		boolean("refuses", func(s *InstanceSpec, v bool) { s.Refuses = v }),
		duration("refuses_for", func(s *InstanceSpec, v time.Duration) { s.RefusesFor = v }),
		text("refusal_code", func(s *InstanceSpec, v string) { s.RefusalCode = apiclient.Code(v) }),
		boolean("soft_stop_hangs", func(s *InstanceSpec, v bool) { s.SoftStopHangs = v }),
		duration("status_lag", func(s *InstanceSpec, v time.Duration) { s.StatusLag = v }),
		text("name", func(s *InstanceSpec, v string) { s.Name = v }),
		text("zone", func(s *InstanceSpec, v string) { s.ZoneID = v }),
		text("image", func(s *InstanceSpec, v string) { s.ImageID = v }),
		text("resource_group", func(s *InstanceSpec, v string) { s.ResourceGroupID = v }),
		text("ipv4_address", func(s *InstanceSpec, v string) { s.IPv4Address = v }),
		{"tags", func(n *yaml.Node) {
			tags := map[string]string{}
			p.anyMapping(n, "tags", func(key string, n *yaml.Node) {
				var v string
				p.text(n, &v)
				tags[key] = v
			})
			change(func(s *InstanceSpec) { s.Tags = tags })
		}},
	}
}

// positions takes "i-000003" and "i-000010..i-000019", both ends included.
func (p *scenarioParser) positions(n *yaml.Node) []int {
	var text string
	if !p.text(n, &text) {
		return nil
	}
	first, last, ranged := strings.Cut(text, "..")
	if !ranged {
		last = first
	}
	from, okFrom := positionOf(first, p.opts.Instances)
	to, okTo := positionOf(last, p.opts.Instances)
	if !okFrom || !okTo || to < from {
		p.fail(n, fmt.Sprintf("instance %q", text), fmt.Sprintf("write %s, or %q; this fleet has %d", InstanceID(3), InstanceID(10)+".."+InstanceID(19), p.opts.Instances))
		return nil
	}
	positions := make([]int, 0, to-from+1)
	for i := from; i <= to; i++ {
		positions = append(positions, i)
	}
	return positions
}

// randomPositions picks a share of the fleet, the same for the same seed and
// place in the file, whatever stands elsewhere.
func (p *scenarioParser) randomPositions(share float64, n *yaml.Node) []int {
	rng := rand.New(rand.NewPCG(p.opts.Seed, mix(uint64(n.Line), uint64(n.Column))))
	all := rng.Perm(p.opts.Instances)
	picked := all[:int(share*float64(len(all))+0.5)]
	slices.Sort(picked)
	return picked
}

// syntaxProblem turns a YAML error, which knows a line at best, into a Problem.
func syntaxProblem(name string, err error) *Problem {
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 1
	if _, scanErr := fmt.Sscanf(message, "line %d:", &line); scanErr == nil {
		_, message, _ = strings.Cut(message, ": ")
	}
	return &Problem{name, line, 1, message, "this is not YAML; look for a tab, a missing quote or a wrong indentation"}
}

func comparePlace(a, b *Problem) int {
	return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
}
