package zecsim

import (
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"zecpower/internal/strictyaml"
)

func (r *scenarioReader) fault(item *yaml.Node) {
	f := Fault{Probability: 1}
	sound := r.Sound(func() {
		r.Mapping(item, item, strictyaml.Keys{
			"kind":        strictyaml.Enum(r.Doc, &f.Kind, FaultKinds()...),
			"probability": r.Rate(&f.Probability, 1),
			"actions":     r.actions(&f.Actions),
			"windows":     r.windows(&f.Windows),
			"times":       strictyaml.Int(r.Doc, &f.Times, 1, 1e9),
			"applied":     strictyaml.Enum(r.Doc, &f.Applied, AppliedAlways, AppliedNever, AppliedSometimes),
			"delay":       duration(r.Doc, &f.Delay),
			"size":        strictyaml.Int(r.Doc, &f.Size, 1<<10, 1<<50),
			"status":      strictyaml.Int(r.Doc, &f.Status, 300, 599),
			"code":        text(r.Doc, &f.Code),
		}, "kind")
	})
	if sound && !r.refuseAll(item, "", f.validate()) {
		r.opts.Faults = append(r.opts.Faults, f)
	}
}

func (r *scenarioReader) actions(dst *[]string) strictyaml.Read {
	return strictyaml.Items(r.Doc, dst, func(dst *string) strictyaml.Read {
		return strictyaml.Enum(r.Doc, dst, actionNames()...)
	})
}

func (r *scenarioReader) windows(dst *[]Window) strictyaml.Read {
	return strictyaml.Items(r.Doc, dst, func(dst *Window) strictyaml.Read {
		return strictyaml.Value(r.Doc, dst, "a window such as 30s..45s", parseWindow)
	})
}

// parseWindow reads "30s..45s", "30s.." and "..45s".
func parseWindow(text string) (Window, error) {
	from, to, ranged := strings.Cut(text, "..")
	w := Window{}
	okFrom, okTo := parseMoment(from, &w.From), parseMoment(to, &w.To)
	switch {
	case !ranged || text == ".." || !okFrom || !okTo:
		return w, strictyaml.Faultf(`write from..to since the simulator's beginning, such as "30s..45s" or "2m.."`, "%s is not a window", strictyaml.Quote(text))
	case to != "" && w.To <= w.From:
		return w, strictyaml.Faultf("put the earlier time first", "the window %s ends before it begins", strictyaml.Quote(text))
	}
	return w, nil
}

// parseMoment leaves an open end as it is.
func parseMoment(text string, dst *time.Duration) bool {
	if text == "" {
		return true
	}
	t, err := time.ParseDuration(text)
	*dst = t
	return err == nil && t >= 0 && t <= maxDuration
}
