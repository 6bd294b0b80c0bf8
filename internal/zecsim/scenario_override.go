package zecsim

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"zecpower/apiclient"
	"zecpower/internal/strictyaml"
)

func (r *scenarioReader) overrides(key, value *yaml.Node) {
	r.opts.Overrides = make(map[int]InstanceSpec)
	r.List(r.override)(key, value)
}

// override changes the instances that it selects; a later one adds to an earlier.
func (r *scenarioReader) override(item *yaml.Node) {
	var positions []int
	c := &specChanges{Doc: r.Doc}
	keys := c.keys()
	keys["instances"] = r.List(func(item *yaml.Node) { positions = append(positions, r.positions(item)...) })
	keys["share"] = func(key, value *yaml.Node) { positions = append(positions, r.randomPositions(key, value)...) }
	var given map[string]*yaml.Node
	sound := r.Sound(func() { given = r.Mapping(item, item, keys) })
	if sound && given["instances"] == nil && given["share"] == nil {
		r.Refuse(item, strictyaml.Faultf(`add instances: [i-000003, "i-000010..i-000019"] or share: 0.01`, "this selects no instance"))
	}
	for k, i := range positions {
		spec := c.apply(r.opts.Overrides[i], spot{position: i, place: k})
		r.opts.Overrides[i] = spec
		if sound && !r.doubtful[i] {
			sound = !r.refuseAll(item, InstanceID(i)+": ", spec.validate()) // once: the others would say the same
		}
		if !sound {
			r.doubtful[i] = true
		}
	}
}

// specChanges are what one override does to the spec of each of its instances.
type specChanges struct {
	*strictyaml.Doc
	list []func(*InstanceSpec, spot)
}

func (c *specChanges) apply(s InstanceSpec, at spot) InstanceSpec {
	for _, change := range c.list {
		change(&s, at)
	}
	return s
}

// change reads a value and notes that it goes into a field.
func change[T any](c *specChanges, read func(*strictyaml.Doc, *T) strictyaml.Read, field func(*InstanceSpec) *T) strictyaml.Read {
	return func(key, value *yaml.Node) {
		var v T
		if c.Sound(func() { read(c.Doc, &v)(key, value) }) {
			c.list = append(c.list, func(s *InstanceSpec, _ spot) { *field(s) = v })
		}
	}
}

// patterned reads a pattern and notes that what it makes for an instance goes into a field.
func patterned(c *specChanges, field func(*InstanceSpec) *string) strictyaml.Read {
	return func(key, value *yaml.Node) {
		var p pattern
		if c.Sound(func() { patternText(c.Doc, &p)(key, value) }) {
			c.list = append(c.list, func(s *InstanceSpec, at spot) { *field(s) = p.at(at) })
		}
	}
}

// tags reads a mapping of keys to patterns.
func (c *specChanges) tags(_, value *yaml.Node) {
	patterns := make(map[string]pattern)
	sound := c.Sound(func() {
		c.Entries(value, func(name string, key, value *yaml.Node) {
			var p pattern
			patternText(c.Doc, &p)(key, value)
			patterns[name] = p
		})
	})
	if !sound {
		return
	}
	var last map[string]string // of the instance before, which is the same for plain texts
	c.list = append(c.list, func(s *InstanceSpec, at spot) {
		tags := make(map[string]string, len(patterns))
		for key, p := range patterns {
			tags[key] = p.at(at)
		}
		if !maps.Equal(last, tags) {
			last = tags
		}
		s.Tags = last
	})
}

// keys are those of an override but for the ones that select instances.
func (c *specChanges) keys() strictyaml.Keys {
	flag := (*strictyaml.Doc).Bool
	return strictyaml.Keys{
		"state":               change(c, text, func(s *InstanceSpec) *apiclient.State { return &s.State }),
		"state_for":           change(c, duration, func(s *InstanceSpec) *time.Duration { return &s.StateFor }),
		"state_then":          change(c, text, func(s *InstanceSpec) *apiclient.State { return &s.StateThen }),
		"boot":                change(c, bootOutcome, func(s *InstanceSpec) *BootOutcome { return &s.Boot }),
		"boot_failures":       change(c, failures, func(s *InstanceSpec) *int { return &s.BootFailures }),
		"boot_fails_stopping": change(c, flag, func(s *InstanceSpec) *bool { return &s.BootFailsStopping }),
		"boot_time":           change(c, duration, func(s *InstanceSpec) *time.Duration { return &s.BootTime }),
		"boot_jitter":         change(c, duration, func(s *InstanceSpec) *time.Duration { return &s.BootJitter }),
		"boot_state":          change(c, bootState, func(s *InstanceSpec) *apiclient.State { return &s.BootState }),
		"refuses_stops":       change(c, flag, func(s *InstanceSpec) *bool { return &s.RefusesStops }),
		"refusal_status":      change(c, refusalStatus, func(s *InstanceSpec) *int { return &s.RefusalStatus }),
		"refuses":             change(c, flag, func(s *InstanceSpec) *bool { return &s.Refuses }),
		"refuses_for":         change(c, duration, func(s *InstanceSpec) *time.Duration { return &s.RefusesFor }),
		"refusal_code":        change(c, text, func(s *InstanceSpec) *apiclient.Code { return &s.RefusalCode }),
		"soft_stop_hangs":     change(c, flag, func(s *InstanceSpec) *bool { return &s.SoftStopHangs }),
		"stop_hangs":          change(c, flag, func(s *InstanceSpec) *bool { return &s.StopHangs }),
		"stop_failures":       change(c, failures, func(s *InstanceSpec) *int { return &s.StopFailures }),
		"others":              change(c, others, func(s *InstanceSpec) *[]OtherAct { return &s.Others }),
		"status_lag":          change(c, duration, func(s *InstanceSpec) *time.Duration { return &s.StatusLag }),
		"name":                patterned(c, func(s *InstanceSpec) *string { return &s.Name }),
		"zone":                patterned(c, func(s *InstanceSpec) *string { return &s.ZoneID }),
		"image":               patterned(c, func(s *InstanceSpec) *string { return &s.ImageID }),
		"instance_type":       patterned(c, func(s *InstanceSpec) *string { return &s.InstanceType }),
		"resource_group":      patterned(c, func(s *InstanceSpec) *string { return &s.ResourceGroupID }),
		"ipv4_address":        change(c, text, func(s *InstanceSpec) *string { return &s.IPv4Address }),
		"tags":                c.tags,
		"joins_after":         change(c, duration, func(s *InstanceSpec) *time.Duration { return &s.JoinsAfter }),
		"leaves_after":        change(c, duration, func(s *InstanceSpec) *time.Duration { return &s.LeavesAfter }),
	}
}

