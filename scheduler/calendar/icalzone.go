package calendar

import (
	"strings"
	"time"

	"zecpower/scheduler/cron"
)

// zoneFinder finds the zones that a file names.
type zoneFinder struct {
	described map[string]*vtimezone     // of all VCALENDARs of the file, the first of each name
	found     map[string]*time.Location // nil for a name that nothing explains
	onsets    int                       // that VTIMEZONEs may still have
	warn      *warnings
}

func newZoneFinder(calendars []*vcalendar, warn *warnings) *zoneFinder {
	f := &zoneFinder{described: make(map[string]*vtimezone), found: make(map[string]*time.Location), onsets: maxOnsets, warn: warn}
	for _, c := range calendars {
		for name, zone := range c.zones {
			if f.described[name] == nil {
				f.described[name] = zone
			}
		}
	}
	return f
}

// find is the zone that a property names, or nil where nothing explains the name, which it warns of
// once. In order of trust: the tz database, the VTIMEZONE of the event's own VCALENDAR, else one of
// the file, Windows names, and names with a prefix that end in one of the tz database.
func (f *zoneFinder) find(c *vcalendar, p icsProperty) *time.Location {
	name := strings.TrimSpace(p.value)
	own, found := c.zones[name], f.found
	if own == nil {
		own = f.described[name]
	} else {
		found = c.found
	}
	if zone, known := found[name]; known {
		return zone
	}
	zone := f.resolve(name, own)
	if zone == nil {
		f.warn.warn(p.line, "%s %.60q: neither a zone of the tz database, nor explained by the file, nor a Windows name; its times are read as local ones", p.name, name)
	}
	found[name] = zone
	return zone
}

func (f *zoneFinder) resolve(name string, own *vtimezone) *time.Location {
	if zone, err := cron.FindZone(name); err == nil {
		return zone
	}
	if own != nil {
		zone, err := own.location(&f.onsets)
		if err == nil {
			return zone
		}
		f.warn.warn(own.line, "VTIMEZONE %.60q: %v; it is left out", name, err)
	}
	if windows := windowsZone(name); windows != "" {
		if zone, err := cron.FindZone(windows); err == nil {
			return zone
		}
	}
	return prefixedZone(name)
}

// prefixedZone finds the zone at the end of a globally unique name, which begins with a slash and
// the name of its authority, as /freeassociation.sourceforge.net/Tzfile/Asia/Singapore.
func prefixedZone(name string) *time.Location {
	rest, ok := strings.CutPrefix(name, "/")
	for ok {
		_, rest, ok = strings.Cut(rest, "/")
		if zone, err := cron.FindZone(rest); ok && rest != "" && err == nil {
			return zone
		}
	}
	return nil
}
