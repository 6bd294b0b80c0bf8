package config

import (
	"path/filepath"
	"slices"
	"testing"
)

func TestAccountsHaveTheValuesOfAPIButForTheirOwn(t *testing.T) {
	c := load(t, filepath.Join("testdata", "valid", "accounts.yaml"))
	var got []string
	for _, a := range c.AccountsInUse() {
		got = append(got, a.Name)
	}
	if want := []string{"default", "hk", "sg"}; !slices.Equal(got, want) {
		t.Errorf("in use: %v, want %v: no group names us", got, want)
	}
	if len(c.Warnings) != 1 || c.Warnings[0].Message != `no group uses the account "us"` {
		t.Errorf("warnings %v", c.Warnings)
	}
	hk, sg := c.Account("hk"), c.Account("sg")
	if hk.API.RequestsPerSecond != 5 || hk.API.Endpoint != c.API.Endpoint || hk.Profile != "hk" {
		t.Errorf("hk: %+v", hk)
	}
	if sg.API.RequestsPerSecond != 20 || sg.API.Endpoint != "http://127.0.0.1:9999" || sg.CredentialsFile != filepath.Join("testdata", "valid", "sg.json") {
		t.Errorf("sg: %+v", sg)
	}
	if c.AccountOf("web") != "hk" || c.AccountOf("db") != "default" || len(c.AccountsOf([]string{"web", "db"})) != 2 {
		t.Errorf("web is of %s, db of %s", c.AccountOf("web"), c.AccountOf("db"))
	}
}
