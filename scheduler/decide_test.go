package scheduler

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"zecpower/scheduler/calendar"
	"zecpower/scheduler/cron"
)

// mustSchedule is an hourly-or-other schedule in UTC with an hour of catch-up.
func mustSchedule(t testing.TB, name, spec string, change ...func(*Schedule)) Schedule {
	t.Helper()
	timetable, err := cron.Parse(spec, time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	s := Schedule{
		Name: name, Timetable: timetable, Zone: time.UTC, Action: "start", Groups: []string{"web"},
		CatchUp: time.Hour, Deadline: 30 * time.Minute,
	}
	for _, c := range change {
		c(&s)
	}
	if err := s.Validate(); err != nil {
		t.Fatal(err)
	}
	return s
}

func catchUp(d time.Duration) func(*Schedule) { return func(s *Schedule) { s.CatchUp = d } }
func overlap(o Overlap) func(*Schedule)       { return func(s *Schedule) { s.Overlap = o } }
func paused(s *Schedule)                      { s.Paused = true }
func jitter(d time.Duration) func(*Schedule)  { return func(s *Schedule) { s.Jitter = d } }

func excluding(t testing.TB, name string, dates ...string) func(*Schedule) {
	c, err := calendar.New(calendar.Source{Name: name, Dates: dates})
	if err != nil {
		t.Fatal(err)
	}
	return func(s *Schedule) { s.Exclude = append(s.Exclude, c) }
}

// at reads "02 07:45" or "02 07:45:30" as a time in January 2026: the 5th is a Monday.
func at(text string) time.Time {
	layout := "2006-01-02 15:04"
	if strings.Count(text, ":") == 2 {
		layout += ":05"
	}
	t, err := time.Parse(layout, "2026-01-"+text)
	if err != nil {
		panic(err)
	}
	return t
}

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

func TestDecisionsStartFromTheWatermark(t *testing.T) {
	s := mustSchedule(t, "s", "45 7 * * *")
	now := at("05 12:00")
	for _, tc := range []struct {
		story     string
		watermark Watermark
		known     bool
		decided   string
		want      string
	}{
		{"a new schedule starts from now", Watermark{}, false, "05 11:00", "05 12:00"},
		{"from where it was", Watermark{Through: at("03 08:00"), Spec: s.spec()}, true, "02 08:00", "03 08:00"},
		{"from where all were", Watermark{Through: at("03 08:00"), Spec: s.spec()}, true, "05 11:00", "05 11:00"},
		{"an edited one starts from now", Watermark{Through: at("03 08:00"), Spec: "other"}, true, "05 11:00", "05 12:00"},
		{"one that was paused then starts from now", Watermark{Through: at("03 08:00"), Spec: s.spec() + pausedSuffix}, true, "05 11:00", "05 12:00"},
		{"a watermark in the future is ignored", Watermark{Through: at("07 08:00"), Spec: s.spec()}, true, "05 11:00", "05 12:00"},
		{"so is a common instant in the future", Watermark{Through: at("03 08:00"), Spec: s.spec()}, true, "07 11:00", "03 08:00"},
	} {
		t.Run(tc.story, func(t *testing.T) {
			if got := startFrom(tc.watermark, tc.known, s.spec(), at(tc.decided), now); !got.Equal(at(tc.want)) {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

func TestResumeDecidesHowAClaimedRunGoesOn(t *testing.T) {
	s := mustSchedule(t, "s", "45 7 * * *")
	f := Firing{Nominal: at("05 07:45"), RunAt: at("05 07:50"), Deadline: at("05 08:20")}
	for _, tc := range []struct {
		story    string
		schedule *Schedule
		now      string
		later    bool
		want     DecisionKind
		reason   MissedReason
	}{
		{"the clock was set back while it ran", &s, "05 07:46", false, DecisionRun, ""},
		{"its deadline allows", &s, "05 08:19", true, DecisionRun, ""},
		{"its catch-up window allows", &s, "05 08:20", false, DecisionCatchUp, ""},
		{"a younger one does its work", &s, "05 08:20", true, DecisionInterrupted, MissedInterrupted},
		{"too late", &s, "05 08:51", false, DecisionInterrupted, MissedInterrupted},
		{"removed", nil, "05 07:51", false, DecisionInterrupted, MissedRemoved},
	} {
		t.Run(tc.story, func(t *testing.T) {
			if got, reason := resume(f, tc.schedule, at(tc.now), tc.later); got != tc.want || reason != tc.reason {
				t.Errorf("got %s %s, want %s %s", got, reason, tc.want, tc.reason)
			}
		})
	}
	waits := f
	waits.Waits = WaitTime
	if got, _ := resume(waits, &s, at("05 07:46"), false); got != DecisionJittered {
		t.Errorf("its run time is still to come: got %s", got)
	}
	queued := f
	queued.Waits = WaitTurn
	noCatchUp := mustSchedule(t, "s", "45 7 * * *", catchUp(0))
	if got, _ := resume(queued, &noCatchUp, at("05 08:19"), true); got != DecisionRun {
		t.Errorf("it waited for its turn, and its deadline allows: got %s", got)
	}
	pausedNow := s
	pausedNow.Paused = true
	if got, reason := resume(f, &pausedNow, at("05 07:51"), false); got != DecisionInterrupted || reason != MissedPaused {
		t.Errorf("paused: got %s %s", got, reason)
	}
}

func TestDrift(t *testing.T) {
	start := Reading{Wall: at("05 07:00"), Monotonic: time.Hour, Suspended: time.Minute}
	for _, tc := range []struct {
		story                string
		wall, mono, suspend  time.Duration
		wantStep, wantAsleep time.Duration
	}{
		{"time passes", 15 * time.Second, 15 * time.Second, 0, 0, 0},
		{"slewing", 16 * time.Second, 15 * time.Second, 0, 0, 0},
		{"set forward", 2 * time.Hour, 15 * time.Second, 0, 2*time.Hour - 15*time.Second, 0},
		{"set back", -time.Hour, 15 * time.Second, 0, -time.Hour - 15*time.Second, 0},
		{"asleep", 8 * time.Hour, 15 * time.Second, 8*time.Hour - 15*time.Second, 0, 8*time.Hour - 15*time.Second},
		{"asleep, and set forward on waking", 9 * time.Hour, 0, 8 * time.Hour, time.Hour, 8 * time.Hour},
	} {
		t.Run(tc.story, func(t *testing.T) {
			step, slept := drift(start, Reading{start.Wall.Add(tc.wall), start.Monotonic + tc.mono, start.Suspended + tc.suspend})
			if step != tc.wantStep || slept != tc.wantAsleep {
				t.Errorf("step %s, slept %s; want %s, %s", step, slept, tc.wantStep, tc.wantAsleep)
			}
		})
	}
}
