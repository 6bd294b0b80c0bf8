package batcher

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestInstantIsTheTimeItWasMadeOf(t *testing.T) {
	check := func(t *testing.T) {
		now := time.Now()
		for _, at := range []time.Time{now, now.Add(time.Nanosecond), now.Add(-30 * time.Second), now.Add(240 * time.Hour)} {
			if i := instantOf(at); i <= 0 || i.time().Sub(now) != at.Sub(now) {
				t.Errorf("%s became %d, %s", at, i, i.time())
			}
		}
		if instantOf(time.Time{}) != 0 || !instant(0).time().IsZero() {
			t.Error("no time is some instant")
		}
	}
	t.Run("real", check)
	t.Run("virtual", func(t *testing.T) { synctest.Test(t, check) })
}

// Else a step of the wall clock would end boots as timed out.
func TestInstantsCountByTheMonotonicClock(t *testing.T) {
	if !strings.Contains(epoch.String(), "m=") || !strings.Contains(instantOf(time.Now()).time().String(), "m=") {
		t.Errorf("no monotonic reading: %s", epoch)
	}
}
