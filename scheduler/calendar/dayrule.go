package calendar

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/teambition/rrule-go"
)

// firstRuleDay is where a day rule begins that names no start.
var firstRuleDay = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// ParseDayRule says what is wrong with a rule of Source.Rules: a recurrence rule of RFC 5545 for
// whole days, such as FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1 for the last working day.
// Beside the standard's parts it may have DTSTART=20260105, from which INTERVAL and COUNT then
// count.
func ParseDayRule(text string) error {
	_, err := expandDayRule(text, firstRuleDay)
	return err
}

func parseDayRule(text string) (r rule, start time.Time, err error) {
	text = strings.TrimPrefix(strings.TrimSpace(text), "RRULE:")
	start = firstRuleDay
	var parts []string
	begins := false
	for part := range strings.SplitSeq(text, ";") {
		value, ok := strings.CutPrefix(strings.ToUpper(strings.TrimSpace(part)), "DTSTART=")
		if !ok {
			parts = append(parts, part)
			continue
		}
		s, err := parseStamp(value, nil)
		if err != nil || s.kind != wholeDay {
			return r, start, fmt.Errorf("DTSTART %.40q is no date; write it as 20260105", value)
		}
		start, begins = s.civil, true
	}
	if r, _, err = parseRule(strings.Join(parts, ";"), nil); err != nil {
		return r, start, err
	}
	return r, start, checkDayRule(r, start, begins)
}

func checkDayRule(r rule, start time.Time, begins bool) error {
	o := r.option
	switch {
	case r.until != nil && r.until.kind != wholeDay:
		return errors.New("UNTIL has a time; write the date alone, as 20271231")
	case len(o.Byhour)+len(o.Byminute)+len(o.Bysecond) > 0:
		return errors.New("names a time of day; the schedule's cron says when, leave BYHOUR, BYMINUTE and BYSECOND out")
	case !begins && (o.Interval > 1 || o.Count > 0):
		return errors.New("INTERVAL and COUNT count from a first date; begin with DTSTART=20260105;")
	case !begins && o.Freq != rrule.DAILY && len(o.Byweekday)+len(o.Bymonthday)+len(o.Byyearday) == 0:
		return errors.New("does not say on which days; add BYDAY or BYMONTHDAY, or begin with DTSTART=20260105;")
	}
	return nil
}

// expandDayRule gives the days of a rule up to the horizon. Unlike an event it has no day besides
// those that the rule names.
func expandDayRule(text string, horizon time.Time) (dateSet, error) {
	r, start, err := parseDayRule(text)
	if err != nil {
		return dateSet{}, fmt.Errorf("rule %.80q: %w", text, err)
	}
	var until time.Time
	if r.until != nil {
		until = r.until.civil
	}
	o, err := r.list(start, until, horizon, maxICSOccurrences)
	if err == nil && o.empty {
		err = errors.New("names no date at all; check its BY… parts")
	}
	if err != nil {
		return dateSet{}, fmt.Errorf("rule %.80q: %w", text, err)
	}
	set := dateSet{endless: o.endless}
	for _, at := range o.at {
		set.spans = append(set.spans, daysOf(at, 0))
	}
	return set, nil
}
