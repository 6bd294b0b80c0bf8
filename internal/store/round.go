package store

import (
	"slices"
	"time"

	"zecpower/internal/power"
)

// Round is what one decision round has to record. The zero value records nothing.
type Round struct {
	At         time.Time     // every schedule is decided up to here; zero: no further than before
	Claims     []Run         // new runs
	Updates    []Run         // claimed runs that begin, resume, or now wait for something else
	Begins     []Beginning   // runs that begin, claimed in this round or before, or never
	Abandons   []Abandonment // claimed runs that do not begin, or do not go on
	Notes      []Note        // nominal times that do not run
	Watermarks []Watermark   // replace those of the same schedules
	Forget     []string      // names of schedules that were removed: their watermarks are deleted
}

// Note says why nominal times did not run. It stands for one, or for a stretch of them with the
// same reason; the times of a stretch lie on one UTC day, except where AtLeast is set.
type Note struct {
	ID       string // the id that a run of the first of them would have
	Schedule string
	Action   power.Action
	Groups   []string
	Kind     Kind
	Nominal  time.Time // the first of them
	Last     time.Time // the last of them (with AtLeast: a bound); Nominal for a single time
	Count    int       // how many, at least 1
	AtLeast  bool      // there are more than Count
	Reason   string    // of KindMissed; of KindSkipped what the person gave; empty otherwise
	Actor    string    // of KindSkipped: the person; empty otherwise
	Calendar string    // of KindExcluded: the calendar's name; empty otherwise
	Timezone string    // as in [Run]
}

// Abandonment is the end of a claimed run that does not begin or does not go on.
type Abandonment struct {
	Run    Run
	Kind   Kind   // KindOverlap, KindPaused, KindSkipped, KindMissed or KindInterrupted
	Reason string // of KindMissed and KindInterrupted; of KindSkipped what the person gave; empty otherwise
	Actor  string // of KindSkipped: the person; empty otherwise
	At     time.Time
}

// Watermark says how far one schedule is decided, and under which spec.
type Watermark struct {
	Schedule string
	Through  time.Time // every nominal time up to here is decided
	Spec     string    // its timing at that time; a different one now means an edit
	Since    time.Time `json:",omitzero"` // when that timing came in force; zero: not known
}

// Empty reports that r has nothing but perhaps At.
func (r *Round) Empty() bool { return r.size() == 0 }

func (r *Round) size() int {
	return len(r.Claims) + len(r.Updates) + len(r.Begins) + len(r.Abandons) + len(r.Notes) + len(r.Watermarks) + len(r.Forget)
}

// PartSize is how many items one transaction of a round has at most. A round of the size of
// thousands of schedules fits; a write that comes in between waits some 30 ms for one part.
const PartSize = 5000

// Parts splits r into rounds of at most size items, to be written in order. Claims come first: a
// crash in between must lose lines of the history rather than runs. Notes follow in the order of
// time, so that each part touches few pages. What says how far everything is decided comes last,
// because it must not be durable before the decisions that it covers. The last part has At.
func (r Round) Parts(size int) []Round {
	if r.size() <= size {
		return []Round{r}
	}
	r.Notes = slices.Clone(r.Notes)
	slices.SortStableFunc(r.Notes, func(a, b Note) int { return a.Nominal.Compare(b.Nominal) })
	var parts []Round
	part, room := Round{}, size
	add := func(all int, put func(from, to int)) {
		for from := 0; from < all; {
			to := min(all, from+room)
			put(from, to)
			if room -= to - from; room == 0 {
				parts = append(parts, part)
				part, room = Round{}, size
			}
			from = to
		}
	}
	add(len(r.Claims), func(i, j int) { part.Claims = r.Claims[i:j] })
	add(len(r.Updates), func(i, j int) { part.Updates = r.Updates[i:j] })
	add(len(r.Begins), func(i, j int) { part.Begins = r.Begins[i:j] })
	add(len(r.Abandons), func(i, j int) { part.Abandons = r.Abandons[i:j] })
	add(len(r.Notes), func(i, j int) { part.Notes = r.Notes[i:j] })
	add(len(r.Watermarks), func(i, j int) { part.Watermarks = r.Watermarks[i:j] })
	add(len(r.Forget), func(i, j int) { part.Forget = r.Forget[i:j] })
	if part.Empty() && len(parts) > 0 {
		parts[len(parts)-1].At = r.At
		return parts
	}
	part.At = r.At
	return append(parts, part)
}
