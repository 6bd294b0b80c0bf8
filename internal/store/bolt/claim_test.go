package bolt

import (
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"zecpower/internal/power"
	"zecpower/internal/power/powertest"
	"zecpower/internal/store"
)

func TestResumptionCountsOnceHoweverOftenItIsWritten(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir)
	d := runAt(morning)
	decide(t, l, d)
	f := d
	f.Resumed = true
	for range 2 {
		must(t, l.Close())
		l = open(t, dir)
		for range 3 {
			_, err := l.Claim(bg, store.Round{Updates: []store.Run{f}})
			must(t, err)
		}
	}
	entries, err := l.History(bg, store.Query{})
	must(t, err)
	if entries[0].Resumes != 2 {
		t.Errorf("%d resumptions, want 2", entries[0].Resumes)
	}
}

func TestEndThatIsRecordedLateDoesNotReplaceANewerOne(t *testing.T) {
	l := open(t, t.TempDir())
	older, newer := runAt(morning), runAt(morning.Add(24*time.Hour))
	decide(t, l, older, newer)
	finish(t, l, newer, power.GroupReport{Group: "web", Results: []power.InstanceResult{powertest.Started("i-1")}})
	finish(t, l, older, power.GroupReport{Group: "web", Results: []power.InstanceResult{powertest.Started("i-1")}})
	if last := load(t, l).Last["wake"]; !last.Nominal.Equal(newer.Nominal) || last.LastSuccess.Before(newer.Nominal) {
		t.Errorf("last run: %+v", last)
	}
}

func TestRunWhoseProgressIsDamagedStillEnds(t *testing.T) {
	l := open(t, t.TempDir())
	gone, ended := runAt(morning), runAt(morning.Add(time.Hour))
	decide(t, l, gone, ended)
	for _, d := range []store.Run{gone, ended} {
		must(t, end(l, d.ID, "web", powertest.Started("i-1")))
	}
	must(t, l.update(bg, "damage", func(tx *bbolt.Tx) error {
		b := tx.Bucket(bucketSteps)
		return b.ForEach(func(k, _ []byte) error { return b.Put(k, []byte{0xee}) })
	}))
	f := ended
	f.Resumed = true
	_, err := l.Claim(bg, store.Round{
		Updates:  []store.Run{f},
		Abandons: []store.Abandonment{{Run: gone, Kind: store.KindInterrupted, At: morning}},
	})
	must(t, err)
	r := report(f.ID, power.GroupReport{Group: "web", Results: []power.InstanceResult{powertest.Started("i-1")}})
	must(t, l.Finish(bg, f, store.End{At: ended.Nominal, Result: power.ResultOK, Report: &r}))
	entries, err := l.History(bg, store.Query{})
	must(t, err)
	for _, e := range entries {
		if e.Err == "" || e.FinishedAt.IsZero() {
			t.Errorf("got %+v", e)
		}
	}
	if open := load(t, l).Unfinished; len(open) != 0 {
		t.Errorf("still open: %+v", open)
	}
}
