package calendar

import (
	"strings"
	"testing"
	"time"

	"zecpower/scheduler/cron"
)

func date(t testing.TB, s string) Date {
	t.Helper()
	at, err := time.Parse(time.DateOnly, s)
	if err != nil {
		t.Fatal(err)
	}
	return DateOf(at)
}

func mustZone(t testing.TB, name string) *time.Location {
	t.Helper()
	zone, err := cron.LoadZone(name)
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

func mustCalendar(t testing.TB, name string, dates ...string) *Calendar {
	t.Helper()
	c, err := New(Source{Name: name, Dates: dates})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// datesOf lists the dates of a calendar within [from, to].
func datesOf(t testing.TB, c *Calendar, from, to string) string {
	t.Helper()
	var found []string
	for n := date(t, from).number(); n <= date(t, to).number(); n++ {
		if c.Contains(n.date()) {
			found = append(found, n.date().String())
		}
	}
	return strings.Join(found, " ")
}

func TestCalendarDates(t *testing.T) {
	for _, c := range []struct {
		dates          []string
		from, to, want string
	}{
		{[]string{"2026-12-25"}, "2026-12-01", "2027-12-31", "2026-12-25"},
		{[]string{"2026-12-24..2026-12-26"}, "2026-12-01", "2027-12-31", "2026-12-24 2026-12-25 2026-12-26"},
		{[]string{"2026-12-31..2027-01-01", "2026-12-30..2026-12-31"}, "2026-12-01", "2027-12-31", "2026-12-30 2026-12-31 2027-01-01"},
		{[]string{"*-01-01"}, "2026-12-01", "2028-12-31", "2027-01-01 2028-01-01"},
		{[]string{"*-02-29"}, "2026-01-01", "2033-12-31", "2028-02-29 2032-02-29"},
		{[]string{"*-12-31..*-01-01"}, "2026-12-01", "2027-12-31", "2026-12-31 2027-01-01 2027-12-31"},
		{[]string{"*-02-28..*-03-01"}, "2027-01-01", "2028-12-31", "2027-02-28 2027-03-01 2028-02-28 2028-02-29 2028-03-01"},
		{[]string{"1969-12-31", "1970-01-01"}, "1969-01-01", "1970-12-31", "1969-12-31 1970-01-01"},
	} {
		if got := datesOf(t, mustCalendar(t, "c", c.dates...), c.from, c.to); got != c.want {
			t.Errorf("%s: got %s, want %s", c.dates, got, c.want)
		}
	}
}

func TestEveryBadDateIsNamedAtOnce(t *testing.T) {
	_, err := New(Source{Name: "holidays", Dates: []string{
		"2026-02-30", "2026-1-5", "25.12.2026", "", "2026-12-26..2026-12-24", "*-01-01..2026-01-02", "2026-12-24..", "*-13-01", "*-02-30", "2026-01-01", "0000-01-01", "20261225", "2026-12-25 ", "..",
	}})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{
		`calendar "holidays"`, `"2026-02-30" is no day`, `"2026-1-5" is not written`, `"25.12.2026" is not written`, `date "": `,
		`"2026-12-26..2026-12-24": the range runs backwards`, `"*-01-01..2026-01-02": one end`, `"2026-12-24..": `,
		`"*-13-01" is no day`, `"*-02-30" is no day`, `"0000-01-01" is not written`, `"20261225" is not written`, `"2026-12-25 "`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("missing %s in\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), `"2026-01-01"`) {
		t.Errorf("a good date is named in\n%v", err)
	}
	if _, err := New(Source{Name: "void"}); err == nil || !strings.Contains(err.Error(), "no dates") {
		t.Errorf("an empty calendar: %v", err)
	}
}

func TestDateRangesReadBackAsWritten(t *testing.T) {
	for _, s := range []string{"2026-12-25", "2026-12-24..2026-12-26", "*-01-01", "*-12-24..*-01-01", "*-02-29"} {
		r, err := ParseDates(s)
		if err != nil || r.String() != s {
			t.Errorf("%s reads back as %s, %v", s, r, err)
		}
	}
}

func TestCalendarEnd(t *testing.T) {
	if end, ends := mustCalendar(t, "c", "2026-12-25", "2027-02-06..2027-02-09", "2026-01-01").End(); !ends || end != date(t, "2027-02-09") {
		t.Errorf("got %s, %v", end, ends)
	}
	if end, ends := mustCalendar(t, "c", "*-12-25", "*-01-01").End(); ends {
		t.Errorf("a yearly calendar ends on %s", end)
	}
	if end, ends := mustCalendar(t, "c", "2026-12-25", "*-01-01").End(); !ends || end != date(t, "2026-12-25") {
		t.Errorf("dates beside yearly ones end with %s, %v: that they run out must be seen", end, ends)
	}
}

func TestContainsTakesAnyDate(t *testing.T) {
	c := mustCalendar(t, "c", "*-01-01", "2026-12-25")
	for _, d := range []Date{{}, {2026, 13, 1}, {2026, -1, 1}, {2026, 1, 99}, {2026, 1, -5}, {1 << 40, 1, 2}} {
		c.Contains(d)
	}
}

func TestCalendarNextFindsTheFirstDate(t *testing.T) {
	c := mustCalendar(t, "c", "2026-12-25", "2027-02-06..2027-02-09", "*-02-29")
	for from, want := range map[string]string{
		"2026-01-01": "2026-12-25", "2026-12-25": "2026-12-25", "2026-12-26": "2027-02-06", "2027-02-07": "2027-02-07",
		"2027-02-10": "2028-02-29", "2096-03-01": "2104-02-29",
	} {
		if got, ok := c.dates.next(date(t, from).number()); !ok || got.date() != date(t, want) {
			t.Errorf("from %s: %s, want %s", from, got.date(), want)
		}
	}
}

func TestADateBeginsWhenTheClockShowsIt(t *testing.T) {
	for _, c := range []struct{ zone, date, want string }{
		{"Asia/Singapore", "2026-12-25", "2026-12-24T16:00:00Z"},
		{"Africa/Cairo", "2026-04-24", "2026-04-23T22:00:00Z"},      // midnight is skipped
		{"America/Sao_Paulo", "2019-02-17", "2019-02-17T03:00:00Z"}, // set back from midnight
		{"Pacific/Apia", "2011-12-30", "2011-12-30T10:00:00Z"},      // no such day: the next one
		{"America/Havana", "2026-11-01", "2026-11-01T04:00:00Z"},    // midnight is shown twice
		{"Pacific/Kiritimati", "2026-12-25", "2026-12-24T10:00:00Z"},
		{"Pacific/Pago_Pago", "2026-12-25", "2026-12-25T11:00:00Z"},
	} {
		if got := date(t, c.date).In(mustZone(t, c.zone)).UTC().Format(time.RFC3339); got != c.want {
			t.Errorf("%s in %s begins at %s, want %s", c.date, c.zone, got, c.want)
		}
	}
}

func FuzzParseDates(f *testing.F) {
	for _, s := range []string{"2026-12-25", "2026-12-24..2026-12-26", "*-12-24..*-01-01", "*-02-29", "..", "9999-12-31"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseDates(s)
		if err != nil {
			return
		}
		if again, err := ParseDates(r.String()); err != nil || again != r {
			t.Fatalf("%q reads as %v, then as %v, %v", s, r, again, err)
		}
		c, err := New(Source{Name: "c", Dates: []string{s}})
		if err != nil {
			t.Fatal(err)
		}
		if !r.Yearly && (!c.Contains(r.From) || !c.Contains(r.To)) {
			t.Fatalf("%q does not contain its ends", s)
		}
	})
}
