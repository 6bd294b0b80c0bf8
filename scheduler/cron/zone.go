package cron

import (
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // hosts without zone files know every zone too

	"zecpower/internal/nearest"
)

// zoneNames are the zones of the tz database, one a line, for hints and for the tests that go
// through every zone. A newer database may know more: LoadZone asks the database, not this list.
//
//go:embed zones.txt
var zoneNames string

// LoadZone finds a time zone by its name in the tz database; "" is UTC. It refuses names whose
// meaning depends on the host, such as "Local", and zones that count leap seconds.
func LoadZone(name string) (*time.Location, error) {
	zone, err := FindZone(name)
	if errors.Is(err, errUnknownZone) {
		if near := nearestZone(name); near != "" {
			return nil, fmt.Errorf("time zone %q: not in the tz database; did you mean %s?", name, near)
		}
	}
	return zone, err
}

var errUnknownZone = errors.New("not in the tz database; write region and city, as in Asia/Singapore")

// FindZone is LoadZone without the hint at the nearest name. That hint costs a millisecond, which
// is too long for a file with thousands of wrong names.
func FindZone(name string) (*time.Location, error) {
	switch top, _, _ := strings.Cut(name, "/"); {
	case name == "":
		return time.UTC, nil
	case name == "Local", name == "localtime", name == "posixrules", name == "Factory":
		return nil, fmt.Errorf("time zone %q: depends on the host; name the zone, as in Asia/Singapore", name)
	case top == "right", top == "posix":
		return nil, fmt.Errorf("time zone %q: not in every tz database; leave %q out", name, top+"/")
	}
	zone, err := time.LoadLocation(name)
	if err == nil {
		return zone, nil
	}
	if offset, ok := parseOffset(name); ok {
		return nil, refuseOffset(name, offset)
	}
	return nil, fmt.Errorf("time zone %q: %w", name, errUnknownZone)
}

// nearestZone is the zone whose name is most like the given one, or "".
func nearestZone(name string) string {
	if len(name) > 64 {
		return ""
	}
	wanted := strings.ToLower(strings.ReplaceAll(name, " ", "_"))
	best, distance := "", 1+len(wanted)/4 // about one slip in four letters
	for zone := range strings.Lines(zoneNames) {
		zone = strings.TrimSpace(zone)
		known := strings.ToLower(zone)
		if known == wanted {
			return zone
		}
		city := known[strings.LastIndex(known, "/")+1:]
		if d := min(nearest.Distance(wanted, known), 1+nearest.Distance(wanted, city)); d < distance {
			best, distance = zone, d
		}
	}
	return best
}
