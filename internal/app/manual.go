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
}

// run describes m as a run that begins at now.
func (m Manual) run(now time.Time) run.Run {
	return run.Run{
		ID: manualID(now), Action: m.Action, Nominal: now, Planned: now, Deadline: now.Add(m.Deadline), Actor: actor(),
		Force: m.Force, KeyAccepted: m.KeyAccepted, FirstContact: true, Names: m.Groups, Members: members(m.Config),
		AccountOf: m.Config.AccountOf,
	}
}

// actor names the person who runs this process.
func actor() string {
	uid := os.Getuid()
	if u, err := user.Current(); err == nil && u.Username != "" {
		return fmt.Sprintf("%s (uid %d)", u.Username, uid)
	}
	return fmt.Sprintf("uid %d", uid)
}

// Run makes the run and returns its report. An error means that no request was sent.
func (m Manual) Run(ctx context.Context) (power.Report, error) {
	set := &accounts{of: map[string]*account{}}
	defer set.close()
	for name, access := range m.Access {
		a, err := newAccount(m.Config, name, access, m.Emit)
		if err != nil {
			return power.Report{}, err
		}
		set.of[name] = a
	}
	if err := set.distinct(m.Config, nil); err != nil {
		return power.Report{}, err
	}
	maker, r := run.New(run.Config{Account: set.account, Emit: m.Emit}), m.run(time.Now())
	report := maker.Prepare(ctx, r).Make(ctx).Report
	m.Emit(event.RunFinished{Run: r.Name(), Groups: r.Names, Result: report.Result(), Report: &report})
	return report, nil
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
// keys were accepted which acceptedKeys names.
func RecordManual(ctx context.Context, stateDir string, r power.Report, acceptedKeys []string) (err error) {
	l, err := bolt.Open(bolt.Config{Dir: stateDir, LockWait: recordWait})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	return recordManual(ctx, l, r, acceptedKeys)
}

func recordManual(ctx context.Context, l store.Store, r power.Report, acceptedKeys []string) error {
	for _, name := range acceptedKeys {
		if err := l.AcceptKey(ctx, name, r.FinishedAt); err != nil {
			return err
		}
	}
	run := store.Run{
		ID: r.RunID, Schedule: store.ManualSchedule, Action: r.Action, Nominal: r.ScheduledAt, Planned: r.StartedAt, Actor: actor(),
	}
	for _, g := range r.Groups {
		run.Groups = append(run.Groups, g.Group)
	}
	return l.Finish(ctx, run, store.End{At: r.FinishedAt, Result: r.Result(), Report: &r})
}

// manualID returns the id of a run by hand. Its random end distinguishes two of one second.
func manualID(at time.Time) string {
	var end [3]byte
	_, _ = rand.Read(end[:]) // never fails
	return scheduler.RunID(store.ManualSchedule, at) + "-" + hex.EncodeToString(end[:])
}
