package members

import (
	"slices"
	"strings"
	"testing"

	"zecpower/apiclient"
)

func group(t *testing.T, r Rules) *Group {
	t.Helper()
	g, err := New(r)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func instance(id, name, zone, resourceGroup string, tags ...string) apiclient.Instance {
	in := apiclient.Instance{InstanceID: id, Name: name, ZoneID: zone, State: "STOPPED", ResourceGroupID: resourceGroup}
	for _, tag := range tags {
		key, value, _ := strings.Cut(tag, "=")
		in.Tags = append(in.Tags, apiclient.Tag{Key: key, Value: value})
	}
	return in
}

// listingOf is what a Lister makes of rows.
func listingOf(rows []apiclient.Instance) Listing {
	slices.SortFunc(rows, func(a, b apiclient.Instance) int { return strings.Compare(a.InstanceID, b.InstanceID) })
	return Listing{rows: rows}
}

func TestRulesThatMakeNoSenseAreRefused(t *testing.T) {
	web := Selector{Name: "web-*"}
	for name, tc := range map[string]struct {
		rules Rules
		want  string
	}{
		"nothing":                 {Rules{}, "it needs instances, or a selector with a tag, a name, a zone or a resource group"},
		"an exclusion alone":      {Rules{Exclude: Exclude{Name: "a*"}}, "it needs instances, or a selector"},
		"every name":              {Rules{Selector: Selector{Name: "*"}}, `selector: name "*" has wildcards alone, so the whole account would match: add a tag`},
		"every name beside ids":   {Rules{Selector: Selector{Name: "?*"}, Instances: []string{"i-1"}}, `name "?*" has wildcards alone`},
		"a tag without a key":     {Rules{Selector: Selector{Tags: map[string][]string{"": {"a"}}}}, "selector: a tag without a key: write the key before its value"},
		"a tag without a value":   {Rules{Selector: Selector{Tags: map[string][]string{"env": nil}}}, `selector: tag "env" without a value: give one or several, or "*" for any`},
		"an excluded tag without": {Rules{Selector: web, Exclude: Exclude{Tags: map[string][]string{"env": {}}}}, `exclude: tag "env" without a value`},
		"a zone as a glob":        {Rules{Selector: Selector{Zones: []string{"asia-*"}}}, `selector zone: "asia-*" is taken as an id, not as a glob: write whole ids`},
		"an empty zone":           {Rules{Selector: Selector{Zones: []string{""}}}, "selector zone: an id is empty: take it out"},
		"a resource group glob":   {Rules{Selector: Selector{ResourceGroup: "rg-?"}}, `selector resource group: "rg-?" is taken as an id`},
		"an empty instance":       {Rules{Instances: []string{""}}, "instances: an id is empty"},
		"an instance as a glob":   {Rules{Selector: web, Exclude: Exclude{Instances: []string{"i-*"}}}, `exclude instances: "i-*" is taken as an id`},
		"every name excluded":     {Rules{Selector: web, Exclude: Exclude{Name: "**"}}, `exclude: name "**" has wildcards alone, so every instance would be out: give a part of the name`},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := New(tc.rules); err == nil || !strings.HasPrefix(err.Error(), "group: ") || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error is %v, want one that says %s", err, tc.want)
			}
		})
	}
	_, err := New(Rules{Selector: Selector{Zones: []string{""}, Tags: map[string][]string{"a": nil}}, Instances: []string{""}})
	if err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("want three mistakes at once, got %v", err)
	}
}

