package app

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"zecpower/internal/power"
	"zecpower/internal/store"
)

// records are what is durable: they outlive the processes of a world.
type records struct {
	mu         sync.Mutex // guards all below
	through    time.Time
	watermarks map[string]store.Watermark
	runs       map[string]*kept
	done       map[string]*done
	notes      []store.Note
	last       map[string]store.LastRun
	keys       map[string]time.Time
}

// kept is one run.
type kept struct {
	store.Record
	begun  []store.Targets
	report *power.Report
}

// done is what a run has done so far.
type done struct {
	store.Progress
	facts map[string]bool // by key: each counts once
}

func newRecords() *records {
	return &records{
		watermarks: map[string]store.Watermark{}, runs: map[string]*kept{}, done: map[string]*done{}, last: map[string]store.LastRun{}, keys: map[string]time.Time{},
	}
}

// open returns the run of an id where it may still change. One that is not known is claimed.
func (r *records) open(run store.Run) *kept {
	k := r.runs[run.ID]
	if k == nil {
		k = &kept{Record: store.NewClaim(run)}
		r.runs[run.ID] = k
	}
	if k.Ended() {
		return nil
	}
	return k
}

func (r *records) claim(round store.Round) (held []string) {
	for _, run := range round.Claims {
		if r.runs[run.ID] != nil {
			held = append(held, run.ID)
			continue
		}
		r.open(run)
	}
	for _, run := range round.Updates {
		if k := r.open(run); k != nil {
			k.Update(run, "")
		}
	}
	for _, b := range round.Begins {
		if k := r.open(b.Run); k != nil {
			k.begun, k.Waits, k.BegunAt = b.Groups, "", b.At
		}
	}
	for _, a := range round.Abandons {
		if k := r.open(a.Run); k != nil {
			k.Kind, k.Reason, k.FinishedAt = a.Kind, a.Reason, a.At
		}
	}
	for _, n := range round.Notes {
		again := func(known store.Note) bool {
			return known.ID == n.ID && known.Kind == n.Kind && known.Reason == n.Reason && known.Last.Equal(n.Last)
		}
		if r.runs[n.ID] == nil && !slices.ContainsFunc(r.notes, again) {
			r.notes = append(r.notes, n)
		}
	}
	for _, w := range round.Watermarks {
		r.watermarks[w.Schedule] = w
	}
	for _, name := range round.Forget {
		delete(r.watermarks, name)
	}
	if !round.At.IsZero() {
		r.through = round.At
	}
	return held
}

func (r *records) note(all []store.Facts) {
	for _, f := range all {
		if k := r.runs[f.RunID]; k != nil && k.Ended() {
			continue
		}
		p := r.done[f.RunID]
		if p == nil {
			p = &done{store.NewProgress(), map[string]bool{}}
			r.done[f.RunID] = p
		}
		if p.facts[f.Group+"/"+f.Key] {
			continue
		}
		p.facts[f.Group+"/"+f.Key] = true
		p.AddAccepted(f.Group, f.Requests, f.Accepted)
		for _, result := range f.Final {
			if !slices.ContainsFunc(p.Final[f.Group], func(known power.InstanceResult) bool { return known.InstanceID == result.InstanceID }) {
				p.Final[f.Group] = append(p.Final[f.Group], result)
			}
		}
	}
}

func (r *records) finish(run store.Run, e store.End) {
	k := r.open(run)
	if k == nil {
		return
	}
	k.Record.Result, k.Err, k.FinishedAt, k.Waits, k.report = e.Result, e.Err, e.At, "", e.Report
	if run.Schedule != store.ManualSchedule {
		r.last[run.Schedule] = r.last[run.Schedule].Follow(run.ID, &k.Record)
	}
}

func (r *records) load(recent time.Time) store.State {
	s := store.NewState()
	s.DecidedThrough = r.through
	maps.Copy(s.Watermarks, r.watermarks)
	maps.Copy(s.Last, r.last)
	for _, k := range r.runs {
		if !k.Ended() {
			s.Unfinished = append(s.Unfinished, k.Run())
		}
		if k.Nominal.After(recent) {
			s.AddRecent(&k.Record)
		}
	}
	for _, times := range s.Ran {
		slices.SortFunc(times, time.Time.Compare)
	}
	s.SortUnfinished()
	return s
}

// history is what a start restores metrics and suspects from: finished runs, newest first.
func (r *records) history() (entries []store.Entry) {
	for _, k := range r.runs {
		if k.report == nil {
			continue
		}
		e := store.Entry{Kind: k.Kind, RunID: k.ID, Schedule: k.Schedule, Action: k.Action, NominalTime: k.Nominal, Result: k.Record.Result}
		for _, g := range k.report.Groups {
			of := store.GroupEntry{Group: g.Group, Total: g.Total, Done: g.Done, Already: g.Already, Failed: g.Failed, Skipped: g.Skipped, Err: g.Err}
			for _, f := range g.Failures() {
				of.Failures = append(of.Failures, store.InstanceEntry{InstanceID: f.InstanceID, Outcome: f.Outcome, Reason: f.Reason})
			}
			e.Results = append(e.Results, of)
		}
		entries = append(entries, e)
	}
	slices.SortFunc(entries, func(a, b store.Entry) int {
		return cmp.Or(b.NominalTime.Compare(a.NominalTime), cmp.Compare(b.RunID, a.RunID))
	})
	return entries
}

