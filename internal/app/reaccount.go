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
	keys, keysWas map[string]*key // of the accounts that go on
	access        map[string]Access
	accessWas     map[string]Access
}

// changeAccounts reads the credentials for cfg again. An account whose credential cannot be read any
// more refuses the reload; one that was missing before stays so until it can.
func (d *Daemon) changeAccounts(cfg *config.Config) (*change, error) {
	before := d.accounts.Load()
	c := &change{
		before: before, after: &accounts{of: map[string]*account{}, missing: map[string]error{}}, cfg: cfg, was: d.current.Load(),
		keys: map[string]*key{}, keysWas: map[string]*key{}, access: map[string]Access{}, accessWas: map[string]Access{},
	}
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
		c.moves(a, k, a.access)
		return nil
	}
	access, err := d.opts.Access(of)
	switch {
	case err != nil && c.before.missing[of.Name] != nil:
		c.after.missing[of.Name] = err
	case err != nil:
		return err
	case a != nil:
		c.moves(a, &key{credentials: access.Credentials}, access)
	default:
		c.after.of[of.Name], err = newAccount(c.cfg, of.Name, access, d.stream.Emit)
		return err
	}
	return nil
}

// moves notes an account that goes on, with the key and access that it will have.
func (c *change) moves(a *account, k *key, access Access) {
	c.after.of[a.name] = a
	c.keys[a.name], c.keysWas[a.name] = k, a.key.Load()
	c.access[a.name], c.accessWas[a.name] = access, a.access
}

// sameSource reports whether the credential of an account is where it was.
func sameSource(was *config.Account, is config.Account) bool {
	return was != nil && was.Profile == is.Profile && was.CredentialsFile == is.CredentialsFile && was.Credential == is.Credential
}

// check reports why the accounts could not be used.
func (c *change) check() error {
	for name, k := range c.keys {
		if err := c.after.of[name].check(c.cfg, k); err != nil {
			return err
		}
	}
	return c.after.distinct(c.cfg, c.keys)
}

// apply moves the accounts that go on to cfg and their new keys. With an error the caller undoes it.
func (c *change) apply() error {
	for name, k := range c.keys {
		a := c.after.of[name]
		a.access = c.access[name]
		a.use(k)
		if err := a.configure(c.cfg); err != nil {
			return fmt.Errorf("%s%w", a.prefix(), err)
		}
	}
	return nil
}

// undo moves them back.
func (c *change) undo() {
	for name, k := range c.keysWas {
		a := c.before.of[name]
		a.access = c.accessWas[name]
		a.use(k)
		_ = a.configure(c.was) // it was in use
	}
}

// done reports what is in use now, and closes what no group uses any more.
func (c *change) done(emit func(event.Event)) {
	for name, k := range c.keys {
		if k != c.keysWas[name] {
			emit(event.CredentialsReplaced{Account: name, Source: c.after.of[name].access.Source})
		}
	}
	for _, a := range c.after.gone {
		a.close()
	}
}
