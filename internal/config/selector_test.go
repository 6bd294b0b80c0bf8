package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"zecpower/apiclient"
)

func loadText(t *testing.T, text string) *Config {
	t.Helper()
	path := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return load(t, path)
}

const daily = "\nschedules: {s: {cron: '@daily', action: start, groups: [web]}}\n"

// Every line of a group reaches the rules that decide.
func TestASelectorChoosesByEveryLine(t *testing.T) {
	for lines, wanted := range map[string]bool{
		`selector: {tags: {env: prod}}`:                                                true,
		`selector: {tags: {env: [test, "pr*"], autopower: "*"}}`:                       true,
		`selector: {tags: {env: test}}`:                                                false,
		`selector: {tags: {missing: "*"}}`:                                             false,
		`selector: {name: "web-*"}`:                                                    true,
		`selector: {name: "web"}`:                                                      false,
		`selector: {zone: asia-east-1a}`:                                               true,
		`selector: {zone: [asia-east-1b, asia-east-1a]}`:                               true,
		`selector: {zone: asia-east-1b}`:                                               false,
		`selector: {resource_group: rg-prod}`:                                          true,
		`selector: {resource_group: rg}`:                                               false,
		`selector: {tags: {env: prod}, zone: asia-east-1b}`:                            false,
		`selector: {tags: {env: prod}}, exclude: {instances: [i-1]}`:                   false,
		`selector: {tags: {env: prod}}, exclude: {tags: {autopower: "y*"}}`:            false,
		`selector: {tags: {env: prod}}, exclude: {name: "*-1"}`:                        false,
		`selector: {tags: {env: test}}, instances: [i-1]`:                              true,
		`selector: {tags: {env: prod}}, instances: [i-2], exclude: {instances: [i-2]}`: true,
		`selector: {tags: {env: test}}, instances: [i-1], exclude: {name: "web-*"}`:    false,
	} {
		g, err := loadText(t, "groups: {web: {max_instances: 9, "+lines+"}}"+daily).Group("web")
		if err != nil {
			t.Fatal(err)
		}
		rules, err := g.Rules()
		if err != nil || !g.Selects() || g.Guard == nil {
			t.Fatalf("%s: selects %v, guard %v, %v", lines, g.Selects(), g.Guard, err)
		}
		in := apiclient.Instance{
			InstanceID: "i-1", Name: "web-1", ZoneID: "asia-east-1a", ResourceGroupID: "rg-prod", State: apiclient.StateStopped,
			Tags: apiclient.Tags{{Key: "env", Value: "prod"}, {Key: "autopower", Value: "yes"}},
		}
		if d := rules.Decide(in); d.In != wanted {
			t.Errorf("%s: %+v", lines, d)
		}
	}
}

func TestGroupsHaveAGuardWhereTheirMembersMayChange(t *testing.T) {
	for lines, want := range map[string]*Guard{
		`instances: [i-1]`:      nil,
		`instances_file: a.txt`: {StartChange: 50, StopChange: 30},
		`instances_file: a.txt, max_instances: 7, max_change: 10%`:    {7, 10, 10},
		`selector: {name: "web-*"}, max_instances: 7`:                 {7, 50, 30},
		`selector: {name: "web-*"}, max_instances: 7, max_change: 0%`: {7, 0, 0},
	} {
		dir := t.TempDir()
		for name, text := range map[string]string{"a.txt": "i-1\n", "c.yaml": "groups: {web: {" + lines + "}}" + daily} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		g, err := load(t, filepath.Join(dir, "c.yaml")).Group("web")
		if err != nil {
			t.Fatal(err)
		}
		if (g.Guard == nil) != (want == nil) || want != nil && *g.Guard != *want {
			t.Errorf("%s: %+v, want %+v", lines, g.Guard, want)
		}
	}
}

// What is excluded by id alone needs no list of the API.
func TestIDsAreExcludedWithoutAskingTheAPI(t *testing.T) {
	g, err := loadText(t, "groups: {web: {instances: [i-1, i-2, i-3], exclude: {instances: [i-2]}}}"+daily).Group("web")
	if err != nil {
		t.Fatal(err)
	}
	if ids, err := g.IDs(); err != nil || g.Selects() || !slices.Equal(ids, []string{"i-1", "i-3"}) {
		t.Errorf("%v, selects %v, %v", ids, g.Selects(), err)
	}
}

func TestWarningsOfSelections(t *testing.T) {
	for lines, want := range map[string]string{
		`instances: [i-1], max_instances: 5`:                              "groups.web: this bound has no effect: ids that stand in the configuration are never newcomers",
		`instances: [i-1, i-2], exclude: {instances: [i-2]}`:              "groups.web: i-2 stands in instances, too, and is left out",
		`selector: {name: "web-*"}, instances: [i-1], max_instances: 500`: "",
	} {
		var got []string
		for _, w := range loadText(t, "groups: {web: {"+lines+"}}"+daily).Warnings {
			got = append(got, w.Message)
		}
		if strings.Join(got, "; ") != want {
			t.Errorf("%s: warned %q, want %q", lines, got, want)
		}
	}
}
