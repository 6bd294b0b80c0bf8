package cron

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func mustZone(t testing.TB, name string) *time.Location {
	t.Helper()
	zone, err := LoadZone(name)
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

func mustParse(t testing.TB, spec, zone string) *Timetable {
	t.Helper()
	table, err := Parse(spec, mustZone(t, zone))
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// fromTo lists the nominal times in (from, to], as clock readings with offset.
func fromTo(t testing.TB, table *Timetable, from, to string) []string {
	t.Helper()
	begin, err := time.Parse(time.RFC3339, from)
	if err != nil {
		t.Fatal(err)
	}
	end, err := time.Parse(time.RFC3339, to)
	if err != nil {
		t.Fatal(err)
	}
	var times []string
	for at := table.Next(begin); !at.IsZero() && !at.After(end); at = table.Next(at) {
		times = append(times, at.Format("2006-01-02T15:04:05Z07:00"))
	}
	return times
}

func TestTransitionsThatRobfigGetsWrong(t *testing.T) {
	for _, c := range []struct {
		name, spec, zone, from, to string
		want                       []string
	}{
		{
			"a time inside the gap fires once, at the transition",
			"30 2 * * *", "America/New_York", "2026-03-07T12:00:00Z", "2026-03-09T12:00:00Z",
			[]string{"2026-03-08T03:00:00-04:00", "2026-03-09T02:30:00-04:00"},
		},
		{
			"several times inside the gap, and the one at its end, are one",
			"0,30 2,3 * * *", "America/New_York", "2026-03-08T05:00:00Z", "2026-03-08T12:00:00Z",
			[]string{"2026-03-08T03:00:00-04:00", "2026-03-08T03:30:00-04:00"},
		},
		{
			"a repeated time fires on its first pass only",
			"30 1 * * *", "America/New_York", "2026-10-31T12:00:00Z", "2026-11-02T12:00:00Z",
			[]string{"2026-11-01T01:30:00-04:00", "2026-11-02T01:30:00-05:00"},
		},
		{
			"also when asked in the middle of the second pass",
			"30 1 * * *", "America/New_York", "2026-11-01T06:10:00Z", "2026-11-02T12:00:00Z",
			[]string{"2026-11-02T01:30:00-05:00"},
		},
		{
			"an hourly wildcard keeps to every real hour over the gap",
			"0 * * * *", "America/New_York", "2026-03-08T05:30:00Z", "2026-03-08T08:30:00Z",
			[]string{"2026-03-08T01:00:00-05:00", "2026-03-08T03:00:00-04:00", "2026-03-08T04:00:00-04:00"},
		},
		{
			"and over the overlap",
			"0 * * * *", "America/New_York", "2026-11-01T04:30:00Z", "2026-11-01T07:30:00Z",
			[]string{"2026-11-01T01:00:00-04:00", "2026-11-01T01:00:00-05:00", "2026-11-01T02:00:00-05:00"},
		},
		{
			"a stepped star is a wildcard: readings left out are not made up for",
			"*/30 2 * * *", "America/New_York", "2026-03-08T00:00:00Z", "2026-03-09T06:00:00Z",
			[]string{"2026-03-09T02:00:00-04:00"},
		},
		{
			"and readings shown twice fire twice",
			"*/30 1 * * *", "America/New_York", "2026-11-01T00:00:00Z", "2026-11-01T12:00:00Z",
			[]string{"2026-11-01T01:00:00-04:00", "2026-11-01T01:30:00-04:00", "2026-11-01T01:00:00-05:00", "2026-11-01T01:30:00-05:00"},
		},
		{
			"Cairo, whose day begins with the gap, keeps its Friday morning",
			"0 9 * * 5", "Africa/Cairo", "2026-04-23T00:00:00Z", "2026-04-30T00:00:00Z",
			[]string{"2026-04-24T09:00:00+03:00"},
		},
		{
			"a midnight that Cairo skips fires at one",
			"0 0 * * *", "Africa/Cairo", "2026-04-23T12:00:00Z", "2026-04-24T22:00:00Z",
			[]string{"2026-04-24T01:00:00+03:00", "2026-04-25T00:00:00+03:00"},
		},
		{
			"Havana's Saturday does not spill into Sunday",
			"0 9 * * 6", "America/Havana", "2026-03-06T00:00:00Z", "2026-03-14T00:00:00Z",
			[]string{"2026-03-07T09:00:00-05:00"},
		},
		{
			"Lord Howe keeps both days of half an hour's change",
			"0 9 * * *", "Australia/Lord_Howe", "2026-04-03T22:00:00Z", "2026-04-05T22:45:00Z",
			[]string{"2026-04-05T09:00:00+10:30", "2026-04-06T09:00:00+10:30"},
		},
		{
			"Lord Howe in October",
			"0 9 * * *", "Australia/Lord_Howe", "2026-10-02T12:00:00Z", "2026-10-04T23:00:00Z",
			[]string{"2026-10-03T09:00:00+10:30", "2026-10-04T09:00:00+11:00", "2026-10-05T09:00:00+11:00"},
		},
		{
			"Lord Howe's repeated half hour",
			"45 1 * * *", "Australia/Lord_Howe", "2026-04-04T12:00:00Z", "2026-04-05T16:00:00Z",
			[]string{"2026-04-05T01:45:00+11:00", "2026-04-06T01:45:00+10:30"},
		},
		{
			"a day that Apia skipped is not made up for",
			"0 9 30 12 *", "Pacific/Apia", "2011-01-01T00:00:00Z", "2012-12-31T00:00:00Z",
			[]string{"2012-12-30T09:00:00+14:00"},
		},
		{
			"and a daily schedule goes on behind it",
			"0 9 * * *", "Pacific/Apia", "2011-12-29T12:00:00Z", "2012-01-01T00:00:00Z",
			[]string{"2011-12-29T09:00:00-10:00", "2011-12-31T09:00:00+14:00", "2012-01-01T09:00:00+14:00"},
		},
		{
			"Dublin's daylight saving in winter is like any other",
			"30 1 * * *", "Europe/Dublin", "2026-03-28T12:00:00Z", "2026-03-30T12:00:00Z",
			[]string{"2026-03-29T02:00:00+01:00", "2026-03-30T01:30:00+01:00"},
		},
		{
			"Nuuk's gap ends at midnight, on the next day",
			"30 23 * * 6", "America/Nuuk", "2026-03-27T12:00:00Z", "2026-04-05T12:00:00Z",
			[]string{"2026-03-29T00:00:00-01:00", "2026-04-04T23:30:00-01:00"},
		},
		{
			"a gap of exactly three hours is made up for",
			"30 1 4 10 *", "Antarctica/Casey", "2020-10-03T00:00:00Z", "2020-10-05T00:00:00Z",
			[]string{"2020-10-04T03:01:00+11:00"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := fromTo(t, mustParse(t, c.spec, c.zone), c.from, c.to)
			if strings.Join(got, " ") != strings.Join(c.want, " ") {
				t.Errorf("%q in %s\n got %s\nwant %s", c.spec, c.zone, got, c.want)
			}
		})
	}
}

func TestWeekdaySevenIsSunday(t *testing.T) {
	for spec, days := range map[string]string{
		"7": "Sun", "0": "Sun", "SUN": "Sun", "sun": "Sun", "0-7": "SunMonTueWedThuFriSat",
		"5-7": "SunFriSat", "FRI-SUN": "SunFriSat", "6,7": "SunSat", "1-7": "SunMonTueWedThuFriSat",
		"1-7/2": "SunMonWedFri", "7-7": "Sun", "SUN-TUE": "SunMonTue", "SAT-SUN": "SunSat",
		"4/2": "ThuSat", "7/1": "Sun", "0/3": "SunWedSat", "MON-SUN/3": "SunMonThu", "SUN-SUN": "Sun",
	} {
		table := mustParse(t, "0 12 * * "+spec, "UTC")
		got := ""
		at := time.Date(2026, 11, 21, 23, 0, 0, 0, time.UTC) // a Saturday
		for at = table.Next(at); at.Before(time.Date(2026, 11, 29, 0, 0, 0, 0, time.UTC)); at = table.Next(at) {
			got += at.Format("Mon")
		}
		if got != days {
			t.Errorf("weekday %s fires on %s, want %s", spec, got, days)
		}
	}
}

func TestDayFieldsMustBothMatchWhereOneBeginsWithAStar(t *testing.T) {
	for spec, want := range map[string]string{
		"0 9 */2 * MON":     "12-07 12-21",                               // odd days that are Mondays
		"0 9 1-7 * */7":     "12-06",                                     // the first Sunday
		"0 9 ? * MON":       "12-07 12-14 12-21 12-28",                   //
		"0 9 1,15 * SUN":    "12-01 12-06 12-13 12-15 12-20 12-27",       // one of both is enough
		"0 9 31,*/31 * WED": "12-01 12-02 12-09 12-16 12-23 12-30 12-31", // the star must come first
	} {
		got := ""
		table := mustParse(t, spec, "UTC")
		for at := table.Next(time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)); at.Year() == 2026; at = table.Next(at) {
			got += at.Format(" 01-02")
		}
		if got != " "+want {
			t.Errorf("%s fires on%s, want %s", spec, got, want)
		}
	}
}

func TestRefusedSpecsSayWhatToWrite(t *testing.T) {
	for _, c := range []struct{ spec, problem, hint string }{
		{"", "empty", "minute hour"},
		{"   ", "empty", "minute hour"},
		{"TZ=UTC 0 9 * * *", "time zone inside", "timezone"},
		{"CRON_TZ=Asia/Tokyo 0 9 * * *", "time zone inside", "timezone"},
		{"TZ=UTC", "time zone inside", "timezone"},
		{"CRON_TZ=", "time zone inside", "timezone"},
		{"cron_tz=UTC 0 9 * * *", "time zone inside", "timezone"},
		{"0 0 9 * * *", "six fields", "no field for seconds or years: leave it out, and use @every"},
		{"0 9 * *", "4 fields", "write five"},
		{"1 2 3 4 5 6 7", "7 fields", "write five"},
		{"@reboot", "restart", "zecpower start"},
		{"@dialy", "no such descriptor", "@daily"},
		{"@", "no such descriptor", "@daily"},
		{"@every", "no duration", "@every 90s"},
		{"@everyday", "no duration", "@every 90s"},
		{"@every soon", "no duration", "@every 90s"},
		{"@every 90", "no duration", "units"},
		{"@every -5m", "negative", "minus"},
		{"@every 0s", "once a second", "@every 1s"},
		{"@every 999ms", "once a second", "@every 1s"},
		{"@every 1.4s", "whole seconds", "@every 1s"},
		{"@every 50000h", "5 years", "shorter"},
		{"0 0 30 2 *", "never fires within 5 years", "day of month"},
		{"0 0 31 4,6,9,11 *", "never fires within 5 years", "day of month"},
		{", * * * *", "empty place", "comma"},
		{"0,,30 * * * *", "empty place", "comma"},
		{"0, 9 * * *", "empty place", "comma"},
		{"*/100 * * * *", "whole range", "@every"},
		{"0 */25 * * *", "whole range", "@every"},
		{"0 0 */32 * *", "whole range", "31"},
		{"0 0 * */13 *", "whole range", "12"},
		{"0 0 * * */8", "whole range", "7"},
		{"0 0 * * 1-5/8", "whole range", "7"},
		{"*/0 * * * *", "no positive number", "*/15"},
		{"*/-5 * * * *", "no positive number", "*/15"},
		{"*/ * * * *", "no positive number", "*/15"},
		{"*/5/5 * * * *", "no positive number", "*/15"},
		{"*/99999999999999999999 * * * *", "no positive number", "*/15"},
		{"60 * * * *", "out of range", "0 to 59"},
		{"0 24 * * *", "out of range", "0 to 23"},
		{"0 0 0 * *", "out of range", "1 to 31"},
		{"0 0 * 13 *", "out of range", "JAN to DEC"},
		{"0 0 * 0 *", "out of range", "1 to 12"},
		{"0 0 * * 8", "out of range", "0 to 7 or SUN to SAT"},
		{"+5 * * * *", "no number", "0 to 59"},
		{"-5 * * * *", "no number", "0 to 59"},
		{"5- * * * *", "no number", "0 to 59"},
		{"1-2-3 * * * *", "no number", "0 to 59"},
		{"*-5 * * * *", "no number", "0 to 59"},
		{"** * * * *", "no number", "0 to 59"},
		{"0 0 L * *", "another cron dialect", `rrule: ["FREQ=MONTHLY;BYMONTHDAY=-1"], named in the schedule's only`},
		{"0 0 L-3 * *", "another cron dialect", "only: [NAME]"},
		{"0 0 LW * *", "another cron dialect", "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1"},
		{"0 0 1W * *", "another cron dialect", "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=1"},
		{"0 0 15w * *", "another cron dialect", "list the dates in a calendar"},
		{"0 0 * * MON#2", "another cron dialect", "FREQ=MONTHLY;BYDAY=2MO"},
		{"0 0 * * 3#1", "another cron dialect", "FREQ=MONTHLY;BYDAY=1WE"},
		{"0 0 * * FRIL", "another cron dialect", "FREQ=MONTHLY;BYDAY=-1FR"},
		{"0 0 * * 7L", "another cron dialect", "FREQ=MONTHLY;BYDAY=-1SU"},
		{"H 7 * * *", "another cron dialect", "jitter: 30m"},
		{"H/15 * * * *", "another cron dialect", "jitter: 30m"},
		{"0 H(0-7) * * *", "another cron dialect", "jitter: 30m"},
		{"0 0 30 2 */2", "never fires within 5 years", "must both match"},
		{"0 0 * * MONDAY", "no number or name", "SUN to SAT"},
		{"0 0 * FRI *", "no number or name", "JAN to DEC"},
		{"0 0 * * UNM", "no number or name", "SUN to SAT"},
		{"30-10 * * * *", "backwards", "30-59,0-10"},
		{"0 22-6 * * *", "backwards", "22-23,0-6"},
		{"0 0 * * 5-0", "backwards", "5-7"},
		{"0 0 * * 7-2", "backwards", "0-2"},
		{"0 0 * * SAT-MON", "backwards", "6-7,0-1"},
		{"0 9 * * *\x00", "no number", "SUN"},
		{strings.Repeat("1,", 600) + "1 * * * *", "longer than", "ranges"},
	} {
		_, err := Parse(c.spec, time.UTC)
		var refusal *SpecError
		if !errors.As(err, &refusal) {
			t.Errorf("%q: got %v, want a SpecError", c.spec, err)
			continue
		}
		if !strings.Contains(refusal.Problem, c.problem) || !strings.Contains(refusal.Hint, c.hint) {
			t.Errorf("%q: got %v\nwant %q and %q", c.spec, err, c.problem, c.hint)
		}
	}
}

func TestZoneOfTheHostIsRefused(t *testing.T) {
	if _, err := Parse("0 9 * * *", time.Local); err == nil || !strings.Contains(err.Error(), "depends on the host") {
		t.Errorf("got %v", err)
	}
}

func TestAcceptedSpecs(t *testing.T) {
	for _, spec := range []string{
		"45 7 * * MON-FRI", "0 9 * jan,Jul *", "? ? ? ? ?", "*/60 * * * *", "0 */24 * * *", "0 0 29 2 *",
		"  0\t9 * * *  ", "0 0 31 * *", "@daily", "@Daily", "@midnight", "@yearly", "@annually", "@monthly", "@weekly", "@hourly",
		"@every 1s", "@every 1h30m", "@EVERY 90s", "@every\t5m", "0 0 30 2 1", "5/15 * * * *",
	} {
		if _, err := Parse(spec, nil); err != nil {
			t.Error(err)
		}
	}
}

func TestWarningsNameWhatReadsWrong(t *testing.T) {
	for spec, want := range map[string]string{
		"0 0 1 * MON":       "match either",
		"0 0 */2 * MON":     "",
		"0 0 1 * */2":       "",
		"0 0 1,*/2 * MON":   "match either",
		"0 0 1-31 * MON":    "match either",
		"*/60 * * * *":      "means 0 alone",
		"10-20/15 * * * *":  "means 10 alone",
		"50/20 * * * *":     "means 50 alone",
		"45 7 * * MON-FRI":  "",
		"*/15 8-18/2 * * *": "",
		"0 0 1,15 * *":      "",
		"0 0 * * 1-7/2":     "",
	} {
		got := strings.Join(mustParse(t, spec, "UTC").Warnings(), "\n")
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%q warns %q, want %q", spec, got, want)
		}
	}
}

