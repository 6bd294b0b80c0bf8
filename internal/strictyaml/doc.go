// Package strictyaml reads a YAML file strictly, and reports every mistake at once with its place
// and its remedy.
//
// A Doc collects problems instead of stopping at the first. What a mapping may hold is said as a
// table, Keys, from key to reader; readers check a value and store it. Unknown and repeated keys,
// wrong types and missing keys are refused by Mapping itself. A value that is refused leaves its
// destination as it was, so that defaults stand and one mistake does not cause a second message.
//
// A Doc belongs to one goroutine.
package strictyaml
