package calendar

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"zecpower/scheduler/cron"
)

// The second opinion: random calendars, whose dates are found day by day without the rule library
// and without the code under test. A failure prints the seed, and -ics.seed repeats it:
//
//	go test ./scheduler/calendar/ -run SecondOpinion -ics.calendars 100000
var (
	opinionSeed      = flag.Uint64("ics.seed", 0, "seed of the random calendars; 0 draws one")
	opinionCalendars = flag.Int("ics.calendars", 2000, "how many random calendars are compared")
)

// opinion is one random event with its meaning.
type opinion struct {
	kind     stampKind
	zone     *time.Location // of its clock; UTC for days and floating times
	start    time.Time      // a reading
	length   time.Duration
	rule     *opinionRule
	except   []time.Time // readings
	extra    []time.Time
	moved    map[time.Time]time.Time // occurrence to new reading
	movedLen time.Duration
}

// opinionRule is a recurrence rule as data.
type opinionRule struct {
	freq      string
	interval  int
	count     int
	until     time.Time // a reading; zero: none
	months    []time.Month
	monthDays []int
	weekdays  []opinionDay
	positions []int
	weekStart time.Weekday

	sets map[time.Time][]time.Time // the days of each period, where positions choose among them
}

type opinionDay struct {
	n   int // 0: every one
	day time.Weekday
}

// matches says whether the rule names the day, by the definition of RFC 5545: build the set of the
// period that the day lies in, and see whether it is there.
func (r *opinionRule) matches(day, start time.Time) bool {
	if day.Before(start) || !r.inStep(day, start) {
		return false
	}
	if len(r.positions) == 0 {
		return r.candidate(day, start)
	}
	set, known := r.sets[r.period(day)]
	if !known {
		for d := r.period(day); r.period(d).Equal(r.period(day)); d = d.AddDate(0, 0, 1) {
			if r.candidate(d, start) {
				set = append(set, d)
			}
		}
		if r.sets == nil {
			r.sets = make(map[time.Time][]time.Time)
		}
		r.sets[r.period(day)] = set
	}
	for _, p := range r.positions {
		if p < 0 {
			p += len(set) + 1
		}
		if p >= 1 && p <= len(set) && set[p-1].Equal(day) {
			return true
		}
	}
	return false
}

// period is the first day of the day, week, month or year that a day lies in.
func (r *opinionRule) period(day time.Time) time.Time {
	switch r.freq {
	case "WEEKLY":
		return day.AddDate(0, 0, -int(day.Weekday()-r.weekStart+7)%7)
	case "MONTHLY":
		return time.Date(day.Year(), day.Month(), 1, 0, 0, 0, 0, time.UTC)
	case "YEARLY":
		return time.Date(day.Year(), 1, 1, 0, 0, 0, 0, time.UTC)
	}
	return day
}

func (r *opinionRule) inStep(day, start time.Time) bool {
	a, b := r.period(start), r.period(day)
	days := int(b.Sub(a) / (24 * time.Hour))
	switch r.freq {
	case "WEEKLY":
		return days/7%r.interval == 0
	case "MONTHLY":
		return ((b.Year()-a.Year())*12+int(b.Month()-a.Month()))%r.interval == 0
	case "YEARLY":
		return (b.Year()-a.Year())%r.interval == 0
	}
	return days%r.interval == 0
}

// candidate says whether a day satisfies all BY parts but BYSETPOS, and what they leave open as the
// start does.
func (r *opinionRule) candidate(day, start time.Time) bool {
	if len(r.months) > 0 && !slices.Contains(r.months, day.Month()) {
		return false
	}
	if len(r.monthDays) == 0 && len(r.weekdays) == 0 {
		switch r.freq {
		case "WEEKLY":
			return day.Weekday() == start.Weekday()
		case "MONTHLY":
			return day.Day() == start.Day()
		case "YEARLY":
			return day.Day() == start.Day() && (len(r.months) > 0 || day.Month() == start.Month())
		}
		return true
	}
	if len(r.monthDays) > 0 {
		last := time.Date(day.Year(), day.Month()+1, 0, 0, 0, 0, 0, time.UTC).Day()
		if !slices.Contains(r.monthDays, day.Day()) && !slices.Contains(r.monthDays, day.Day()-last-1) {
			return false
		}
	}
	return len(r.weekdays) == 0 || slices.ContainsFunc(r.weekdays, func(w opinionDay) bool { return r.isNth(w, day) })
}

