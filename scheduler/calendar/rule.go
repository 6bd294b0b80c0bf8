package calendar

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/teambition/rrule-go"
)

const (
	// maxRuleInterval and maxRuleList are more than real rules have; beyond them the library's
	// arithmetic and its running time are not safe.
	maxRuleInterval = 1000
	maxRuleList     = 366
	maxRuleLength   = 2000
)

// rule is a recurrence rule of RFC 5545.
type rule struct {
	option rrule.ROption // without its start and its end
	until  *stamp        // nil where it has no UNTIL
}

// parseRule reads a rule and refuses what is rarer than a calendar of days needs, or would make the
// library run for minutes or panic. sins are what programs write against the standard, and how it
// was read. zone is that of the event, for an UNTIL without one.
func parseRule(text string, zone *time.Location) (r rule, sins []string, err error) {
	if len(text) > maxRuleLength {
		return rule{}, nil, fmt.Errorf("longer than %d characters", maxRuleLength)
	}
	parts, until, sins, err := ruleParts(text)
	if err != nil {
		return rule{}, nil, err
	}
	if r.option, err = parseRuleText(strings.Join(parts, ";")); err != nil {
		return rule{}, nil, fmt.Errorf("%w; write it as FREQ=WEEKLY;BYDAY=MO,FR", err)
	}
	if err := checkRule(r.option, parts); err != nil {
		return rule{}, nil, err
	}
	numberWeekdays(&r.option)
	if until == "" {
		return r, sins, nil
	}
	s, err := parseStamp(until, zone)
	if err != nil {
		return rule{}, nil, fmt.Errorf("UNTIL: %w", err)
	}
	r.until = &s
	return r, sins, nil
}

// ruleParts cuts a rule into its parts, of which UNTIL stands apart because the library reads it
// without the event's zone.
func ruleParts(text string) (parts []string, until string, sins []string, err error) {
	if strings.TrimSpace(text) == "" {
		return nil, "", nil, errors.New("no FREQ")
	}
	compact := strings.Join(strings.Fields(strings.ToUpper(text)), "")
	if compact != strings.ToUpper(strings.TrimSpace(text)) {
		sins = append(sins, "spaces inside the rule; they are left out")
	}
	negativeCount := false
	for part := range strings.SplitSeq(strings.Trim(compact, ";"), ";") {
		key, value, _ := strings.Cut(part, "=")
		switch {
		case key == "UNTIL":
			until = value
		case key == "COUNT" && strings.HasPrefix(value, "-"):
			negativeCount = true
		case key == "RSCALE" && value == "GREGORIAN":
		case key == "RSCALE", key == "SKIP":
			return nil, "", nil, fmt.Errorf("%s (RFC 7529) is not supported; list the dates, with RDATE or in the calendar's dates, or take a file that does", key)
		default:
			parts = append(parts, part)
		}
	}
	switch {
	case negativeCount && until == "":
		return nil, "", nil, errors.New("COUNT is not positive; take it out for a series without an end, or give it an UNTIL")
	case negativeCount:
		sins = append(sins, "a negative COUNT beside UNTIL; UNTIL alone counts")
	}
	return parts, until, sins, nil
}

// parseRuleText guards against a panic in the library: a bad calendar must never end the daemon.
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
	parsed.Dtstart = time.Time{}
	return *parsed, nil
}

func checkRule(o rrule.ROption, parts []string) error {
	given := make(map[string]bool)
	for _, part := range parts {
		key, _, _ := strings.Cut(part, "=")
		given[key] = true
	}
	switch {
	case !given["FREQ"]:
		return errors.New("no FREQ")
	case o.Freq > rrule.DAILY:
		return errors.New("recurs more often than daily; a calendar of days needs DAILY, WEEKLY, MONTHLY or YEARLY")
	case given["INTERVAL"] && (o.Interval < 1 || o.Interval > maxRuleInterval):
		return fmt.Errorf("INTERVAL is not between 1 and %d", maxRuleInterval)
	case given["COUNT"] && o.Count < 1:
		return errors.New("COUNT is not positive; take it out for a series without an end")
	case len(o.Byhour) > 1 || len(o.Byminute) > 1 || len(o.Bysecond) > 1:
		return errors.New("takes place more than once a day; a calendar of days needs one time")
	case len(o.Byeaster) > 0:
		return errors.New("BYEASTER is not of RFC 5545; list the dates with RDATE")
	}
	return checkRuleLists(o)
}

func checkRuleLists(o rrule.ROption) error {
	longest := len(o.Byweekday)
	for _, list := range [][]int{o.Bysetpos, o.Bymonth, o.Bymonthday, o.Byyearday, o.Byweekno} {
		longest = max(longest, len(list))
	}
	if longest > maxRuleList {
		return fmt.Errorf("a list of more than %d values", maxRuleList)
	}
	limit := 53 // weeks of a year
	if o.Freq == rrule.MONTHLY || len(o.Bymonth) > 0 {
		limit = 5
	}
	for _, day := range o.Byweekday {
		n := day.N()
		if n != 0 && o.Freq > rrule.MONTHLY {
			return errors.New("a numbered weekday needs MONTHLY or YEARLY")
		}
		if n > limit || n < -limit {
			return fmt.Errorf("no period has %d of one weekday", max(n, -n))
		}
	}
	return nil
}

