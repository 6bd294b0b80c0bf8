package scheduler

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"zecpower/scheduler/calendar"
	"zecpower/scheduler/cron"
)

func scheduleOf(t testing.TB, name, spec, zone string) *Schedule {
	t.Helper()
	return &Schedule{Name: name, Timetable: mustParse(t, spec, zone), Zone: mustZone(t, zone), Action: "start", Groups: []string{"web"}}
}

// upcoming lists occurrences in (from, to] as "reading status calendar".
func upcoming(t testing.TB, s *Schedule, from, to string) string {
	t.Helper()
	begin, err := time.Parse(time.RFC3339, from)
	if err != nil {
		t.Fatal(err)
	}
	end, err := time.Parse(time.RFC3339, to)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for o := range s.Occurrences(begin, end) {
		lines = append(lines, strings.TrimSpace(o.Nominal.Format("Mon 01-02 15:04 ")+string(o.Status)+" "+o.Calendar))
	}
	return strings.Join(lines, "\n")
}

func TestCalendarsDecideByTheLocalDate(t *testing.T) {
	holidays := mustCalendar(t, "holidays", "2026-12-25", "2026-12-28..2026-12-29")
	freeze := mustCalendar(t, "freeze", "2026-12-29..2026-12-31")
	workday := mustCalendar(t, "2026-12-26", "2026-12-26") // a Saturday
	anyway := mustCalendar(t, "2026-12-29", "2026-12-29")
	for _, c := range []struct {
		name, spec string
		change     func(*Schedule)
		want       string
	}{
		{"without calendars", "45 7 * * MON-FRI", func(*Schedule) {}, "Thu 12-24 07:45 due\nFri 12-25 07:45 due\nMon 12-28 07:45 due\nTue 12-29 07:45 due\nWed 12-30 07:45 due"},
		{
			"the first calendar that has the date is named", "45 7 * * MON-FRI",
			func(s *Schedule) { s.Exclude = []*calendar.Calendar{holidays, freeze} },
			"Thu 12-24 07:45 due\nFri 12-25 07:45 excluded holidays\nMon 12-28 07:45 excluded holidays\nTue 12-29 07:45 excluded holidays\nWed 12-30 07:45 excluded freeze",
		},
		{
			"include adds a make-up day and lifts an exclusion", "45 7 * * MON-FRI",
			func(s *Schedule) {
				s.Exclude, s.Include = []*calendar.Calendar{holidays, freeze}, []*calendar.Calendar{workday, anyway}
			},
			"Thu 12-24 07:45 due\nFri 12-25 07:45 excluded holidays\nSat 12-26 07:45 due\nMon 12-28 07:45 excluded holidays\nTue 12-29 07:45 due\nWed 12-30 07:45 excluded freeze",
		},
		{
			"paused, but excluded stays excluded", "45 7 * * MON-FRI",
			func(s *Schedule) {
				s.Exclude, s.Include, s.Paused = []*calendar.Calendar{holidays, freeze}, []*calendar.Calendar{workday}, true
			},
			"Thu 12-24 07:45 paused\nFri 12-25 07:45 excluded holidays\nSat 12-26 07:45 paused\nMon 12-28 07:45 excluded holidays\nTue 12-29 07:45 excluded holidays\nWed 12-30 07:45 excluded freeze",
		},
		{
			"include overrides month and day of month too", "0 8,20 1 6 *",
			func(s *Schedule) { s.Include = []*calendar.Calendar{workday, anyway} },
			"Sat 12-26 08:00 due\nSat 12-26 20:00 due\nTue 12-29 08:00 due\nTue 12-29 20:00 due",
		},
		{
			"only runs on the dates of its calendars, whatever the weekday, and names the first on all others", "45 7 * * MON-FRI",
			func(s *Schedule) { s.Only = []*calendar.Calendar{freeze, workday} },
			"Thu 12-24 07:45 excluded freeze\nFri 12-25 07:45 excluded freeze\nSat 12-26 07:45 due\nMon 12-28 07:45 excluded freeze\nTue 12-29 07:45 due\nWed 12-30 07:45 due",
		},
		{
			"exclude takes dates from only, include adds to it", "45 7 * * *",
			func(s *Schedule) {
				s.Only, s.Exclude, s.Include = []*calendar.Calendar{freeze}, []*calendar.Calendar{holidays}, []*calendar.Calendar{workday}
			},
			"Thu 12-24 07:45 excluded freeze\nFri 12-25 07:45 excluded holidays\nSat 12-26 07:45 due\nSun 12-27 07:45 excluded freeze\nMon 12-28 07:45 excluded holidays\nTue 12-29 07:45 excluded holidays\nWed 12-30 07:45 due",
		},
		{
			"of @every only the times on those dates run", "@every 36h",
			func(s *Schedule) { s.Only = []*calendar.Calendar{workday, freeze} },
			"Thu 12-24 08:00 excluded 2026-12-26\nFri 12-25 20:00 excluded 2026-12-26\nSun 12-27 08:00 excluded 2026-12-26\nMon 12-28 20:00 excluded 2026-12-26\nWed 12-30 08:00 due",
		},
		{
			"@every has no day fields: include only lifts exclusion", "@every 36h",
			func(s *Schedule) {
				s.Exclude, s.Include = []*calendar.Calendar{freeze}, []*calendar.Calendar{anyway, workday}
			},
			"Thu 12-24 08:00 due\nFri 12-25 20:00 due\nSun 12-27 08:00 due\nMon 12-28 20:00 due\nWed 12-30 08:00 excluded freeze",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := scheduleOf(t, "s", c.spec, "Asia/Singapore")
			c.change(s)
			if got := upcoming(t, s, "2026-12-23T16:00:00Z", "2026-12-30T15:59:00Z"); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

func TestTheDateIsTheSchedulesOwn(t *testing.T) {
	holiday := mustCalendar(t, "holiday", "2026-12-25")
	for zone, want := range map[string]string{
		"Pacific/Kiritimati": "Fri 12-25 12:30 excluded holiday",
		"UTC":                "Thu 12-24 22:30 due",
	} {
		s := scheduleOf(t, "s", "30 * * * *", zone)
		s.Exclude = []*calendar.Calendar{holiday}
		if got := upcoming(t, s, "2026-12-24T22:00:00Z", "2026-12-24T22:59:00Z"); got != want {
			t.Errorf("%s: got %s, want %s", zone, got, want)
		}
	}
}

func TestYearlyIncludeOfARareSchedule(t *testing.T) {
	s := scheduleOf(t, "s", "0 9 29 2 *", "Europe/Berlin")
	s.Include = []*calendar.Calendar{mustCalendar(t, "new-year", "*-01-01")}
	want := "Fri 01-01 09:00 due\nSat 01-01 09:00 due\nTue 02-29 09:00 due\nMon 01-01 09:00 due"
	if got := upcoming(t, s, "2026-06-01T00:00:00Z", "2029-01-31T00:00:00Z"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestOccurrencesOfRandomSchedulesMatchTheirDefinition(t *testing.T) {
	r := seededRand(t)
	zones := allZones(t)
	for range 150 {
		spec := randomSpec(r)
		zone := zones[r.IntN(len(zones))]
		table, err := cron.Parse(spec, zone)
		if err != nil {
			continue
		}
		s := &Schedule{Name: "s", Timetable: table, Zone: zone, Exclude: []*calendar.Calendar{randomCalendar(t, r)}, Include: []*calendar.Calendar{randomCalendar(t, r), randomCalendar(t, r)}}
		if r.IntN(2) == 0 {
			s.Only = []*calendar.Calendar{randomCalendar(t, r), randomCalendar(t, r)}
		}
		from := time.Date(2026, time.Month(1+r.IntN(12)), 1, 0, 0, 0, 0, time.UTC)
		until := from.AddDate(0, 0, 20)
		var want []string
		daily := table.EveryDate()
		for at := daily.Next(from); !at.IsZero() && !at.After(until); at = daily.Next(at) {
			own := table.Next(at.Add(-1)).Equal(at)
			included := anyContains(s.Include, calendar.DateOf(at))
			only := anyContains(s.Only, calendar.DateOf(at))
			if !own && !included && !only {
				continue
			}
			status := StatusDue
			if !included && (s.Exclude[0].Contains(calendar.DateOf(at)) || len(s.Only) > 0 && !only) {
				status = StatusExcluded
			}
			want = append(want, fmt.Sprint(at.Unix(), status))
		}
		var got []string
		for o := range s.Occurrences(from, until) {
			got = append(got, fmt.Sprint(o.Nominal.Unix(), o.Status))
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Fatalf("%q in %s from %s: got %d occurrences, want %d", spec, zone, from, len(got), len(want))
		}
	}
}

// The zones are such as go back over midnight, so that a date comes twice.
func TestNextDueIsTheFirstDueOccurrence(t *testing.T) {
	r := seededRand(t)
	for range 300 {
		spec := randomSpec(r)
		zone := mustZone(t, []string{"America/Nuuk", "America/Havana", "Africa/Cairo", "Pacific/Auckland", "UTC"}[r.IntN(5)])
		table, err := cron.Parse(spec, zone)
		if err != nil {
			continue
		}
		s := &Schedule{Name: "s", Timetable: table, Zone: zone, Exclude: []*calendar.Calendar{randomCalendar(t, r), randomCalendar(t, r)}}
		if r.IntN(2) == 0 {
			s.Include = []*calendar.Calendar{randomCalendar(t, r)}
		}
		if r.IntN(3) == 0 {
			s.Only = []*calendar.Calendar{randomCalendar(t, r)}
		}
		// The days around the change of the clock are excluded but for some.
		open := r.IntN(10)
		for day := range 10 {
			if day != open && r.IntN(4) > 0 {
				s.Exclude = append(s.Exclude, mustCalendar(t, "change", time.Date(2026, 10, 20+day, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)))
			}
		}
		for range 5 {
			from := time.Date(2026, 10, 18+r.IntN(12), r.IntN(24), r.IntN(60), 0, 0, time.UTC)
			var want Occurrence
			for o := range s.Occurrences(from, from.AddDate(cron.SearchYears, 0, 0)) {
				if o.Status == StatusDue {
					want = o
					break
				}
			}
			if got, ok := s.NextDue(from); ok != !want.Nominal.IsZero() || got != want {
				t.Fatalf("%q in %s from %s: got %+v, want %+v", spec, zone, from, got, want)
			}
		}
	}
}

func TestNextDueOverlooksExcludedYearsAtOnce(t *testing.T) {
	s := scheduleOf(t, "s", "* * * * *", "Europe/Berlin")
	from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for dates, want := range map[string]string{"2025-12-01..2029-12-31": "2030-01-01T00:00:00+01:00", "2025-12-01..2099-12-31": ""} {
		s.Exclude = []*calendar.Calendar{mustCalendar(t, "closed", dates)}
		walked := testing.AllocsPerRun(1, func() { // each occurrence would cost one
			o, ok := s.NextDue(from)
			if ok != (want != "") || ok && o.Nominal.Format(time.RFC3339) != want {
				t.Errorf("%s: got %v, want %s", dates, o, want)
			}
		})
		if walked > 100 {
			t.Errorf("%s: %v allocations", dates, walked)
		}
	}
	s.Exclude, s.Only = nil, []*calendar.Calendar{mustCalendar(t, "open", "2025-01-01", "2030-06-01")}
	walked := testing.AllocsPerRun(1, func() {
		if o, ok := s.NextDue(from); !ok || o.Nominal.Format(time.RFC3339) != "2030-06-01T00:00:00+02:00" {
			t.Errorf("only: got %v", o)
		}
	})
	if walked > 100 {
		t.Errorf("only: %v allocations", walked)
	}
	s.Paused = true
	if o, ok := s.NextDue(from); ok {
		t.Errorf("paused: got %v", o)
	}
}

func randomCalendar(t testing.TB, r *rand.Rand) *calendar.Calendar {
	t.Helper()
	var dates []string
	for range 1 + r.IntN(8) {
		day := time.Date(2026, 1, 1+r.IntN(400), 0, 0, 0, 0, time.UTC)
		switch r.IntN(3) {
		case 0:
			dates = append(dates, day.Format(time.DateOnly))
		case 1:
			dates = append(dates, day.Format("*-01-02"))
		default:
			dates = append(dates, day.Format(time.DateOnly)+".."+day.AddDate(0, 0, r.IntN(12)).Format(time.DateOnly))
		}
	}
	return mustCalendar(t, "random", dates...)
}

func TestUnboundedOccurrencesEndInSilence(t *testing.T) {
	s := scheduleOf(t, "s", "0 9 29 2 *", "UTC")
	var years []int
	for o := range s.Occurrences(time.Date(2084, 1, 1, 0, 0, 0, 0, time.UTC), time.Time{}) {
		years = append(years, o.Nominal.Year())
	}
	if fmt.Sprint(years) != "[2084 2088 2092 2096]" {
		t.Errorf("got %v: 2100 is no leap year, so 2104 is out of reach", years)
	}
}

func TestTheWindowIsOpenAtItsStartAndClosedAtItsEnd(t *testing.T) {
	s := scheduleOf(t, "s", "0 * * * *", "UTC")
	if got, want := upcoming(t, s, "2026-12-24T10:00:00Z", "2026-12-24T12:00:00Z"), "Thu 12-24 11:00 due\nThu 12-24 12:00 due"; got != want {
		t.Errorf("got %s", got)
	}
}

func TestJitterIsTheSameForEverAndSpreads(t *testing.T) {
	s := &Schedule{Name: "weekday-morning", Jitter: 5 * time.Minute}
	edited := &Schedule{Name: s.Name, Jitter: s.Jitter, Action: "stop", Groups: []string{"web"}, Zone: time.UTC}
	for _, s := range []*Schedule{s, edited} {
		if got, want := s.JitterOffset(), 209*time.Second; got != want {
			t.Errorf("the offset of %q moved to %s from %s: every installation's runs would move with it", s.Name, got, want)
		}
	}
	buckets := make([]int, 10)
	for i := range 10_000 {
		s := &Schedule{Name: fmt.Sprintf("schedule-%d", i), Jitter: 10 * time.Minute}
		offset := s.JitterOffset()
		if offset < 0 || offset >= s.Jitter || offset%time.Second != 0 {
			t.Fatalf("%s is not in the window", offset)
		}
		buckets[offset/time.Minute]++
	}
	for minute, n := range buckets {
		if n < 800 || n > 1200 {
			t.Errorf("%d of 10000 schedules in minute %d", n, minute)
		}
	}
	for _, window := range []time.Duration{0, -time.Hour, time.Second, 500 * time.Millisecond} {
		if got := (&Schedule{Name: "x", Jitter: window}).JitterOffset(); got != 0 {
			t.Errorf("window %s: %s", window, got)
		}
	}
}

func TestRunIsTheNominalTimeAndJitter(t *testing.T) {
	s := scheduleOf(t, "weekday-morning", "0 9 * * *", "UTC")
	s.Jitter = 5 * time.Minute
	for o := range s.Occurrences(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 1, 3, 0, 0, 0, 0, time.UTC)) {
		if o.Schedule != s.Name || o.Run.Sub(o.Nominal) != s.JitterOffset() || o.Nominal.Minute() != 0 {
			t.Errorf("got %+v", o)
		}
	}
}

func TestValidateNamesEverythingThatIsWrong(t *testing.T) {
	good := scheduleOf(t, "s", "0 9 * * *", "Asia/Singapore")
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	bad := *good
	bad.Zone, bad.Action, bad.Groups = time.UTC, "", []string{"a", "a", ""}
	bad.Exclude, bad.Include, bad.Only = []*calendar.Calendar{nil}, []*calendar.Calendar{nil}, []*calendar.Calendar{nil}
	bad.CatchUp, bad.Jitter, bad.Deadline, bad.Overlap = -1, -1, -1, "sometimes"
	err := bad.Validate()
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{`schedule "s"`, "zone UTC differs", "no action", `"a" is named twice`, "without a name", "exclude: nil", "include: nil", "only: nil", "catch_up", "jitter", "deadline", `overlap "sometimes"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("missing %q in\n%v", want, err)
		}
	}
	if err := (&Schedule{}).Validate(); err == nil || !strings.Contains(err.Error(), "no timetable") {
		t.Errorf("an empty schedule: %v", err)
	}
}

// BenchmarkOccurrences is `zecpower next` over a large configuration: the five next occurrences of
// 10,000 schedules with calendars.
func BenchmarkOccurrences(b *testing.B) {
	holidays := mustCalendar(b, "holidays", "2026-12-25", "*-01-01")
	workday := mustCalendar(b, "workday", "2026-12-26")
	zones := allZones(b)
	var schedules []*Schedule
	for i := range 10_000 {
		zone := zones[i%len(zones)]
		spec := fmt.Sprintf("%d %d * * MON-FRI", i%60, i/60%24)
		table, err := cron.Parse(spec, zone)
		if err != nil {
			b.Fatal(err)
		}
		schedules = append(schedules, &Schedule{Name: fmt.Sprint(i), Timetable: table, Zone: zone, Exclude: []*calendar.Calendar{holidays}, Include: []*calendar.Calendar{workday}, Jitter: time.Minute})
	}
	from := time.Date(2026, 12, 20, 0, 0, 0, 0, time.UTC)
	for b.Loop() {
		for _, s := range schedules {
			n := 0
			for range s.Occurrences(from, time.Time{}) {
				if n++; n == 5 {
					break
				}
			}
		}
	}
}