// isNth counts the weekday within the month, of YEARLY without BYMONTH within the year.
func (r *opinionRule) isNth(w opinionDay, day time.Time) bool {
	if w.day != day.Weekday() {
		return false
	}
	if w.n == 0 {
		return true
	}
	same := func(a time.Time) bool { return a.Year() == day.Year() }
	if len(r.months) > 0 || r.freq == "MONTHLY" {
		last := time.Date(day.Year(), day.Month()+1, 0, 0, 0, 0, 0, time.UTC).Day()
		return w.n == 1+(day.Day()-1)/7 || w.n == -1-(last-day.Day())/7
	}
	before, after := 1, 1
	for d := day.AddDate(0, 0, -7); same(d); d = d.AddDate(0, 0, -7) {
		before++
	}
	for d := day.AddDate(0, 0, 7); same(d); d = d.AddDate(0, 0, 7) {
		after++
	}
	return w.n == before || w.n == -after
}

// occurrences are the readings at which the event takes place, up to a day.
func (o *opinion) occurrences(last time.Time) []time.Time {
	all := []time.Time{o.start}
	if r := o.rule; r != nil {
		clock := o.start.Sub(midnight(o.start))
		for day := midnight(o.start).AddDate(0, 0, 1); !day.After(last); day = day.AddDate(0, 0, 1) {
			at := day.Add(clock)
			if r.count > 0 && len(all) >= r.count || !r.until.IsZero() && at.After(r.until) {
				break
			}
			if r.matches(day, midnight(o.start)) {
				all = append(all, at)
			}
		}
		if !r.until.IsZero() && r.until.Before(o.start) {
			all = nil
		}
	}
	all = append(all, o.extra...)
	var kept []time.Time
	for _, at := range all {
		if _, moved := o.moved[at]; !moved && !slices.Contains(o.except, at) {
			kept = append(kept, at)
		}
	}
	return kept
}

func midnight(t time.Time) time.Time { return t.Truncate(24 * time.Hour) }

// on says whether an occurrence that begins at a reading is on a day of a clock in a zone.
func (o *opinion) on(at time.Time, length time.Duration, day time.Time, zone *time.Location) bool {
	next := day.AddDate(0, 0, 1)
	begin, end := at, at.Add(length)
	whole := at.Equal(midnight(at)) && end.Equal(midnight(end)) && length > 0
	if (o.kind == zonedTime || o.kind == utcTime) && !whole {
		begin, end = inZoneOf(at, o.zone), inZoneOf(at.Add(length), o.zone)
		if o.kind == utcTime {
			end = begin.Add(length)
		}
		day, next = inZoneOf(day, zone), inZoneOf(next, zone)
	}
	if !end.After(begin) {
		return !begin.Before(day) && begin.Before(next)
	}
	return begin.Before(next) && end.After(day)
}

func inZoneOf(reading time.Time, zone *time.Location) time.Time {
	return time.Date(reading.Year(), reading.Month(), reading.Day(), reading.Hour(), reading.Minute(), reading.Second(), 0, zone)
}

func randomOpinion(r *rand.Rand, zones []*time.Location) *opinion {
	o := &opinion{kind: stampKind(r.IntN(4)), zone: time.UTC, moved: map[time.Time]time.Time{}}
	o.start = time.Date(2024+r.IntN(3), time.Month(1+r.IntN(12)), 1+r.IntN(28), 0, 0, 0, 0, time.UTC)
	if o.kind == zonedTime {
		o.zone = zones[r.IntN(len(zones))]
	}
	switch {
	case o.kind == wholeDay, r.IntN(4) == 0:
		o.length = time.Duration(1+r.IntN(3)) * 24 * time.Hour
	default:
		o.start = o.start.Add(time.Duration(4+r.IntN(19))*time.Hour + time.Duration(r.IntN(60))*time.Minute) // not in the gaps at night
		o.length = time.Duration(r.IntN(40*60)) * time.Minute
	}
	if r.IntN(5) > 0 {
		o.rule = randomOpinionRule(r, o.start)
	}
	first := o.occurrences(o.start.AddDate(1, 0, 0))
	for _, at := range first {
		switch r.IntN(12) {
		case 0:
			o.except = append(o.except, at)
		case 1:
			if o.rule != nil && len(o.moved) < 3 {
				o.moved[at] = at.AddDate(0, 0, r.IntN(20)-10)
				o.movedLen = o.length
			}
		}
	}
	for range r.IntN(3) {
		if at := o.start.AddDate(0, 0, 1+r.IntN(300)); !slices.Contains(first, at) {
			o.extra = append(o.extra, at)
		}
	}
	return o
}

