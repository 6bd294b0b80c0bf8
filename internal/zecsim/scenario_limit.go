package zecsim

import (
	"gopkg.in/yaml.v3"

	"zecpower/internal/strictyaml"
)

func (r *scenarioReader) limit(key, value *yaml.Node) {
	r.opts.Limit = r.readLimit(key, value)
}

func (r *scenarioReader) actionLimits(key, value *yaml.Node) {
	limits := make(map[string]*Limit)
	keys := make(strictyaml.Keys)
	for _, action := range actionNames() {
		keys[action] = func(key, value *yaml.Node) { limits[action] = r.readLimit(key, value) }
	}
	r.Mapping(key, value, keys)
	if len(limits) > 0 {
		r.opts.ActionLimits = limits
	}
}

func (r *scenarioReader) readLimit(key, value *yaml.Node) *Limit {
	const none RetryAfter = "none"
	l := &Limit{}
	r.Mapping(key, value, strictyaml.Keys{
		"rate":  r.Number(&l.Rate, 1e-6, 1e6),
		"burst": r.Number(&l.Burst, 1, 1e6),
		"statuses": strictyaml.Items(r.Doc, &l.Statuses, func(dst *int) strictyaml.Read {
			return strictyaml.Int(r.Doc, dst, 400, 499)
		}),
		"retry_after": strictyaml.Enum(r.Doc, &l.RetryAfter, none, RetryAfterSeconds, RetryAfterDate),
		"changes":     r.List(func(item *yaml.Node) { r.limitChange(item, l) }),
	}, "rate")
	if l.RetryAfter == none {
		l.RetryAfter = RetryAfterNone
	}
	return l
}

func (r *scenarioReader) limitChange(item *yaml.Node, l *Limit) {
	var c LimitChange
	sound := r.Sound(func() {
		r.Mapping(item, item, strictyaml.Keys{
			"after": duration(r.Doc, &c.After),
			"rate":  r.Number(&c.Rate, 0, 1e6),
			"burst": r.Number(&c.Burst, 1, 1e6),
		}, "rate")
	})
	if !sound {
		return
	}
	if k := len(l.Changes); k > 0 && l.Changes[k-1].After > c.After {
		r.Refuse(item, strictyaml.Faultf("sort the changes by after", "the change after %s stands behind that after %s",
			strictyaml.Short(c.After), strictyaml.Short(l.Changes[k-1].After)))
		return
	}
	l.Changes = append(l.Changes, c)
}