func TestEveryInstanceIsInOrOutForAReason(t *testing.T) {
	g := group(t, Rules{
		Selector: Selector{
			Tags: map[string][]string{"env": {"prod"}, "role": {"web", "api-*"}, "autopower": {"*"}}, Name: "web-*",
			Zones: []string{"z1", "z2"}, ResourceGroup: "rg-prod",
		},
		Instances: []string{"i-extra", "i-9", "i-canary", "i-manual", "i-recycled"},
		Exclude:   Exclude{Instances: []string{"i-9", "i-8"}, Tags: map[string][]string{"power": {"manual", "never*"}, "owner": {"dba"}}, Name: "*-canary"},
	})
	all := []string{"env=prod", "role=web", "autopower="}
	for _, tc := range []struct {
		in   apiclient.Instance
		want string // "in: " or "out: " and the reason
	}{
		{instance("i-1", "web-1", "z1", "rg-prod", all...), "in: matches the selector"},
		{instance("i-1", "web-1", "z2", "rg-prod", "env=prod", "role=api-2", "autopower=x", "more=y"), "in: matches the selector"},
		{instance("i-1", "web-1", "z1", "rg-prod", "role=db", "role=web", "env=prod", "autopower=x"), "in: matches the selector"},
		{instance("i-1", "web-1", "z1", "rg-prod", "role=web", "autopower=x"), `out: has no tag "env"`},
		{instance("i-1", "web-1", "z1", "rg-prod"), `out: has no tag "autopower"`},
		{instance("i-1", "web-1", "z1", "rg-prod", "env=Prod", "role=web", "autopower=x"), `out: tag "env" is "Prod", wanted: "prod"`},
		{instance("i-1", "web-1", "z1", "rg-prod", "env=prod", "role=api", "autopower=x"), `out: tag "role" is "api", wanted: "web" or "api-*"`},
		{instance("i-1", "db\n1", "z1", "rg-prod", all...), `out: name is "db\n1", wanted: "web-*"`},
		{instance("i-1", "web-1", "z3", "rg-prod", all...), `out: zone is "z3", wanted: "z1" or "z2"`},
		{instance("i-1", "web-1", "z1", "rg-dev", all...), `out: resource group is "rg-dev", wanted: "rg-prod"`},
		{instance("i-8", "web-1", "z1", "rg-prod", all...), "out: excluded by id"},
		{instance("i-1", "web-1-canary", "z1", "rg-prod", all...), `out: excluded by name "web-1-canary": "*-canary"`},
		{instance("i-1", "web-1", "z1", "rg-prod", append(all, "power=never again")...), `out: excluded by tag "power": "manual" or "never*"`},
		{instance("i-1", "web-1", "z1", "rg-prod", append(all, "owner=dba")...), `out: excluded by tag "owner": "dba"`},
		{instance("i-8", "db-1", "z1", "rg-prod", all...), `out: name is "db-1", wanted: "web-*"`},
		{instance("i-extra", "db-1", "z9", ""), "in: named in instances"},
		{instance("i-9", "web-1", "z1", "rg-prod", all...), "out: excluded by id"},
		{instance("i-canary", "db-canary", "z9", ""), `out: excluded by name "db-canary": "*-canary"`},
		{instance("i-manual", "db", "z9", "", "power=manual"), `out: excluded by tag "power": "manual" or "never*"`},
	} {
		d := g.Decide(tc.in)
		if got := map[bool]string{true: "in: ", false: "out: "}[d.In] + d.Why; got != tc.want {
			t.Errorf("%+v\nis %s\nwant %s", tc.in, got, tc.want)
		}
	}
	if d := group(t, Rules{Instances: []string{"i-1"}}).Decide(instance("i-2", "web-1", "z1", "")); d.In || d.Why != "not named in instances" {
		t.Errorf("got %+v", d)
	}
}

func TestStatesThatAreNeverMembersBySelector(t *testing.T) {
	g := group(t, Rules{Selector: Selector{Name: "web-*"}, Instances: []string{"i-named"}})
	out := []apiclient.State{"RELEASING", "RECYCLE", "RECYCLING", "RECYCLED", "CREATE_FAILED", "REINSTALL_FAILED"}
	others := []apiclient.State{
		"STOPPED", "STARTING", "BOOTING", "RUNNING", "STOPPING", "PENDING", "DEPLOYING", "REBUILDING", "REBOOT", "IMAGING", "RESIZING", "A_NEW_ONE", "",
	}
	for _, s := range slices.Concat(out, others) {
		in := instance("i-1", "web-1", "z1", "")
		in.State = s
		d := g.Decide(in)
		if want := !slices.Contains(out, s); d.In != want || !want && d.Why != `state is "`+string(s)+`", which no selector takes in` {
			t.Errorf("%s: %+v", s, d)
		}
		in.InstanceID = "i-named"
		if d := g.Decide(in); !d.In {
			t.Errorf("one that is named, in the state %s: %+v", s, d)
		}
	}
}

func TestMembersAreSortedAndHoldNamedOnesThatTheAPIDoesNotList(t *testing.T) {
	g := group(t, Rules{
		Selector: Selector{Name: "web-*"}, Instances: []string{"i-7", "i-0", "i-5", "i-6", "i-7"},
		Exclude: Exclude{Instances: []string{"i-5"}, Name: "*-canary"},
	})
	rows := []apiclient.Instance{
		instance("i-9", "web-9", "", ""), instance("i-1", "web-1", "", ""), instance("i-2", "db-2", "", ""), instance("i-6", "db-canary", "", ""),
		instance("i-7", "web-7", "", ""),
	}
	if got, want := g.Members(listingOf(rows)), []string{"i-0", "i-1", "i-7", "i-9"}; !slices.Equal(got, want) {
		t.Errorf("members are %v, want %v", got, want)
	}
	if got := g.Members(Listing{}); !slices.Equal(got, []string{"i-0", "i-6", "i-7"}) {
		t.Errorf("without rows they are %v", got)
	}
}
