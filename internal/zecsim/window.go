package zecsim

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Window is a span of time since the simulator's beginning. To is not part of it; 0 means for ever.
type Window struct {
	From, To time.Duration
}

func (w Window) contains(at time.Duration) bool {
	return at >= w.From && (w.To == 0 || at < w.To)
}

// inWindows reports whether a time is in one of the windows. No windows mean always.
func inWindows(windows []Window, at time.Duration) bool {
	return len(windows) == 0 || slices.ContainsFunc(windows, func(w Window) bool { return w.contains(at) })
}

func validWindows(subject string, windows []Window) error {
	var errs []error
	for _, w := range windows {
		if w.From < 0 || w.From > maxDuration || w.To > maxDuration || (w.To != 0 && w.To <= w.From) {
			errs = append(errs, fmt.Errorf("%s: window %s..%s ends before it begins", subject, w.From, w.To))
		}
	}
	return errors.Join(errs...)
}

func validActions(subject string, actions []string) error {
	var errs []error
	for _, a := range actions {
		if !slices.Contains(actionNames(), a) {
			errs = append(errs, fmt.Errorf("%s: unknown action %q", subject, a))
		}
	}
	return errors.Join(errs...)
}
