package store

import "time"

// CalendarDates are the dates that the files of a calendar gave when they were last read. The texts
// mean nothing to a store. A zero field is left out of the JSON.
type CalendarDates struct {
	ReadAt  time.Time           `json:"at"`
	Dates   []string            `json:"d,omitempty"` // days and ranges of days, on a clock in any other zone
	Zones   map[string][]string `json:"z,omitempty"` // the same on a clock in these zones, by name
	Endless bool                `json:"e,omitempty"` // there are later dates
}
