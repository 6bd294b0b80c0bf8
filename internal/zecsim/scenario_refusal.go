package zecsim

import (
	"gopkg.in/yaml.v3"

	"zecpower/internal/strictyaml"
)

func (r *scenarioReader) refusal(item *yaml.Node) {
	var f Refusal
	sound := r.Sound(func() {
		r.Mapping(item, item, strictyaml.Keys{
			"actions": r.actions(&f.Actions),
			"windows": r.windows(&f.Windows),
			"status":  strictyaml.Int(r.Doc, &f.Status, 400, 499),
			"code":    text(r.Doc, &f.Code),
		}, "code")
	})
	if sound && !r.refuseAll(item, "", f.validate()) {
		r.opts.Refusals = append(r.opts.Refusals, f)
	}
}
