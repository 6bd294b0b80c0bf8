package cron

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

// The full sweep goes through every minute of 2026-2028 in every zone (some minutes of two cores):
//
//	go test ./scheduler/cron/ -run TestNextAgreesWithTheClockInEveryZone -dst.full -timeout 2h
//
// A failure prints the seed; -dst.seed repeats it.
var (
	dstFull = flag.Bool("dst.full", false, "check every minute of 2026-2028 in every zone, not only around transitions")
	dstSeed = flag.Uint64("dst.seed", 0, "seed of the random schedules; 0 draws one")
)

// oracleSpec is a random cron spec with its meaning, kept apart from the parser under test.
type oracleSpec struct {
	text                                   string
	minutes, hours, days, months, weekdays set
	starMinute, starHour, or               bool
}

// set has the numbers below 64 whose bit is set.
type set uint64

func (s set) has(v int) bool { return s&(1<<v) != 0 }
func (s *set) add(v int)     { *s |= 1 << v }

func (s oracleSpec) matches(c reading) bool {
	if !s.minutes.has(c.minute) || !s.hours.has(c.hour) || !s.months.has(c.month) {
		return false
	}
	day, weekday := s.days.has(c.day), s.weekdays.has(c.weekday)
	if s.or {
		return day || weekday
	}
	return day && weekday
}

func randomField(r *rand.Rand, low, high int, starChance float64) (text string, values set, star bool) {
	if r.Float64() < starChance {
		step := 1
		if r.IntN(2) == 0 {
			step = 2 + r.IntN((high-low+1)/2)
		}
		for v := low; v <= high; v += step {
			values.add(v)
		}
		if step == 1 {
			return "*", values, true
		}
		return "*/" + strconv.Itoa(step), values, true
	}
	var parts []string
	for range 1 + r.IntN(3) {
		a := low + r.IntN(high-low+1)
		switch r.IntN(3) {
		case 0:
			b := a + r.IntN(high-a+1)
			step := 1 + r.IntN(4)
			for v := a; v <= b; v += step {
				values.add(v)
			}
			parts = append(parts, fmt.Sprintf("%d-%d/%d", a, b, step))
		default:
			values.add(a)
			parts = append(parts, strconv.Itoa(a))
		}
	}
	return strings.Join(parts, ","), values, false
}

func randomSpec(r *rand.Rand) oracleSpec {
	var s oracleSpec
	var texts [5]string
	var starDay, starWeekday bool
	texts[0], s.minutes, s.starMinute = randomField(r, 0, 59, 0.2)
	texts[1], s.hours, s.starHour = randomField(r, 0, 23, 0.2)
	if r.IntN(2) == 0 { // most transitions happen at night
		h := r.IntN(5)
		texts[1], s.hours, s.starHour = strconv.Itoa(h), 1<<h, false
	}
	texts[2], s.days, starDay = randomField(r, 1, 31, 0.8)
	texts[3], s.months, _ = randomField(r, 1, 12, 0.9)
	texts[4], s.weekdays, starWeekday = randomField(r, 0, 7, 0.7)
	if s.weekdays.has(7) && !strings.HasPrefix(texts[4], "*") { // the star counts 0-6
		s.weekdays.add(0)
	}
	// cronie: one matching day field is enough where neither begins with a star.
	s.or = !starDay && !starWeekday
	s.text = strings.Join(texts[:], " ")
	return s
}

// reading is what a zone's clock shows in one minute.
type reading struct {
	at                                time.Time
	serial                            int64 // minutes from 1970 to this reading, were it in UTC
	minute, hour, day, month, weekday int
}

func newReading(at, shown time.Time) reading {
	return reading{
		at: at, serial: time.Date(shown.Year(), shown.Month(), shown.Day(), shown.Hour(), shown.Minute(), 0, 0, time.UTC).Unix() / 60,
		minute: shown.Minute(), hour: shown.Hour(), day: shown.Day(), month: int(shown.Month()), weekday: int(shown.Weekday()),
	}
}

// watch reads the zone's clock once a minute, as a person at the wall would.
func watch(zone *time.Location, from, to time.Time) []reading {
	readings := make([]reading, 0, int(to.Sub(from)/time.Minute))
	for at := from; at.Before(to); at = at.Add(time.Minute) {
		readings = append(readings, newReading(at, at.In(zone)))
	}
	return readings
}

// sharedClocks spares reading the clocks of zones that change at the same instant by the same
// amount.
type sharedClocks map[string][]reading

func (c sharedClocks) watch(zone *time.Location, from, to time.Time) []reading {
	const layout = "2006-01-02T15:04Z0700"
	key := from.In(zone).Format(layout) + to.In(zone).Format(layout)
	if c[key] == nil {
		c[key] = watch(zone, from, to)
	}
	return c[key]
}

// fires is cronie's rule, minute by minute: a virtual clock that never goes back; fixed times
// follow it, and are made up for over gaps up to 3 hours; wildcards follow the clock on the wall.
func (s oracleSpec) fires(readings []reading) []time.Time {
	var fired []time.Time
	virtual := readings[0].serial - 1
	for _, r := range readings {
		due := s.matches(r)
		if s.starMinute || s.starHour {
			if due {
				fired = append(fired, r.at)
			}
			continue
		}
		if r.serial <= virtual {
			continue
		}
		if r.serial-virtual-1 <= 3*60 {
			for missed := virtual + 1; missed < r.serial; missed++ {
				due = due || s.matches(newReading(r.at, time.Unix(missed*60, 0).UTC()))
			}
		}
		if due {
			fired = append(fired, r.at)
		}
		virtual = r.serial
	}
	return fired
}

// agree compares Next with the oracle over a window whose first day only warms up the virtual
// clock.
func agree(t *testing.T, zone *time.Location, spec oracleSpec, minutes []reading) {
	t.Helper()
	table, err := Parse(spec.text, zone)
	if err != nil {
		if strings.Contains(err.Error(), "never fires") && len(spec.fires(minutes)) == 0 {
			return
		}
		t.Fatal(err)
	}
	begin, end := minutes[0].at.Add(24*time.Hour), minutes[len(minutes)-1].at
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

// transitions are the instants within [from, to) at which the zone's offset changes, found by
// looking at the clock, not by ZoneBounds.
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
	checked, clocks := 0, sharedClocks{}
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
			minutes := clocks.watch(zone, at.Add(-40*time.Hour), at.Add(32*time.Hour))
			for range 3 {
				agree(t, zone, randomSpec(r), minutes)
				checked++
			}
		}
	}
	t.Logf("%d schedules and windows", checked)
}

// History has what 2026-2028 lacks: days left out, days shown twice, offset changes at midnight,
// daylight saving in winter, gaps and overlaps of odd lengths.
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
