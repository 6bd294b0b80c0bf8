package scheduler

import (
	"fmt"
	"testing"
	"time"
)

func (d Decision) short() string {
	text := d.Nominal.UTC().Format("02 15:04") + " " + string(d.Kind)
	if d.Reason != "" {
		text += " " + string(d.Reason)
	}
	if d.Calendar != "" {
		text += " " + d.Calendar
	}
	if d.Count > 1 {
		text += fmt.Sprintf(" x%d", d.Count)
	}
	if d.AtLeast {
		text += "+"
	}
	return text
}

func TestDecide(t *testing.T) {
	const day, hour = "45 7 * * *", "0 * * * *"
	for _, tc := range []struct {
		story    string
		schedule Schedule
		through  string
		now      string
		cause    MissedReason
		running  int
		queued   bool
		ran      []string
		want     []string
	}{
		{"nothing has come due", mustSchedule(t, "s", day), "05 08:00", "05 09:00", "", 0, false, nil, nil},
		{"on time", mustSchedule(t, "s", day), "05 07:44", "05 07:45", "", 0, false, nil, []string{"05 07:45 run"}},
		{
			"seconds late is on time, also without catch-up", mustSchedule(t, "s", day, catchUp(0)), "05 07:44", "05 07:45:16", "", 0, false, nil,
			[]string{"05 07:45 run"},
		},
		{
			"down over it, inside the window", mustSchedule(t, "s", day), "04 08:00", "05 08:30", MissedDown, 0, false, nil,
			[]string{"05 07:45 catch_up"},
		},
		{
			"down over it, at the window's last moment", mustSchedule(t, "s", day), "04 08:00", "05 08:45", MissedDown, 0, false, nil,
			[]string{"05 07:45 catch_up"},
		},
		{
			"down over it, past the window", mustSchedule(t, "s", day), "04 08:00", "05 08:45:01", MissedDown, 0, false, nil,
			[]string{"05 07:45 missed down"},
		},
		{
			"catch-up off", mustSchedule(t, "s", day, catchUp(0)), "04 08:00", "05 08:00", MissedDown, 0, false, nil,
			[]string{"05 07:45 missed catch_up_off"},
		},
		{
			"of several, the newest runs and the others are recorded", mustSchedule(t, "s", hour, catchUp(3*time.Hour)), "05 06:30", "05 10:30", MissedDown, 0, false, nil,
			[]string{"05 07:00 missed superseded x3", "05 10:00 catch_up"},
		},
		{
			"a run on time does the work of the late ones", mustSchedule(t, "s", hour, catchUp(3*time.Hour)), "05 06:30", "05 10:00", MissedAsleep, 0, false, nil,
			[]string{"05 07:00 missed superseded x3", "05 10:00 run"},
		},
		{
			"a long weekend down: one record a day", mustSchedule(t, "s", day), "02 08:00", "05 12:00", MissedDown, 0, false, nil,
			[]string{"03 07:45 missed down", "04 07:45 missed down", "05 07:45 missed down"},
		},
		{
			"the clock was set forward over it", mustSchedule(t, "s", day), "04 08:00", "05 12:00", MissedClockStep, 0, false, nil,
			[]string{"05 07:45 missed clock_step"},
		},
		{"overlap: skip", mustSchedule(t, "s", day), "05 07:44", "05 07:45", "", 1, false, nil, []string{"05 07:45 overlap"}},
		{"overlap: queue", mustSchedule(t, "s", day, overlap(OverlapQueue)), "05 07:44", "05 07:45", "", 1, false, nil, []string{"05 07:45 queued"}},
		{"overlap: queue holds one", mustSchedule(t, "s", day, overlap(OverlapQueue)), "05 07:44", "05 07:45", "", 1, true, nil, []string{"05 07:45 overlap"}},
		{"overlap: allow", mustSchedule(t, "s", day, overlap(OverlapAllow)), "05 07:44", "05 07:45", "", 2, false, nil, []string{"05 07:45 run"}},
		{"overlap: allow ends at ten", mustSchedule(t, "s", day, overlap(OverlapAllow)), "05 07:44", "05 07:45", "", MaxTogether, false, nil, []string{"05 07:45 overlap"}},
		{"a late run meets its predecessor too", mustSchedule(t, "s", day), "05 07:44", "05 08:10", MissedAsleep, 1, false, nil, []string{"05 07:45 overlap"}},
		{
			"two at once: the second one meets the first", mustSchedule(t, "s", "@every 5s"), "05 07:44:56", "05 07:45:05", MissedStalled, 0, false, nil,
			[]string{"05 07:45 run", "05 07:45 overlap"},
		},
		{"paused", mustSchedule(t, "s", hour, paused), "05 06:30", "05 09:30", MissedDown, 0, false, nil, []string{"05 07:00 paused x3"}},
		{
			"excluded", mustSchedule(t, "s", day, excluding(t, "holidays", "2026-01-05")), "04 06:00", "05 08:00", MissedDown, 0, false, nil,
			[]string{"04 07:45 missed down", "05 07:45 excluded holidays"},
		},
		{
			"an excluded time does not hide the one to catch up", mustSchedule(t, "s", "0 12,23 * * *", excluding(t, "holidays", "2026-01-05")), "04 20:00", "05 12:00:10", MissedDown, 0, false, nil,
			[]string{"04 23:00 missed down", "05 12:00 excluded holidays"},
		},
		{"set back: what ran does not run again", mustSchedule(t, "s", hour, catchUp(0)), "05 06:30", "05 08:00", "", 0, false, []string{"05 07:00", "05 08:00"}, nil},
		{
			"a run newer than the missed ones: nothing to catch up", mustSchedule(t, "s", hour, catchUp(5*time.Hour)), "05 06:30", "05 08:30", MissedDown, 0, false,
			[]string{"05 08:00"},
			[]string{"05 07:00 missed down"},
		},
		{
			"down for a month, every second: counted up to a bound", mustSchedule(t, "s", "@every 1s"), "01 00:00", "30 00:00", MissedDown, 0, false, nil,
			[]string{"01 00:00 missed superseded x5000", "01 01:23 missed superseded+", "29 23:59 run", "29 23:59 overlap x15", "30 00:00 overlap"},
		},
		{
			"paused and down for a month, every second: nothing was missed", mustSchedule(t, "s", "@every 1s", paused, catchUp(30*24*time.Hour)), "01 00:00", "30 00:00", MissedDown, 0, false, nil,
			[]string{"01 00:00 paused x5000", "01 01:23 paused+", "29 23:59 paused x16", "30 00:00 paused"},
		},
		{
			"excluded and down over a holiday, every second", mustSchedule(t, "s", "@every 1s", excluding(t, "holidays", "2026-01-05")), "05 00:00", "05 12:00", MissedDown, 0, false, nil,
			[]string{"05 00:00 excluded holidays x5000", "05 01:23 excluded holidays+", "05 10:47 excluded holidays x4352"},
		},
		{
			"down from a holiday's evening on, every second: what followed was missed", mustSchedule(t, "s", "@every 1s", excluding(t, "holidays", "2026-01-05")), "05 22:00", "06 12:00", MissedDown, 0, false, nil,
			[]string{"05 22:00 excluded holidays x5000", "05 23:23 missed superseded+", "06 11:59 run", "06 11:59 overlap x16"},
		},
	} {
		t.Run(tc.story, func(t *testing.T) {
			s := situation{
				schedule: &tc.schedule, through: at(tc.through), now: at(tc.now), cause: tc.cause,
				grace: DefaultHeartbeat + stepThreshold, running: tc.running, queued: tc.queued,
				ran: func(nominal time.Time) bool {
					for _, r := range tc.ran {
						if at(r).Equal(nominal) {
							return true
						}
					}
					return false
				},
			}
			var got []string
			for _, d := range s.decide() {
				got = append(got, d.short())
			}
			if fmt.Sprint(got) != fmt.Sprint(tc.want) {
				t.Errorf("got  %q\nwant %q", got, tc.want)
			}
		})
	}
}