// storeFault is how calls of the store fail for a while.
type storeFault struct {
	from, to time.Time
	takes    time.Duration // of each write
	lost     float64       // share that fails and is not written
	unsaid   float64       // share that fails and is written all the same
}

// giveUp is when a call of the store ends without an answer.
const giveUp = 5 * time.Second

var errDisk = errors.New("no space left on device")

// disk is the store of one process: records behind a writer that takes one write at a time, and
// faults. Once the process is dead nothing more is written.
type disk struct {
	*records
	world *world
	turn  chan struct{} // holds a value while a write is made
	mu    sync.Mutex    // guards dead
	dead  bool
}

func (d *disk) kill() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dead = true
}

// commit makes one durable change, as its fault has it. It returns after giveUp at the latest.
func (d *disk) commit(change func()) error {
	answer := make(chan error, 1)
	go func() { answer <- d.write(change) }()
	select {
	case err := <-answer:
		return err
	case <-time.After(giveUp):
		return store.ErrSlow
	}
}

func (d *disk) write(change func()) error {
	d.turn <- struct{}{}
	defer func() { <-d.turn }()
	f := d.world.storeFault()
	time.Sleep(f.takes)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.records.mu.Lock()
	defer d.records.mu.Unlock()
	luck := d.world.luck()
	switch {
	case d.dead, luck < f.lost:
		return errDisk
	case luck < f.lost+f.unsaid:
		change()
		return errDisk
	}
	change()
	return nil
}

// read answers from what is durable. It fails while writes are lost.
func (d *disk) read(answer func()) error {
	f := d.world.storeFault()
	d.records.mu.Lock()
	defer d.records.mu.Unlock()
	if d.world.luck() < f.lost {
		return errDisk
	}
	answer()
	return nil
}

// The methods of store.Store.

func (d *disk) Load(_ context.Context, recent time.Time) (s store.State, err error) {
	err = d.read(func() { s = d.load(recent) })
	return s, err
}

func (d *disk) Claim(_ context.Context, r store.Round) (held []string, err error) {
	answer := make(chan []string, 1)
	if err := d.commit(func() { answer <- d.claim(r) }); err != nil {
		return nil, err
	}
	return <-answer, nil
}

func (d *disk) RecordProgress(_ context.Context, facts []store.Facts) error {
	return d.commit(func() { d.note(facts) })
}

func (d *disk) Finish(_ context.Context, r store.Run, e store.End) error {
	return d.commit(func() { d.finish(r, e) })
}

func (d *disk) Progress(_ context.Context, id string) (p store.Progress, err error) {
	err = d.read(func() {
		p = store.NewProgress()
		if k := d.runs[id]; k != nil {
			p.Groups = k.begun
		}
		if k := d.done[id]; k != nil {
			for g, results := range k.Final {
				p.Final[g] = slices.Clone(results)
			}
			for g, accepted := range k.Accepted {
				p.Accepted[g], p.Requests[g] = maps.Clone(accepted), k.Requests[g]
			}
		}
	})
	return p, err
}

func (d *disk) History(context.Context, store.Query) (entries []store.Entry, err error) {
	err = d.read(func() { entries = d.history() })
	return entries, err
}

func (d *disk) AcceptKey(_ context.Context, name string, at time.Time) error {
	return d.commit(func() { d.keys[name] = at })
}

func (d *disk) KeyAccepted(_ context.Context, name string) (at time.Time, err error) {
	err = d.read(func() { at = d.keys[name] })
	return at, err
}

func (d *disk) RecordCalendars(context.Context, map[string]store.CalendarDates, []string) error {
	return nil
}

func (d *disk) Calendars(context.Context) (map[string]store.CalendarDates, error) {
	return map[string]store.CalendarDates{}, nil
}

// The groups of a morning name their instances, so that none has a guard.
func (d *disk) AcceptMembers(context.Context, []store.Acceptance) error { return nil }

func (d *disk) Membership(context.Context, string) (store.Membership, error) {
	return store.Membership{}, nil
}

// People do nothing but runs in a morning.
func (d *disk) RecordAct(context.Context, store.Act) error { return nil }

func (d *disk) PutSkip(context.Context, store.Skip) error { return nil }

func (d *disk) RemoveSkip(context.Context, string) error { return nil }

func (d *disk) Trouble() error { return nil }
func (d *disk) Close() error   { return nil }
