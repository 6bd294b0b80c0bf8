package bolt

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"zecpower/internal/power"
	"zecpower/scheduler"
)

// Query selects entries. The zero value selects the newest ones.
type Query struct {
	Schedule string // empty: any; ManualSchedule: runs by hand
	Group    string // empty: any
	// Instance selects what happened to this one: the runs that had it, and the times at which a
	// schedule of its groups did not run.
	Instance string
	// InstanceGroups are groups that hold Instance in the present configuration; the store itself
	// knows only groups that have run.
	InstanceGroups []string
	Since, Until   time.Time // of the nominal time, both included; zero: open
	Limit          int       // entries; 0: DefaultLimit
	MaxFailures    int       // listed a group; 0: DefaultMaxFailures
}

// The bounds of an answer where a query names none.
const (
	DefaultLimit       = 100
	DefaultMaxFailures = 200
)

// Kind says what an Entry is.
type Kind string

// The kinds. All but KindRun say why a nominal time did not (fully) run.
const (
	KindRun         Kind = "run"
	KindMissed           = Kind(scheduler.DecisionMissed)
	KindInterrupted      = Kind(scheduler.DecisionInterrupted)
	KindExcluded         = Kind(scheduler.DecisionExcluded)
	KindPaused           = Kind(scheduler.DecisionPaused)
	KindOverlap          = Kind(scheduler.DecisionOverlap)
)

// Entry is what became of one nominal time of one schedule, or of a stretch of them. Times are UTC;
// zero ones are left out of the JSON.
type Entry struct {
	Kind        Kind                   `json:"kind"`
	RunID       string                 `json:"run_id,omitempty"` // of KindRun and KindInterrupted
	Schedule    string                 `json:"schedule"`
	Action      power.Action           `json:"action"`
	Groups      []string               `json:"groups"`
	NominalTime time.Time              `json:"nominal_time"`
	LastTime    time.Time              `json:"last_time,omitzero"` // of a stretch
	Count       int                    `json:"count,omitempty"`    // of a stretch
	AtLeast     bool                   `json:"at_least,omitempty"` // Count is a lower bound
	Reason      scheduler.MissedReason `json:"reason,omitempty"`   // of KindMissed and KindInterrupted
	Calendar    string                 `json:"calendar,omitempty"` // of KindExcluded

	RunTime    time.Time      `json:"run_time,omitzero"`
	Deadline   time.Time      `json:"deadline,omitzero"`
	CatchUp    bool           `json:"catch_up,omitempty"`
	Waits      scheduler.Wait `json:"waits,omitempty"`   // for what; empty once it has begun
	Resumes    int            `json:"resumes,omitempty"` // restarts of the daemon that it outlived
	StartedAt  time.Time      `json:"started_at,omitzero"`
	FinishedAt time.Time      `json:"finished_at,omitzero"`
	Result     power.Result   `json:"result,omitempty"` // empty while it has no end
	Err        string         `json:"error,omitempty"`
	Results    []GroupEntry   `json:"results,omitempty"`
	Instance   *InstanceEntry `json:"instance,omitempty"` // of a query for one
}

// GroupEntry is one group's part of a run.
type GroupEntry struct {
	Group    string          `json:"group"`
	Total    int             `json:"total"` // so far, while the run has no end
	Done     int             `json:"done"`
	Already  int             `json:"already"`
	Failed   int             `json:"failed"`
	Err      string          `json:"error,omitempty"`
	Failures []InstanceEntry `json:"failures,omitempty"`
	Omitted  int             `json:"failures_omitted,omitempty"`
}

// InstanceEntry is what became of one instance in one run. Where the run had come no further,
// Outcome is empty and Attempts counts accepted requests.
type InstanceEntry struct {
	InstanceID  string        `json:"instance_id"`
	Group       string        `json:"group,omitempty"`
	Outcome     power.Outcome `json:"outcome,omitempty"`
	Reason      power.Reason  `json:"reason,omitempty"`
	Code        string        `json:"code,omitempty"`
	State       string        `json:"state,omitempty"`
	RequestID   string        `json:"request_id,omitempty"`
	HTTPStatus  int           `json:"http_status,omitempty"`
	Attempts    int           `json:"attempts,omitempty"`
	ReachedAt   time.Time     `json:"reached_at,omitzero"`
	BootSeconds float64       `json:"boot_seconds,omitempty"`
}

