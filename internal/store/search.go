package store

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"zecpower/internal/power"
)

// Finder finds what a record refers to, for the length of one read.
type Finder interface {
	// Progress is that of a run without an end.
	Progress(runID string) (Progress, error)
	// List is the encoded list of ids with a key; nil: there is none.
	List(key []byte) []byte
	// Results are the encoded results of a run's group; nil: there are none.
	Results(runID, group string) []byte
	// NewestLists calls do with the key of the newest list of each group.
	NewestLists(do func(group string, list []byte) error) error
}

// Search is one query in progress. The implementation passes it the records, newest first, in one
// read or in several; the search picks and describes those that the query asks for.
type Search struct {
	query    Query
	process  string
	prepared bool
	groups   []string         // that hold the instance, as far as known
	places   map[string]place // of the instance in lists, by their key
	entries  []Entry
	examined int
	listed   int
}

// NewSearch begins a search. process is the one that makes the runs that are going; empty: none is.
func NewSearch(q Query, process string) (*Search, error) {
	if err := q.Check(); err != nil {
		return nil, err
	}
	return &Search{query: q.withDefaults(), process: process, places: map[string]place{}}, nil
}

// Prepare must be called in the first read, before Add.
func (s *Search) Prepare(f Finder) error {
	if s.prepared || s.query.Instance == "" {
		return nil
	}
	groups := slices.Clone(s.query.InstanceGroups)
	err := f.NewestLists(func(group string, list []byte) error {
		p, err := s.position(f, list)
		if err == nil && p.at >= 0 {
			groups = append(groups, group)
		}
		return err
	})
	s.groups, s.prepared = groups, err == nil
	return err
}

// Full reports that the answer has as many entries as the query asks for.
func (s *Search) Full() bool { return len(s.entries) >= s.query.Limit }

// Entries is the answer so far. It is never nil.
func (s *Search) Entries() []Entry {
	if s.entries == nil {
		return []Entry{}
	}
	return s.entries
}

// Count counts a record that is read. The error says that the query reads too much.
func (s *Search) Count() error {
	if s.examined++; s.examined > maxExamined {
		return fmt.Errorf("%d records: %w", maxExamined, ErrTooMuch)
	}
	return nil
}

// Add adds the entry of a record, where the query asks for it.
func (s *Search) Add(f Finder, r *Record) error {
	switch q := s.query; {
	case q.Schedule != "" && q.Schedule != r.Schedule && q.Schedule != r.Trigger:
		return nil
	case q.ByHand && !r.ByHand(), q.Actor != "" && !strings.Contains(r.Actor, q.Actor):
		return nil
	case r.Nominal.Before(q.Since) && r.Last.Before(q.Since):
		return nil // a stretch of the same day may reach into the time asked for
	case q.Group != "" && !slices.Contains(r.Groups, q.Group):
		return nil
	}
	found, err := s.describe(f, r)
	if err != nil {
		return fmt.Errorf("%s: %w", r.ID, err)
	}
	if found != nil {
		s.entries = append(s.entries, *found)
	}
	return nil
}

// describe is nil for a record that has nothing to do with the instance.
func (s *Search) describe(f Finder, r *Record) (*Entry, error) {
	out := Entry{
		Kind: r.Kind, Schedule: r.Schedule, Action: r.Action, Groups: r.Groups, NominalTime: r.Nominal,
		Timezone: r.Timezone, AtLeast: r.AtLeast, Reason: r.Reason, Calendar: r.Calendar, Actor: r.Actor, Trigger: r.Trigger,
		Act: r.Act, Subject: r.Subject, Refused: r.Refused, RunTime: r.Planned, Deadline: r.Deadline,
		CatchUp: r.CatchUp, Waits: r.Waits, Resumes: r.Resumes, BegunAt: r.BegunAt, StartedAt: r.StartedAt,
		FinishedAt: r.FinishedAt, Result: r.Result, Err: r.Err,
	}
	if r.Count > 1 || r.AtLeast {
		out.LastTime, out.Count = r.Last, r.Count
	}
	if r.Kind == KindRun || r.Kind == KindInterrupted {
		out.RunID = r.ID
	}
	done := NewProgress()
	if !r.Ended() {
		var err error
		if done, err = f.Progress(r.ID); err != nil {
			return nil, err
		}
		// A run that an older zecpower began has progress, and no beginning.
		out.Begun = !r.BegunAt.IsZero() || !done.empty()
		out.Going = out.Begun && s.process != "" && r.BegunBy == s.process
	}
	groups := s.parts(f, r, done)
	if s.query.Instance != "" {
		return s.describeInstance(f, out, r, groups, done)
	}
	for _, g := range groups {
		ge, err := s.describeGroup(g)
		if err != nil {
			return nil, err
		}
		out.Results = append(out.Results, ge)
	}
	return &out, nil
}

// part is one group's part of a run; its results are read when they are needed.
type part struct {
	Totals
	requests, accepted int
	final              []power.InstanceResult // of a run without an end
	ended              bool
	read               func() ([]power.InstanceResult, error)
}

