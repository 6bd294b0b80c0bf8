package store

import (
	"cmp"
	"slices"
	"time"
)

// SkipKept is for how long a skip is kept once its time is over. It is more than the longest window of
// catch_up: a time that was skipped must not become an intention again.
const SkipKept = 35 * 24 * time.Hour

// Skip is one nominal time of a schedule that a person leaves out. Its JSON is what an implementation
// keeps.
type Skip struct {
	ID       string    `json:"id"` // its key: the id that the run would have; opaque to the store
	Schedule string    `json:"schedule"`
	Nominal  time.Time `json:"nominal_time"`
	Timezone string    `json:"timezone"` // of Schedule, by IANA name
	Actor    string    `json:"actor"`
	Reason   string    `json:"reason"`
	At       time.Time `json:"made_at"`
}

// SortSkips brings skips into the order of their times.
func SortSkips(all []Skip) {
	slices.SortFunc(all, func(a, b Skip) int { return cmp.Or(a.Nominal.Compare(b.Nominal), cmp.Compare(a.ID, b.ID)) })
}
