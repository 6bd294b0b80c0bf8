package scheduler

import (
	"flag"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"zecpower/scheduler/calendar"
	"zecpower/scheduler/cron"
)

var randomSeed = flag.Uint64("random.seed", 0, "seed of the random schedules; 0 draws one")

func seededRand(t testing.TB) *rand.Rand {
	seed := *randomSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("replay with -random.seed=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

func mustZone(t testing.TB, name string) *time.Location {
	t.Helper()
	zone, err := cron.LoadZone(name)
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

// allZones are the zones of the tz database.
func allZones(t testing.TB) []*time.Location {
	t.Helper()
	names, err := os.ReadFile("cron/zones.txt")
	if err != nil {
		t.Fatal(err)
	}
	var zones []*time.Location
	for _, name := range strings.Fields(string(names)) {
		zones = append(zones, mustZone(t, name))
	}
	return zones
}

func mustParse(t testing.TB, spec, zone string) *cron.Timetable {
	t.Helper()
	table, err := cron.Parse(spec, mustZone(t, zone))
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func mustCalendar(t testing.TB, name string, dates ...string) *calendar.Calendar {
	t.Helper()
	c, err := calendar.New(calendar.Source{Name: name, Dates: dates})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// randomSpec draws a cron spec of stars, steps, values and ranges.
func randomSpec(r *rand.Rand) string {
	field := func(low, high int, star float64) string {
		switch v := low + r.IntN(high-low+1); {
		case r.Float64() < star:
			return "*"
		case r.IntN(4) == 0:
			return "*/" + strconv.Itoa(2+r.IntN((high-low+1)/2))
		case r.IntN(3) == 0:
			return strconv.Itoa(v) + "-" + strconv.Itoa(v+r.IntN(high-v+1))
		default:
			return strconv.Itoa(v)
		}
	}
	hours := field(0, 23, 0.2)
	if r.IntN(2) == 0 { // most transitions happen at night
		hours = strconv.Itoa(r.IntN(5))
	}
	return strings.Join([]string{field(0, 59, 0.2), hours, field(1, 31, 0.8), field(1, 12, 0.9), field(0, 6, 0.7)}, " ")
}
