package app

import (
	"time"

	"zecpower/apiclient"
	"zecpower/batcher"
	"zecpower/internal/config"
)

// account is one ZEC account as a process uses it: one budget for all its runs, which outlives
// reloads, and the observers of all its runs and requests.
type account struct {
	credentials apiclient.Credentials
	userAgent   string
	requests    apiclient.Observer
	observer    batcher.Observer
	journal     batcher.Journal
	budget      *batcher.Budget
}

// newAccount makes the account with the budget of cfg. onThrottle may be nil.
func newAccount(cfg *config.Config, credentials apiclient.Credentials, onThrottle func(float64, time.Duration)) (*account, error) {
	budget, err := batcher.NewBudget(batcher.BudgetConfig{
		RequestsPerSecond: cfg.API.RequestsPerSecond, Burst: cfg.API.Burst, MaxInFlight: cfg.API.MaxInFlight,
		Backoff: backoff(cfg), OnThrottle: onThrottle,
	})
	if err != nil {
		return nil, err
	}
	return &account{credentials: credentials, userAgent: userAgent(), budget: budget}, nil
}

func backoff(cfg *config.Config) batcher.Backoff {
	return batcher.Backoff{Initial: cfg.Batch.Backoff.Initial, Max: cfg.Batch.Backoff.Max}
}

// setup is one configuration in use. A run keeps the setup that it began with.
type setup struct {
	config  *config.Config
	client  *apiclient.Client
	batcher *batcher.Batcher
}

// prepare builds a setup from cfg. It changes nothing of the account, so that a configuration that
// cannot be used has no effect.
func (a *account) prepare(cfg *config.Config) (*setup, error) {
	client, err := apiclient.New(apiclient.Config{
		Endpoint: cfg.API.Endpoint, APIVersion: cfg.API.APIVersion, Credentials: a.credentials,
		Timeout: cfg.API.Timeout, MaxConns: cfg.API.MaxInFlight, UserAgent: a.userAgent, Observer: a.requests,
	})
	if err != nil {
		return nil, err
	}
	b, err := batcher.New(batcher.Config{
		API: client, Budget: a.budget, Size: cfg.Batch.Size, Attempts: cfg.Batch.Attempts, Backoff: backoff(cfg),
		PollInterval: cfg.Batch.PollInterval, BootTimeout: cfg.Batch.BootTimeout, Observer: a.observer, Journal: a.journal,
	})
	if err != nil {
		return nil, err
	}
	return &setup{config: cfg, client: client, batcher: b}, nil
}

// limit sets the budget to the limits of cfg.
func (a *account) limit(cfg *config.Config) error {
	return a.budget.SetLimits(cfg.API.RequestsPerSecond, cfg.API.Burst, cfg.API.MaxInFlight)
}

// groups reads the ids of the named groups. A group that cannot be read fails alone, in the report;
// the others go on.
func (s *setup) groups(names []string) []batcher.Group {
	groups := make([]batcher.Group, 0, len(names))
	for _, name := range names {
		groups = append(groups, s.group(name))
	}
	return groups
}

func (s *setup) group(name string) batcher.Group {
	g, err := s.config.Group(name)
	if err != nil {
		return batcher.Group{Name: name, Err: err}
	}
	ids, err := g.IDs()
	return batcher.Group{Name: name, IDs: ids, Err: err}
}