func randomOpinionRule(r *rand.Rand, start time.Time) *opinionRule {
	rule := &opinionRule{freq: []string{"DAILY", "WEEKLY", "MONTHLY", "YEARLY"}[r.IntN(4)], interval: 1 + r.IntN(3), weekStart: time.Weekday(r.IntN(2))}
	numbered := rule.freq == "MONTHLY" || rule.freq == "YEARLY"
	if r.IntN(3) == 0 {
		for range 1 + r.IntN(3) {
			rule.months = append(rule.months, time.Month(1+r.IntN(12)))
		}
	}
	if r.IntN(3) > 0 {
		for range 1 + r.IntN(3) {
			day := opinionDay{day: time.Weekday(r.IntN(7))}
			if numbered && r.IntN(2) == 0 {
				day.n = []int{1, 2, 3, 4, 5, -1, -2}[r.IntN(7)]
			}
			rule.weekdays = append(rule.weekdays, day)
		}
	}
	if rule.freq != "WEEKLY" && r.IntN(3) == 0 {
		for range 1 + r.IntN(4) {
			rule.monthDays = append(rule.monthDays, []int{1 + r.IntN(31), -1 - r.IntN(5)}[r.IntN(2)])
		}
	}
	if rule.freq != "DAILY" && len(rule.weekdays)+len(rule.monthDays) > 0 && r.IntN(4) == 0 {
		rule.positions = append(rule.positions, []int{1, 2, 3, -1, -2}[r.IntN(5)])
	}
	switch r.IntN(3) {
	case 0:
		rule.count = 1 + r.IntN(20)
	case 1:
		rule.until = start.AddDate(0, 0, r.IntN(400)-5)
	}
	return rule
}

// write is the event as iCalendar.
func (o *opinion) write(b *strings.Builder, r *rand.Rand, uid int) {
	event := func(lines ...string) {
		fmt.Fprintf(b, "BEGIN:VEVENT\nUID:%d\n%s\nEND:VEVENT\n", uid, strings.Join(lines, "\n"))
	}
	lines := []string{"DTSTART" + o.stamp(o.start), o.lasting(o.start, o.length, r)}
	if o.rule != nil {
		lines = append(lines, o.ruleText(r))
	}
	for _, at := range o.except {
		lines = append(lines, "EXDATE"+o.reference(at, r))
	}
	for _, at := range o.extra {
		lines = append(lines, "RDATE"+o.stamp(at))
	}
	event(lines...)
	for was, is := range o.moved {
		event("RECURRENCE-ID"+o.reference(was, r), "DTSTART"+o.stamp(is), o.lasting(is, o.movedLen, r), "RRULE:FREQ=DAILY")
	}
}

func (o *opinion) stamp(at time.Time) string {
	switch o.kind {
	case wholeDay:
		return ";VALUE=DATE:" + at.Format("20060102")
	case zonedTime:
		return ";TZID=" + o.zone.String() + ":" + at.Format("20060102T150405")
	case utcTime:
		return ":" + at.Format("20060102T150405Z")
	}
	return ":" + at.Format("20060102T150405")
}

// reference is a reading as EXDATE and RECURRENCE-ID name it: in its own form, or of a time in a
// zone in UTC.
func (o *opinion) reference(at time.Time, r *rand.Rand) string {
	if o.kind == zonedTime && r.IntN(2) == 0 {
		return ":" + inZoneOf(at, o.zone).UTC().Format("20060102T150405Z")
	}
	return o.stamp(at)
}

func (o *opinion) lasting(at time.Time, length time.Duration, r *rand.Rand) string {
	if r.IntN(2) == 0 && (o.kind != zonedTime || inZoneOf(at.Add(length), o.zone).Equal(inZoneOf(at, o.zone).Add(length))) {
		return fmt.Sprintf("DURATION:P%dDT%dM", length/(24*time.Hour), length%(24*time.Hour)/time.Minute)
	}
	return "DTEND" + o.stamp(at.Add(length))
}

