package strictyaml

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Int reads a whole number from least to most, which is at most math.MaxInt64.
func Int[T ~int | ~int64 | ~uint64](d *Doc, dst *T, least, most T) Read {
	return value(d, dst, "a whole number", false, func(text string) (T, error) {
		if !digits.MatchString(text) {
			return 0, Faultf(fmt.Sprintf("write digits only, %d to %d", least, most), "%s is not a whole number", Quote(text))
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < int64(least) || n > int64(most) {
			return 0, Faultf(fmt.Sprintf("use %d to %d", least, most), "%s is out of range", text[:min(len(text), 32)])
		}
		return T(n), nil
	})
}

var digits = regexp.MustCompile(`^-?[0-9]+$`)

// Number reads a number from least to most.
func (d *Doc) Number(dst *float64, least, most float64) Read {
	return d.number(dst, "use "+plain(least)+" to "+plain(most), func(f float64) bool { return f >= least && f <= most })
}

// Rate reads a number above zero, at most most.
func (d *Doc) Rate(dst *float64, most float64) Read {
	return d.number(dst, "use more than 0, at most "+plain(most), func(f float64) bool { return f > 0 && f <= most })
}

func (d *Doc) number(dst *float64, hint string, fits func(float64) bool) Read {
	return value(d, dst, "a number", false, func(text string) (float64, error) {
		f, err := strconv.ParseFloat(text, 64)
		if err != nil && strings.Trim(text, "-+.0123456789eE") != "" || f != f {
			return 0, Faultf("write a number such as 10 or 0.5", "%s is not a number", Quote(text))
		}
		if err != nil || !fits(f) {
			return 0, Faultf(hint, "%s is out of range", text[:min(len(text), 32)])
		}
		return f, nil
	})
}

// plain is a number in digits: 1000000, not 1e+06.
func plain(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// Duration reads a duration in Go's syntax from least to most.
func (d *Doc) Duration(dst *time.Duration, least, most time.Duration) Read {
	return Value(d, dst, "a duration such as 30s or 10m", func(text string) (time.Duration, error) {
		t, err := time.ParseDuration(text)
		if err != nil && !durationShape.MatchString(text) {
			return 0, Faultf(durationHint(text), "%s is not a duration", Quote(text))
		}
		if err != nil || t < least || t > most {
			return 0, Faultf(fmt.Sprintf("use %s to %s", Short(least), Short(most)), "%s is out of range", text[:min(len(text), 32)])
		}
		return t, nil
	})
}

// durationShape knows a duration that is too long for its type, which is no misspelt one.
var durationShape = regexp.MustCompile(`^[-+]?([0-9]+(\.[0-9]*)?(ns|us|µs|ms|s|m|h))+$`)

func durationHint(text string) string {
	if _, err := strconv.ParseFloat(text, 64); err == nil {
		return fmt.Sprintf("add a unit: %ss, %sm or %sh", text, text, text)
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n > 0 && n < 1000 {
			return fmt.Sprintf("days are written in hours: %dh", 24*n)
		}
	}
	return "a number and a unit, such as 500ms, 30s, 10m or 1h30m"
}

// Short is a duration without the zero parts that its String has: 1h, not 1h0m0s.
func Short(t time.Duration) string {
	s := t.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
