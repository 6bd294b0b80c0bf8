package scheduler

import (
	"testing"
	"time"
)

func TestDrift(t *testing.T) {
	start := Reading{Wall: at("05 07:00"), Monotonic: time.Hour, Suspended: time.Minute}
	for _, tc := range []struct {
		story                string
		wall, mono, suspend  time.Duration
		wantStep, wantAsleep time.Duration
	}{
		{"time passes", 15 * time.Second, 15 * time.Second, 0, 0, 0},
		{"slewing", 16 * time.Second, 15 * time.Second, 0, 0, 0},
		{"set forward", 2 * time.Hour, 15 * time.Second, 0, 2*time.Hour - 15*time.Second, 0},
		{"set back", -time.Hour, 15 * time.Second, 0, -time.Hour - 15*time.Second, 0},
		{"asleep", 8 * time.Hour, 15 * time.Second, 8*time.Hour - 15*time.Second, 0, 8*time.Hour - 15*time.Second},
		{"asleep, and set forward on waking", 9 * time.Hour, 0, 8 * time.Hour, time.Hour, 8 * time.Hour},
	} {
		t.Run(tc.story, func(t *testing.T) {
			step, slept := drift(start, Reading{start.Wall.Add(tc.wall), start.Monotonic + tc.mono, start.Suspended + tc.suspend})
			if step != tc.wantStep || slept != tc.wantAsleep {
				t.Errorf("step %s, slept %s; want %s, %s", step, slept, tc.wantStep, tc.wantAsleep)
			}
		})
	}
}
