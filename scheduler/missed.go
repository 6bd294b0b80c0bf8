package scheduler

// MissedReason says why a nominal time that was due did not run.
type MissedReason string

// The reasons, a closed set.
const (
	// MissedDown: no daemon was running, for longer than the catch-up window.
	MissedDown MissedReason = "down"
	// MissedAsleep: the machine was suspended for longer than the catch-up window.
	MissedAsleep MissedReason = "asleep"
	// MissedStalled: the daemon ran but made no progress (stopped by a signal, a frozen virtual
	// machine) for longer than the catch-up window.
	MissedStalled MissedReason = "stalled"
	// MissedClockStep: the wall clock was set forward past it and its catch-up window.
	MissedClockStep MissedReason = "clock_step"
	// MissedCatchUpOff: it was late, and the schedule has no catch-up window.
	MissedCatchUpOff MissedReason = "catch_up_off"
	// MissedSuperseded: a later run of the schedule does its work.
	MissedSuperseded MissedReason = "superseded"
	// MissedInterrupted: it began, its process died, and it was too late to resume it.
	MissedInterrupted MissedReason = "interrupted"
	// MissedRemoved: its schedule was removed before it began or could be resumed.
	MissedRemoved MissedReason = "removed"
	// MissedPaused: its schedule was paused before it could be resumed.
	MissedPaused MissedReason = "paused"
	// MissedEdited: its schedule's timing, zone or action was edited before it began or could be
	// resumed.
	MissedEdited MissedReason = "edited"
)

// MissedReasons lists every reason, in the order of the constants.
func MissedReasons() []MissedReason {
	return []MissedReason{
		MissedDown, MissedAsleep, MissedStalled, MissedClockStep, MissedCatchUpOff, MissedSuperseded,
		MissedInterrupted, MissedRemoved, MissedPaused, MissedEdited,
	}
}
