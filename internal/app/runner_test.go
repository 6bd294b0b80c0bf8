package app

import (
	"testing"
	"time"

	"go.uber.org/zap"

	"zecpower/batcher"
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
