package calendar

import (
	"fmt"
	"strings"
	"time"

	"github.com/teambition/rrule-go"
)

const (
	// maxRuleInterval and maxRuleList are more than real rules have; beyond
	// them the library's arithmetic and its running time are not safe.
	maxRuleInterval = 1000
	maxRuleList     = 366
	maxRuleLength   = 2000
)

// expandRule gives the occurrences of a recurring event up to the horizon, as
// readings of its clock, and whether the rule goes on for ever. budget is what
// the file's rules may still yield.
func expandRule(p icsProperty, start icsTime, clock icsClock, budget *int) (occurrences []time.Time, endless bool, err error) {
	option, err := parseRule(p, start, clock)
	if err != nil {
		return nil, false, err
	}
	endless = option.Count == 0 && option.Until.IsZero()
	horizon := time.Date(icsHorizon, 1, 1, 0, 0, 0, 0, time.UTC).Add(-time.Second)
	if start.civil.After(horizon) {
		return nil, false, refuseLine(p.line, "RRULE: begins after %d, beyond what is expanded", icsHorizon-1)
	}
	if !option.Until.IsZero() && option.Until.Before(start.civil) {
		return nil, false, nil // how programs write a series whose first day was deleted
	}
	if option.Until.IsZero() || option.Until.After(horizon) {
		option.Until = horizon
	}
	occurrences, err = iterateRule(option, *budget)
	switch {
	case err != nil:
		return nil, false, refuseLine(p.line, "RRULE %.80q: %v", p.value, err)
	case len(occurrences) == 0:
		return nil, false, refuseLine(p.line, "RRULE %.80q: names no date at all; check its BY… parts", p.value)
	}
	*budget -= len(occurrences)
	return occurrences, endless, nil
}

// parseRule reads an RRULE and refuses what is rarer than a calendar of days
// needs, or would make the library run for minutes or panic.
func parseRule(p icsProperty, start icsTime, clock icsClock) (rrule.ROption, error) {
	refuse := func(format string, args ...any) (rrule.ROption, error) {
		return rrule.ROption{}, refuseLine(p.line, "RRULE %.80q: %s", p.value, fmt.Sprintf(format, args...))
	}
	if len(p.value) > maxRuleLength {
		return refuse("longer than %d characters", maxRuleLength)
	}
	text := strings.TrimSuffix(strings.ToUpper(p.value), ";")
	option, err := parseRuleText(text)
	if err != nil {
		return refuse("%v", err)
	}
	switch {
	case !strings.Contains(text, "FREQ="):
		return refuse("no FREQ")
	case option.Freq > rrule.DAILY:
		return refuse("recurs more often than daily; a calendar of days needs DAILY, WEEKLY, MONTHLY or YEARLY")
	case strings.Contains(text, "INTERVAL=") && (option.Interval < 1 || option.Interval > maxRuleInterval):
		return refuse("INTERVAL is not between 1 and %d", maxRuleInterval)
	case strings.Contains(text, "COUNT=") && option.Count < 1:
		return refuse("COUNT is not positive")
	case len(option.Byhour) > 1 || len(option.Byminute) > 1 || len(option.Bysecond) > 1:
		return refuse("takes place more than once a day; a calendar of days needs one time")
	case len(option.Byeaster) > 0:
		return refuse("BYEASTER is not of RFC 5545; list the dates with RDATE")
	}
	if problem := checkRuleLists(option); problem != "" {
		return refuse("%s", problem)
	}
	option.Dtstart = start.civil
	option.Until, err = ruleUntil(p, text, clock)
	return option, err
}

// parseRuleText guards against a panic in the library: a bad calendar must
// never end the daemon.
func parseRuleText(text string) (option rrule.ROption, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("unreadable: %v", r)
		}
	}()
	parsed, err := rrule.StrToROption(text)
	if err != nil {
		return option, err
	}
	return *parsed, nil
}

// checkRuleLists says what is wrong with the BY… lists, or "".
func checkRuleLists(o rrule.ROption) string {
	for _, list := range [][]int{o.Bysetpos, o.Bymonth, o.Bymonthday, o.Byyearday, o.Byweekno} {
		if len(list) > maxRuleList {
			return fmt.Sprintf("a list of more than %d values", maxRuleList)
		}
	}
	if len(o.Byweekday) > maxRuleList {
		return fmt.Sprintf("a list of more than %d values", maxRuleList)
	}
	limit := 53 // weeks of a year
	if o.Freq == rrule.MONTHLY || len(o.Bymonth) > 0 {
		limit = 5
	}
	for _, day := range o.Byweekday {
		n := day.N()
		if n != 0 && o.Freq > rrule.MONTHLY {
			return "a numbered weekday needs MONTHLY or YEARLY"
		}
		if n > limit || n < -limit {
			return fmt.Sprintf("no period has %d of one weekday", max(n, -n))
		}
	}
	return ""
}

// ruleUntil is the last reading of the clock at which the rule may apply; zero
// where it has no UNTIL. The library reads UNTIL without the event's zone.
func ruleUntil(p icsProperty, text string, clock icsClock) (time.Time, error) {
	for part := range strings.SplitSeq(text, ";") {
		value, ok := strings.CutPrefix(strings.TrimSpace(part), "UNTIL=")
		if !ok {
			continue
		}
		until, err := clock.read(p, value)
		if err != nil {
			return time.Time{}, err
		}
		if until.allDay {
			return until.civil.Add(24*time.Hour - time.Second), nil
		}
		return until.civil, nil
	}
	return time.Time{}, nil
}

// iterateRule runs the library, at most limit steps, guarded against panics.
func iterateRule(option rrule.ROption, limit int) (occurrences []time.Time, err error) {
	defer func() {
		if r := recover(); r != nil {
			occurrences, err = nil, fmt.Errorf("cannot be expanded: %v", r)
		}
	}()
	rule, err := rrule.NewRRule(option)
	if err != nil {
		return nil, err
	}
	next := rule.Iterator()
	for {
		at, ok := next()
		if !ok {
			return occurrences, nil
		}
		if len(occurrences) == limit {
			return nil, fmt.Errorf("the file's rules yield more than %d days; give them an UNTIL", maxICSOccurrences)
		}
		occurrences = append(occurrences, at)
	}
}
