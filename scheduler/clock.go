package scheduler

import "time"

// Reading is one look at the clocks.
type Reading struct {
	// Wall is the time of day as the machine believes it, without a monotonic part.
	Wall time.Time
	// Monotonic is time passed since any fixed moment; nobody can set it, and it
	// stands still while the machine is suspended.
	Monotonic time.Duration
	// Suspended is time spent in suspend since any fixed moment; 0 where it is not known.
	Suspended time.Duration
}

// Clock reads the clocks. It is safe for concurrent use.
type Clock interface {
	Read() Reading
}

// SystemClock is the machine's own clock.
func SystemClock() Clock { return systemClock{start: time.Now()} }

type systemClock struct{ start time.Time }

func (c systemClock) Read() Reading {
	now := time.Now()
	return Reading{Wall: now.Round(0), Monotonic: now.Sub(c.start), Suspended: suspended()}
}

// stepThreshold is how far wall and monotonic progress may part between two
// rounds, at most a heartbeat: slewing stays far below, a set clock above.
const stepThreshold = 2 * time.Second

// drift compares two successive readings: step is how far the wall clock was
// set, slept how long the machine was suspended; each is zero when it is too
// small to matter.
func drift(before, after Reading) (step, slept time.Duration) {
	slept = after.Suspended - before.Suspended
	step = after.Wall.Sub(before.Wall) - (after.Monotonic - before.Monotonic) - slept
	if step.Abs() <= stepThreshold {
		step = 0
	}
	if slept <= stepThreshold {
		slept = 0
	}
	return step, slept
}
