package ledger

import (
	"testing"
	"time"

	"zecpower/batcher"
	"zecpower/scheduler"
)

func TestResumptionCountsOnceHoweverOftenItIsWritten(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir)
	d := runAt(morning)
	decide(t, l, d)
	f := d.Firing()
	f.Resumed = true
	for range 2 {
		must(t, l.Close())
		l = open(t, dir)
		for range 3 {
			_, err := l.Decide(scheduler.Round{Begins: []scheduler.Firing{f}})
			must(t, err)
		}
	}
	entries, err := l.History(Query{})
	must(t, err)
	if entries[0].Resumes != 2 {
		t.Errorf("%d resumptions, want 2", entries[0].Resumes)
	}
}

func TestEndThatIsRecordedLateDoesNotReplaceANewerOne(t *testing.T) {
	l := open(t, t.TempDir())
	older, newer := runAt(morning), runAt(morning.Add(24*time.Hour))
	decide(t, l, older, newer)
	finish(t, l, newer, batcher.GroupReport{Group: "web", Results: []batcher.InstanceResult{started("i-1")}})
	finish(t, l, older, batcher.GroupReport{Group: "web", Results: []batcher.InstanceResult{started("i-1")}})
	if last := load(t, l).Last["wake"]; !last.Nominal.Equal(newer.Nominal) || last.LastSuccess.Before(newer.Nominal) {
		t.Errorf("last run: %+v", last)
	}
}
