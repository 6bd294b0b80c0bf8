package app

import (
	"fmt"
	"maps"

	"zecpower/internal/config"
	"zecpower/internal/event"
)

// change is what a reload makes of the accounts. Nothing of it is in use before apply.
type change struct {
	before, after *accounts
	cfg, was      *config.Config
	moves         []move
}

// move is an account that goes on: its key and access before, and those that it will have.
type move struct {
	account           *account
	key, keyWas       *key
	access, accessWas Access
}

// changeAccounts reads the credentials for cfg again. An account whose credential cannot be read any
// more refuses the reload; one that was missing before stays so until it can.
func (d *Daemon) changeAccounts(cfg *config.Config) (*change, error) {
	before := d.accounts.Load()
	c := &change{before: before, after: &accounts{of: map[string]*account{}, missing: map[string]error{}}, cfg: cfg, was: d.current.Load()}
	for _, of := range cfg.AccountsInUse() {
		if err := c.add(d, of); err != nil {
			return nil, err
		}
	}
	c.after.gone = maps.Clone(before.of)
	maps.DeleteFunc(c.after.gone, func(name string, _ *account) bool { return c.after.of[name] != nil })
	return c, c.check()
}

// add decides about one account.
func (c *change) add(d *Daemon, of config.Account) error {
	a := c.before.of[of.Name]
	if a != nil && sameSource(c.was.Account(of.Name), of) {
		k, err := a.readKey()
		if err != nil {
			return err
		}
		c.keep(a, k, a.access)
		return nil
	}
	access, err := d.opts.Access(of)
	switch {
	case err != nil && c.before.missing[of.Name] != nil:
		c.after.missing[of.Name] = err
	case err != nil:
		return err
	case a != nil:
		c.keep(a, &key{credentials: access.Credentials}, access)
	default:
		c.after.of[of.Name], err = newAccount(c.cfg, of.Name, access, d.stream.Emit)
		return err
	}
	return nil
}

// keep notes an account that goes on, with the key and access that it will have.
func (c *change) keep(a *account, k *key, access Access) {
	c.after.of[a.name] = a
	c.moves = append(c.moves, move{account: a, key: k, keyWas: a.key.Load(), access: access, accessWas: a.access})
}

// sameSource reports whether the credential of an account is where it was.
func sameSource(was *config.Account, is config.Account) bool {
	return was != nil && was.Profile == is.Profile && was.CredentialsFile == is.CredentialsFile && was.Credential == is.Credential
}

// check reports why the accounts could not be used.
func (c *change) check() error {
	keys := map[string]*key{}
	for _, m := range c.moves {
		if err := m.account.check(c.cfg, m.key); err != nil {
			return err
		}
		keys[m.account.name] = m.key
	}
	return c.after.distinct(c.cfg, keys)
}

// apply moves the accounts that go on to cfg and their new keys. With an error the caller undoes it.
func (c *change) apply() error {
	for _, m := range c.moves {
		m.account.access = m.access
		m.account.use(m.key)
		if err := m.account.configure(c.cfg); err != nil {
			return fmt.Errorf("%s%w", m.account.prefix(), err)
		}
	}
	return nil
}

// undo moves them back.
func (c *change) undo() {
	for _, m := range c.moves {
		m.account.access = m.accessWas
		m.account.use(m.keyWas)
		_ = m.account.configure(c.was) // it was in use
	}
}

// done reports what is in use now, and closes what no group uses any more.
func (c *change) done(emit func(event.Event)) {
	for _, m := range c.moves {
		if m.key != m.keyWas {
			emit(event.CredentialsReplaced{Account: m.account.name, Source: m.access.Source})
		}
	}
	for _, a := range c.after.gone {
		a.close()
	}
}
