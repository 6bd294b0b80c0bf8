package scheduler

import "time"

// Reading holds the values of the clocks at one moment.
type Reading struct {
	// Wall is the time of day that the machine's clock shows, without a monotonic part. An operator
	// or a time daemon can set it in either direction.
	Wall time.Time
	// Monotonic is the time passed since a fixed moment of the process. It cannot be set, and it
	// stands still while the machine is suspended.
	Monotonic time.Duration
	// Suspended is the time that the machine has spent in suspend since a fixed moment; 0 where the
	// system does not report it.
	Suspended time.Duration
}

// Clock reads the clocks. It is safe for concurrent use.
type Clock interface {
	Read() Reading
}

// SystemClock returns the machine's own clock. It is safe for concurrent use.
func SystemClock() Clock { return systemClock{start: time.Now()} }

type systemClock struct{ start time.Time }

// Read implements Clock. Round(0) removes the monotonic part of Wall: differences of two Wall
// values are then differences of the wall clock, which shows a clock step.
func (c systemClock) Read() Reading {
	now := time.Now()
	return Reading{Wall: now.Round(0), Monotonic: now.Sub(c.start), Suspended: suspended()}
}

// stepThreshold is the largest difference between wall and monotonic progress, from one round to
// the next, that is not a clock step. Rounds are at most a heartbeat apart. In that time slewing
// changes the wall clock by far less, and setting the clock usually changes it by far more.
const stepThreshold = 2 * time.Second

// drift compares two successive readings. step is by how much the wall clock was set, negative for
// backward. slept is how long the machine was suspended. Each is zero where it is at most
// stepThreshold.
func drift(before, after Reading) (step, slept time.Duration) {
	slept = after.Suspended - before.Suspended
	// During a suspend the wall clock goes on and the monotonic clock does not. That is no step.
	step = after.Wall.Sub(before.Wall) - (after.Monotonic - before.Monotonic) - slept
	if step.Abs() <= stepThreshold {
		step = 0
	}
	if slept <= stepThreshold {
		slept = 0
	}
	return step, slept
}

// latest returns the later of two instants.
func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
