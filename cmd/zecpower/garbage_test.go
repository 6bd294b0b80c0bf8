package main

import (
	"runtime/debug"
	"testing"
)

// Little garbage is kept, and a GOGC of the environment counts instead.
func TestGOGCOfTheEnvironmentCounts(t *testing.T) {
	const own = 123
	defer debug.SetGCPercent(debug.SetGCPercent(own))
	for _, c := range []struct {
		gogc string
		want int
	}{{"400", own}, {"", garbagePercent}} {
		limitGarbage(func(name string) string { return map[string]string{"GOGC": c.gogc}[name] })
		if got := debug.SetGCPercent(own); got != c.want {
			t.Errorf("GOGC=%q: %d, want %d", c.gogc, got, c.want)
		}
	}
}
