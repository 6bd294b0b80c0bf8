package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"zecpower/internal/app"
	"zecpower/internal/zecsim"
)

// companyFleet is the default account of docs/company: production of payments, the shop, its tests.
func companyFleet() zecsim.Options {
	o := healthyFleet(300)
	for i := range 300 {
		o.Overrides[i] = zecsim.InstanceSpec{Name: fmt.Sprint("other-", i)}
	}
	put := func(from, to int, name, zone, group string, tags map[string]string) {
		for i := from; i < to; i++ {
			o.Overrides[i] = zecsim.InstanceSpec{Name: fmt.Sprintf("%s-%d", name, i), ZoneID: zone, ResourceGroupID: group, Tags: tags}
		}
	}
	put(0, 8, "pay-db", "asia-east-1a", "rg-pay", map[string]string{"team": "payments", "env": "prod", "role": "db"})
	put(8, 40, "pay-web", "asia-east-1a", "rg-pay", map[string]string{"team": "payments", "env": "prod", "role": "web"})
	put(40, 60, "pay-api", "asia-east-1b", "rg-pay", map[string]string{"team": "payments", "env": "prod", "role": "api"})
	put(60, 64, "pay-web", "asia-east-1c", "rg-pay", map[string]string{"team": "payments", "env": "prod", "role": "web"}) // another zone
	put(64, 66, "pay-web", "asia-east-1a", "rg-pay", map[string]string{"team": "payments", "env": "prod", "role": "web", "power": "manual"})
	o.Overrides[66] = zecsim.InstanceSpec{Name: "pay-web-canary", ZoneID: "asia-east-1a", Tags: o.Overrides[8].Tags}
	put(210, 222, "shop-test", "asia-east-1a", "rg-shop-test", nil)
	return o
}

// researchFleet is its account hk.
func researchFleet() zecsim.Options {
	o := healthyFleet(30)
	for i := range 30 {
		o.Overrides[i] = zecsim.InstanceSpec{State: "RUNNING", Name: fmt.Sprint("res-", i)}
	}
	o.Overrides[3] = zecsim.InstanceSpec{State: "RUNNING", Name: "res-3", Tags: map[string]string{"keep": "till friday"}}
	o.Overrides[4] = zecsim.InstanceSpec{State: "RUNNING", Name: "jump-host"}
	return o
}

// The example of a company means what its comments say: validate --online finds nothing to mend, and
// runs by hand switch the members of each team, and no other instance.
func TestTheCompanyOfTheExample(t *testing.T) {
	t.Parallel()
	w, hk := newWorld(t, companyFleet()), newWorld(t, researchFleet())
	if err := os.CopyFS(w.path("company"), os.DirFS(filepath.Join("..", "..", "docs", "company"))); err != nil {
		t.Fatal(err)
	}
	main, err := os.ReadFile(w.path("company/schedules.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(main), "api:\n", "api:\n  endpoint: "+w.endpoint+"\n", 1)
	text = strings.Replace(text, "hk: {profile: hk,", "hk: {profile: hk, endpoint: \""+hk.endpoint+"\",", 1)
	w.write("company/schedules.yaml", text+"\nbatch: {poll_interval: 30ms}\n")
	if err := os.MkdirAll(w.path(".zenlayer"), 0o700); err != nil {
		t.Fatal(err)
	}
	w.write(filepath.Join(".zenlayer", "credentials.json"), `{"hk": {"access_key_id": "demo", "access_key_secret": "demo"}}`)
	config := []string{"--config", w.path("company/schedules.yaml")}

	if out, errs, status := w.run(append([]string{"validate", "--online"}, config...)...); status != 0 {
		t.Fatalf("validate --online: status %d\n%s%s", status, out, errs)
	}
	var found []app.Inspected
	w.runJSON(&found, append([]string{"groups", "--output", "json"}, config...)...)
	members := map[string]int{}
	for _, g := range found {
		members[g.Group] = g.Members
	}
	want := `{"payments-db":8,"payments-web":53,"research":28,"shop":3,"shop-test":12}`
	if got, _ := json.Marshal(members); string(got) != want {
		t.Errorf("members %s, want %s", got, want)
	}

	if out, errs, status := w.run(append([]string{"start", "payments-db", "payments-web", "shop", "shop-test"}, config...)...); status != 0 {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}
	if err := w.running(8 + 53 + 3 + 12); err != nil {
		t.Error(err)
	}
	if out, errs, status := w.run(append([]string{"stop", "research"}, config...)...); status != 0 {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}
	if err := hk.running(2); err != nil {
		t.Error(err)
	}
}
