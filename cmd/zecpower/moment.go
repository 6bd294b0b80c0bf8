package main

import (
	"fmt"
	"time"
)

// tableTime shows the second, since jitter may move a time by seconds, and the offset, which differs
// on the two sides of a change of clocks.
const tableTime = "Mon 2006-01-02 15:04:05 -0700"

// shortTime is a time of the day that the row is about.
const shortTime = "15:04:05"

// zoneOf returns the timezone of a schedule. That of this machine stands for one that is not recorded,
// as for runs by hand.
func zoneOf(name string) *time.Location {
	if name == "" {
		return time.Local
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return time.Local
	}
	return zone
}

// moment shows t as a schedule of a timezone says it, and how far it is from now. A zero t is a dash.
func moment(t, now time.Time, timezone string) string {
	if t.IsZero() {
		return "-"
	}
	return nearOrFar(t.In(zoneOf(timezone)), now)
}

// nearOrFar shows t with how far it is from now; without a now, t alone.
func nearOrFar(t, now time.Time) string {
	if now.IsZero() {
		return t.Format(tableTime)
	}
	return fmt.Sprintf("%s (%s)", t.Format(tableTime), relative(t, now))
}

// relative says how far t is from now, in the unit that a person would take.
func relative(t, now time.Time) string {
	d := t.Sub(now).Round(time.Second)
	switch {
	case d == 0:
		return "now"
	case d < 0:
		return length(-d) + " ago"
	}
	return "in " + length(d)
}

func length(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < 10*time.Hour && d%time.Hour >= time.Minute:
		return fmt.Sprintf("%d h %d min", d/time.Hour, d%time.Hour/time.Minute)
	case d < 2*day:
		return fmt.Sprintf("%d h", d/time.Hour)
	}
	return fmt.Sprintf("%d days", d/day)
}
