package storetest

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"zecpower/internal/store"
)

func skipOf(schedule string, nominal time.Time) store.Skip {
	return store.Skip{
		ID: runOf(schedule, nominal).ID, Schedule: schedule, Nominal: nominal, Timezone: "Asia/Singapore", Actor: "alice (uid 1004)",
		Reason: "INC-7", At: morning,
	}
}

// testSkips records and takes back skips over restarts, notes what they left out with who and why, and
// lets their time pass: they go once it is over for store.SkipKept.
func testSkips(t *testing.T, newPlace func(*testing.T, Options) Place) {
	s, p := open(t, newPlace)
	first, second, third := skipOf("wake", morning), skipOf("wake", morning.Add(time.Hour)), skipOf("night", morning.Add(time.Minute))
	check := func(when string, want ...store.Skip) {
		t.Helper()
		for range 2 {
			state, err := s.Load(bg, morning)
			must(t, err)
			if !reflect.DeepEqual(state.Skips, want) {
				t.Errorf("%s: %+v, want %+v", when, state.Skips, want)
			}
			s = restart(t, s, p)
		}
	}
	must(t, s.RemoveSkip(bg, first.ID))
	check("none")
	for _, skip := range []store.Skip{second, first, third, first} {
		must(t, s.PutSkip(bg, skip))
	}
	check("three", first, third, second)
	must(t, s.RemoveSkip(bg, third.ID))
	check("one was taken back", first, second)
	if s.PutSkip(bg, store.Skip{Schedule: "wake"}) == nil {
		t.Error("a skip without an id was recorded")
	}

	// What a skip left out, before it was claimed and after.
	note := noteOf(store.KindSkipped, "wake", first.Nominal)
	note.Actor, note.Reason = first.Actor, first.Reason
	claimed := runOf("wake", second.Nominal)
	_, err := s.Claim(bg, store.Round{Notes: []store.Note{note}, Claims: []store.Run{claimed}})
	must(t, err)
	_, err = s.Claim(bg, store.Round{Abandons: []store.Abandonment{
		{Run: claimed, Kind: store.KindSkipped, Actor: second.Actor, Reason: second.Reason, At: second.Nominal},
	}})
	must(t, err)
	entries := history(t, s, store.Query{})
	for _, e := range entries {
		if e.Kind != store.KindSkipped || e.Actor != "alice (uid 1004)" || e.Reason != "INC-7" {
			t.Errorf("history: %+v", e)
		}
	}
	if len(entries) != 2 {
		t.Errorf("history: %d entries", len(entries))
	}

	now := first.Nominal.Add(store.SkipKept + 10*time.Minute)
	for i := range 90 {
		_, err := s.Claim(bg, store.Round{At: now.Add(time.Duration(i-20) * time.Minute)})
		must(t, err)
	}
	eventually(t, func() error {
		state, err := s.Load(bg, now)
		if err == nil && !reflect.DeepEqual(state.Skips, []store.Skip{second}) {
			err = fmt.Errorf("after %s: %+v", store.SkipKept, state.Skips)
		}
		return err
	})
}
