package calendar

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// maxICSLength is more than any real event lasts.
const maxICSLength = 100 * 366 * 24 * time.Hour

var errTooLong = errors.New("more than 100 years; no event lasts that long")

// parseICSDuration reads P1W, P2D, PT8H30M, P1DT12H. A negative one is refused: nothing lasts that
// long.
func parseICSDuration(value string) (time.Duration, error) {
	wrong := fmt.Errorf("%.40q is no duration; write P1D, P1W, PT8H or P1DT12H30M", value)
	rest, ok := strings.CutPrefix(strings.TrimPrefix(strings.ToUpper(value), "+"), "P")
	if !ok || rest == "" || strings.HasSuffix(rest, "T") {
		return 0, wrong
	}
	dates, clock, _ := strings.Cut(rest, "T")
	seconds := int64(0)
	for _, part := range []struct{ text, units string }{{dates, "WD"}, {clock, "HMS"}} {
		n, ok := sumUnits(part.text, part.units)
		if !ok {
			return 0, wrong
		}
		seconds += n
	}
	if seconds > int64(maxICSLength/time.Second) {
		return 0, fmt.Errorf("%s is %w", value, errTooLong)
	}
	return time.Duration(seconds) * time.Second, nil
}

// sumUnits adds up numbers with their unit letters, which come in the given order, each at most
// once, in seconds.
func sumUnits(text, units string) (seconds int64, ok bool) {
	for text != "" {
		i := strings.IndexAny(text, units)
		if i < 0 || i > 9 { // nine digits of any unit add up without overflow
			return 0, false
		}
		n, err := strconv.ParseUint(text[:i], 10, 32)
		if err != nil {
			return 0, false
		}
		seconds += int64(n) * unitSeconds(text[i])
		units = units[strings.IndexByte(units, text[i])+1:]
		text = text[i+1:]
	}
	return seconds, true
}

func unitSeconds(letter byte) int64 {
	switch letter {
	case 'W':
		return 7 * secondsPerDay
	case 'D':
		return secondsPerDay
	case 'H':
		return 3600
	case 'M':
		return 60
	}
	return 1
}