func TestDescriptorsMeanTheirFields(t *testing.T) {
	from := time.Date(2026, 11, 22, 10, 20, 30, 0, time.UTC)
	for spec, want := range map[string]string{
		"@hourly": "2026-11-22T11:00:00Z", "@daily": "2026-11-23T00:00:00Z", "@weekly": "2026-11-29T00:00:00Z",
		"@monthly": "2026-12-01T00:00:00Z", "@yearly": "2027-01-01T00:00:00Z",
	} {
		if got := mustParse(t, spec, "UTC").Next(from).Format(time.RFC3339); got != want {
			t.Errorf("%s: %s, want %s", spec, got, want)
		}
	}
}

func TestEveryCountsFromTheEpoch(t *testing.T) {
	table := mustParse(t, "@every 7m", "America/New_York")
	for _, from := range []time.Time{time.Unix(0, 0), time.Unix(419, 999), time.Unix(420, 0), time.Unix(-1, 0), time.Unix(-420, 0), time.Unix(-421, 0), time.Unix(1795000000, 5)} {
		at := table.Next(from)
		if at.Unix()%420 != 0 || !at.After(from) || at.Sub(from) > 7*time.Minute {
			t.Errorf("after %s comes %s", from.UTC(), at.UTC())
		}
	}
}

