package app

import (
	"context"
	"sync/atomic"
	"time"

	"zecpower/batcher"
	"zecpower/internal/config"
	"zecpower/internal/event"
	"zecpower/internal/members"
	"zecpower/internal/run"
)

// account is one ZEC account as a process uses it. It outlives reloads.
type account struct {
	name      string
	access    Access              // changed by a reload alone
	key       atomic.Pointer[key] // of runs that begin now
	userAgent string
	emit      func(event.Event)
	batch     *batcher.Account
	shared    *members.Shared
	hand      byHand                 // set before it is used
	caller    atomic.Pointer[caller] // that batch calls
}

// newAccount makes one of the accounts of cfg. It emits what it does.
func newAccount(cfg *config.Config, name string, access Access, emit func(event.Event)) (*account, error) {
	a := &account{name: name, access: access, userAgent: userAgent(), emit: emit}
	a.key.Store(&key{credentials: access.Credentials})
	api, err := a.newCaller(cfg, a.key.Load())
	if err != nil {
		return nil, err
	}
	a.caller.Store(api)
	if a.batch, err = batcher.NewAccount(batcher.Config{Settings: a.settings(cfg, api), Name: name, Emit: emit}); err != nil {
		return nil, err
	}
	lister, err := a.newLister(cfg)
	if err != nil {
		return nil, err
	}
	a.shared = members.NewShared(lister)
	return a, nil
}

// Request implements apiclient.Observer.
func (a *account) Request(action, code string, took time.Duration) {
	a.emit(event.Requested{Account: a.name, APIAction: action, Code: code, Took: took})
}

// settings are those of cfg.
func (a *account) settings(cfg *config.Config, api *caller) batcher.Settings {
	of := cfg.Account(a.name).API
	s := batcher.Settings{
		API: api, Lister: api, Size: cfg.Batch.Size, Attempts: cfg.Batch.Attempts, PollInterval: cfg.Batch.PollInterval, BootTimeout: cfg.Batch.BootTimeout,
		Limits: batcher.Limits{
			RequestsPerSecond: of.RequestsPerSecond, Burst: of.Burst, MaxInFlight: of.MaxInFlight,
			Backoff: batcher.Backoff{Initial: cfg.Batch.Backoff.Initial, Max: cfg.Batch.Backoff.Max},
		},
	}
	s.Remember = max(longestCatchUp(cfg), onTheWay)
	return s
}

// onTheWay is how long a run may take from its planned time until its instances reach the account, at
// most, but for a catch-up: its groups are listed for two minutes, and its claim waits for the store.
const onTheWay = 5 * time.Minute

// longestCatchUp is how long ago a time may have been due that still runs.
func longestCatchUp(cfg *config.Config) (longest time.Duration) {
	for i := range cfg.Schedules {
		longest = max(longest, cfg.Schedules[i].CatchUp)
	}
	return longest
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
	if err := a.batch.Configure(a.settings(cfg, next)); err != nil {
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
