package store

import (
	"cmp"
	"slices"
	"time"

	"zecpower/internal/power"
)

// State is what a store holds for the scheduler. Its zero value is the state of an empty store.
type State struct {
	// Watermarks says, by schedule name, how far each schedule is decided.
	Watermarks map[string]Watermark
	// DecidedThrough holds for every schedule that has a watermark: no nominal time up to here is
	// undecided. Zero where nothing was ever recorded.
	DecidedThrough time.Time
	// Unfinished are the claimed runs without an end, in the order of their nominal times.
	Unfinished []Run
	// Ran holds, by schedule name, the nominal times after Load's recent that were claimed as a
	// run.
	Ran map[string][]time.Time
	// Abandoned are those of Ran whose run did not begin, or did not go on.
	Abandoned map[string][]time.Time
	// Newest has, by group, the newest run of each schedule, and the newest by hand, that has begun and
	// whose nominal time lies after Load's recent. Which of them ranks highest depends on the jitter of
	// their schedules, which the store does not know.
	Newest map[string][]Run
	// ByHand are the ids of the runs by hand whose nominal times lie after Load's recent.
	ByHand []string
	// Last is the newest finished run of each schedule, by schedule name.
	Last map[string]LastRun
	// Skips are the nominal times that people leave out, in the order of the times, those that are over
	// for up to SkipKept among them.
	Skips []Skip
}

// NewState returns a State with nothing in it.
func NewState() State {
	return State{
		Watermarks: map[string]Watermark{}, Ran: map[string][]time.Time{}, Abandoned: map[string][]time.Time{}, Newest: map[string][]Run{}, Last: map[string]LastRun{},
	}
}

// AddRecent adds what Ran, Abandoned and Newest say of a record.
func (s *State) AddRecent(r *Record) {
	if !r.Claimed() {
		return
	}
	s.Ran[r.Schedule] = append(s.Ran[r.Schedule], r.Nominal)
	if r.Schedule == ManualSchedule {
		s.ByHand = append(s.ByHand, r.ID)
	}
	if r.Kind != KindRun {
		s.Abandoned[r.Schedule] = append(s.Abandoned[r.Schedule], r.Nominal)
		return
	}
	if r.Waits != "" {
		return
	}
	for _, g := range r.Groups {
		s.addNewest(g, r)
	}
}

func (s *State) addNewest(group string, r *Record) {
	of := s.Newest[group]
	i := slices.IndexFunc(of, func(run Run) bool { return run.Schedule == r.Schedule })
	switch {
	case i < 0:
		s.Newest[group] = append(of, r.Run())
	case cmp.Or(r.Nominal.Compare(of[i].Nominal), cmp.Compare(r.ID, of[i].ID)) > 0:
		of[i] = r.Run()
	}
}

// LastRun is how a schedule's newest finished run ended. The zero value: none has finished.
type LastRun struct {
	RunID       string
	Nominal     time.Time
	FinishedAt  time.Time // wall clock
	Result      power.Result
	LastSuccess time.Time // when a run of it last finished with power.ResultOK; zero: never
}

// Follow returns l after the end of another run of the schedule. An end that is recorded late does
// not replace that of a newer run.
func (l LastRun) Follow(id string, r *Record) LastRun {
	if r.Result == power.ResultOK && r.FinishedAt.After(l.LastSuccess) {
		l.LastSuccess = r.FinishedAt
	}
	if !r.FinishedAt.Before(l.FinishedAt) {
		l.RunID, l.Nominal, l.FinishedAt, l.Result = id, r.Nominal, r.FinishedAt, r.Result
	}
	return l
}

// SameDay reports whether a and b lie on one UTC day. Nominal times of one day that do not run for
// the same reason are reported and recorded as one stretch.
func SameDay(a, b time.Time) bool {
	const day = 24 * 60 * 60
	return a.Unix()/day == b.Unix()/day
}

// SortUnfinished brings Unfinished into its order.
func (s *State) SortUnfinished() {
	slices.SortFunc(s.Unfinished, func(a, b Run) int {
		return cmp.Or(a.Nominal.Compare(b.Nominal), cmp.Compare(a.ID, b.ID))
	})
}
