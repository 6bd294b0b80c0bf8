package config

import (
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"zecpower/internal/power"
	"zecpower/internal/strictyaml"
)

// Account is one account of the API: how it is reached, and where its credential is. Of Profile,
// CredentialsFile and Credential at most one is set; none of power.DefaultAccount.
type Account struct {
	Name string
	// API has the values of `api` but for those that the account sets itself.
	API API
	// Profile is a profile of the credentials file that is found as usual.
	Profile string
	// CredentialsFile is a file of its own, as it is opened.
	CredentialsFile string
	// Credential is a file in $CREDENTIALS_DIRECTORY: a name that the systemd unit loads.
	Credential string
}

// Account finds an account by its name; nil: there is none.
func (c *Config) Account(name string) *Account {
	for i := range c.Accounts {
		if c.Accounts[i].Name == name {
			return &c.Accounts[i]
		}
	}
	return nil
}

// AccountsInUse are the accounts that some group names, in the order of the file. The others need no
// credential.
func (c *Config) AccountsInUse() []Account {
	used := map[string]bool{}
	for _, g := range c.Groups {
		used[g.Account] = used[g.Account] || !g.leftOut // the account of such a group is not known
	}
	return slices.DeleteFunc(slices.Clone(c.Accounts), func(a Account) bool { return !used[a.Name] })
}

// AccountsOf are the accounts of some groups, in the order of the file.
func (c *Config) AccountsOf(groups []string) []Account {
	return slices.DeleteFunc(slices.Clone(c.Accounts), func(a Account) bool {
		return !slices.ContainsFunc(groups, func(g string) bool { return c.AccountOf(g) == a.Name })
	})
}

// AccountOf is the name of a group's account. That of a group which there is not is power.DefaultAccount.
func (c *Config) AccountOf(group string) string {
	if g, ok := c.groups[group]; ok {
		return g.Account
	}
	return power.DefaultAccount
}

// accounts reads the accounts besides power.DefaultAccount.
func (l *loader) accounts(_, value *yaml.Node) {
	l.Names(value, func(name string, key, value *yaml.Node) {
		if name == power.DefaultAccount {
			l.Refuse(key, strictyaml.Faultf("set its values under api:, or name it otherwise", "default is the account of groups that name none"))
			return
		}
		l.names.accounts = append(l.names.accounts, name)
		l.config.Accounts = append(l.config.Accounts, l.account(name, key, value))
	})
}

func (l *loader) account(name string, key, value *yaml.Node) Account {
	a := Account{Name: name, API: l.config.API}
	var file string
	keys := l.apiKeys(&a.API)
	keys["profile"] = strictyaml.Value(l.Doc, &a.Profile, "a profile", notBlank)
	keys["credentials_file"] = strictyaml.Value(l.Doc, &file, "a file name", notEmpty)
	keys["credential"] = strictyaml.Value(l.Doc, &a.Credential, "a name", credentialName)
	given := l.Mapping(key, value, keys)
	if file != "" {
		a.CredentialsFile = l.path(file)
	}
	var sources []*yaml.Node
	for _, of := range []string{"profile", "credentials_file", "credential"} {
		if n := given[of]; n != nil {
			sources = append(sources, n)
		}
	}
	const one = "give exactly one of profile, credentials_file and credential"
	switch {
	case len(sources) == 0:
		l.Refuse(key, strictyaml.Faultf(one, "nothing says where the credential of the account is"))
	case len(sources) > 1:
		l.Refuse(sources[1], strictyaml.Faultf(one, "the account has two sources of its credential"))
	}
	return a
}

// accountName reads the account of a group.
func (l *loader) accountName(g *Group) strictyaml.Read {
	var name string
	read := strictyaml.Value(l.Doc, &name, "an account's name", notBlank)
	return func(key, value *yaml.Node) {
		if !l.Sound(func() { read(key, value) }) {
			return
		}
		if l.config.Account(name) == nil {
			l.Refuse(value, l.unknownName("account", name, l.names.accounts))
			return
		}
		l.used["account "+name] = true
		g.Account = name
	}
}

func notBlank(text string) (string, error) {
	if strings.TrimSpace(text) == "" {
		return "", strictyaml.Faultf("write it, or take the key out", "the name is empty")
	}
	return text, nil
}

// credentialName checks a name of systemd's LoadCredential=.
func credentialName(text string) (string, error) {
	if strings.ContainsAny(text, "/\x00") || strings.HasPrefix(text, ".") {
		return "", strictyaml.Faultf("write the name that LoadCredential= gives it, without a folder", "%s is not the name of a credential", strictyaml.Quote(text))
	}
	return notBlank(text)
}
