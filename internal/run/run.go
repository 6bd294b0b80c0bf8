package run

import (
	"time"

	"zecpower/batcher"
	"zecpower/internal/power"
)

// Run is what one firing, or one command by hand, wants.
type Run struct {
	ID       string // the run's key; opaque
	Schedule string // empty: by hand
	Action   power.Action
	Nominal  time.Time // the time that the schedule names; by hand, when it was asked for
	Planned  time.Time // nominal time and jitter; by hand, when it was asked for
	Deadline time.Time // zero: none
	Actor    string    // who wants it: store.ActorSchedule, or a person
	Reason   string    // what the person gave for it; empty: nothing
	Trigger  string    // the schedule whose run the person asked for; empty: none

	// Force cuts the power at a stop instead of asking the guest.
	Force bool
	// Resumed says that an earlier process began it.
	Resumed bool
	// Resumable is as in batcher.Run.
	Resumable bool
	// Gathering are the runs that begin together with it; nil: none.
	Gathering *batcher.Gathering
	// FirstContact is as in batcher.Run.
	FirstContact bool
	// KeyAccepted says, of a run by hand, of which accounts some process or store has seen the
	// credentials accepted: see batcher.Run.UnprovenKey. Nil: of all.
	KeyAccepted map[string]bool

	// Names are the groups that it wants. LeftOut are groups with which an earlier process began it
	// and which its schedule no longer names: their instances that have no outcome end as cancelled.
	Names, LeftOut []string
	// Superseded are groups of which a newer intention wants otherwise, with the id of the run that it
	// is about: their instances end as skipped.
	Superseded map[string]string
	// AccountOf names the account of a group; nil: power.DefaultAccount.
	AccountOf func(group string) string
	// Define returns what the configuration that decided the run says of a group; an error where it has
	// no such group.
	Define func(group string) (Definition, error)
	// AcceptedBy is the person who accepts by hand whatever members the groups have; empty: the guard
	// decides.
	AcceptedBy string

	// Groups are set by the stages: those of Names, of LeftOut and of Superseded, in this order.
	Groups []batcher.Group
	// placed is the account of a group that the run no longer wants.
	placed map[string]string
}

// batch is the run as an account is given it, with the groups that are the account's.
func (r Run) batch(account string, groups []batcher.Group) batcher.Run {
	return batcher.Run{
		RunID: r.ID, Schedule: r.Schedule, Action: r.Action, ScheduledAt: r.Nominal, Planned: r.Planned, Deadline: r.Deadline,
		Gathering: r.Gathering, Force: r.Force, Resumed: r.Resumed, UnprovenKey: r.KeyAccepted != nil && !r.KeyAccepted[account], FirstContact: r.FirstContact, Resumable: r.Resumable, Groups: groups,
	}
}
