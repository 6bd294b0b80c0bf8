package calendar

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestWhatProgramsWriteWronglyIsReadWithAWarning(t *testing.T) {
	for _, c := range []struct {
		name  string
		lines []string // the first is line 5
		want  string   // within 2026-12 and 2027-01
		warn  string
	}{
		{"an empty RRULE", []string{"DTSTART:20261225", "RRULE:"}, "2026-12-25", "holidays.ics:6: an empty RRULE; the event takes place once"},
		{"an empty RDATE", []string{"DTSTART:20261225", "RDATE:"}, "2026-12-25", "holidays.ics:6: an empty RDATE"},
		{"an empty EXDATE", []string{"DTSTART:20261225", "EXDATE;VALUE=DATE:"}, "2026-12-25", "holidays.ics:6: an empty EXDATE"},
		{"a comma at the end of a list", []string{"DTSTART:20261225", "RDATE:20261228,"}, "2026-12-25 2026-12-28", "holidays.ics:6: an empty place in the list of RDATE"},
		{"spaces in a rule", []string{"DTSTART:20261221", "RRULE: FREQ=WEEKLY; COUNT=3; BYDAY=MO, TU , WE"}, "2026-12-21..2026-12-23", "holidays.ics:6: RRULE"},
		{"a negative COUNT beside UNTIL", []string{"DTSTART:20261221", "RRULE:FREQ=WEEKLY;COUNT=-1;UNTIL=20261228"}, "2026-12-21 2026-12-28", "UNTIL alone counts"},
		{"a line break in a text", []string{"DESCRIPTION:Closed", "all day, see", "https intranet", "", "DTSTART:20261225"}, "2026-12-25", "holidays.ics:6: a line break inside DESCRIPTION"},
		{"a line break in a text of the program's own", []string{"X-NOTE:Closed", "all day", "DTSTART:20261225"}, "2026-12-25", "holidays.ics:6: a line break inside X-NOTE"},
		{"an end before the start", []string{"DTSTART:20261225", "DTEND:20261224"}, "2026-12-25", "holidays.ics:6: DTEND 20261224 lies before DTSTART 20261225; the event counts on the day of its start"},
		{"a start that the rule does not name", []string{"DTSTART:20261225", "RRULE:FREQ=WEEKLY;COUNT=3;BYDAY=MO"}, "2026-12-25 2026-12-28 2027-01-04", "holidays.ics:6: RRULE \"FREQ=WEEKLY;COUNT=3;BYDAY=MO\" does not name the day of DTSTART; that day counts, too"},
		{"a zone that nothing explains", []string{"DTSTART;TZID=Our Time:20261225T233000", "DURATION:PT1H"}, "2026-12-25 2026-12-26", "holidays.ics:5: DTSTART with TZID \"Our Time\": neither a zone of the tz database"},
		{"a scale that is the usual one", []string{"DTSTART:20261225", "RRULE:RSCALE=GREGORIAN;FREQ=YEARLY;COUNT=1"}, "2026-12-25", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			calendar, err := icsCalendar(vevents(c.lines...))
			if err != nil {
				t.Fatal(err)
			}
			if got := spansOf(t, calendar.In(mustZone(t, "Asia/Singapore")), "2026-12-01", "2027-01-31"); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if got := warningsText(calendar); c.warn == "" && got != "" || !strings.Contains(got, c.warn) {
				t.Errorf("warnings %q, want %q", got, c.warn)
			}
		})
	}
}

func TestWarningsOfAFileAreBounded(t *testing.T) {
	var lines []string
	for range 500 {
		lines = append(lines, "DTSTART:20261225", "RRULE:", "--")
	}
	calendar, err := icsCalendar(vevents(append(lines, "DTSTART:20261225")...))
	if err != nil {
		t.Fatal(err)
	}
	all := calendar.Warnings()
	if len(all) != maxICSWarnings+1 || all[maxICSWarnings].Text != "480 more remarks of this kind" {
		t.Errorf("%d warnings, the last %v", len(all), all[len(all)-1])
	}
}