// parts finds the groups of a run, ended or not. done is the progress of one that has not ended.
func (s *Search) parts(f Finder, r *Record, done Progress) (parts []part) {
	for _, t := range r.Totals {
		if r.Ended() {
			parts = append(parts, part{
				Totals: t, ended: true,
				read: func() ([]power.InstanceResult, error) { return readResults(f, r.ID, t) },
			})
		}
	}
	if r.Ended() {
		return parts
	}
	for _, name := range r.Groups {
		begun := slices.IndexFunc(r.Totals, func(t Totals) bool { return t.Group == name })
		final := done.Final[name]
		if begun < 0 && len(final) == 0 && done.Requests[name] == 0 {
			continue
		}
		p := part{
			Totals: sumUp(name, final), requests: done.Requests[name], accepted: len(done.Accepted[name]), final: final,
			read: func() ([]power.InstanceResult, error) { return final, nil },
		}
		if begun >= 0 {
			p.Total, p.Err = max(r.Totals[begun].Total, p.Total), r.Totals[begun].Err
		}
		parts = append(parts, p)
	}
	return parts
}

func readResults(f Finder, id string, t Totals) ([]power.InstanceResult, error) {
	if t.List == nil {
		return nil, nil
	}
	ids, err := unpack(f.List(t.List))
	if err != nil {
		return nil, fmt.Errorf("ids of group %s: %w", t.Group, err)
	}
	results, err := unpackResults(f.Results(id, t.Group))
	if err != nil {
		return nil, fmt.Errorf("results of group %s: %w", t.Group, err)
	}
	return decodeResults(results, splitIDs(ids))
}

func (s *Search) describeGroup(p part) (GroupEntry, error) {
	out := GroupEntry{
		Group: p.Group, Total: p.Total, Done: p.Done, Already: p.Already, Failed: p.Failed, Skipped: p.Skipped, Requests: p.requests,
		Accepted: p.accepted, Err: p.Err,
	}
	if p.Failed == 0 {
		return out, nil // the sums say all
	}
	results, err := p.read()
	if err != nil {
		return out, err
	}
	for _, r := range results {
		switch {
		case r.Outcome != power.OutcomeFailed:
		case len(out.Failures) == s.query.MaxFailures || s.listed == maxListed:
			out.Omitted++
		default:
			out.Failures = append(out.Failures, newInstanceEntry(r))
			s.listed++
		}
	}
	return out, nil
}

// place is where an instance stands in a list.
type place struct {
	at int // -1: nowhere
	of int // the list's length
}

func (s *Search) position(f Finder, list []byte) (place, error) {
	if known, ok := s.places[string(list)]; ok {
		return known, nil
	}
	p := place{at: -1}
	if data := f.List(list); data != nil {
		plain, err := unpack(data)
		if err != nil {
			return p, err
		}
		ids := splitIDs(plain)
		p = place{slices.Index(ids, s.query.Instance), len(ids)}
	}
	s.places[string(list)] = p
	return p, nil
}

func (s *Search) describeInstance(f Finder, out Entry, r *Record, parts []part, done Progress) (*Entry, error) {
	for _, p := range parts {
		found, err := s.find(f, r, p)
		switch {
		case errors.Is(err, errNotInGroup):
			continue
		case err != nil:
			return nil, err
		}
		entry := newInstanceEntry(found)
		entry.Group = p.Group
		out.Instance = &entry
		return &out, nil
	}
	at := slices.IndexFunc(r.Groups, func(g string) bool { return slices.Contains(s.groups, g) })
	if at < 0 {
		return nil, nil //nolint:nilnil // nothing to do with it
	}
	return s.describeWithoutResult(out, r, r.Groups[at], done), nil
}

// describeWithoutResult describes a record of the instance's group that has no result for the
// instance: no run, a run that has not reached it, one that left no report, or one whose group
// could not be read. It is nil where the instance was not in the group then.
func (s *Search) describeWithoutResult(out Entry, r *Record, name string, done Progress) *Entry {
	for _, t := range r.Totals {
		if t.Group == name && t.Err != "" {
			out.Results = []GroupEntry{{Group: name, Err: t.Err}}
			return &out
		}
	}
	if r.Kind != KindRun {
		return &out
	}
	if r.Ended() {
		if r.Reported() {
			return nil
		}
		return &out
	}
	out.Instance = &InstanceEntry{InstanceID: s.query.Instance, Group: name, Attempts: done.Accepted[name][s.query.Instance]}
	return &out
}

// errNotInGroup says that the instance is not among a group's results.
var errNotInGroup = errors.New("not in the group")

func (s *Search) find(f Finder, r *Record, p part) (power.InstanceResult, error) {
	if !p.ended {
		at := slices.IndexFunc(p.final, func(r power.InstanceResult) bool { return r.InstanceID == s.query.Instance })
		if at < 0 {
			return power.InstanceResult{}, errNotInGroup
		}
		return p.final[at], nil
	}
	where, err := s.position(f, p.List)
	switch {
	case err != nil:
		return power.InstanceResult{}, err
	case where.at < 0:
		return power.InstanceResult{}, errNotInGroup
	}
	results, err := unpackResults(f.Results(r.ID, p.Group))
	if err != nil {
		return power.InstanceResult{}, fmt.Errorf("results of group %s: %w", p.Group, err)
	}
	found, err := decodeAt(results, where.of, where.at)
	found.InstanceID = s.query.Instance
	return found, err
}
