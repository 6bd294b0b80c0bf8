package store

import (
	"context"
	"errors"
	"time"
)

// Store is the durable record of decisions and runs.
//
// A call ends when its context does, at the latest; the implementation may give up earlier. A write
// that was given up may still be written later.
type Store interface {
	// Load returns what earlier processes decided and left undone. State.Ran, State.Abandoned,
	// State.ByHand and State.Newest hold only nominal times after recent.
	Load(ctx context.Context, recent time.Time) (State, error)

	// Claim records a round before a request of any of its runs leaves. A claim is put only where its id has no
	// run yet; held are the ids of those that had one, in whatever state, and their records stay as
	// they are. A claim replaces a note of the same id. A note never replaces a run. A run that has
	// ended stays ended. The round's slices belong to the store from now on, also after an error: a
	// write that was given up may read them later. A small round is one transaction, in which a run that is claimed and begins has
	// both; a large one is written by its [Round.Parts], in order.
	Claim(ctx context.Context, r Round) (held []string, err error)

	// RecordProgress records what runs have done, in one transaction. Facts of a run that has ended
	// come too late and change nothing.
	RecordProgress(ctx context.Context, facts []Facts) error

	// Progress returns what is recorded of a run that has not ended.
	Progress(ctx context.Context, runID string) (Progress, error)

	// Finish records the end of a run, whether it was claimed or not, and accepts the members of its
	// groups. The first end stays.
	Finish(ctx context.Context, r Run, e End) error

	// History answers q, newest first. It reads in short steps, so that no write waits for it.
	History(ctx context.Context, q Query) ([]Entry, error)

	// AcceptKey records that the API accepted an access key. name distinguishes keys and is no secret.
	AcceptKey(ctx context.Context, name string, at time.Time) error

	// KeyAccepted returns when the API last accepted an access key, to within an hour. Zero: never,
	// as far as is recorded.
	KeyAccepted(ctx context.Context, name string) (time.Time, error)

	// RecordCalendars records what the files of calendars gave when they were read, by the calendar's
	// name: one record a calendar, which replaces an earlier one. The records of calendars that are in
	// neither read nor keep are removed.
	RecordCalendars(ctx context.Context, read map[string]CalendarDates, keep []string) error

	// Calendars returns the records of RecordCalendars, by the calendar's name.
	Calendars(ctx context.Context) (map[string]CalendarDates, error)

	// AcceptMembers changes the accepted lists of groups, as Finish does with End.Accepted: see
	// [Membership.After]. A list that nothing confirms for as long as runs are kept is removed.
	AcceptMembers(ctx context.Context, all []Acceptance) error

	// Membership returns the accepted list of a group; zero: it has none.
	Membership(ctx context.Context, group string) (Membership, error)

	// RecordAct records what a person did or tried, once under its id. One that repeats the newest of
	// the same UTC day in all but its id and time extends the record of that: see [Record.ContinueAct].
	RecordAct(ctx context.Context, a Act) error

	// PutSkip records a nominal time that a person leaves out, in the place of one of the same id. It is
	// removed once its time is over for SkipKept.
	PutSkip(ctx context.Context, s Skip) error

	// RemoveSkip removes a skip. It is no error where there is none of the id.
	RemoveSkip(ctx context.Context, id string) error

	// Trouble says why nothing can be written at present; nil when it can.
	Trouble() error

	// Close waits for the writes in progress, within limits, and releases the store. It may be
	// called twice.
	Close() error
}

// ManualSchedule stands in the place of a schedule's name in runs by hand.
const ManualSchedule = "manual"

var (
	// ErrReadOnly is the answer to a write where the store was opened to be read.
	ErrReadOnly = errors.New("store: opened to be read only")

	// ErrSlow is the answer to a call that the disk, or the server, did not finish in time. A write
	// may still be written later.
	ErrSlow = errors.New("store: no answer in time")

	// ErrTooMuch is the answer to a query that would read more than one query may.
	ErrTooMuch = errors.New("it reads more than one query may: ask for less, with --since, or for one --schedule")
)
