package calendar

import (
	_ "embed"
	"strings"
	"sync"
)

//go:generate go run gen_windowszones.go -cldr 41 windowsZones.xml

// windowsZones says where it comes from and of which version it is.
//
//go:embed windowszones.txt
var windowsZones string

// windowsTable is windowsZones by lower-case Windows name.
var windowsTable = sync.OnceValue(func() map[string]string {
	table := make(map[string]string)
	for line := range strings.Lines(windowsZones) {
		if name, zone, ok := strings.Cut(strings.TrimSpace(line), "\t"); ok && name[0] != '#' {
			table[strings.ToLower(name)] = zone
		}
	}
	return table
})

// windowsZone is the zone of the tz database that a Windows name means, or "".
func windowsZone(name string) string { return windowsTable()[strings.ToLower(name)] }