// bootOutcome has a word for what is the empty one in Go.
func bootOutcome(d *strictyaml.Doc, dst *BootOutcome) strictyaml.Read {
	const works BootOutcome = "works"
	read := strictyaml.Enum(d, dst, works, BootFails, BootHangs)
	return func(key, value *yaml.Node) {
		if read(key, value); *dst == works {
			*dst = BootWorks
		}
	}
}

func failures(d *strictyaml.Doc, dst *int) strictyaml.Read {
	return strictyaml.Int(d, dst, 0, 1000)
}

func refusalStatus(d *strictyaml.Doc, dst *int) strictyaml.Read {
	return strictyaml.Int(d, dst, 400, 499)
}

// others reads what other actors do to an instance.
func others(d *strictyaml.Doc, dst *[]OtherAct) strictyaml.Read {
	return d.List(func(item *yaml.Node) {
		var act OtherAct
		var given map[string]*yaml.Node
		delay := func(dst *time.Duration) strictyaml.Read { return d.Duration(dst, time.Millisecond, maxDuration) }
		sound := d.Sound(func() {
			given = d.Mapping(item, item, strictyaml.Keys{
				"after":       delay(&act.After),
				"after_start": delay(&act.AfterStart),
				"after_stop":  delay(&act.AfterStop),
				"action":      strictyaml.Enum(d, &act.Action, OtherStart, OtherStop),
			}, "action")
		})
		if sound && len(given) != 2 {
			d.Refuse(item, strictyaml.Faultf("give one of after, after_start and after_stop", "this act has no single moment"))
			return
		}
		*dst = append(*dst, act)
	})
}

func (r *scenarioReader) positions(item *yaml.Node) []int {
	text, ok := r.Item(item)
	if !ok {
		return nil
	}
	size := r.opts.Instances
	if r.sizeUnknown {
		size = maxInstances
	}
	from, to, err := parsePositions(text, size)
	if err != nil {
		r.Refuse(item, err)
		return nil
	}
	positions := make([]int, 0, to-from+1)
	for i := from; i <= to; i++ {
		positions = append(positions, i)
	}
	return positions
}

// parsePositions reads "i-000003" and "i-000010..i-000019", both ends included.
func parsePositions(text string, size int) (from, to int, err error) {
	first, last, ranged := strings.Cut(text, "..")
	if !ranged {
		last = first
	}
	from, okFrom := positionOf(first, maxInstances)
	to, okTo := positionOf(last, maxInstances)
	switch shown := strictyaml.Quote(text); {
	case !okFrom || !okTo:
		return 0, 0, strictyaml.Faultf(`write i-000003 or "i-000010..i-000019"`, "%s is neither an instance nor a range of them", shown)
	case to < from:
		return 0, 0, strictyaml.Faultf("put the lower one first", "the range %s runs backwards", shown)
	case to >= size:
		return 0, 0, strictyaml.Faultf("raise instances, or name lower ones; the first is i-000000", "%s is outside the fleet of %d", shown, size)
	}
	return from, to, nil
}

// randomPositions picks a share of the fleet, the same for the same seed and place in the file,
// whatever stands elsewhere.
func (r *scenarioReader) randomPositions(key, value *yaml.Node) []int {
	share := 0.0
	if r.Rate(&share, 1)(key, value); share == 0 {
		return nil
	}
	rng := rand.New(rand.NewPCG(r.opts.Seed, mix(uint64(value.Line), uint64(value.Column))))
	all := rng.Perm(r.opts.Instances)
	picked := all[:int(share*float64(len(all))+0.5)]
	slices.Sort(picked)
	return picked
}