func newInstanceEntry(r power.InstanceResult) InstanceEntry {
	return InstanceEntry{
		InstanceID: r.InstanceID, Outcome: r.Outcome, Reason: r.Reason, Code: r.Code, State: r.State,
		RequestID: r.RequestID, HTTPStatus: r.HTTPStatus, Attempts: r.Attempts, ReachedAt: r.ReachedAt, BootSeconds: r.BootDuration.Seconds(),
	}
}

// History answers q, newest first.
func (l *Store) History(q Query) (entries []Entry, err error) {
	if q.Limit <= 0 {
		q.Limit = DefaultLimit
	}
	if q.MaxFailures <= 0 {
		q.MaxFailures = DefaultMaxFailures
	}
	err = l.view("read the history", func(tx *bbolt.Tx) error {
		s := search{tx: tx, query: q, places: map[string]place{}}
		if q.Instance != "" {
			if err := s.findGroups(); err != nil {
				return err
			}
		}
		entries, err = s.walk()
		return err
	})
	return entries, err
}

// search is one query in progress.
type search struct {
	tx     *bbolt.Tx
	query  Query
	groups []string         // that hold the instance, as far as known
	places map[string]place // of the instance in lists, by their hash
}

func (s *search) walk() (entries []Entry, err error) {
	c := s.tx.Bucket(bucketEntries).Cursor()
	k, data := s.newest(c)
	for ; k != nil && len(entries) < s.query.Limit; k, data = c.Prev() {
		name, nominal := splitKey(k)
		if nominal.Before(s.query.Since) && !scheduler.SameDay(nominal, s.query.Since) {
			break
		}
		if s.query.Schedule != "" && s.query.Schedule != name {
			continue
		}
		var e entry
		if err := json.Unmarshal(data, &e); err != nil {
			return nil, fmt.Errorf("entry of %s at %s: %w", name, nominal.Format(time.RFC3339), err)
		}
		if nominal.Before(s.query.Since) && e.Last.Before(s.query.Since) {
			continue // a stretch of the same day may reach into the time asked for
		}
		if s.query.Group != "" && !slices.Contains(e.Groups, s.query.Group) {
			continue
		}
		found, err := s.describe(k, &e)
		if err != nil {
			return nil, fmt.Errorf("run %s: %w", scheduler.RunID(name, nominal), err)
		}
		if found != nil {
			entries = append(entries, *found)
		}
	}
	return entries, nil
}

// newest is the last entry that is not after Until.
func (s *search) newest(c *bbolt.Cursor) (key, data []byte) {
	if !s.query.Until.IsZero() {
		if k, _ := c.Seek(entryKey("", s.query.Until.Add(1))); k != nil {
			return c.Prev()
		}
	}
	return c.Last()
}

