package bolt

import (
	"testing"
	"time"

	"zecpower/internal/power"
	"zecpower/internal/power/powertest"
	"zecpower/internal/store"
)

func TestStretchThatReachesIntoTheTimeAskedForIsShown(t *testing.T) {
	l := open(t, t.TempDir())
	for hour := range 6 {
		d := notRun(store.KindExcluded, morning.Add(time.Duration(hour)*time.Hour))
		d.Calendar = "holidays"
		decide(t, l, d)
	}
	for _, tc := range []struct {
		since time.Duration
		want  int
	}{{4 * time.Hour, 1}, {5 * time.Hour, 1}, {5*time.Hour + time.Second, 0}} {
		entries, err := l.History(bg, store.Query{Since: morning.Add(tc.since)})
		must(t, err)
		if len(entries) != tc.want {
			t.Errorf("since %s: %d entries, want %d", tc.since, len(entries), tc.want)
		}
	}
}

func TestHistoryHasTheHTTPStatusOfARefusal(t *testing.T) {
	l := open(t, t.TempDir())
	d := runAt(morning)
	decide(t, l, d)
	refused := powertest.Failed("i-8", power.ReasonRejected)
	refused.HTTPStatus = 409
	finish(t, l, d, power.GroupReport{Group: "web", Total: 2, Done: 1, Failed: 1, Results: []power.InstanceResult{powertest.Started("i-7"), refused}})
	entries, err := l.History(bg, store.Query{})
	must(t, err)
	if f := entries[0].Results[0].Failures; len(f) != 1 || f[0].HTTPStatus != 409 {
		t.Errorf("of the run: %+v", f)
	}
	entries, err = l.History(bg, store.Query{Instance: "i-8"})
	must(t, err)
	if i := entries[0].Instance; i == nil || i.HTTPStatus != 409 {
		t.Errorf("of the instance: %+v", i)
	}
}

func TestInstanceOfARunThatLeftNoReport(t *testing.T) {
	l := open(t, t.TempDir())
	d := runAt(morning)
	decide(t, l, d)
	finish(t, l, d, power.GroupReport{Group: "web", Results: []power.InstanceResult{powertest.Started("i-7"), powertest.Started("i-8")}})
	d = runAt(morning.Add(24 * time.Hour))
	decide(t, l, d)
	must(t, end(l, d.ID, "web", powertest.Started("i-8")))
	must(t, l.Finish(bg, d, store.End{At: d.Nominal, Result: power.ResultFailed, Err: "the run panicked: boom"}))
	entries, err := l.History(bg, store.Query{Instance: "i-7"})
	must(t, err)
	if len(entries) != 2 || entries[0].Err != "the run panicked: boom" {
		t.Errorf("got %+v", entries)
	}
}

func TestInstanceThatAnInterruptedRunDidNotComeTo(t *testing.T) {
	l := open(t, t.TempDir())
	d := runAt(morning)
	decide(t, l, d)
	finish(t, l, d, power.GroupReport{Group: "web", Results: []power.InstanceResult{powertest.Started("i-7"), powertest.Started("i-8")}})
	d = runAt(morning.Add(24 * time.Hour))
	decide(t, l, d)
	must(t, end(l, d.ID, "web", powertest.Started("i-8")))
	gone := store.Abandonment{Run: d, Kind: store.KindInterrupted, Reason: "interrupted", At: d.Nominal.Add(24 * time.Hour)}
	_, err := l.Claim(bg, store.Round{Abandons: []store.Abandonment{gone}})
	must(t, err)
	entries, err := l.History(bg, store.Query{Instance: "i-7"})
	must(t, err)
	if len(entries) != 2 || entries[0].Kind != store.KindInterrupted {
		t.Errorf("got %+v", entries)
	}
}

func TestResumedRunKeepsWhatItDidToAGroupThatIsGone(t *testing.T) {
	l := open(t, t.TempDir())
	d := runAt(morning)
	decide(t, l, d)
	f := d
	must(t, end(l, f.ID, "web", powertest.Started("i-1"), powertest.Failed("i-2", power.ReasonRecycled)))
	must(t, end(l, f.ID, "db", powertest.Started("i-3"), powertest.Started("i-4")))
	f.Resumed = true
	_, err := l.Claim(bg, store.Round{Updates: []store.Run{f}})
	must(t, err)
	r := report(f.ID,
		power.GroupReport{Group: "web", Err: "there is no group \"web\""},
		power.GroupReport{Group: "db", Results: []power.InstanceResult{powertest.Started("i-4"), powertest.Started("i-5")}}) // i-3 was taken out
	must(t, l.Finish(bg, f, store.End{At: morning.Add(time.Minute), Result: power.ResultPartial, Report: &r}))

	entries, err := l.History(bg, store.Query{})
	must(t, err)
	web, db := entries[0].Results[0], entries[0].Results[1]
	if web.Err == "" || web.Total != 2 || web.Done != 1 || web.Failed != 1 || len(web.Failures) != 1 {
		t.Errorf("the group that is gone: %+v", web)
	}
	if db.Total != 3 || db.Done != 3 {
		t.Errorf("the group that has one less: %+v", db)
	}
	for _, id := range []string{"i-1", "i-2", "i-3", "i-4", "i-5"} {
		entries, err := l.History(bg, store.Query{Instance: id})
		must(t, err)
		if len(entries) != 1 || entries[0].Instance == nil || entries[0].Instance.Outcome == "" {
			t.Errorf("%s: %+v", id, entries)
		}
	}
}
