package app

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/user"
	"slices"
	"time"

	"zecpower/batcher"
	"zecpower/internal/config"
	"zecpower/internal/event"
	"zecpower/internal/power"
	"zecpower/internal/run"
	"zecpower/internal/store"
	"zecpower/internal/store/bolt"
	"zecpower/scheduler"
)

// ManualEnd is how a run by hand ended.
type ManualEnd = run.End

// DefaultDeadline is the deadline of a run that sets none.
const DefaultDeadline = 30 * time.Minute

// Manual is one run by hand, in the foreground.
type Manual struct {
	Config *config.Config
	// Access is that of each account of the groups, by name.
	Access   map[string]Access
	Action   power.Action
	Groups   []string // names; each must be in Config
	Deadline time.Duration
	Force    bool // of a stop: cut the power instead of asking the guest
	// Emit receives what happens.
	Emit func(event.Event)
	// KeyAccepted says of which accounts some process saw the API accept the credentials. Where none
	// did, their first refusal ends the run.
	KeyAccepted map[string]bool
	// Accepted returns the accepted list of a group, for its guard.
	Accepted func(ctx context.Context, group string) (store.Membership, error)
	// AcceptMembership accepts whatever members the groups have.
	AcceptMembership bool
}

// run describes m as a run that begins at now.
func (m Manual) run(now time.Time) run.Run {
	r := run.Run{
		ID: NewRunID(now), Action: m.Action, Nominal: now, Planned: now, Deadline: now.Add(m.Deadline), Actor: actor(),
		Force: m.Force, KeyAccepted: m.KeyAccepted, FirstContact: true, Names: m.Groups, Define: define(m.Config),
		AccountOf: m.Config.AccountOf,
	}
	if m.AcceptMembership {
		r.AcceptedBy = r.Actor
	}
	return r
}

// actor names the person who runs this process.
func actor() string {
	uid := os.Getuid()
	if u, err := user.Current(); err == nil && u.Username != "" {
		return fmt.Sprintf("%s (uid %d)", u.Username, uid)
	}
	return fmt.Sprintf("uid %d", uid)
}

// Run makes the run and returns how it ended. An error means that no request was sent.
func (m Manual) Run(ctx context.Context) (ManualEnd, error) {
	set, err := accountsByHand(m.Config, m.Access, m.KeyAccepted, m.Emit)
	if err != nil {
		return ManualEnd{}, err
	}
	defer set.close()
	maker, r := run.New(run.Config{Account: set.account, Emit: m.Emit, Accepted: m.Accepted}), m.run(time.Now())
	end := maker.Prepare(ctx, r).Make(ctx)
	m.Emit(event.RunFinished{Run: r.Name(), Groups: r.Names, Result: end.Report.Result(), Report: &end.Report})
	return end, nil
}

// accountsByHand makes the accounts of a command. Where no process saw the API accept the credentials
// of one, their first refusal ends what waits for it.
func accountsByHand(cfg *config.Config, access map[string]Access, keyAccepted map[string]bool, emit func(event.Event)) (*accounts, error) {
	set := &accounts{of: map[string]*account{}}
	for name, access := range access {
		a, err := newAccount(cfg, name, access, emit)
		if err != nil {
			return nil, err
		}
		a.hand = byHand{is: true, unprovenKey: keyAccepted != nil && !keyAccepted[name]}
		set.of[name] = a
	}
	return set, set.distinct(cfg, nil)
}

// Plan says what Run would send, by account in the order of the configuration. It sends nothing and
// needs no credentials.
func (m Manual) Plan() (plans []AccountPlan) {
	for _, of := range m.Config.AccountsOf(m.Groups) {
		mine := m
		mine.Groups = slices.DeleteFunc(slices.Clone(m.Groups), func(g string) bool { return m.Config.AccountOf(g) != of.Name })
		plan := run.New(run.Config{}).Plan(context.Background(), mine.run(time.Now()), m.Config.Batch.Size, of.API.RequestsPerSecond, of.API.Burst)
		plans = append(plans, AccountPlan{of.Name, plan})
	}
	return plans
}

// AccountPlan is what a run would send to one account.
type AccountPlan struct {
	Account string
	batcher.Plan
}

// recordWait is how long RecordManual waits for another process to release the store: a `history`
// does within milliseconds, a daemon never.
const recordWait = 200 * time.Millisecond

// RecordManual records a finished run by hand in the store of a state folder, and that its access
// keys were accepted which acceptedKeys names. reason is what the person gave for it.
func RecordManual(ctx context.Context, stateDir string, end ManualEnd, reason string, acceptedKeys []string) (err error) {
	l, err := bolt.Open(bolt.Config{Dir: stateDir, LockWait: recordWait})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	return recordManual(ctx, l, end, reason, acceptedKeys)
}

func recordManual(ctx context.Context, l store.Store, end ManualEnd, reason string, acceptedKeys []string) error {
	r := end.Report
	for _, name := range acceptedKeys {
		if err := l.AcceptKey(ctx, name, r.FinishedAt); err != nil {
			return err
		}
	}
	of := store.Run{
		ID: r.RunID, Schedule: store.ManualSchedule, Action: r.Action, Nominal: r.ScheduledAt, Planned: r.StartedAt, Actor: actor(), Reason: reason,
	}
	for _, g := range r.Groups {
		of.Groups = append(of.Groups, g.Group)
	}
	recorded := store.End{At: r.FinishedAt, Result: r.Result(), Report: &r}
	for _, a := range end.Accepted {
		a.At = r.FinishedAt
		recorded.Accepted = append(recorded.Accepted, a)
	}
	return l.Finish(ctx, of, recorded)
}

// NewRunID returns the id of a run by hand. Its random end distinguishes two of one second.
func NewRunID(at time.Time) string {
	var end [3]byte
	_, _ = rand.Read(end[:]) // never fails
	return scheduler.RunID(store.ManualSchedule, at) + "-" + hex.EncodeToString(end[:])
}
