package scheduler

import (
	"strings"
	"time"

	"zecpower/internal/store"
)

// spec returns a text that identifies the timing of a schedule: timetable, zone, action, and
// whether it is paused. The store keeps it in the watermark. A schedule whose spec differs from its
// watermark's was edited, and an edited schedule has no past: it starts from now.
//
// The calendars are not part of it. Next year's holidays, added while the daemon is down, must not
// cost the run that the schedule missed meanwhile. A pause is part of it: when a pause is lifted
// while the daemon is down, the times that it held back must not run.
func (s *Schedule) spec() string {
	if s.Paused {
		return s.fingerprint() + pausedSuffix
	}
	return s.fingerprint()
}

// fingerprint returns a text that identifies what a run of the schedule is: its timing, zone and
// action. A run whose fingerprint differs from its schedule's was claimed before an edit.
func (s *Schedule) fingerprint() string {
	return s.Timetable.String() + "\n" + s.Zone.String() + "\n" + string(s.Action)
}

// fingerprintOf returns the fingerprint of the schedule that a watermark was written for.
func fingerprintOf(w store.Watermark) string { return strings.TrimSuffix(w.Spec, pausedSuffix) }

// claimedBy reports whether f was claimed by s as it is now.
func (f Firing) claimedBy(s *Schedule) bool {
	if f.Fingerprint == "" {
		return f.Action == s.Action
	}
	return f.Fingerprint == s.fingerprint()
}

// pausedSuffix ends the spec of a paused schedule.
const pausedSuffix = "\npaused"

// startFrom returns from where on the nominal times of a schedule are undecided when the loop first
// sees it at now. w is its watermark in the store, known whether it has one. spec is its present
// spec. decidedThrough is the store's instant up to which every schedule with a watermark is
// decided.
func startFrom(w store.Watermark, known bool, spec string, decidedThrough, now time.Time) time.Time {
	// A new or edited schedule has no past. A schedule that was only paused since its watermark
	// keeps its past: the times in between are recorded as paused. The reverse, a lifted pause, is
	// an edit.
	edited := w.Spec != spec && w.Spec+pausedSuffix != spec
	// A watermark in the future comes from a clock that was wrong. With it the schedule would not
	// run until that time, so it is ignored.
	if !known || edited || w.Through.After(now) {
		return now
	}
	// decidedThrough in the future is ignored in the same way. The watermark alone still counts.
	if decidedThrough.After(now) {
		return w.Through
	}
	return latest(w.Through, decidedThrough)
}
