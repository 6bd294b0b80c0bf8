package app

import (
	"context"
	"sync/atomic"
	"time"

	"zecpower/apiclient"
	"zecpower/batcher"
	"zecpower/internal/config"
	"zecpower/internal/logging"
	"zecpower/internal/power"
)

// account is one ZEC account as a process uses it. It outlives reloads.
type account struct {
	key       atomic.Pointer[key] // of runs that begin now
	userAgent string
	requests  apiclient.Observer
	batch     *batcher.Account
	caller    atomic.Pointer[caller] // that batch calls
}

// accountConfig is what an account needs. All but the first two are optional.
type accountConfig struct {
	config      *config.Config
	credentials apiclient.Credentials
	events      AccountEvents
	requests    apiclient.Observer
	observer    batcher.Observer
	journal     batcher.Journal
}

// AccountEvents receives what concerns an account as a whole, whichever run met it. Each must be
// quick and safe for concurrent use, and must not call back. nil drops the event.
type AccountEvents struct {
	// Blocked: the network in front of the API begins to refuse this host (err), or no longer
	// does (nil), after lasted.
	Blocked func(err error, lasted time.Duration)
	// Accepted: a reply accepted the credentials.
	Accepted func(now time.Time)
	// Panicked: a panic ended one run or request.
	Panicked func(*batcher.PanicError)
}

// logBlocked logs both ends of a time in which this host is refused.
func logBlocked(events *logging.Events, err error, lasted time.Duration) {
	if err == nil {
		events.BlockedEnded(lasted)
		return
	}
	events.Blocked(err)
}

// LogAccount gives the events of an account that a run by hand logs.
func LogAccount(events *logging.Events) AccountEvents {
	return AccountEvents{
		Blocked:  func(err error, lasted time.Duration) { logBlocked(events, err, lasted) },
		Panicked: func(p *batcher.PanicError) { events.Panicked(p, p.Stack) },
	}
}

// newAccount makes an account.
func newAccount(c accountConfig) (*account, error) {
	a := &account{userAgent: userAgent(), requests: c.requests}
	a.key.Store(&key{credentials: c.credentials})
	api, err := a.newCaller(c.config, a.key.Load())
	if err != nil {
		return nil, err
	}
	a.caller.Store(api)
	batch := batcher.Config{
		Settings: settings(c.config, api), Observer: c.observer, Journal: c.journal, OnAccepted: c.events.Accepted, OnPanic: c.events.Panicked,
	}
	if c.events.Blocked != nil {
		batch.OnBlocked = func(e *apiclient.Error, lasted time.Duration) {
			if e == nil {
				c.events.Blocked(nil, lasted) // a nil *Error is no nil error
				return
			}
			c.events.Blocked(e, lasted)
		}
	}
	if a.batch, err = batcher.NewAccount(batch); err != nil {
		return nil, err
	}
	return a, nil
}

// settings are those of cfg.
func settings(cfg *config.Config, api batcher.API) batcher.Settings {
	s := batcher.Settings{
		API: api, Size: cfg.Batch.Size, Attempts: cfg.Batch.Attempts, PollInterval: cfg.Batch.PollInterval, BootTimeout: cfg.Batch.BootTimeout,
		Limits: batcher.Limits{
			RequestsPerSecond: cfg.API.RequestsPerSecond, Burst: cfg.API.Burst, MaxInFlight: cfg.API.MaxInFlight,
			Backoff: batcher.Backoff{Initial: cfg.Batch.Backoff.Initial, Max: cfg.Batch.Backoff.Max},
		},
	}
	for i := range cfg.Schedules {
		s.Remember = max(s.Remember, cfg.Schedules[i].CatchUp)
	}
	return s
}

// use makes runs that begin from now on use k, and reports whether that is another key than before.
// Runs in progress go on with the one that they have; see caller.
func (a *account) use(k *key) (changed bool) {
	if a.key.Swap(k) == k {
		return false
	}
	a.batch.NewCredentials()
	return true
}

// check reports why cfg cannot be used with k.
func (a *account) check(cfg *config.Config, k *key) error {
	c, err := a.newCaller(cfg, k)
	if err == nil {
		c.Close()
	}
	return err
}

// configure moves the account to cfg, whose runs in progress go on. With an error nothing changes.
func (a *account) configure(cfg *config.Config) error {
	before := a.caller.Load()
	_, k := before.current()
	next, err := a.newCaller(cfg, k)
	if err != nil {
		return err
	}
	if err := a.batch.Configure(settings(cfg, next)); err != nil {
		return err
	}
	a.caller.Store(next)
	before.Close()
	return nil
}

// run makes a run with the newest key.
func (a *account) run(ctx context.Context, r batcher.Run) power.Report {
	a.caller.Load().refresh()
	return a.batch.Run(ctx, r)
}

// close drops idle connections.
func (a *account) close() { a.caller.Load().Close() }
