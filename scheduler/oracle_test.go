package scheduler

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The full sweep goes through every minute of 2026-2028 in every zone (some
// minutes of two cores):
//
//	go test ./scheduler/ -run TestNextAgreesWithTheClockInEveryZone -dst.full -timeout 2h
//
// A failure prints the seed; -dst.seed repeats it.
var (
	dstFull = flag.Bool("dst.full", false, "check every minute of 2026-2028 in every zone, not only around transitions")
	dstSeed = flag.Uint64("dst.seed", 0, "seed of the random schedules; 0 draws one")
)

// oracleSpec is a random cron spec with its meaning, kept apart from the parser
// under test.
type oracleSpec struct {
	text                             string
	minutes, hours, days, months     map[int]bool
	weekdays                         map[int]bool
	starMinute, starHour, anyDay, or bool
}

func (s oracleSpec) matches(civil time.Time) bool {
	if !s.minutes[civil.Minute()] || !s.hours[civil.Hour()] || !s.months[int(civil.Month())] {
		return false
	}
	day, weekday := s.days[civil.Day()], s.weekdays[int(civil.Weekday())]
	if s.or {
		return day || weekday
	}
	return day && weekday
}

func randomField(r *rand.Rand, low, high int, starChance float64) (text string, set map[int]bool, star, all bool) {
	set = map[int]bool{}
	if r.Float64() < starChance {
		step := 1
		if r.IntN(2) == 0 {
			step = 2 + r.IntN((high-low+1)/2)
		}
		for v := low; v <= high; v += step {
			set[v] = true
		}
		if step == 1 {
			return "*", set, true, true
		}
		return "*/" + strconv.Itoa(step), set, true, false
	}
	var parts []string
	for range 1 + r.IntN(3) {
		a := low + r.IntN(high-low+1)
		switch r.IntN(3) {
		case 0:
			b := a + r.IntN(high-a+1)
			step := 1 + r.IntN(4)
			for v := a; v <= b; v += step {
				set[v] = true
			}
			parts = append(parts, fmt.Sprintf("%d-%d/%d", a, b, step))
		default:
			set[a] = true
			parts = append(parts, strconv.Itoa(a))
		}
	}
	return strings.Join(parts, ","), set, false, false
}

func randomSpec(r *rand.Rand) oracleSpec {
	var s oracleSpec
	var texts [5]string
	var anyDay, anyWeekday bool
	texts[0], s.minutes, s.starMinute, _ = randomField(r, 0, 59, 0.2)
	texts[1], s.hours, s.starHour, _ = randomField(r, 0, 23, 0.2)
	if r.IntN(2) == 0 { // most transitions happen at night
		h := r.IntN(5)
		texts[1], s.hours, s.starHour = strconv.Itoa(h), map[int]bool{h: true}, false
	}
	texts[2], s.days, _, anyDay = randomField(r, 1, 31, 0.8)
	texts[3], s.months, _, _ = randomField(r, 1, 12, 0.9)
	texts[4], s.weekdays, _, anyWeekday = randomField(r, 0, 7, 0.7)
	if s.weekdays[7] {
		s.weekdays[0] = true
	}
	if strings.HasPrefix(texts[4], "*/") { // the star counts 0-6
		delete(s.weekdays, 7)
		s.weekdays[0] = true
	}
	s.or = !anyDay && !anyWeekday
	s.text = strings.Join(texts[:], " ")
	return s
}

// showing is one minute: its instant, and what the zone's clock shows.
type showing struct {
	at    time.Time
	civil time.Time
}

// watch reads the zone's clock once a minute, as a person at the wall would.
func watch(zone *time.Location, from, to time.Time) []showing {
	var minutes []showing
	for at := from; at.Before(to); at = at.Add(time.Minute) {
		local := at.In(zone)
		y, mo, d := local.Date()
		h, mi, _ := local.Clock()
		minutes = append(minutes, showing{at, time.Date(y, mo, d, h, mi, 0, 0, time.UTC)})
	}
	return minutes
}

// fires is cronie's rule, minute by minute: a virtual clock that never goes
// back; fixed times follow it, and are made up for over gaps up to 3 hours;
// wildcards follow the clock on the wall.
func (s oracleSpec) fires(minutes []showing) []time.Time {
	var fired []time.Time
	virtual := minutes[0].civil.Add(-time.Minute)
	for _, m := range minutes {
		if s.starMinute || s.starHour {
			if s.matches(m.civil) {
				fired = append(fired, m.at)
			}
			continue
		}
		if !m.civil.After(virtual) {
			continue
		}
		due := s.matches(m.civil)
		if gap := m.civil.Sub(virtual) - time.Minute; gap <= 3*time.Hour {
			for c := virtual.Add(time.Minute); c.Before(m.civil); c = c.Add(time.Minute) {
				due = due || s.matches(c)
			}
		}
		if due {
			fired = append(fired, m.at)
		}
		virtual = m.civil
	}
	return fired
}

// agree compares Next with the oracle over a window whose first two days only
// warm up the virtual clock.
func agree(t *testing.T, zone *time.Location, spec oracleSpec, minutes []showing) {
	t.Helper()
	table, err := ParseTimetable(spec.text, zone)
	if err != nil {
		if strings.Contains(err.Error(), "never fires") && len(spec.fires(minutes)) == 0 {
			return
		}
		t.Fatal(err)
	}
	begin, end := minutes[0].at.Add(48*time.Hour), minutes[len(minutes)-1].at
	var want, got []time.Time
	for _, at := range spec.fires(minutes) {
		if at.After(begin) {
			want = append(want, at)
		}
	}
	for at := table.Next(begin); !at.IsZero() && !at.After(end); at = table.Next(at) {
		got = append(got, at)
	}
	if !slices.EqualFunc(got, want, time.Time.Equal) {
		t.Errorf("%q in %s over (%s, %s]:\n got %s\nwant %s", spec.text, zone, begin, end, firstDifference(got, want), firstDifference(want, got))
	}
}

func firstDifference(a, b []time.Time) string {
	for i, at := range a {
		if i >= len(b) || !at.Equal(b[i]) {
			return fmt.Sprintf("%d times, at #%d %s", len(a), i, at.UTC())
		}
	}
	return fmt.Sprintf("%d times, then none", len(a))
}

// transitions are the instants within [from, to) at which the zone's offset
// changes, found by looking at the clock, not by ZoneBounds.
func transitions(zone *time.Location, from, to time.Time) []time.Time {
	var found []time.Time
	offset := func(at time.Time) int { _, o := at.In(zone).Zone(); return o }
	const step = 6 * time.Hour
	for at := from; at.Before(to); at = at.Add(step) {
		if offset(at) == offset(at.Add(step)) {
			continue
		}
		low, high := at, at.Add(step)
		for high.Sub(low) > time.Second {
			mid := low.Add(high.Sub(low) / 2).Truncate(time.Second)
			if offset(mid) == offset(low) {
				low = mid
			} else {
				high = mid
			}
		}
		found = append(found, high.Truncate(time.Minute))
	}
	return found
}

func allZones(t testing.TB) []*time.Location {
	t.Helper()
	var zones []*time.Location
	for name := range strings.Lines(zoneNames) {
		zone, err := LoadZone(strings.TrimSpace(name))
		if err != nil {
			t.Fatal(err)
		}
		zones = append(zones, zone)
	}
	return zones
}

func seededRand(t testing.TB) *rand.Rand {
	seed := *dstSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("replay with -dst.seed=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

func TestNextAgreesWithTheClockInEveryZone(t *testing.T) {
	r := seededRand(t)
	from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	to := time.Date(2029, 1, 1, 0, 0, 0, 0, time.UTC)
	checked := 0
	for _, zone := range allZones(t) {
		if *dstFull {
			minutes := watch(zone, from, to)
			for range 10 {
				agree(t, zone, randomSpec(r), minutes)
				checked++
			}
			continue
		}
		around := transitions(zone, from, to)
		around = append(around, from.Add(time.Duration(r.Int64N(int64(to.Sub(from))))).Truncate(time.Minute))
		for _, at := range around {
			minutes := watch(zone, at.Add(-72*time.Hour), at.Add(48*time.Hour))
			for range 4 {
				agree(t, zone, randomSpec(r), minutes)
				checked++
			}
		}
	}
	t.Logf("%d schedules and windows", checked)
}

// History has what 2026-2028 lacks: days left out, days shown twice, offset
// changes at midnight, daylight saving in winter, gaps and overlaps of odd
// lengths.
func TestNextAgreesWithTheClockInHistory(t *testing.T) {
	r := seededRand(t)
	for _, c := range []struct{ zone, day string }{
		{"Pacific/Apia", "2011-12-30"},               // no such day
		{"Pacific/Kwajalein", "1993-08-21"},          // no such day
		{"Pacific/Kiritimati", "1994-12-31"},         // no such day
		{"America/Sao_Paulo", "2018-11-04"},          // gap at midnight
		{"America/Sao_Paulo", "2019-02-17"},          // back over midnight
		{"Europe/Dublin", "2026-03-29"},              // negative daylight saving
		{"Africa/Casablanca", "2026-02-15"},          // negative, around Ramadan
		{"Africa/Casablanca", "2026-03-22"},          //
		{"Antarctica/Troll", "2026-03-29"},           // gap of 2 h
		{"Antarctica/Troll", "2026-10-25"},           // overlap of 2 h
		{"Antarctica/Casey", "2020-10-04"},           // gap of 3 h
		{"Antarctica/Casey", "2023-03-09"},           // overlap of 3 h
		{"Antarctica/Casey", "2009-10-18"},           //
		{"Antarctica/Davis", "2009-10-18"},           //
		{"America/Caracas", "2007-12-09"},            // 30 minutes back
		{"Asia/Pyongyang", "2018-05-04"},             // 30 minutes on, at 23:30
		{"Asia/Kathmandu", "1985-12-31"},             // 15 minutes at midnight
		{"America/Nuuk", "2026-03-28"},               // gap that ends at midnight
		{"America/Nuuk", "2026-10-24"},               // back over midnight
		{"Australia/Lord_Howe", "2026-04-05"},        // 30 minutes back
		{"America/St_Johns", "1988-04-03"},           // 2 h at 00:01
		{"America/St_Johns", "2010-11-07"},           // back at 00:01
		{"Asia/Gaza", "2026-03-28"},                  //
		{"Europe/Moscow", "2014-10-26"},              //
		{"America/Metlakatla", "2015-11-01"},         // offset unchanged
		{"Asia/Manila", "1978-09-20"},                //
		{"Pacific/Tongatapu", "2017-01-15"},          //
		{"America/Argentina/San_Luis", "2008-01-20"}, //
	} {
		zone, err := LoadZone(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		day, err := time.Parse(time.DateOnly, c.day)
		if err != nil {
			t.Fatal(err)
		}
		minutes := watch(zone, day.Add(-96*time.Hour), day.Add(96*time.Hour))
		for range 60 {
			agree(t, zone, randomSpec(r), minutes)
		}
	}
}