// describe is nil for an entry that has nothing to do with the instance.
func (s *search) describe(key []byte, e *entry) (*Entry, error) {
	name, nominal := splitKey(key)
	out := Entry{
		Kind: Kind(e.Decision), Schedule: name, Action: e.Action, Groups: e.Groups, NominalTime: nominal,
		AtLeast: e.AtLeast, Reason: e.Reason, Calendar: e.Calendar, RunTime: e.RunAt, Deadline: e.Deadline,
		CatchUp: e.CatchUp, Waits: e.Waits, Resumes: e.Resumes, StartedAt: e.StartedAt, FinishedAt: e.FinishedAt,
		Result: e.Result, Err: e.Err,
	}
	if e.Count > 1 || e.AtLeast {
		out.LastTime, out.Count = e.Last, e.Count
	}
	if e.isRun() || e.Decision == scheduler.DecisionInterrupted {
		out.RunID = scheduler.RunID(name, nominal)
	}
	groups, err := s.results(key, e)
	if err != nil {
		return nil, err
	}
	if s.query.Instance != "" {
		return s.describeInstance(out, key, e, groups)
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

// group is one group's part of a run, its results read when they are needed.
type group struct {
	totals
	final []power.InstanceResult // of an open run
	read  func() ([]power.InstanceResult, error)
}

// results finds the groups of a run, ended or not.
func (s *search) results(key []byte, e *entry) (groups []group, err error) {
	for _, t := range e.Totals {
		groups = append(groups, group{totals: t, read: func() ([]power.InstanceResult, error) { return s.read(key, t) }})
	}
	if e.ended() {
		return groups, nil
	}
	p, err := readProgress(s.tx, key)
	if err != nil {
		return nil, err
	}
	for _, name := range e.Groups {
		if results := p.Final[name]; len(results) > 0 {
			groups = append(groups, group{
				totals: sumUp(name, results), final: results,
				read: func() ([]power.InstanceResult, error) { return results, nil },
			})
		}
	}
	return groups, nil
}

func (s *search) read(key []byte, t totals) ([]power.InstanceResult, error) {
	if t.List == nil {
		return nil, nil
	}
	ids, err := unpack(s.tx.Bucket(bucketLists).Get(t.List))
	if err != nil {
		return nil, fmt.Errorf("ids of group %s: %w", t.Group, err)
	}
	results, err := unpack(s.tx.Bucket(bucketResults).Get(groupKey(key, t.Group)))
	if err != nil {
		return nil, fmt.Errorf("results of group %s: %w", t.Group, err)
	}
	return decodeResults(results, splitIDs(ids))
}

func (s *search) describeGroup(g group) (GroupEntry, error) {
	out := GroupEntry{Group: g.Group, Total: g.Total, Done: g.Done, Already: g.Already, Failed: g.Failed, Err: g.Err}
	if g.Failed == 0 {
		return out, nil // the sums say all
	}
	results, err := g.read()
	if err != nil {
		return out, err
	}
	for _, r := range results {
		switch {
		case r.Outcome != power.OutcomeFailed:
		case len(out.Failures) == s.query.MaxFailures:
			out.Omitted++
		default:
			out.Failures = append(out.Failures, newInstanceEntry(r))
		}
	}
	return out, nil
}

// findGroups finds the groups whose newest list holds the instance.
func (s *search) findGroups() error {
	s.groups = slices.Clone(s.query.InstanceGroups)
	return s.tx.Bucket(bucketGroups).ForEach(func(name, hash []byte) error {
		p, err := s.position(hash)
		if err == nil && p.at >= 0 {
			s.groups = append(s.groups, string(name))
		}
		return err
	})
}

// place is where an instance stands in a list.
type place struct {
	at int // -1: nowhere
	of int // the list's length
}

func (s *search) position(hash []byte) (place, error) {
	if known, ok := s.places[string(hash)]; ok {
		return known, nil
	}
	p := place{at: -1}
	if data := s.tx.Bucket(bucketLists).Get(hash); data != nil {
		plain, err := unpack(data)
		if err != nil {
			return p, err
		}
		ids := splitIDs(plain)
		p = place{slices.Index(ids, s.query.Instance), len(ids)}
	}
	s.places[string(hash)] = p
	return p, nil
}

func (s *search) describeInstance(out Entry, key []byte, e *entry, groups []group) (*Entry, error) {
	for _, g := range groups {
		r, err := s.find(key, g)
		if err != nil {
			return nil, err
		}
		if r != nil {
			found := newInstanceEntry(*r)
			found.Group = g.Group
			out.Instance = &found
			return &out, nil
		}
	}
	at := slices.IndexFunc(e.Groups, func(g string) bool { return slices.Contains(s.groups, g) })
	if at < 0 {
		return nil, nil //nolint:nilnil // nothing to do with it
	}
	return s.describeWithoutResult(out, key, e, e.Groups[at])
}

// describeWithoutResult describes an entry of the instance's group that has no result for the
// instance: no run, a run that has not reached it, one that left no report, or one whose group
// could not be read.
func (s *search) describeWithoutResult(out Entry, key []byte, e *entry, name string) (*Entry, error) {
	for _, t := range e.Totals {
		if t.Group == name && t.Err != "" {
			out.Results = []GroupEntry{{Group: name, Err: t.Err}}
			return &out, nil
		}
	}
	if e.isRun() && e.ended() {
		if e.reported() {
			return nil, nil //nolint:nilnil // it was not in the group then
		}
		return &out, nil
	}
	if e.isRun() {
		p, err := readProgress(s.tx, key)
		if err != nil {
			return nil, err
		}
		out.Instance = &InstanceEntry{InstanceID: s.query.Instance, Group: name, Attempts: p.Attempted[name][s.query.Instance]}
	}
	return &out, nil
}

// find is nil where the instance is not among the group's results.
func (s *search) find(key []byte, g group) (*power.InstanceResult, error) {
	if g.final != nil {
		at := slices.IndexFunc(g.final, func(r power.InstanceResult) bool { return r.InstanceID == s.query.Instance })
		if at < 0 {
			return nil, nil //nolint:nilnil // as documented
		}
		return &g.final[at], nil
	}
	p, err := s.position(g.List)
	if err != nil || p.at < 0 {
		return nil, err
	}
	results, err := unpack(s.tx.Bucket(bucketResults).Get(groupKey(key, g.Group)))
	if err != nil {
		return nil, fmt.Errorf("results of group %s: %w", g.Group, err)
	}
	r, err := decodeAt(results, p.of, p.at)
	r.InstanceID = s.query.Instance
	return &r, err
}