func TestJitterIsNotLateness(t *testing.T) {
	s := mustSchedule(t, "s", "45 7 * * *", jitter(10*time.Minute), catchUp(0))
	shift := s.JitterOffset()
	if shift == 0 {
		t.Fatal("no shift: choose another schedule name")
	}
	decide := func(now time.Time) Decision {
		decisions := situation{schedule: &s, through: at("05 07:00"), now: now, cause: MissedDown, grace: stepThreshold}.decide()
		if len(decisions) != 1 {
			t.Fatalf("%d decisions", len(decisions))
		}
		return decisions[0]
	}
	d := decide(at("05 07:45").Add(shift - time.Second))
	if d.Kind != DecisionJittered || !d.RunAt.Equal(at("05 07:45").Add(shift)) {
		t.Errorf("before its run time: %s at %s", d.Kind, d.RunAt)
	}
	if want := d.RunAt.Add(30 * time.Minute); !d.Deadline.Equal(want) {
		t.Errorf("deadline %s, want %s: it counts from the run time", d.Deadline, want)
	}
	if d := decide(at("05 07:45").Add(shift + time.Second)); d.Kind != DecisionRun {
		t.Errorf("a second after its run time: %s", d.Kind)
	}
	if d := decide(at("05 07:45").Add(shift + time.Minute)); d.Reason != MissedCatchUpOff {
		t.Errorf("a minute after its run time: %s %s", d.Kind, d.Reason)
	}
	s.CatchUp = time.Minute
	if d := decide(at("05 07:45").Add(shift + time.Minute)); d.Kind != DecisionCatchUp {
		t.Errorf("at the end of its catch-up window, which opens at its run time: %s %s", d.Kind, d.Reason)
	}
	if d := decide(at("05 07:45").Add(shift + time.Minute + time.Second)); d.Reason != MissedDown {
		t.Errorf("a second after its catch-up window: %s %s", d.Kind, d.Reason)
	}
}

func TestCatchUpWindowOfAJitteredRunCountsFromItsRunTime(t *testing.T) {
	s := mustSchedule(t, "s", "45 7 * * *", jitter(10*time.Minute), catchUp(30*time.Minute))
	last := at("05 07:45").Add(s.JitterOffset() + s.CatchUp)
	for now, want := range map[time.Time]DecisionKind{last: DecisionCatchUp, last.Add(time.Second): DecisionMissed} {
		decisions := situation{schedule: &s, through: at("05 07:00"), now: now, cause: MissedDown, grace: stepThreshold}.decide()
		if len(decisions) != 1 || decisions[0].Kind != want {
			t.Errorf("at %s: %v, want %s", now, decisions, want)
		}
	}
}
