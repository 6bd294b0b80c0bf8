package cron

import (
	"fmt"
	"strings"
)

// dialect recognises a value that other crons know and this one does not, and says what does the
// same here; nil where the text is none of them.
func (f field) dialect(text, expr string) *problem {
	upper := strings.ToUpper(text)
	refuse := func(word, hint string) *problem {
		return &problem{fmt.Sprintf("%s %q: %s is of another cron dialect", f.name, expr, word), hint}
	}
	switch {
	case strings.HasPrefix(upper, "H") && (len(upper) == 1 || upper[1] == '('):
		return refuse("H", "write a number, and set jitter: 30m, which spreads schedules over it by their names")
	case f.name == "weekday" && strings.Contains(upper, "#"):
		day, n, _ := strings.Cut(upper, "#")
		return refuse("#", onlyCalendar("the n-th weekday of a month", fmt.Sprintf("FREQ=MONTHLY;BYDAY=%s%s", or(n, "1"), ruleWeekday(day))))
	case f.name == "weekday" && strings.HasSuffix(upper, "L"):
		return refuse("L", onlyCalendar("the last weekday of a month", "FREQ=MONTHLY;BYDAY=-1"+ruleWeekday(strings.TrimSuffix(upper, "L"))))
	case f.name == "day of month" && (upper == "LW" || upper == "WL"):
		return refuse("LW", onlyCalendar("the last working day", "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1"))
	case f.name == "day of month" && upper == "1W":
		return refuse("W", onlyCalendar("the first working day", "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=1"))
	case f.name == "day of month" && strings.HasSuffix(upper, "W"):
		return refuse("W", "list the dates in a calendar and name it in the schedule's only: [NAME], with * in the day fields; "+
			`the n-th working day is rrule: ["FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=n"]`)
	case f.name == "day of month" && strings.HasPrefix(upper, "L"):
		return refuse("L", onlyCalendar("the last day of a month", "FREQ=MONTHLY;BYMONTHDAY=-1"))
	}
	return nil
}

// onlyCalendar says how to run on the dates of a recurrence rule.
func onlyCalendar(what, rule string) string {
	return fmt.Sprintf("%s is a calendar with rrule: [%q], named in the schedule's only: [NAME], with * in the day fields", what, rule)
}

// ruleWeekday is a weekday as recurrence rules write it; FR where the text names none.
func ruleWeekday(text string) string {
	days := []string{"SU", "MO", "TU", "WE", "TH", "FR", "SA", "SU"}
	if n, ok := number(text); ok && n < len(days) {
		return days[n]
	}
	for _, day := range days {
		if strings.HasPrefix(text, day) {
			return day
		}
	}
	return "FR"
}

func or(text, otherwise string) string {
	if _, ok := number(text); ok {
		return text
	}
	return otherwise
}
