package storetest

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"zecpower/internal/store"
)

// testActs records what people do: each act is an entry beside the runs, in the order of time, with who
// and why; the same one again and again is one entry a day; and the filters find them.
func testActs(t *testing.T, newPlace func(*testing.T, Options) Place) {
	s, p := open(t, newPlace)
	claim(t, s, runOf("wake", morning))
	byHand := store.Run{
		ID: "manual/x", Schedule: store.ManualSchedule, Action: "start", Groups: []string{"web"}, Nominal: morning.Add(time.Minute),
		Planned: morning.Add(time.Minute), Actor: "alice (uid 1004)", Reason: "a demo", Trigger: "wake",
	}
	must(t, s.Finish(bg, byHand, endOf(byHand)))
	n := 0
	act := func(minute int, a store.Act) {
		t.Helper()
		n++
		a.ID, a.At = fmt.Sprint("act-", n), morning.Add(time.Duration(minute)*time.Minute)
		for range 2 {
			must(t, s.RecordAct(bg, a))
		}
		s = restart(t, s, p)
	}
	bad := store.Act{Actor: "bob (uid 1005)", Kind: store.ActStart, Refused: "no such group"}
	act(2, store.Act{Actor: "alice (uid 1004)", Kind: store.ActCancel, Groups: []string{"web"}, Subject: "manual/x", Reason: "enough"})
	act(3, bad)
	act(4, bad)
	act(5, store.Act{Actor: "bob (uid 1005)", Kind: store.ActTrigger, Schedule: "wake", Timezone: "Asia/Singapore", Refused: "it stops"})
	act(6, bad)
	act(24*60, bad)

	for _, c := range []struct {
		query store.Query
		want  string
	}{
		{store.Query{}, "[act start bob 1] [act start bob 1] [act trigger bob 1] [act start bob 2] [act cancel alice 1] [run  alice 0] [run   0]"},
		{store.Query{ByHand: true, Limit: 2}, "[act start bob 1] [act start bob 1]"},
		{store.Query{Actor: "alice"}, "[act cancel alice 1] [run  alice 0]"},
		{store.Query{Schedule: "wake"}, "[act trigger bob 1] [run  alice 0] [run   0]"},
		{store.Query{Schedule: store.ManualSchedule, Group: "web"}, "[act cancel alice 1] [run  alice 0]"},
	} {
		var got []string
		for _, e := range history(t, s, c.query) {
			var who string
			_, _ = fmt.Sscan(e.Actor, &who)
			got = append(got, fmt.Sprintf("[%s %s %s %d]", e.Kind, e.Act, who, max(e.Count, map[bool]int{true: 1}[e.Kind == store.KindAct])))
		}
		if text := fmt.Sprint(got); text != "["+c.want+"]" {
			t.Errorf("%+v: %s\nwant %s", c.query, text, c.want)
		}
	}
	entries := history(t, s, store.Query{Actor: "alice"})
	want := store.Entry{
		Kind: store.KindAct, Schedule: store.ManualSchedule, Groups: []string{"web"}, NominalTime: morning.Add(2 * time.Minute), Reason: "enough",
		Actor: "alice (uid 1004)", Act: store.ActCancel, Subject: "manual/x",
	}
	if !reflect.DeepEqual(entries[0], want) {
		t.Errorf("the cancel: %+v\nwant %+v", entries[0], want)
	}
	if e := entries[1]; e.Reason != "a demo" || e.Trigger != "wake" || e.Act != "" {
		t.Errorf("the run by hand: %+v", e)
	}
	if s.RecordAct(bg, store.Act{At: morning}) == nil {
		t.Error("an act without an id was recorded")
	}
}
