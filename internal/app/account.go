package app

import (
	"context"
	"sync/atomic"
	"time"

	"zecpower/apiclient"
	"zecpower/batcher"
	"zecpower/internal/config"
	"zecpower/internal/event"
	"zecpower/internal/run"
)

// account is one ZEC account as a process uses it. It outlives reloads.
type account struct {
	key       atomic.Pointer[key] // of runs that begin now
	userAgent string
	emit      func(event.Event)
	batch     *batcher.Account
	caller    atomic.Pointer[caller] // that batch calls
}

// newAccount makes an account that emits what it does.
func newAccount(cfg *config.Config, credentials apiclient.Credentials, emit func(event.Event)) (*account, error) {
	a := &account{userAgent: userAgent(), emit: emit}
	a.key.Store(&key{credentials: credentials})
	api, err := a.newCaller(cfg, a.key.Load())
	if err != nil {
		return nil, err
	}
	a.caller.Store(api)
	if a.batch, err = batcher.NewAccount(batcher.Config{Settings: settings(cfg, api), Name: run.DefaultAccount, Emit: emit}); err != nil {
		return nil, err
	}
	return a, nil
}

// Request implements apiclient.Observer.
func (a *account) Request(action, code string, took time.Duration) {
	a.emit(event.Requested{Account: run.DefaultAccount, APIAction: action, Code: code, Took: took})
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

// Submit implements run.Account: it brings a run into work, with the newest key.
func (a *account) Submit(ctx context.Context, r batcher.Run) run.Submitted {
	a.caller.Load().refresh()
	return a.batch.Submit(ctx, r)
}

// close drops idle connections.
func (a *account) close() { a.caller.Load().Close() }