func TestNextEndsItsSearch(t *testing.T) {
	leap := mustParse(t, "0 0 29 2 *", "Europe/Berlin")
	if at := leap.Next(time.Date(2096, 3, 1, 0, 0, 0, 0, time.UTC)); !at.IsZero() {
		t.Errorf("2096 to 2104 is more than 5 years, got %s", at)
	}
	if at := leap.Next(time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)); at.Year() != 2104 {
		t.Errorf("got %s", at)
	}
	daily := mustParse(t, "0 9 * * *", "Europe/Berlin")
	if at := daily.Next(time.Date(9998, 12, 31, 12, 0, 0, 0, time.UTC)); !at.IsZero() {
		t.Errorf("%s is beyond what can be written", at)
	}
	for _, after := range []time.Time{{}, time.Unix(-1<<62, 0), time.Unix(1<<40, 0), time.Unix(1<<62, 0), time.Date(9999, 12, 31, 23, 0, 0, 0, time.UTC)} {
		if at := daily.Next(after); !at.IsZero() && !at.After(after) {
			t.Errorf("after %s comes %s", after, at)
		}
	}
}

func FuzzParseTimetable(f *testing.F) {
	for _, spec := range []string{"45 7 * * MON-FRI", "*/7 */3 1,31 * FRI-SUN", "@every 90s", "TZ=", "CRON_TZ=UTC", "@daily", "0 0 29 2 *", "30 2 8 3 ?", "5/15 1-7/2 * */2 5-7"} {
		f.Add(spec, uint16(0), int64(1772900000))
		f.Add(spec, uint16(300), int64(1793500000))
	}
	zones := allZones(f)
	f.Fuzz(func(t *testing.T, spec string, zone uint16, unix int64) {
		table, err := Parse(spec, zones[int(zone)%len(zones)])
		if err != nil {
			var refusal *SpecError
			if !errors.As(err, &refusal) || refusal.Problem == "" || refusal.Hint == "" || table != nil {
				t.Fatalf("refused without a reason or a hint: %v", err)
			}
			return
		}
		at := time.Unix(unix%(1<<38), 0)
		for range 5 {
			next := table.Next(at)
			if next.IsZero() {
				return
			}
			if !next.After(at) {
				t.Fatalf("%q: after %s comes %s", spec, at, next)
			}
			// Before 1973 some clocks stood apart from UTC by odd seconds.
			if table.every == 0 && next.Unix() > 3*366*24*3600 && next.Unix()%60 != 0 {
				t.Fatalf("%q: %s is no whole minute", spec, next)
			}
			at = next
		}
	})
}

func BenchmarkNext(b *testing.B) {
	for _, c := range []struct{ name, spec string }{
		{"weekdays", "45 7 * * MON-FRI"},
		{"every5minutes", "*/5 * * * *"},
		{"monthly", "0 0 1 * *"},
		{"leapday", "59 23 29 2 *"},
		{"every", "@every 90s"},
	} {
		b.Run(c.name, func(b *testing.B) {
			table := mustParse(b, c.spec, "America/New_York")
			at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
			b.ReportAllocs()
			for b.Loop() {
				if at = table.Next(at); at.Year() > 2040 {
					at = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
				}
			}
		})
	}
}
