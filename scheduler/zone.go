package scheduler

import (
	"errors"
	"fmt"
	"time"
	_ "time/tzdata" // hosts without zone files know every zone too
)

// LoadZone finds a time zone by its name in the tz database; "" is UTC. It
// refuses "Local", because what a schedule means must not depend on the host.
func LoadZone(name string) (*time.Location, error) {
	switch name {
	case "":
		return time.UTC, nil
	case "Local", "localtime":
		return nil, fmt.Errorf("time zone %q: depends on the host; name the zone, as in Asia/Singapore", name)
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("time zone %q: %w", name, errors.New("unknown; use a name of the tz database, as in Asia/Singapore"))
	}
	return zone, nil
}
