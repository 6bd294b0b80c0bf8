package app

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/user"
	"time"

	"zecpower/apiclient"
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
	Config      *config.Config
	Credentials apiclient.Credentials
	Action      power.Action
	Groups      []string // names; each must be in Config
	Deadline    time.Duration
	Force       bool // of a stop: cut the power instead of asking the guest
	// Emit receives what happens.
	Emit func(event.Event)
	// KeyAccepted says that some process saw the API accept these credentials. Where none did,
	// their first refusal ends the run.
	KeyAccepted bool
}

// run describes m as a run that begins at now.
func (m Manual) run(now time.Time) run.Run {
	return run.Run{
		ID: manualID(now), Action: m.Action, Nominal: now, Planned: now, Deadline: now.Add(m.Deadline), Actor: actor(),
		Force: m.Force, UnprovenKey: !m.KeyAccepted, FirstContact: true, Names: m.Groups, Members: members(m.Config),
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
	a, err := newAccount(m.Config, m.Credentials, m.Emit)
	if err != nil {
		return power.Report{}, err
	}
	defer a.close()
	maker, r := run.New(run.Config{Account: func(string) run.Account { return a }, Emit: m.Emit}), m.run(time.Now())
	report := maker.Prepare(ctx, r).Make(ctx).Report
	m.Emit(event.RunFinished{
		Run: event.Run{ID: r.ID, Action: r.Action, Nominal: r.Nominal}, Groups: r.Names, Result: report.Result(), Report: &report,
	})
	return report, nil
}

// Plan says what Run would send. It sends nothing and needs no credentials.
func (m Manual) Plan() batcher.Plan {
	api := m.Config.API
	return run.New(run.Config{}).Plan(context.Background(), m.run(time.Now()), m.Config.Batch.Size, api.RequestsPerSecond, api.Burst)
}

// recordWait is how long RecordManual waits for another process to release the store: a `history`
// does within milliseconds, a daemon never.
const recordWait = 200 * time.Millisecond

// RecordManual records a finished run by hand in the store of a state folder, and that its access
// key was accepted where acceptedKey names it.
func RecordManual(ctx context.Context, stateDir string, r power.Report, acceptedKey string) (err error) {
	l, err := bolt.Open(bolt.Config{Dir: stateDir, LockWait: recordWait})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	if acceptedKey != "" {
		if err := l.AcceptKey(ctx, acceptedKey, r.FinishedAt); err != nil {
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
