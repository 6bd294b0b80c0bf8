package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"

	"zecpower/apiclient"
	"zecpower/internal/config"
	"zecpower/internal/event"
	"zecpower/internal/metrics"
	"zecpower/internal/power"
	"zecpower/internal/run"
)

// Access is how an account is entered.
type Access struct {
	Credentials apiclient.Credentials
	// Source names where they came from, for the log.
	Source string
	// Read reads that source again; nil where it cannot change.
	Read func() (apiclient.Credentials, error)
	// DialContext opens connections to the account's endpoint; nil: the network's own.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
}

// FindAccess finds the access to an account.
type FindAccess func(a config.Account) (Access, error)

// accounts are those that the groups of a configuration use. A set never changes: a reload makes
// another, and runs in progress go on with the accounts that they have.
type accounts struct {
	of map[string]*account // by name
	// missing says why an account has no credential. Its groups fail at each run, the others go on.
	missing map[string]error
	// gone are those that the last reload took out of use: a run that was decided before goes on with
	// them.
	gone map[string]*account
}

// openAccounts makes the accounts that cfg uses. One whose credential cannot be found is missing;
// an error says that all are, or that one cannot be used as it is configured. cfg may use none,
// where all included files are left out.
func openAccounts(cfg *config.Config, find FindAccess, emit func(event.Event)) (*accounts, error) {
	set := &accounts{of: map[string]*account{}, missing: map[string]error{}}
	for _, a := range cfg.AccountsInUse() {
		access, err := find(a)
		if err != nil {
			set.missing[a.Name] = err
			continue
		}
		if set.of[a.Name], err = newAccount(cfg, a.Name, access, emit); err != nil {
			return nil, err
		}
	}
	if len(set.of) == 0 && len(set.missing) > 0 {
		var errs []error
		for _, err := range set.missing {
			errs = append(errs, err)
		}
		return nil, errors.Join(errs...)
	}
	return set, set.distinct(cfg, nil)
}

// distinct refuses two accounts with one endpoint and key: each would take the whole budget of the
// one that there is. keys are those that accounts will use, where that is not the present one.
func (s *accounts) distinct(cfg *config.Config, keys map[string]*key) error {
	names := map[string]string{}
	for _, of := range cfg.AccountsInUse() {
		a := s.of[of.Name]
		if a == nil {
			continue
		}
		k := keys[of.Name]
		if k == nil {
			k = a.key.Load()
		}
		id := KeyName(k.credentials)
		if id == "" {
			continue // a token names no account
		}
		at := of.API.Endpoint + " " + id
		if other, taken := names[at]; taken {
			return fmt.Errorf("the accounts %s and %s have one endpoint and one access key, so they are one account with one request limit: give their groups the same account", other, of.Name)
		}
		names[at] = of.Name
	}
	return nil
}

// account gives a run its accounts.
func (s *accounts) account(name string) (run.Account, error) {
	if a := s.of[name]; a != nil {
		return a, nil
	}
	if a := s.gone[name]; a != nil {
		return a, nil
	}
	if err := s.missing[name]; err != nil {
		return nil, fmt.Errorf("its account %s has no credential: %w", name, err)
	}
	return nil, fmt.Errorf("its account %s is not in use any more", name)
}

// sources say where the credentials came from, for the log.
func (s *accounts) sources() string {
	if a := s.of[power.DefaultAccount]; a != nil && len(s.of) == 1 {
		return a.access.Source
	}
	var all []string
	for _, name := range slices.Sorted(maps.Keys(s.of)) {
		all = append(all, name+": "+s.of[name].access.Source)
	}
	return strings.Join(all, "; ")
}

// emitMissing reports the accounts without a credential.
func (s *accounts) emitMissing(emit func(event.Event)) {
	for _, name := range slices.Sorted(maps.Keys(s.missing)) {
		emit(event.CredentialsMissing{Account: name, Err: s.missing[name]})
	}
}

// budgets are those of the accounts, by name.
func (s *accounts) budgets() map[string]metrics.Budget {
	all := make(map[string]metrics.Budget, len(s.of))
	for name, a := range s.of {
		all[name] = a.batch
	}
	return all
}

// close drops idle connections.
func (s *accounts) close() {
	for _, a := range s.of {
		a.close()
	}
}

// acceptedKeys are the names (see KeyName) of the access keys that the API has accepted in this
// process.
func (s *accounts) acceptedKeys() (names []string) {
	for _, a := range s.of {
		if name := a.acceptedKey(); name != "" {
			names = append(names, name)
		}
	}
	return names
}
