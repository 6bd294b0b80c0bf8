package app

import (
	"sync/atomic"
	"time"

	"zecpower/apiclient"
	"zecpower/batcher"
	"zecpower/internal/config"
	"zecpower/internal/logging"
)

// account is one ZEC account as a process uses it: one budget for all its runs, which outlives
// reloads, and the observers of all its runs and requests.
type account struct {
	key       atomic.Pointer[key] // of runs that begin now
	userAgent string
	requests  apiclient.Observer
	observer  batcher.Observer
	journal   batcher.Journal
	panicked  func(*batcher.PanicError)
	budget    *batcher.Budget
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

// newAccount makes the account with the budget of cfg.
func newAccount(cfg *config.Config, credentials apiclient.Credentials, events AccountEvents) (*account, error) {
	limits := batcher.BudgetConfig{
		RequestsPerSecond: cfg.API.RequestsPerSecond, Burst: cfg.API.Burst, MaxInFlight: cfg.API.MaxInFlight,
		Backoff: backoff(cfg), OnAccepted: events.Accepted, OnPanic: events.Panicked,
	}
	if events.Blocked != nil {
		limits.OnBlocked = func(e *apiclient.Error, lasted time.Duration) {
			if e == nil {
				events.Blocked(nil, lasted) // a nil *Error is no nil error
				return
			}
			events.Blocked(e, lasted)
		}
	}
	budget, err := batcher.NewBudget(limits)
	if err != nil {
		return nil, err
	}
	a := &account{userAgent: userAgent(), panicked: events.Panicked, budget: budget}
	a.key.Store(&key{credentials: credentials})
	return a, nil
}

// use makes runs that begin from now on use k, and reports whether that is another key than before.
func (a *account) use(k *key) (changed bool) {
	if a.key.Swap(k) == k {
		return false
	}
	a.budget.NewCredentials()
	return true
}

func backoff(cfg *config.Config) batcher.Backoff {
	return batcher.Backoff{Initial: cfg.Batch.Backoff.Initial, Max: cfg.Batch.Backoff.Max}
}

// setup is one configuration in use. A run keeps the setup that it began with.
type setup struct {
	config  *config.Config
	api     *caller
	batcher *batcher.Batcher
}

// prepare builds a setup from cfg whose runs begin with k. It changes nothing of the account, so
// that a configuration that cannot be used has no effect.
func (a *account) prepare(cfg *config.Config, k *key) (*setup, error) {
	api, err := a.newCaller(apiclient.Config{
		Endpoint: cfg.API.Endpoint, APIVersion: cfg.API.APIVersion,
		Timeout: cfg.API.Timeout, MaxConns: cfg.API.MaxInFlight, UserAgent: a.userAgent, Observer: a.requests,
	}, k)
	if err != nil {
		return nil, err
	}
	b, err := batcher.New(batcher.Config{
		API: api, Budget: a.budget, Size: cfg.Batch.Size, Attempts: cfg.Batch.Attempts, Backoff: backoff(cfg),
		PollInterval: cfg.Batch.PollInterval, BootTimeout: cfg.Batch.BootTimeout, Observer: a.observer, Journal: a.journal, OnPanic: a.panicked,
	})
	if err != nil {
		return nil, err
	}
	return &setup{config: cfg, api: api, batcher: b}, nil
}

// limit sets the ceilings and the backoff of the budget to those of cfg.
func (a *account) limit(cfg *config.Config) error {
	return a.budget.SetLimits(batcher.Limits{
		RequestsPerSecond: cfg.API.RequestsPerSecond, Burst: cfg.API.Burst, MaxInFlight: cfg.API.MaxInFlight, Backoff: backoff(cfg),
	})
}