func (o *opinion) ruleText(r *rand.Rand) string {
	rule := o.rule
	parts := []string{"FREQ=" + rule.freq}
	if rule.interval > 1 || r.IntN(2) == 0 {
		parts = append(parts, fmt.Sprint("INTERVAL=", rule.interval))
	}
	list := func(key string, n int, text func(i int) string) {
		var values []string
		for i := range n {
			values = append(values, text(i))
		}
		if n > 0 {
			parts = append(parts, key+"="+strings.Join(values, ","))
		}
	}
	day := func(w time.Weekday) string { return strings.ToUpper(w.String()[:2]) }
	list("BYMONTH", len(rule.months), func(i int) string { return fmt.Sprint(int(rule.months[i])) })
	list("BYMONTHDAY", len(rule.monthDays), func(i int) string { return fmt.Sprint(rule.monthDays[i]) })
	list("BYSETPOS", len(rule.positions), func(i int) string { return fmt.Sprint(rule.positions[i]) })
	list("BYDAY", len(rule.weekdays), func(i int) string {
		if n := rule.weekdays[i].n; n != 0 {
			return fmt.Sprint(n) + day(rule.weekdays[i].day)
		}
		return day(rule.weekdays[i].day)
	})
	parts = append(parts, "WKST="+day(rule.weekStart))
	if rule.count > 0 {
		parts = append(parts, fmt.Sprint("COUNT=", rule.count))
	}
	if !rule.until.IsZero() {
		switch until := rule.until; o.kind {
		case wholeDay:
			parts = append(parts, "UNTIL="+until.Format("20060102"))
		case zonedTime:
			parts = append(parts, "UNTIL="+inZoneOf(until, o.zone).UTC().Format("20060102T150405Z"))
		case utcTime:
			parts = append(parts, "UNTIL="+until.Format("20060102T150405Z"))
		default:
			parts = append(parts, "UNTIL="+until.Format("20060102T150405"))
		}
	}
	r.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
	return "RRULE:" + strings.Join(parts, ";")
}

func TestSecondOpinionOnRandomCalendars(t *testing.T) {
	seed := *opinionSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("replay with -ics.seed=%d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	var zones []*time.Location
	for _, name := range []string{"Asia/Singapore", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Auckland", "UTC"} {
		zones = append(zones, mustZone(t, name))
	}
	compared := 0
	for range *opinionCalendars {
		var events []*opinion
		var b strings.Builder
		for i := range 1 + r.IntN(3) {
			o := randomOpinion(r, zones)
			events = append(events, o)
			o.write(&b, r, i)
		}
		file := File{Name: "random.ics", Data: []byte("BEGIN:VCALENDAR\n" + b.String() + "END:VCALENDAR\n")}
		calendar, err := New(Source{Name: "c", Files: []File{file}, Now: opinionUntil.AddDate(-cron.SearchYears, 1, 0)})
		if err != nil && strings.Contains(err.Error(), "names no date at all") {
			continue
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, b.String())
		}
		zone := zones[r.IntN(len(zones))]
		compareOpinions(t, calendar.In(zone), events, zone, b.String())
		compared++
		if t.Failed() {
			return
		}
	}
	t.Logf("%d calendars", compared)
}

// opinionUntil ends the comparison, shortly before the horizon.
var opinionUntil = time.Date(2027, 2, 1, 0, 0, 0, 0, time.UTC)

func compareOpinions(t *testing.T, c *Calendar, events []*opinion, zone *time.Location, text string) {
	t.Helper()
	first, last := time.Date(2023, 12, 1, 0, 0, 0, 0, time.UTC), opinionUntil
	want := make(map[Date]bool)
	for _, o := range events {
		note := func(at time.Time, length time.Duration) {
			for day := midnight(at).AddDate(0, 0, -2); !day.After(at.Add(length).AddDate(0, 0, 2)); day = day.AddDate(0, 0, 1) {
				if o.on(at, length, day, zone) {
					want[DateOf(day)] = true
				}
			}
		}
		for _, at := range o.occurrences(last.AddDate(0, 0, 5)) {
			note(at, o.length)
		}
		for _, at := range o.moved {
			note(at, o.movedLen)
		}
	}
	for day := first; day.Before(last); day = day.AddDate(0, 0, 1) {
		if d := DateOf(day); c.Contains(d) != want[d] {
			t.Errorf("in %s, %s: the calendar says %v, day by day %v, of\n%s", zone, d, c.Contains(d), want[d], text)
			return
		}
	}
}
