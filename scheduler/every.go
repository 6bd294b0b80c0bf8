package scheduler

import (
	"strings"
	"time"
)

const everyPrefix = "@every"

// parseEvery reads what follows "@every". Whole seconds only: the ledger's key
// of a run is its nominal time in seconds.
func parseEvery(spec string) (time.Duration, error) {
	text := strings.TrimSpace(strings.TrimPrefix(spec, everyPrefix))
	if text == "" {
		return 0, refuseSpec(spec, "no duration after @every", `write one, as in "@every 90s" or "@every 1h30m"`)
	}
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		return 0, refuseSpec(spec, "not a duration after @every", `write a number with its unit (s, m, h), as in "@every 90s"`)
	case d < 0:
		return 0, refuseSpec(spec, "a negative duration", "write a positive one")
	case d < time.Second:
		return 0, refuseSpec(spec, "more often than once a second", `the shortest is "@every 1s"`)
	case d%time.Second != 0:
		return 0, refuseSpec(spec, "not a whole number of seconds", "round it, as in "+strconvQuote(everyPrefix+" "+d.Round(time.Second).String()))
	case d > maxSilence:
		return 0, refuseSpec(spec, "never fires within 5 years", "use a shorter duration")
	}
	return d, nil
}

// nextMultiple is the first multiple of d since the Unix epoch strictly after
// t. Counting from the epoch, not from the start of the process, is what keeps
// an @every schedule's times the same over restarts.
func nextMultiple(d time.Duration, t time.Time) time.Time {
	step := int64(d / time.Second)
	n := t.Unix() / step
	if t.Unix() < 0 && t.Unix()%step != 0 {
		n--
	}
	return time.Unix((n+1)*step, 0)
}
