package batcher

import "time"

// instant is a point in time in a third of the room of a time.Time: an instance in work has several.
// It counts nanoseconds of the monotonic clock from epoch, so that a step of the wall clock does not
// move it. 0: none, which is before all others.
type instant int64

// epoch is the beginning of 1970, as the wall clock had it when the process began: every instant is
// over 0.
var epoch = func() time.Time {
	now := time.Now()
	return now.Add(-time.Duration(now.UnixNano()))
}()

func instantOf(t time.Time) instant {
	if t.IsZero() {
		return 0
	}
	return instant(t.Sub(epoch))
}

// time is for calculations, not for people: it does not follow a step of the wall clock.
func (i instant) time() time.Time {
	if i == 0 {
		return time.Time{}
	}
	return epoch.Add(time.Duration(i))
}