func TestWhatIsNotSupportedSaysWhatToDo(t *testing.T) {
	for line, want := range map[string]string{
		"EXRULE:FREQ=YEARLY":                              "EXRULE is not supported; list the dates with EXDATE",
		"RRULE:RSCALE=CHINESE;FREQ=YEARLY":                "RSCALE (RFC 7529) is not supported; list the dates",
		"RECURRENCE-ID;RANGE=THISANDFUTURE:20261225":      "end the series there and export the rest as a second one",
		"RRULE:FREQ=DAILY;COUNT=-1":                       "COUNT is not positive; take it out for a series without an end",
		"RRULE:FREQ=YEARLY;BYDAY=1MO;BYMONTH=2;UNTIL=now": "UNTIL: \"NOW\" is no date or time; write 20261225",
	} {
		if _, err := icsCalendar(vevents("DTSTART:20261225", line)); err == nil || !strings.Contains(err.Error(), "holidays.ics:6: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", line, err, want)
		}
	}
}

// Each row is one event, the same in all zones but for what its zone says.
func TestDatesAreLocalToTheZone(t *testing.T) {
	for _, c := range []struct {
		name, calendar string
		lines          []string
		want           map[string]string
	}{
		{"a date is the same everywhere", "", []string{"DTSTART:20261225"}, map[string]string{"Asia/Singapore": "2026-12-25", "America/New_York": "2026-12-25"}},
		{"a time without a zone, too", "", []string{"DTSTART:20261225T233000", "DURATION:PT1H"}, map[string]string{"Asia/Singapore": "2026-12-25 2026-12-26", "America/New_York": "2026-12-25 2026-12-26"}},
		{"whole days of a zone, too", "", []string{"DTSTART;TZID=Asia/Singapore:20261225T000000", "DURATION:P1D"}, map[string]string{"Asia/Singapore": "2026-12-25", "America/New_York": "2026-12-25"}},
		{"whole days over a change of the clock", "", []string{"DTSTART;TZID=Europe/Berlin:20261024T000000", "DTEND;TZID=Europe/Berlin:20261027T000000"}, map[string]string{"Europe/Berlin": "2026-10-24..2026-10-26", "Asia/Tokyo": "2026-10-24..2026-10-26"}},
		{"hours of a zone are instants", "", []string{"DTSTART;TZID=Asia/Singapore:20261225T220000", "DURATION:PT4H"}, map[string]string{"Asia/Singapore": "2026-12-25 2026-12-26", "America/New_York": "2026-12-25"}},
		{"whole days written in UTC for Singapore", "", []string{"DTSTART:20261224T160000Z", "DTEND:20261225T160000Z"}, map[string]string{"Asia/Singapore": "2026-12-25", "Asia/Shanghai": "2026-12-25", "UTC": "2026-12-24 2026-12-25"}},
		{"whole days of UTC", "", []string{"DTSTART:20261225T000000Z", "DTEND:20261226T000000Z"}, map[string]string{"Asia/Singapore": "2026-12-25", "UTC": "2026-12-25"}},
		{"whole days of the file's zone", "X-WR-TIMEZONE:Asia/Singapore", []string{"DTSTART:20261224T160000Z", "DTEND:20261225T160000Z"}, map[string]string{"Asia/Singapore": "2026-12-25", "UTC": "2026-12-25"}},
		{"of a zone with a Windows name", "X-WR-TIMEZONE:Singapore Standard Time", []string{"DTSTART:20261224T160000Z", "DTEND:20261225T160000Z"}, map[string]string{"UTC": "2026-12-25"}},
		{"an UNTIL in UTC of whole days", "", []string{"DTSTART:20261204", "RRULE:FREQ=WEEKLY;UNTIL=20261217T160000Z"}, map[string]string{"Asia/Singapore": "2026-12-04 2026-12-11 2026-12-18", "UTC": "2026-12-04 2026-12-11"}},
		{"an EXDATE in UTC of whole days", "", []string{"DTSTART:20261204", "RRULE:FREQ=WEEKLY;COUNT=2", "EXDATE:20261210T160000Z"}, map[string]string{"Asia/Singapore": "2026-12-04", "America/New_York": "2026-12-04 2026-12-11"}},
		{"a date in the EXDATE of times in UTC", "", []string{"DTSTART:20261203T233000Z", "RRULE:FREQ=WEEKLY;COUNT=2", "EXDATE;VALUE=DATE:20261211"}, map[string]string{"Asia/Singapore": "2026-12-04", "UTC": "2026-12-03 2026-12-10"}},
		{"an EXDATE in UTC of times in a zone", "", []string{"DTSTART;TZID=Singapore Standard Time:20261204T010000", "RRULE:FREQ=WEEKLY;COUNT=2", "EXDATE:20261203T170000Z"}, map[string]string{"Asia/Singapore": "2026-12-11", "UTC": "2026-12-10"}},
		{"a RECURRENCE-ID in UTC of whole days", "X-WR-TIMEZONE:Asia/Singapore", []string{"UID:1", "DTSTART:20261204", "RRULE:FREQ=WEEKLY;COUNT=2", "--", "UID:1", "RECURRENCE-ID:20261210T160000Z", "DTSTART:20261214"}, map[string]string{"UTC": "2026-12-04 2026-12-14"}},
		{"a timed RECURRENCE-ID of a whole day", "", []string{"UID:1", "DTSTART:20261204", "RRULE:FREQ=WEEKLY;COUNT=2", "--", "UID:1", "RECURRENCE-ID:20261211T090000", "DTSTART:20261214T100000"}, map[string]string{"UTC": "2026-12-04 2026-12-14"}},
		{"a date as RECURRENCE-ID of a time", "", []string{"UID:1", "DTSTART;TZID=Asia/Singapore:20261204T010000", "RRULE:FREQ=WEEKLY;COUNT=2", "--", "UID:1", "RECURRENCE-ID;VALUE=DATE:20261211", "DTSTART;VALUE=DATE:20261214"}, map[string]string{"Asia/Singapore": "2026-12-04 2026-12-14"}},
	} {
		for zone, want := range c.want {
			t.Run(c.name+" in "+zone, func(t *testing.T) {
				text := string(vevents(c.lines...))
				for _, at := range []string{"VERSION:2.0\r\n", "END:VEVENT\r\nEND:VCALENDAR"} { // wherever it stands
					data := text
					if c.calendar != "" {
						data = strings.Replace(text, at, strings.Replace(at, "\r\n", "\r\n"+c.calendar+"\r\n", 1), 1)
					}
					calendar, err := icsCalendar([]byte(data))
					if err != nil {
						t.Fatal(err)
					}
					if got := spansOf(t, calendar.In(mustZone(t, zone)), "2026-01-01", "2027-12-31"); got != want {
						t.Errorf("got  %s\nwant %s", got, want)
					}
				}
			})
		}
	}
}

