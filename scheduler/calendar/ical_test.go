package calendar

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// vevents wraps the lines of events in a calendar; events are apart by "--".
func vevents(lines ...string) []byte {
	var b strings.Builder
	b.WriteString("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\n")
	b.WriteString("BEGIN:VEVENT\r\n")
	for _, l := range lines {
		if l == "--" {
			l = "END:VEVENT\r\nBEGIN:VEVENT"
		}
		b.WriteString(l + "\r\n")
	}
	b.WriteString("END:VEVENT\r\nEND:VCALENDAR\r\n")
	return []byte(b.String())
}

// present is the day on which the tests read their files.
var present = time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)

func readTestICS(data []byte) (icsDates, error) {
	return readICS(File{Name: "holidays.ics", Data: data}, present.AddDate(5, 0, 0))
}

func icsCalendar(data []byte) (*Calendar, error) {
	return New(Source{Name: "c", Files: []File{{Name: "holidays.ics", Data: data}}, Now: present})
}

func TestEventsCountOnTheDatesTheyTouch(t *testing.T) {
	for _, c := range []struct {
		name  string
		lines []string
		want  string // within 2026-12 and 2027-01
	}{
		{"one whole day", []string{"DTSTART;VALUE=DATE:20261225", "DTEND;VALUE=DATE:20261226"}, "2026-12-25"},
		{"a whole day without an end", []string{"DTSTART;VALUE=DATE:20261225"}, "2026-12-25"},
		{"a whole day that ends where it begins", []string{"DTSTART;VALUE=DATE:20261225", "DTEND;VALUE=DATE:20261225"}, "2026-12-25"},
		{"whole days by duration", []string{"DTSTART;VALUE=DATE:20261225", "DURATION:P2D"}, "2026-12-25 2026-12-26"},
		{"a date without its VALUE", []string{"DTSTART:20261225", "DURATION:P1W"}, "2026-12-25 2026-12-26 2026-12-27 2026-12-28 2026-12-29 2026-12-30 2026-12-31"},
		{"a timed event", []string{"DTSTART:20261225T090000", "DTEND:20261225T170000"}, "2026-12-25"},
		{"a timed event over midnight", []string{"DTSTART;TZID=Asia/Singapore:20261225T220000", "DURATION:PT4H"}, "2026-12-25 2026-12-26"},
		{"a timed event up to midnight", []string{"DTSTART:20261225T220000", "DURATION:PT2H"}, "2026-12-25"},
		{"a moment", []string{"DTSTART:20261225T000000"}, "2026-12-25"},
		{"a mixed duration", []string{"DTSTART:20261225T120000", "DURATION:P1DT12H0M1S"}, "2026-12-25 2026-12-26 2026-12-27"},
		{"UTC for an event in a zone", []string{"DTSTART;TZID=Asia/Singapore:20261225T010000", "DTEND:20261224T180000Z"}, "2026-12-25"},
		{"UTC without any zone", []string{"DTSTART:20261224T230000Z", "DURATION:PT30M"}, "2026-12-24"},
		{"a Windows name", []string{"DTSTART;TZID=\"Singapore Standard Time\":20261225T230000", "DTEND;TZID=\"Singapore Standard Time\":20261226T003000"}, "2026-12-25 2026-12-26"},
		{"an end in another zone", []string{"DTSTART;TZID=Asia/Singapore:20261225T100000", "DTEND;TZID=Europe/London:20261225T150000"}, "2026-12-25"},
		{"an end in another zone that shows an earlier hour", []string{"DTSTART;TZID=Asia/Singapore:20261225T220000", "DTEND;TZID=Europe/London:20261225T180000"}, "2026-12-25 2026-12-26"},
		{"an end in a zone beside a Windows name", []string{"DTSTART;TZID=\"Singapore Standard Time\":20261225T220000", "DTEND;TZID=Europe/London:20261225T230000"}, "2026-12-25 2026-12-26"},
		{"an end in a zone beside one that nothing explains", []string{"DTSTART;TZID=\"Our Time\":20261225T220000", "DTEND;TZID=Europe/London:20261225T230000"}, "2026-12-25"},
		{"cancelled", []string{"DTSTART:20261225", "STATUS:CANCELLED"}, ""},
		{"free time counts: public holidays are exported so", []string{"DTSTART:20261225", "TRANSP:TRANSPARENT"}, "2026-12-25"},
		{"folded lines and lower case", []string{"dtstart;val", " ue=date:2026", "\t1225", "description:long", " er: text; DTSTART"}, "2026-12-25"},
		{"an alarm inside", []string{"DTSTART:20261225", "BEGIN:VALARM", "TRIGGER:-PT15M", "DURATION:P5D", "END:VALARM"}, "2026-12-25"},
		{"yearly from long ago", []string{"DTSTART;VALUE=DATE:19001225", "RRULE:FREQ=YEARLY"}, "2026-12-25"},
		{"the last Friday of each month", []string{"DTSTART:20260130", "RRULE:FREQ=MONTHLY;BYDAY=-1FR"}, "2026-12-25 2027-01-29"},
		{"weekly until a date, included", []string{"DTSTART:20261204T090000", "RRULE:FREQ=WEEKLY;UNTIL=20261218"}, "2026-12-04 2026-12-11 2026-12-18"},
		{"weekly until a time in UTC", []string{"DTSTART;TZID=Asia/Singapore:20261204T010000", "RRULE:FREQ=WEEKLY;UNTIL=20261217T170000Z"}, "2026-12-04 2026-12-11 2026-12-18"},
		{"counted", []string{"DTSTART:20261230", "RRULE:FREQ=DAILY;COUNT=3;"}, "2026-12-30 2026-12-31 2027-01-01"},
		{"without exceptions", []string{"DTSTART:20261204", "RRULE:FREQ=WEEKLY;COUNT=4", "EXDATE;VALUE=DATE:20261211,20261218"}, "2026-12-04 2026-12-25"},
		{"an exception by time", []string{"DTSTART:20261204T090000", "RRULE:FREQ=WEEKLY;COUNT=3", "EXDATE:20261211T090000", "EXDATE:20261218T100000"}, "2026-12-04 2026-12-18"},
		{"an exception in UTC", []string{"DTSTART;TZID=Asia/Singapore:20261204T010000", "RRULE:FREQ=WEEKLY;COUNT=2", "EXDATE:20261203T170000Z"}, "2026-12-11"},
		{"an exception in another zone", []string{"DTSTART;TZID=Asia/Singapore:20261204T010000", "RRULE:FREQ=WEEKLY;COUNT=2", "EXDATE;TZID=Europe/London:20261203T170000"}, "2026-12-11"},
		{"an exception by time for whole days", []string{"DTSTART;VALUE=DATE:20261204", "RRULE:FREQ=WEEKLY;COUNT=2", "EXDATE:20261204T000000"}, "2026-12-11"},
		{"further dates", []string{"DTSTART:20261204", "RDATE:20261207,20261209"}, "2026-12-04 2026-12-07 2026-12-09"},
		{"further periods", []string{"DTSTART:20261204T090000", "RDATE;VALUE=PERIOD:20261207T220000/PT4H,20261210T090000/20261210T100000"}, "2026-12-04 2026-12-07 2026-12-08 2026-12-10"},
		{"a series whose first day was deleted", []string{"DTSTART:20261204", "RRULE:FREQ=WEEKLY;UNTIL=20261201"}, ""},
		{
			"one occurrence moved, another cancelled",
			[]string{
				"UID:1", "DTSTART:20261204", "RRULE:FREQ=WEEKLY;COUNT=4", "--",
				"UID:1", "RECURRENCE-ID:20261211", "DTSTART:20261212", "--",
				"UID:1", "RECURRENCE-ID:20261218", "DTSTART:20261218", "STATUS:CANCELLED", "--",
				"UID:2", "DTSTART:20261231",
			},
			"2026-12-04 2026-12-12 2026-12-25 2026-12-31",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			calendar, err := icsCalendar(vevents(c.lines...))
			if err != nil {
				t.Fatal(err)
			}
			if got := datesOf(t, calendar, "2026-12-01", "2027-01-31"); got != c.want {
				t.Errorf("got %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestTimesInUTCAreReadInTheCalendarsZone(t *testing.T) {
	data := strings.Replace(string(vevents("DTSTART:20261224T230000Z", "DURATION:PT8H")), "VERSION:2.0", "X-WR-TIMEZONE:Asia/Singapore", 1)
	calendar, err := icsCalendar([]byte(data))
	if err != nil {
		t.Fatal(err)
	}
	if got := datesOf(t, calendar, "2026-12-01", "2027-01-31"); got != "2026-12-25" {
		t.Errorf("07:00 to 15:00 in Singapore is on %s", got)
	}
}

func TestICSEnd(t *testing.T) {
	for _, c := range []struct {
		rule string
		want string // "" for never
	}{
		{"RRULE:FREQ=YEARLY", ""}, {"RRULE:FREQ=YEARLY;COUNT=3", "2028-12-25"}, {"RRULE:FREQ=YEARLY;UNTIL=20271231", "2027-12-25"}, {"RRULE:FREQ=YEARLY;UNTIL=99991231", ""}, {"RRULE:FREQ=YEARLY;COUNT=300", ""}, {"RRULE:FREQ=YEARLY;UNTIL=20311122", "2030-12-25"}, {"SUMMARY:x", "2026-12-25"},
	} {
		calendar, err := icsCalendar(vevents("DTSTART:20261225", c.rule))
		if err != nil {
			t.Fatal(err)
		}
		end, ends := calendar.End()
		if ends != (c.want != "") || ends && end != date(t, c.want) {
			t.Errorf("%s: %s, %v", c.rule, end, ends)
		}
	}
	calendar, err := icsCalendar([]byte("BEGIN:VCALENDAR\nEND:VCALENDAR\n"))
	if err != nil {
		t.Fatal(err)
	}
	if end, ends := calendar.End(); !ends || !end.IsZero() {
		t.Errorf("no events: %s, %v", end, ends)
	}
}

func TestBadFilesAreRefusedAtTheirLine(t *testing.T) {
	event := func(lines ...string) string { return string(vevents(lines...)) } // the first line is 5
	for _, c := range []struct{ name, data, want string }{
		{"empty", "", "holidays.ics:1: no BEGIN:VCALENDAR"},
		{"a login page", "<!DOCTYPE html>\n<html>", "holidays.ics:1: "},
		{"another format", "KEY:value\n", "holidays.ics:1: KEY stands outside"},
		{"a lone event", "BEGIN:VEVENT\nEND:VEVENT\n", "holidays.ics:1: BEGIN:VEVENT where"},
		{"cut off", "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20261225\n", "holidays.ics:3: the file ends inside the VEVENT that begins at line 2"},
		{"crossed", "BEGIN:VCALENDAR\nBEGIN:VEVENT\nEND:VCALENDAR\n", "holidays.ics:3: END:VCALENDAR does not match"},
		{"ended twice", "BEGIN:VCALENDAR\nEND:VCALENDAR\nEND:VCALENDAR\n", "holidays.ics:3: END:VCALENDAR without"},
		{"a merge conflict", event("DTSTART:20261225", "<<<<<<< HEAD"), "holidays.ics:6: "},
		{"no start", event("UID:1"), "holidays.ics:4: an event without DTSTART"},
		{"no value", event("DTSTART"), "holidays.ics:5: "},
		{"an impossible date", event("DTSTART:20260230"), `holidays.ics:5: DTSTART: "20260230" is no date`},
		{"a foreign date", event("DTSTART:2026-12-25"), "holidays.ics:5: DTSTART"},
		{"end and duration", event("DTSTART:20261225", "DTEND:20261226", "DURATION:P1D"), "holidays.ics:7: an event with both"},
		{"two starts", event("DTSTART:20261225", "DTSTART:20261226"), "holidays.ics:6: a second DTSTART"},
		{"a strange duration", event("DTSTART:20261225", "DURATION:1 day"), "holidays.ics:6: DURATION"},
		{"a negative duration", event("DTSTART:20261225", "DURATION:-P1D"), "holidays.ics:6: DURATION"},
		{"an endless duration", event("DTSTART:20261225", "DURATION:P999999D"), "holidays.ics:6: DURATION P999999D: more than 100 years"},
		{"an enormous duration", event("DTSTART:20261225", "DURATION:P99999999999999D"), "holidays.ics:6: DURATION"},
		{"a century between its ends", event("DTSTART:20261225", "DTEND:99991231"), "holidays.ics:6: DTEND 99991231: more than 100 years"},
		{"an unknown frequency", event("DTSTART:20261225", "RRULE:FREQ=SOMETIMES"), "holidays.ics:6: RRULE"},
		{"no frequency", event("DTSTART:20261225", "RRULE:COUNT=3"), "holidays.ics:6: RRULE"},
		{"every second", event("DTSTART:20261225T000000", "RRULE:FREQ=SECONDLY"), "holidays.ics:6: RRULE \"FREQ=SECONDLY\": recurs more often than daily"},
		{"every minute of each day", event("DTSTART:20261225T000000", "RRULE:FREQ=DAILY;BYMINUTE=1,2,3"), "more than once a day"},
		{"interval zero", event("DTSTART:20261225", "RRULE:FREQ=DAILY;INTERVAL=0"), "INTERVAL is not between"},
		{"interval huge", event("DTSTART:20261225", "RRULE:FREQ=DAILY;INTERVAL=9223372036854775807"), "INTERVAL is not between"},
		{"count zero", event("DTSTART:20261225", "RRULE:FREQ=DAILY;COUNT=0"), "COUNT is not positive"},
		{"never", event("DTSTART:20261225", "RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"), "names no date at all"},
		{"never, day by day", event("DTSTART:20261225", "RRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30"), "names no date at all"},
		{"the 53rd Monday of May", event("DTSTART:20261225", "RRULE:FREQ=YEARLY;BYMONTH=5;BYDAY=53MO"), "no period has 53"},
		{"a date with a zone", event("DTSTART:20261225", "RRULE:FREQ=YEARLY;UNTIL=tomorrow"), "holidays.ics:6: "},
		{"exception rules", event("DTSTART:20261225", "EXRULE:FREQ=YEARLY"), "holidays.ics:6: EXRULE is not supported"},
		{"this and all later", event("UID:1", "DTSTART:20261225", "RECURRENCE-ID;RANGE=THISANDFUTURE:20261225"), "holidays.ics:7: RECURRENCE-ID with RANGE"},
		{"before all calendars", event("DTSTART:00010101", "RRULE:FREQ=DAILY"), "holidays.ics:5: DTSTART: 00010101 lies before 1600"},
		{"too deep", strings.Repeat("BEGIN:VCALENDAR\n", 20), "holidays.ics:9: nested"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := icsCalendar([]byte(c.data))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestASeriesBeyondTheHorizonHasItsFirstDay(t *testing.T) {
	c, err := icsCalendar(vevents("DTSTART:21010101", "RRULE:FREQ=DAILY"))
	if err != nil {
		t.Fatal(err)
	}
	if _, ends := c.End(); ends || !c.Contains(date(t, "2101-01-01")) || c.Contains(date(t, "2101-01-02")) {
		t.Errorf("ends: %v", ends)
	}
}

func TestHugeFilesAreRefused(t *testing.T) {
	if _, err := readTestICS(make([]byte, maxICSBytes+1)); err == nil {
		t.Error("a file over the limit is read")
	}
	many := strings.Repeat("BEGIN:VEVENT\nDTSTART:20261225\nEND:VEVENT\n", maxICSEvents+1)
	if _, err := readTestICS([]byte("BEGIN:VCALENDAR\n" + many + "END:VCALENDAR\n")); err == nil || !strings.Contains(err.Error(), "events") {
		t.Errorf("%d events: %v", maxICSEvents+1, err)
	}
	ever := strings.Repeat("BEGIN:VEVENT\nDTSTART:19700101\nRRULE:FREQ=DAILY\nEND:VEVENT\n", 10)
	if _, err := readTestICS([]byte("BEGIN:VCALENDAR\n" + ever + "END:VCALENDAR\n")); err == nil || !strings.Contains(err.Error(), "UNTIL") {
		t.Errorf("ten endless daily rules: %v", err)
	}
}

// The libraries' time grows with the square of a line and with every date that a rule does not
// name: unbounded, these would take minutes to hours.
func TestHostileFilesTakeSeconds(t *testing.T) {
	began := time.Now()
	rare := strings.Repeat("BEGIN:VEVENT\nDTSTART:16000229\nRRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=29;BYDAY=TU\nEND:VEVENT\n", 30)
	rules := strings.Repeat("BEGIN:VEVENT\nDTSTART:20261225\nRRULE:FREQ=DAILY;COUNT=1\nEND:VEVENT\n", maxICSRules+1)
	masters := strings.Repeat("BEGIN:VEVENT\nUID:1\nDTSTART:20261225\nEND:VEVENT\n", 5_000)
	overrides := strings.Repeat("BEGIN:VEVENT\nUID:1\nRECURRENCE-ID:20261225\nDTSTART:20261225\nEND:VEVENT\n", 5_000)
	zones := strings.Repeat("BEGIN:VEVENT\nDTSTART;TZID=\"Singapore Standard Time\":20261225T090000\nEND:VEVENT\n", maxICSEvents)
	names, plants := strings.Builder{}, strings.Builder{}
	for i := range 20_000 {
		fmt.Fprintf(&names, "BEGIN:VEVENT\nDTSTART;TZID=Zone %d:20261225T090000\nEND:VEVENT\n", i)
	}
	observances := strings.Repeat("BEGIN:STANDARD\nDTSTART:16010101T000000\nRRULE:FREQ=YEARLY;BYMONTH=2;BYDAY=-1SU\nTZOFFSETFROM:+0800\nTZOFFSETTO:+0900\nEND:STANDARD\n", 50)
	for i := range 100 {
		fmt.Fprintf(&plants, "BEGIN:VTIMEZONE\nTZID:Plant %d\n%sEND:VTIMEZONE\nBEGIN:VEVENT\nDTSTART;TZID=Plant %d:20261225T090000\nEND:VEVENT\n", i, observances, i)
	}
	valid := map[string]bool{"rare rules": true, "many unknown zones": true, "many zones of the file's own": true, "a folded desert": true, "many events in a zone of the file's own": true}
	for name, body := range map[string]string{
		"rare rules":     rare,
		"many rules":     rules,
		"many overrides": masters + overrides,
		"many events in a zone of the file's own": zones,
		"many unknown zones":                      names.String(),
		"many zones of the file's own":            plants.String(),
		"many parameters":                         "X:1\nUID" + strings.Repeat(";A=B", 1<<19) + ":1\n",
		"many values":                             "X:1\nUID;A=\":\"" + strings.Repeat(",B", 1<<19) + ":1\n",
		"a folded desert":                         "X:1\n" + strings.Repeat(" x\n", 1<<20) + "DTSTART:1\n",
		"an unclosed quote":                       "UID;A=\"" + strings.Repeat("x", 1<<22) + "\n",
	} {
		if _, err := readTestICS([]byte("BEGIN:VCALENDAR\n" + body + "END:VCALENDAR\n")); (err == nil) != valid[name] {
			t.Errorf("%s: %v", name, err)
		}
		if took := time.Since(began); took > 60*time.Second {
			t.Fatalf("%s: %s so far", name, took)
		}
	}
}

func FuzzReadICS(f *testing.F) {
	for _, lines := range [][]string{
		{"DTSTART;VALUE=DATE:20261225", "DTEND;VALUE=DATE:20261226"},
		{"DTSTART;TZID=Asia/Singapore:20261225T220000", "DURATION:P1DT4H30M", "RRULE:FREQ=MONTHLY;BYDAY=-1FR;COUNT=9;WKST=SU"},
		{"DTSTART:20260101", "RRULE:FREQ=YEARLY;BYWEEKNO=1,53,-1;BYDAY=MO,SU;BYSETPOS=1,-1;UNTIL=20300101T000000Z"},
		{"DTSTART:20260101", "RRULE:FREQ=YEARLY;BYYEARDAY=1,-1,366;INTERVAL=3", "EXDATE:20270101,20280101T000000Z"},
		{"DTSTART:20260101", "RRULE:FREQ=WEEKLY;BYDAY=MO,FR;BYHOUR=9", "RDATE;VALUE=PERIOD:20261207T220000/PT4H"},
		{"UID:1", "DTSTART:20261204", "RRULE:FREQ=DAILY;BYMONTH=2,3;BYMONTHDAY=-1", "--", "UID:1", "RECURRENCE-ID:20261211", "DTSTART:20261212", "STATUS:CANCELLED"},
	} {
		f.Add(vevents(lines...))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		began := time.Now()
		dates, err := readTestICS(data)
		if took := time.Since(began); took > 20*time.Second {
			t.Fatalf("took %s", took)
		}
		if err != nil {
			var line int
			if _, scan := fmt.Sscanf(err.Error(), "%d:", &line); scan != nil || line < 1 {
				t.Fatalf("no line in %v", err)
			}
			return
		}
		for _, s := range slices.Concat(dates.fixed.spans, dates.own.spans) {
			if s.to < s.from {
				t.Fatalf("span runs backwards: %s..%s", s.from.date(), s.to.date())
			}
		}
	})
}

func BenchmarkReadICS(b *testing.B) {
	var lines []string
	for i := range 200 {
		lines = append(lines, fmt.Sprintf("UID:%d", i), fmt.Sprintf("DTSTART;VALUE=DATE:2020%02d%02d", 1+i%12, 1+i%28), "SUMMARY:A public holiday", "RRULE:FREQ=YEARLY", "--")
	}
	data := vevents(append(lines, "DTSTART:20261225")...)
	for b.Loop() {
		if _, err := readTestICS(data); err != nil {
			b.Fatal(err)
		}
	}
}
