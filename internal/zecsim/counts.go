package zecsim

import (
	"maps"
	"slices"
	"strings"
	"time"

	"zecpower/apiclient"
)

// counts sum up the requests so far. Their owner guards them.
type counts struct {
	requests, underWay, peak                      int
	throttled, authFailures, malformed, abandoned int
	acceptedStarts, acceptedStops                 int
	levelSince                                    time.Duration // when underWay last changed
	byAction                                      map[string]int
	byStatus                                      map[int]int
	faults                                        map[FaultKind]int
	kept                                          []RequestRecord

	lastSecond   []time.Duration // arrivals less than a second before the newest
	maxPerSecond int
}

func newCounts() counts {
	return counts{byAction: map[string]int{}, byStatus: map[int]int{}, faults: map[FaultKind]int{}}
}

// arrive counts a request and returns its number.
func (c *counts) arrive(at time.Duration, action string) int {
	c.levelHeld(at)
	c.requests++
	c.underWay++
	if !slices.Contains(actionNames(), action) {
		action = "" // a client chooses its header, so it must not choose our keys
	}
	c.byAction[action]++
	old := 0
	for old < len(c.lastSecond) && at-c.lastSecond[old] >= time.Second {
		old++
	}
	c.lastSecond = append(c.lastSecond[old:], at)
	c.maxPerSecond = max(c.maxPerSecond, len(c.lastSecond))
	return c.requests
}

// levelHeld is called before the number of requests under way changes: the present one held since
// the last change, which may be no time at all.
func (c *counts) levelHeld(until time.Duration) {
	if until > c.levelSince {
		c.peak, c.levelSince = max(c.peak, c.underWay), until
	}
}

// leave counts how a request ended.
func (c *counts) leave(at time.Duration, r RequestRecord, keep bool) {
	c.levelHeld(at)
	c.underWay--
	r.Malformed = r.Malformed || strings.HasPrefix(string(r.Code), string(apiclient.CodeInvalidParameter))
	c.byStatus[r.Status]++
	add := func(n *int, that bool) {
		if that {
			*n++
		}
	}
	add(&c.abandoned, r.Abandoned)
	add(&c.authFailures, strings.HasPrefix(string(r.Code), "AUTHFAILURE"))
	add(&c.malformed, r.Malformed)
	if keep {
		c.kept = append(c.kept, r)
	}
}

func (c *counts) truth() Truth {
	return Truth{
		Requests: c.requests, ByAction: maps.Clone(c.byAction), ByStatus: maps.Clone(c.byStatus), Faults: maps.Clone(c.faults),
		Throttled: c.throttled, AuthFailures: c.authFailures, Malformed: c.malformed, Abandoned: c.abandoned,
		AcceptedStarts: c.acceptedStarts, AcceptedStops: c.acceptedStops,
		MaxPerSecond: c.maxPerSecond, PeakConcurrency: c.peak,
	}
}