func TestVersionsOfAnEvent(t *testing.T) {
	for _, c := range []struct {
		name  string
		lines []string
		want  string
	}{
		{"the highest counts, in any order", []string{"UID:1", "SEQUENCE:2", "DTSTART:20261225", "--", "UID:1", "DTSTART:20261224", "--", "UID:1", "SEQUENCE:1", "DTSTART:20261226"}, "2026-12-25"},
		{"a cancelled one removes the lower ones", []string{"UID:1", "DTSTART:20261224", "--", "UID:1", "SEQUENCE:1", "STATUS:CANCELLED", "DTSTART:20261224"}, ""},
		{"a lower cancelled one does not", []string{"UID:1", "SEQUENCE:2", "DTSTART:20261224", "--", "UID:1", "SEQUENCE:1", "STATUS:CANCELLED", "DTSTART:20261224"}, "2026-12-24"},
		{"events that share a UID and a SEQUENCE all count", []string{"UID:1", "DTSTART:20261224", "--", "UID:1", "DTSTART:20261226"}, "2026-12-24 2026-12-26"},
		{"… also where one of them is cancelled", []string{"UID:1", "DTSTART:20261224", "--", "UID:1", "STATUS:CANCELLED", "DTSTART:20261226"}, "2026-12-24"},
		{"events without a UID are not versions", []string{"SEQUENCE:1", "DTSTART:20261224", "--", "DTSTART:20261226"}, "2026-12-24 2026-12-26"},
		{"a cancelled series takes its changed occurrences with it", []string{"UID:1", "DTSTART:20261224", "RRULE:FREQ=DAILY;COUNT=3", "--", "UID:1", "RECURRENCE-ID:20261225", "DTSTART:20261230", "--", "UID:1", "SEQUENCE:1", "STATUS:CANCELLED", "DTSTART:20261224"}, ""},
		{"versions of one changed occurrence", []string{"UID:1", "DTSTART;TZID=Asia/Singapore:20261224T080000", "RRULE:FREQ=DAILY;COUNT=3", "--", "UID:1", "SEQUENCE:1", "RECURRENCE-ID;TZID=Asia/Singapore:20261225T080000", "DTSTART:20261230", "--", "UID:1", "SEQUENCE:2", "RECURRENCE-ID:20261225T000000Z", "DTSTART:20261231"}, "2026-12-24 2026-12-26 2026-12-31"},
		{"a changed occurrence has no series of its own", []string{"UID:1", "DTSTART:20261224", "RRULE:FREQ=DAILY;COUNT=2", "RDATE:20261228", "--", "UID:1", "RECURRENCE-ID:20261225", "DTSTART:20261230", "RRULE:FREQ=DAILY", "RDATE:20261231"}, "2026-12-24 2026-12-28 2026-12-30"},
	} {
		t.Run(c.name, func(t *testing.T) {
			calendar, err := icsCalendar(vevents(c.lines...))
			if err != nil {
				t.Fatal(err)
			}
			if got := spansOf(t, calendar, "2026-12-01", "2027-01-31"); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestSeveralCalendarsInOneFileHaveTheirOwnZones(t *testing.T) {
	one := func(head, event string) string {
		return "BEGIN:VCALENDAR\n" + head + "BEGIN:VEVENT\n" + event + "\nDURATION:PT1H\nEND:VEVENT\nEND:VCALENDAR\n"
	}
	zone := func(offset string) string {
		return "BEGIN:VTIMEZONE\nTZID:Plant\nBEGIN:STANDARD\nDTSTART:19700101T000000\nTZOFFSETFROM:" + offset + "\nTZOFFSETTO:" + offset + "\nEND:STANDARD\nEND:VTIMEZONE\n"
	}
	calendar, err := icsCalendar([]byte(one(zone("+0900"), "DTSTART;TZID=Plant:20261201T003000") + one(zone("-0800"), "DTSTART;TZID=Plant:20261203T233000") +
		one("", "DTSTART;TZID=Plant:20261206T003000") + one("X-WR-TIMEZONE:Asia/Singapore\n", "DTSTART:20261208T170000Z")))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := spansOf(t, calendar.In(time.UTC), "2026-01-01", "2027-12-31"), "2026-11-30 2026-12-04 2026-12-05 2026-12-08"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got, want := spansOf(t, calendar, "2026-01-01", "2027-12-31"), "2026-12-01 2026-12-03 2026-12-04 2026-12-06 2026-12-09"; got != want {
		t.Errorf("by their own clocks\ngot  %s\nwant %s", got, want)
	}
}

func TestABrokenDescriptionOfAZoneIsLeftOut(t *testing.T) {
	for name, body := range map[string]string{
		"no observance":  "",
		"a bad offset":   "BEGIN:STANDARD\nDTSTART:19700101T000000\nTZOFFSETFROM:8\nTZOFFSETTO:+0800\nEND:STANDARD\n",
		"a bad start":    "BEGIN:STANDARD\nDTSTART:long ago\nTZOFFSETFROM:+0800\nTZOFFSETTO:+0800\nEND:STANDARD\n",
		"a bad rule":     "BEGIN:STANDARD\nDTSTART:19700101T000000\nRRULE:FREQ=HOURLY\nTZOFFSETFROM:+0800\nTZOFFSETTO:+0800\nEND:STANDARD\n",
		"too many rules": strings.Repeat("BEGIN:STANDARD\nDTSTART:16010101T000000\nRRULE:FREQ=DAILY\nTZOFFSETFROM:+0800\nTZOFFSETTO:+0800\nEND:STANDARD\n", 1000),
	} {
		data := "BEGIN:VCALENDAR\nBEGIN:VTIMEZONE\nTZID:China Standard Time\n" + body + "END:VTIMEZONE\nBEGIN:VEVENT\nDTSTART;TZID=China Standard Time:20261225T233000\nEND:VEVENT\nEND:VCALENDAR\n"
		calendar, err := icsCalendar([]byte(data))
		if err != nil {
			t.Fatal(err)
		}
		if got := warningsText(calendar); !strings.Contains(got, "holidays.ics:2: VTIMEZONE \"China Standard Time\": ") {
			t.Errorf("%s: warnings %q", name, got)
		}
		if got := spansOf(t, calendar.In(time.UTC), "2026-01-01", "2027-12-31"); got != "2026-12-25" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestSixtyEndlessMeetingsAreFine(t *testing.T) {
	var lines []string
	for i := range 60 {
		lines = append(lines, fmt.Sprintf("UID:%d", i), fmt.Sprintf("DTSTART;TZID=Europe/Berlin:2016%02d%02dT090000", 1+i%12, 1+i%28), "DURATION:PT1H", "RRULE:FREQ=WEEKLY", "--")
	}
	calendar, err := icsCalendar(vevents(append(lines, "DTSTART:20261225")...))
	if err != nil {
		t.Fatal(err)
	}
	berlin := calendar.In(mustZone(t, "Europe/Berlin"))
	if _, ends := berlin.End(); ends {
		t.Error("the calendar of endless meetings ends")
	}
	if berlin != calendar.In(mustZone(t, "Europe/Berlin")) {
		t.Error("the zone was computed twice")
	}
	if far := present.AddDate(5, 0, 8); berlin.Contains(DateOf(far)) {
		t.Errorf("%s lies beyond the horizon", far)
	}
}

func TestDayRules(t *testing.T) {
	for _, c := range []struct{ rule, from, to, want string }{
		{"FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", "2026-12-01", "2027-03-31", "2026-12-31 2027-01-29 2027-02-26 2027-03-31"},
		{"FREQ=MONTHLY;BYDAY=2TU", "2026-12-01", "2027-02-28", "2026-12-08 2027-01-12 2027-02-09"},
		{"RRULE:FREQ=MONTHLY;BYMONTHDAY=-1;UNTIL=20270131", "2026-12-01", "2027-03-31", "2026-12-31 2027-01-31"},
		{"DTSTART=20261207;FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,FR", "2026-12-01", "2027-01-10", "2026-12-07 2026-12-11 2026-12-21 2026-12-25 2027-01-04 2027-01-08"},
		{"FREQ=WEEKLY;BYDAY=MO;COUNT=2;DTSTART=20261209", "2026-12-01", "2027-01-31", "2026-12-14 2026-12-21"},
		{"freq=yearly;bymonth=12;bymonthday=25", "2025-01-01", "2027-12-31", "2025-12-25 2026-12-25 2027-12-25"},
	} {
		calendar, err := New(Source{Name: "c", Rules: []string{c.rule}, Now: present})
		if err != nil {
			t.Errorf("%s: %v", c.rule, err)
			continue
		}
		if got := spansOf(t, calendar, c.from, c.to); got != c.want {
			t.Errorf("%s\ngot  %s\nwant %s", c.rule, got, c.want)
		}
	}
	for rule, want := range map[string]string{
		"":                                    "no FREQ",
		"FREQ=WEEKLY":                         "does not say on which days; add BYDAY",
		"FREQ=YEARLY;BYMONTH=12":              "does not say on which days",
		"FREQ=DAILY;INTERVAL=2":               "count from a first date; begin with DTSTART=20260105;",
		"FREQ=HOURLY":                         "recurs more often than daily",
		"FREQ=DAILY;BYHOUR=9":                 "names a time of day; the schedule's cron says when",
		"FREQ=DAILY;UNTIL=20270101T000000Z":   "UNTIL has a time",
		"FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30": "names no date at all",
		"DTSTART=20261207T090000;FREQ=DAILY":  "DTSTART \"20261207T090000\" is no date",
		"FREQ=MONTHLY;BYDAY=XX":               "undefined weekday",
	} {
		err := ParseDayRule(rule)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", rule, err, want)
		}
		if _, again := New(Source{Name: "c", Rules: []string{rule}, Now: present}); again == nil || !strings.Contains(again.Error(), want) {
			t.Errorf("%s: New says %v", rule, again)
		}
	}
	if _, err := New(Source{Name: "c", Rules: []string{"FREQ=DAILY"}}); err == nil || !strings.Contains(err.Error(), "no present time") {
		t.Errorf("without a present time: %v", err)
	}
}

func TestWindowsNamesMeanZonesThatThereAre(t *testing.T) {
	if n := len(windowsTable()); n < 130 {
		t.Errorf("%d names", n)
	}
	for name, zone := range windowsTable() {
		mustZone(t, zone)
		if windowsZone(strings.ToUpper(name)) != zone {
			t.Errorf("%s is not found in capitals", name)
		}
	}
	for name, want := range map[string]string{"China Standard Time": "Asia/Shanghai", "W. Europe Standard Time": "Europe/Berlin", "Eastern Standard Time": "America/New_York", "UTC": "Etc/UTC"} {
		if got := windowsZone(name); got != want {
			t.Errorf("%s is %q, want %s", name, got, want)
		}
	}
}
