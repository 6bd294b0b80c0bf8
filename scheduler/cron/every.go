package cron

import (
	"strings"
	"time"
)

const everyPrefix = "@every"

func isEvery(spec string) bool {
	return len(spec) >= len(everyPrefix) && strings.EqualFold(spec[:len(everyPrefix)], everyPrefix)
}

// parseEvery reads "@every D". It takes whole seconds only, because the store keys a run by its
// nominal time in seconds.
func parseEvery(spec string) (time.Duration, error) {
	text := strings.TrimSpace(spec[len(everyPrefix):])
	if text == "" {
		return 0, refuseSpec(spec, "no duration after @every", "write one, as in @every 90s or @every 1h30m")
	}
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		return 0, refuseSpec(spec, "no duration after @every", "write numbers with their units (h, m, s), as in @every 90s or @every 1h30m")
	case d < 0:
		return 0, refuseSpec(spec, "its duration is negative", "leave the minus sign out")
	case d < time.Second:
		return 0, refuseSpec(spec, "more often than once a second", "the shortest is @every 1s")
	case d%time.Second != 0:
		return 0, refuseSpec(spec, "its duration is not in whole seconds", "round it, as in @every "+d.Round(time.Second).String())
	case d > maxSilence:
		return 0, refuseSpec(spec, "never fires within 5 years", "use a shorter duration, or five fields for yearly dates")
	}
	return d, nil
}

// nextMultiple is the first multiple of d since the Unix epoch strictly after t. Counting from the
// epoch, not from the start of the process, keeps the times of an @every schedule the same over
// restarts.
func nextMultiple(d time.Duration, t time.Time) time.Time {
	step := int64(d / time.Second)
	n := t.Unix() / step
	if t.Unix() < 0 && t.Unix()%step != 0 {
		n-- // integer division rounds towards zero, a time line has no zero
	}
	return time.Unix((n+1)*step, 0)
}
