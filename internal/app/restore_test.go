package app

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/zap"

	"zecpower/batcher"
	"zecpower/internal/config"
	"zecpower/internal/power"
	"zecpower/internal/store"
	"zecpower/internal/store/bolt"
)

// After a restart a stop that is resumed loses to a start that was newer, also where another group
// names the ids. Nothing is sent for it.
func TestRanksOutliveARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.yaml")
	text := `api: {endpoint: "http://127.0.0.1:1"}
groups: {web: {instances: [i-1, i-2]}, all: {instances: [i-1, i-2]}}
schedules:
  morning: {cron: "@daily", action: start, groups: [web]}
  night: {cron: "@daily", action: stop, groups: [all]}
`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	records, err := bolt.Open(bolt.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer records.Close()
	now := time.Now()
	begun := store.Run{ID: "morning/1", Schedule: "morning", Action: power.ActionStart, Groups: []string{"web"}, Nominal: now.Add(-time.Minute)}
	if _, err := records.Claim(t.Context(), store.Round{Claims: []store.Run{begun}}); err != nil {
		t.Fatal(err)
	}
	d := &Daemon{log: zap.NewNop(), store: records}
	set, err := openAccounts(cfg, token, d.stream.Emit)
	if err != nil {
		t.Fatal(err)
	}
	d.accounts.Store(set)
	d.current.Store(cfg)
	state, err := records.Load(t.Context(), now.Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	d.restoreRanks(state)
	report := set.of[power.DefaultAccount].Submit(t.Context(), batcher.Run{
		RunID: "night/1", Schedule: "night", Action: power.ActionStop, Planned: now.Add(-time.Hour), Deadline: now.Add(time.Minute),
		Groups: []batcher.Group{{Name: "all", IDs: []string{"i-1", "i-2"}}},
	}).Wait(t.Context())
	if g := report.Groups[0]; g.Skipped != 2 || g.Skips()[0].By != "morning/1" || !report.FirstRequestAt.IsZero() {
		t.Errorf("%+v", g)
	}
}
