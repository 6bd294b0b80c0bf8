package zecsim

import (
	"time"

	"gopkg.in/yaml.v3"

	"zecpower/apiclient"
	"zecpower/internal/strictyaml"
)

// maxScenarioBytes bounds a scenario file: fleets are generated with shares and ranges, so a few
// lines are enough.
const maxScenarioBytes = 1 << 20

// LoadScenario reads a scenario file: see scenario.example.yaml, which shows every key. Keys that
// are left out keep the values of [DefaultOptions]; keys that are unknown or repeated are errors.
// Its error is a [*strictyaml.Invalid] with every mistake. Credentials never stand in a scenario.
// instances above 0 replaces the fleet's size of the file: shares and ranges are then of that.
func LoadScenario(path string, instances int) (Options, error) {
	data, err := strictyaml.ReadFile(path, maxScenarioBytes)
	if err != nil {
		d := &strictyaml.Doc{File: path}
		d.WholeFile(err)
		return Options{}, d.Err()
	}
	return ParseScenario(path, data, instances)
}

// ParseScenario is LoadScenario for a file that was read already; name stands for it in
// errors.
func ParseScenario(name string, data []byte, instances int) (Options, error) {
	r := &scenarioReader{
		Doc:       &strictyaml.Doc{File: name, IfEmpty: "start from scenario.example.yaml"},
		opts:      DefaultOptions(),
		instances: instances,
		doubtful:  make(map[int]bool),
	}
	if root := r.Parse(data); root != nil {
		r.root(root)
	}
	if err := r.Err(); err != nil {
		return Options{}, err
	}
	return r.opts, nil
}

// scenarioReader fills Options from one file.
type scenarioReader struct {
	*strictyaml.Doc
	opts      Options
	instances int // from outside; 0 where the file decides

	sizeUnknown bool         // the file's instances was refused, so no position is outside the fleet
	doubtful    map[int]bool // positions with an override that was refused: later ones add to something unknown
}

func (r *scenarioReader) root(n *yaml.Node) {
	o := &r.opts
	overrides := func() {}
	r.Mapping(n, n, strictyaml.Keys{
		"seed":           strictyaml.Int(r.Doc, &o.Seed, 0, 1<<62),
		"instances":      r.size,
		"bad_ids":        strictyaml.Enum(r.Doc, &o.BadIDs, BadIDsReject, BadIDsFailedList),
		"not_found_code": strictyaml.Enum(r.Doc, &o.NotFoundCode, apiclient.CodeInstanceNotFound, apiclient.CodeResourceNotFound),
		"null_pages":     r.Bool(&o.NullPages),
		"pages":          r.pages,
		"boot":           r.boot,
		"stop":           r.stop,
		"status_lag":     duration(r.Doc, &o.StatusLag),
		"clock_offset":   r.Duration(&o.ClockOffset, -maxDuration, maxDuration),
		"latency":        r.latency,
		"limit":          r.limit,
		"action_limits":  r.actionLimits,
		"faults":         r.List(r.fault),
		"refusals":       r.List(r.refusal),
		"overrides": func(key, value *yaml.Node) { // last, because they speak of the fleet's size
			overrides = func() { r.In("overrides", func() { r.overrides(key, value) }) }
		},
	})
	if r.instances > 0 {
		o.Instances, r.sizeUnknown = r.instances, false
	}
	overrides()
}

func (r *scenarioReader) size(key, value *yaml.Node) {
	read := strictyaml.Int(r.Doc, &r.opts.Instances, 0, maxInstances)
	r.sizeUnknown = !r.Sound(func() { read(key, value) })
}

func (r *scenarioReader) pages(key, value *yaml.Node) {
	p := &r.opts.Pages
	r.Mapping(key, value, strictyaml.Keys{
		"order":  strictyaml.Enum(r.Doc, &p.Order, OrderPosition, OrderShuffled),
		"moving": r.Number(&p.Moving, 0, 1),
	})
}

func (r *scenarioReader) boot(key, value *yaml.Node) {
	b := &r.opts.Boot
	r.Mapping(key, value, strictyaml.Keys{
		"time":   duration(r.Doc, &b.Time),
		"jitter": duration(r.Doc, &b.Jitter),
		"state":  bootState(r.Doc, &b.State),
	})
}

func (r *scenarioReader) stop(key, value *yaml.Node) {
	s := &r.opts.Stop
	r.Mapping(key, value, strictyaml.Keys{
		"forced":     duration(r.Doc, &s.Forced),
		"soft":       duration(r.Doc, &s.Soft),
		"soft_hangs": r.Bool(&s.SoftHangs),
	})
}

func (r *scenarioReader) latency(key, value *yaml.Node) {
	l := &r.opts.Latency
	r.Mapping(key, value, strictyaml.Keys{
		"fixed":  duration(r.Doc, &l.Fixed),
		"jitter": duration(r.Doc, &l.Jitter),
	})
}

// refuseAll reports each of the errors that validate joined, and says whether there were any.
func (r *scenarioReader) refuseAll(n *yaml.Node, subject string, err error) bool {
	for _, err := range parts(err) {
		r.Refuse(n, strictyaml.Faultf("", "%s%v", subject, err))
	}
	return err != nil
}

// parts takes joined errors apart.
func parts(err error) []error {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	for _, err := range joined.Unwrap() {
		all = append(all, parts(err)...)
	}
	return all
}

func duration(d *strictyaml.Doc, dst *time.Duration) strictyaml.Read {
	return d.Duration(dst, 0, maxDuration)
}

func bootState(d *strictyaml.Doc, dst *apiclient.State) strictyaml.Read {
	return strictyaml.Enum(d, dst, apiclient.StateStarting, apiclient.StateBooting)
}

// text reads any text but none.
func text[T ~string](d *strictyaml.Doc, dst *T) strictyaml.Read {
	return strictyaml.Value(d, dst, "text", func(text string) (T, error) {
		if text == "" {
			return "", strictyaml.Faultf("take the key out instead", "the text is empty")
		}
		return T(text), nil
	})
}
