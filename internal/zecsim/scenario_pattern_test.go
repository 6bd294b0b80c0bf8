package zecsim

import (
	"fmt"
	"testing"
)

func TestPatternsNameEachInstanceOfAnOverride(t *testing.T) {
	text := `overrides: [{instances: ["i-000002..i-000004", i-000001], name: "web-{k}", zone: "{a|b}-{n}", image: "img-{k}", instance_type: "t{2|4}",
		resource_group: "rg-{k}{k}", tags: {env: "{prod|test}", host: "{n}", plain: "x|y"}}]`
	o, err := ParseScenario("s.yaml", []byte(text), 0)
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	for i := range 5 {
		s := o.Overrides[i]
		got += fmt.Sprintln(s.Name, s.ZoneID, s.ImageID, s.InstanceType, s.ResourceGroupID, s.Tags)
	}
	want := `     map[]
web-4 b-000001 img-4 t4 rg-44 map[env:test host:000001 plain:x|y]
web-1 a-000002 img-1 t2 rg-11 map[env:prod host:000002 plain:x|y]
web-2 b-000003 img-2 t4 rg-22 map[env:test host:000003 plain:x|y]
web-3 a-000004 img-3 t2 rg-33 map[env:prod host:000004 plain:x|y]
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestPlainTagsAreSharedByTheInstancesOfAnOverride(t *testing.T) {
	text := []byte("overrides: [{share: 1, tags: {env: prod}}]")
	o, err := ParseScenario("s.yaml", text, 2)
	if err != nil {
		t.Fatal(err)
	}
	o.Overrides[0].Tags["env"] = "test"
	if o.Overrides[1].Tags["env"] != "test" {
		t.Error("each instance has a map of its own, which a large fleet pays for")
	}
}
