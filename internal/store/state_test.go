package store

import (
	"slices"
	"testing"
	"time"

	"zecpower/internal/power"
)

// Which run of a group ranks highest depends on jitter, and at one time on who asked and for what: the
// state has the newest of each schedule.
func TestTheNewestRunsOfAGroupAreThoseOfEachSchedule(t *testing.T) {
	at := time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC)
	s := NewState()
	add := func(schedule string, action power.Action, minute int, change func(*Record)) {
		nominal := at.Add(time.Duration(minute) * time.Minute)
		r := NewClaim(Run{ID: schedule + nominal.Format("/15:04"), Schedule: schedule, Action: action, Groups: []string{"web"}, Nominal: nominal, Planned: nominal})
		if change != nil {
			change(&r)
		}
		s.AddRecent(&r)
	}
	add("night", power.ActionStop, 0, nil)
	add("night", power.ActionStop, 10, nil)
	add("night", power.ActionStop, 5, nil)
	add("morning", power.ActionStart, 8, nil)
	add(ManualSchedule, power.ActionStop, 9, nil)
	add("morning", power.ActionStart, 12, func(r *Record) { r.Waits = "time" })
	add("morning", power.ActionStart, 11, func(r *Record) { r.Kind = KindMissed })
	var got []string
	for _, r := range s.Newest["web"] {
		got = append(got, r.ID)
	}
	slices.Sort(got)
	if want := []string{"manual/07:09", "morning/07:08", "night/07:10"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if len(s.Ran["morning"]) != 3 || len(s.Abandoned["morning"]) != 1 || !s.Abandoned["morning"][0].Equal(at.Add(11*time.Minute)) {
		t.Errorf("ran %v, abandoned %v", s.Ran, s.Abandoned)
	}
}
