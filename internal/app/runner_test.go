package app

import (
	"context"
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"zecpower/apiclient"
	"zecpower/batcher"
	"zecpower/internal/config"
	"zecpower/internal/metrics"
	"zecpower/internal/power"
	"zecpower/internal/store/bolt"
	"zecpower/scheduler"
)

// What the earlier process brought to an end is final, a failure too, and its accepted
// requests count.
func TestAResumedRunIsGivenWhatItHadDone(t *testing.T) {
	l, err := bolt.Open(bolt.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	nominal := time.Date(2026, 11, 23, 7, 45, 0, 0, time.UTC)
	f := scheduler.Firing{RunID: scheduler.RunID("wake", nominal), Schedule: "wake", Nominal: nominal, Groups: []string{"web", "db"}}
	j := journal{store: l}
	gone := power.InstanceResult{InstanceID: "i-1", Outcome: power.OutcomeFailed, Reason: power.ReasonRecycled}
	if err := j.Attempted(f.RunID, "web", []string{"i-2"}); err != nil {
		t.Fatal(err)
	}
	if err := j.Final(f.RunID, "web", []power.InstanceResult{gone}); err != nil {
		t.Fatal(err)
	}
	groups := []batcher.Group{{Name: "web"}, {Name: "db"}}
	(&Daemon{store: l, log: zap.NewNop()}).restore(t.Context(), f, groups)
	web, db := groups[0], groups[1]
	if len(web.Final) != 1 || web.Final[0].InstanceID != "i-1" || web.Final[0].Reason != power.ReasonRecycled || web.Attempted["i-2"] != 1 {
		t.Errorf("web: %+v", web)
	}
	if len(db.Final)+len(db.Attempted) != 0 {
		t.Errorf("db has what web did: %+v", db)
	}
}

// Between loads a run is what reads a group's file.
func TestARunShowsWhetherItsGroupsCouldBeRead(t *testing.T) {
	dir := t.TempDir()
	path, ids := filepath.Join(dir, "c.yaml"), filepath.Join(dir, "web.txt")
	text := "api: {endpoint: \"http://127.0.0.1:1\"}\ngroups: {web: {instances_file: web.txt}}\nschedules: {s: {cron: \"@daily\", action: start, groups: [web]}}\n"
	if err := errors.Join(os.WriteFile(path, []byte(text), 0o600), os.WriteFile(ids, []byte("i-1\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.LoadRunnable(path)
	if err != nil {
		t.Fatal(err)
	}
	records, err := bolt.Open(bolt.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer records.Close()
	d := &Daemon{log: zap.NewNop(), metrics: metrics.New(), store: records}
	d.metrics.SetKnown(known(cfg))
	if d.account, err = newAccount(cfg, apiclient.Credentials{Token: apiclient.NewSecret("t")}, AccountEvents{}); err != nil {
		t.Fatal(err)
	}
	s, err := d.account.prepare(cfg, d.account.key.Load())
	if err != nil {
		t.Fatal(err)
	}
	d.current.Store(s)
	stopped, cancel := context.WithCancel(t.Context()) // so that nothing is sent
	cancel()
	for i, c := range []struct {
		change func() error
		want   string
	}{
		{func() error { return os.Remove(ids) }, `zecpower_group_unreadable{group="web"} 1`},
		{func() error { return os.WriteFile(ids, []byte("i-1\n"), 0o600) }, `zecpower_group_unreadable{group="web"} 0`},
		{func() error { return os.WriteFile(ids, []byte("instance_id\ni-1\n"), 0o600) }, `zecpower_group_unreadable{group="web"} 1`},
	} {
		if err := c.change(); err != nil {
			t.Fatal(err)
		}
		d.makeRun(stopped, scheduler.Firing{RunID: "s/" + strconv.Itoa(i), Schedule: "s", Action: "start", Groups: []string{"web"}})
		scrape := httptest.NewRecorder()
		d.metrics.Handler(zap.NewNop()).ServeHTTP(scrape, httptest.NewRequest("GET", "/metrics", nil))
		if !strings.Contains(scrape.Body.String(), c.want+"\n") {
			t.Errorf("after change %d the scrape lacks %s", i+1, c.want)
		}
	}
}
