package members

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"zecpower/apiclient"
)

func TestOnlyLinesThatEveryReadingKeepsAreSent(t *testing.T) {
	type query = apiclient.InstanceQuery
	tags := func(s ...string) map[string][]string { return map[string][]string{s[0]: s[1:]} }
	for name, tc := range map[string]struct {
		s    Selector
		want query
	}{
		"one zone":                     {Selector{Zones: []string{"z1"}}, query{ZoneID: "z1"}},
		"two zones":                    {Selector{Zones: []string{"z1", "z2"}}, query{}},
		"a resource group":             {Selector{ResourceGroup: "rg"}, query{ResourceGroupID: "rg"}},
		"a plain name":                 {Selector{Name: "web-1"}, query{Name: "web-1"}},
		"a glob's longest part":        {Selector{Name: "w*web-?-b"}, query{Name: "web-"}},
		"a name with other letters":    {Selector{Name: "生产-web%*"}, query{Name: "-web"}},
		"a name of other letters":      {Selector{Name: "生产*"}, query{}},
		"a tag with one value":         {Selector{Tags: tags("env", "prod")}, query{Tags: []apiclient.Tag{{Key: "env", Value: "prod"}}}},
		"a tag with two values":        {Selector{Tags: tags("env", "prod", "test")}, query{}},
		"a tag with a glob":            {Selector{Tags: tags("env", "pro*")}, query{}},
		"a tag with any value":         {Selector{Tags: tags("env", "*")}, query{}},
		"a tag with an empty value":    {Selector{Tags: tags("env", "")}, query{}},
		"a tag with a blank at an end": {Selector{Tags: tags("env", "prod ")}, query{}},
		"a tag of 64 characters":       {Selector{Tags: tags("env", strings.Repeat("ü", 64))}, query{Tags: []apiclient.Tag{{Key: "env", Value: strings.Repeat("ü", 64)}}}},
		"a tag of 65 characters":       {Selector{Tags: tags("env", strings.Repeat("u", 65))}, query{}},
		"a key of 65 characters":       {Selector{Tags: tags(strings.Repeat("u", 65), "prod")}, query{}},
		"all of them": {
			Selector{Tags: map[string][]string{"role": {"web", "api"}, "env": {"prod"}, "auto": {"*"}, "a": {"b"}}, Name: "web-*", Zones: []string{"z"}, ResourceGroup: "rg"},
			query{ZoneID: "z", ResourceGroupID: "rg", Name: "web-", Tags: []apiclient.Tag{{Key: "a", Value: "b"}, {Key: "env", Value: "prod"}}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := group(t, Rules{Selector: tc.s}).Filter(); !reflect.DeepEqual(got, tc.want) {
				t.Errorf("filter is %+v, want %+v", got, tc.want)
			}
		})
	}
}

func TestNoMoreTagsAreSentThanTheAPITakes(t *testing.T) {
	tags := map[string][]string{}
	for i := range 30 {
		tags[fmt.Sprintf("k%02d", i)] = []string{"v"}
	}
	got := group(t, Rules{Selector: Selector{Tags: tags}}).Filter().Tags
	if len(got) != 20 || got[0].Key != "k00" || got[19].Key != "k19" {
		t.Errorf("%d tags: %v", len(got), got)
	}
}

func TestAFilterCoversThoseThatWantNoMore(t *testing.T) {
	prod, web := apiclient.Tag{Key: "env", Value: "prod"}, apiclient.Tag{Key: "role", Value: "web"}
	type query = apiclient.InstanceQuery
	for name, tc := range map[string]struct {
		wide, narrow query
		want         bool
	}{
		"the account covers all":        {query{}, query{ZoneID: "z", Tags: []apiclient.Tag{prod}}, true},
		"nothing covers the account":    {query{ZoneID: "z"}, query{}, false},
		"the same":                      {query{ZoneID: "z", Name: "a"}, query{ZoneID: "z", Name: "a"}, true},
		"another zone":                  {query{ZoneID: "z"}, query{ZoneID: "y"}, false},
		"a resource group more":         {query{ZoneID: "z"}, query{ZoneID: "z", ResourceGroupID: "rg"}, true},
		"a resource group less":         {query{ResourceGroupID: "rg"}, query{ZoneID: "z"}, false},
		"a part of the name":            {query{Name: "eb-"}, query{Name: "web-1"}, true},
		"more of the name":              {query{Name: "web-1"}, query{Name: "eb-"}, false},
		"the name in other letters":     {query{Name: "WEB"}, query{Name: "web-1"}, false},
		"a tag less":                    {query{Tags: []apiclient.Tag{prod}}, query{Tags: []apiclient.Tag{web, prod}}, true},
		"a tag more":                    {query{Tags: []apiclient.Tag{web, prod}}, query{Tags: []apiclient.Tag{prod}}, false},
		"another value of the same tag": {query{Tags: []apiclient.Tag{prod}}, query{Tags: []apiclient.Tag{{Key: "env", Value: "test"}}}, false},
	} {
		if got := covers(&tc.wide, &tc.narrow); got != tc.want {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}
