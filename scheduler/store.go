package scheduler

import "time"

// Store keeps decisions and runs where a crash cannot lose them. It is safe for concurrent use: the
// goroutines of runs call Finish.
//
// Every write is idempotent, because the loop repeats a write whose success it did not see. An
// error means that the write was not, or perhaps not, made durable. The loop then goes on with what
// it remembers itself. A write may take its time but must end: the decision loop waits for it.
type Store interface {
	// Load returns what earlier processes decided and left undone. State.Ran holds only nominal
	// times after recent.
	Load(recent time.Time) (State, error)
	// Decide makes a round durable in one step, before any of its runs begins. It returns the ids
	// of those runs that it already had, in whatever state; their records stay as they are. A run
	// replaces any other record of its nominal time. A run that has ended stays ended.
	Decide(r Round) (held []string, err error)
	// Finish records the end of a run at the wall-clock time at, whether the run was claimed or
	// not.
	Finish(f Firing, r RunEnd, at time.Time) error
}

// State is what a store holds. Its zero value is the state of an empty store.
type State struct {
	// Watermarks says, by schedule name, how far each schedule is decided.
	Watermarks map[string]Watermark
	// DecidedThrough holds for every schedule that has a watermark: no nominal time up to here is
	// undecided. Zero where nothing was ever recorded.
	DecidedThrough time.Time
	// Unfinished are the claimed runs without an end, in the order of their nominal times.
	Unfinished []Firing
	// Ran holds, by schedule name, the nominal times after Load's recent that were claimed as a
	// run.
	Ran map[string][]time.Time
	// Last is the newest finished run of each schedule, by schedule name.
	Last map[string]LastRun
}

// Watermark says how far one schedule is decided, and under which spec.
type Watermark struct {
	Schedule string
	Through  time.Time // every nominal time up to here is decided
	Spec     string    // its timing at that time; a different one now means an edit
}
