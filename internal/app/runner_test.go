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

	"go.uber.org/zap"

	"zecpower/apiclient"
	"zecpower/internal/config"
	"zecpower/internal/event"
	"zecpower/internal/metrics"
	"zecpower/internal/store/bolt"
	"zecpower/scheduler"
)

// token is the access to any account.
func token(config.Account) (Access, error) {
	return Access{Credentials: apiclient.Credentials{Token: apiclient.NewSecret("t")}}, nil
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
	d := &Daemon{log: zap.NewNop(), metrics: metrics.New(), store: records, suspects: newSuspects()}
	d.stream = event.Stream{d.metrics}
	set, err := openAccounts(cfg, token, d.stream.Emit)
	if err != nil {
		t.Fatal(err)
	}
	d.accounts.Store(set)
	d.metrics.SetKnown(known(cfg, set))
	d.current.Store(cfg)
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
		d.prepareRun(t.Context(), scheduler.Firing{
			RunID: "s/" + strconv.Itoa(i), Schedule: "s", Action: "start", Groups: []string{"web"}, Source: cfg,
		}).Run(stopped)
		scrape := httptest.NewRecorder()
		d.metrics.Handler(zap.NewNop()).ServeHTTP(scrape, httptest.NewRequest("GET", "/metrics", nil))
		if !strings.Contains(scrape.Body.String(), c.want+"\n") {
			t.Errorf("after change %d the scrape lacks %s", i+1, c.want)
		}
	}
}
