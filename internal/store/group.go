package store

import (
	"fmt"
	"maps"
	"slices"

	"zecpower/internal/power"
)

// Totals is the sum of one group in a run, and which list its instances are.
type Totals struct {
	Group      string `json:"g"`
	Total      int    `json:"t,omitempty"`
	Done       int    `json:"d,omitempty"`
	Already    int    `json:"a,omitempty"`
	Failed     int    `json:"f,omitempty"`
	Skipped    int    `json:"k,omitempty"`
	Duplicates int    `json:"u,omitempty"`
	Err        string `json:"e,omitempty"`
	List       []byte `json:"l,omitempty"` // the key of the list of ids; nil: the group has none
}

// GroupValue is one group of a run as an implementation keeps it: the ids once per distinct list,
// under Totals.List, and the results under the run's id and the group.
type GroupValue struct {
	Totals  Totals
	List    []byte // the ids, encoded; nil until Pack
	Results []byte // in the order of the list, encoded; nil at the beginning
	Partial bool   // the group has, or may have, more instances than the list
	ids     []byte // not encoded
}

// Pack encodes the ids into List, once. It is the dearest part of a large group, and needless where
// the store has its list.
func (v *GroupValue) Pack() (err error) {
	if v.List == nil && v.Totals.List != nil {
		v.List, err = pack(v.ids)
	}
	return err
}

// EncodeTargets returns the groups of a beginning.
func EncodeTargets(groups []Targets) []GroupValue {
	values := make([]GroupValue, 0, len(groups))
	for _, g := range groups {
		ids := distinct(g.IDs)
		v := GroupValue{Totals: Totals{Group: g.Group, Total: len(ids), Duplicates: len(g.IDs) - len(ids), Err: g.Err}}
		v.setList(ids)
		values = append(values, v)
	}
	return values
}

// DecodeTargets returns the groups of a beginning. list returns the encoded list of ids with a key.
func DecodeTargets(groups []Totals, list func(key []byte) []byte) ([]Targets, error) {
	targets := make([]Targets, 0, len(groups))
	for _, g := range groups {
		t := Targets{Group: g.Group, Err: g.Err}
		if g.List != nil {
			ids, err := unpack(list(g.List))
			if err != nil {
				return nil, fmt.Errorf("ids of group %s: %w", g.Group, err)
			}
			t.IDs = splitIDs(ids)
		}
		targets = append(targets, t)
	}
	return targets, nil
}

// EncodeReport returns the groups of a report.
func EncodeReport(groups []power.GroupReport) ([]GroupValue, error) {
	values := make([]GroupValue, 0, len(groups))
	for _, g := range groups {
		v, err := encodeGroup(Totals{
			Group: g.Group, Total: g.Total, Done: g.Done, Already: g.Already, Failed: g.Failed, Skipped: g.Skipped,
			Duplicates: g.Duplicates, Err: g.Err,
		}, g.Results)
		if err != nil {
			return nil, err
		}
		values = append(values, v)
	}
	return values, nil
}

// EncodeProgress returns the groups of a run that ended without a report.
func EncodeProgress(p Progress) (values []GroupValue, err error) {
	for _, group := range slices.Sorted(maps.Keys(p.Final)) {
		v, err := encodeGroup(sumUp(group, p.Final[group]), p.Final[group])
		if err != nil {
			return nil, err
		}
		v.Partial = true
		values = append(values, v)
	}
	return values, nil
}

// WithProgress adds to reported, the encoded groups of a resumed run's report, the instances that
// its earlier processes brought to an outcome and that the report lacks, because they left their
// group while the run was interrupted. With an error it returns reported as it is.
func WithProgress(p Progress, groups []power.GroupReport, reported []GroupValue) ([]GroupValue, error) {
	values := slices.Clone(reported)
	for i, g := range groups {
		known := make(map[string]bool, len(g.Results))
		for _, r := range g.Results {
			known[r.InstanceID] = true
		}
		all := slices.Clip(g.Results)
		for _, r := range p.Final[g.Group] {
			if !known[r.InstanceID] {
				all = append(all, r)
			}
		}
		if len(all) == len(g.Results) {
			continue
		}
		sum := sumUp(g.Group, all)
		sum.Duplicates, sum.Err = g.Duplicates, g.Err
		var err error
		if values[i], err = encodeGroup(sum, all); err != nil {
			return reported, err
		}
	}
	return values, nil
}

func encodeGroup(sum Totals, results []power.InstanceResult) (v GroupValue, err error) {
	v.Totals = sum
	if len(results) == 0 {
		return v, nil
	}
	v.setList(idsOf(results))
	v.Results, err = encodeResults(results)
	return v, err
}

func (v *GroupValue) setList(ids []string) {
	if len(ids) > 0 {
		v.ids = joinIDs(ids)
		v.Totals.List = listHash(v.ids)
	}
}

// sumUp counts outcomes as a report does.
func sumUp(group string, results []power.InstanceResult) Totals {
	sum := Totals{Group: group, Total: len(results)}
	for _, r := range results {
		switch r.Outcome {
		case power.OutcomeStarted, power.OutcomeStopped:
			sum.Done++
		case power.OutcomeAlreadyRunning, power.OutcomeAlreadyStopped:
			sum.Already++
		case power.OutcomeFailed:
			sum.Failed++
		case power.OutcomeSkipped:
			sum.Skipped++
		}
	}
	return sum
}

// distinct keeps each id once, in order.
func distinct(ids []string) []string {
	seen := make(map[string]bool, len(ids))
	kept := make([]string, 0, len(ids))
	for _, id := range ids {
		if !seen[id] {
			seen[id] = true
			kept = append(kept, id)
		}
	}
	return kept
}