// atStart completes the rule with its start, and makes up for two things in which the library
// departs from the standard.
func (r rule) atStart(start time.Time) rrule.ROption {
	o := r.option
	o.Dtstart = start
	// A rule by week number alone takes the weekday of its start; the library takes all seven.
	if len(o.Byweekno) > 0 && len(o.Byweekday)+len(o.Bymonthday)+len(o.Byyearday) == 0 {
		days := []rrule.Weekday{rrule.SU, rrule.MO, rrule.TU, rrule.WE, rrule.TH, rrule.FR, rrule.SA}
		o.Byweekday = days[start.Weekday():][:1]
	}
	// BYSETPOS counts within whole weeks; the library counts in the first one from the start.
	if o.Freq == rrule.WEEKLY && len(o.Bysetpos) > 0 && len(o.Byweekday) > 0 {
		begin := (int(start.Weekday()) + 6 - o.Wkst.Day()) % 7 // rrule counts weekdays from Monday
		o.Dtstart = start.AddDate(0, 0, -begin)
	}
	return o
}

// numberWeekdays writes plain weekdays beside numbered ones as all their numbers: BYDAY=TU,1MO
// names all Tuesdays and the first Monday, where the library would take what both name.
func numberWeekdays(o *rrule.ROption) {
	plain := func(w rrule.Weekday) bool { return w.N() == 0 }
	if !slices.ContainsFunc(o.Byweekday, plain) || !slices.ContainsFunc(o.Byweekday, func(w rrule.Weekday) bool { return !plain(w) }) {
		return
	}
	most := 53 // weeks of a year
	if o.Freq == rrule.MONTHLY || len(o.Bymonth) > 0 {
		most = 5
	}
	var days []rrule.Weekday
	for _, w := range o.Byweekday {
		if !plain(w) {
			days = append(days, w)
			continue
		}
		for n := range most {
			days = append(days, w.Nth(n+1))
		}
	}
	o.Byweekday = days
}

// occurrences are the readings at which a rule applies.
type occurrences struct {
	at       []time.Time
	endless  bool // there are more beyond the horizon
	unlisted bool // the start is one of them although the rule does not name it
	empty    bool // the rule names no date at all, as 30 February
}

// list gives the readings that the rule names from the start up to the horizon, or to until where
// that is not zero; both belong to them. limit bounds their number.
func (r rule) list(start, until, horizon time.Time, limit int) (occurrences, error) {
	end := horizon
	if !until.IsZero() && until.Before(horizon) {
		end = until
	}
	at, beyond, err := iterateRule(r.atStart(start), start, end, limit)
	return occurrences{
		at:      at,
		endless: !beyond.IsZero() && end.Equal(horizon) && (until.IsZero() || !beyond.After(until)),
		empty:   len(at) == 0 && beyond.IsZero(),
	}, err
}

// expand is list for an event. The start is always an occurrence, the first of COUNT, as RFC 5545
// says and calendar programs do; only a series that ends before it begins has none.
func (r rule) expand(start, until, horizon time.Time, limit int) (occurrences, error) {
	if !until.IsZero() && until.Before(start) {
		return occurrences{}, nil // how programs write a series whose first day was deleted
	}
	if start.After(horizon) {
		return occurrences{at: []time.Time{start}, endless: true}, nil
	}
	o, err := r.list(start, until, horizon, limit)
	if err != nil || len(o.at) > 0 && o.at[0].Equal(start) {
		return o, err
	}
	o.unlisted = true
	if r.option.Count > 0 && len(o.at) == r.option.Count {
		o.at = o.at[:r.option.Count-1]
	}
	o.at = append([]time.Time{start}, o.at...)
	return o, nil
}

// iterateRule runs the library from option.Dtstart for the occurrences from start to end, of a
// COUNT so many, at most limit, and for the first one after end. It is guarded against panics.
func iterateRule(option rrule.ROption, start, end time.Time, limit int) (at []time.Time, beyond time.Time, err error) {
	defer func() {
		if r := recover(); r != nil {
			at, err = nil, fmt.Errorf("cannot be expanded: %v", r)
		}
	}()
	count := option.Count
	option.Count = 0
	rule, err := rrule.NewRRule(option)
	if err != nil {
		return nil, beyond, err
	}
	next := rule.Iterator()
	for {
		t, ok := next()
		switch {
		case !ok || count > 0 && len(at) == count:
			return at, beyond, nil
		case t.Before(start):
			continue
		case t.After(end):
			return at, t, nil
		case len(at) == limit:
			return nil, beyond, fmt.Errorf("the file's rules yield more than %d days; give them an UNTIL, or choose events with match", maxICSOccurrences)
		}
		at = append(at, t)
	}
}
