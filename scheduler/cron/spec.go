package cron

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	robfig "github.com/robfig/cron/v3"
)

// SpecError is the refusal of a cron spec.
type SpecError struct {
	Spec    string // as written
	Problem string // what is wrong with it
	Hint    string // what to write instead
}

// Error is the spec, the problem and the hint in one line.
func (e *SpecError) Error() string {
	return "cron " + strconv.Quote(e.Spec) + ": " + e.Problem + "; " + e.Hint
}

func refuseSpec(spec, problem, hint string) error {
	return &SpecError{Spec: spec, Problem: problem, Hint: hint}
}

// maxSpecLength bounds the text that is parsed. The longest sensible spec, every field a full list,
// stays far below it.
const maxSpecLength = 1000

// field is one of the five positions of a spec.
type field struct {
	name     string
	min, max int    // as written; weekday includes 7
	values   int    // different values there are
	names    string // three letters a value, from min on
}

func cronFields() [5]field {
	return [5]field{
		{name: "minute", min: 0, max: 59, values: 60},
		{name: "hour", min: 0, max: 23, values: 24},
		{name: "day of month", min: 1, max: 31, values: 31},
		{name: "month", min: 1, max: 12, values: 12, names: "janfebmaraprmayjunjulaugsepoctnovdec"},
		{name: "weekday", min: 0, max: 7, values: 7, names: "sunmontuewedthufrisat"},
	}
}

const (
	minuteField = iota
	hourField
	dayField
	monthField
	weekdayField
)

// descriptorFields gives the five fields that an @word stands for.
func descriptorFields(word string) (string, bool) {
	switch strings.ToLower(word) {
	case "@yearly", "@annually":
		return "0 0 1 1 *", true
	case "@monthly":
		return "0 0 1 * *", true
	case "@weekly":
		return "0 0 * * 0", true
	case "@daily", "@midnight":
		return "0 0 * * *", true
	case "@hourly":
		return "0 * * * *", true
	}
	return "", false
}

// parseCron fills the civil part of t. It checks the spec field by field, because robfig's parser
// accepts specs that never fire, panics on some zone prefixes and does not know weekday 7. What it
// then passes to robfig is plain.
func (t *Timetable) parseCron(spec string) error {
	texts, err := splitSpec(spec)
	if err != nil {
		return err
	}
	dayStar, weekdayStar := beginsWithStar(texts[dayField]), beginsWithStar(texts[weekdayField])
	bothRestrict := (dayStar || weekdayStar) && restricts(texts[dayField]) && restricts(texts[weekdayField])
	for i, f := range cronFields() {
		normal, warnings, problem := f.check(texts[i])
		if problem != nil {
			return refuseSpec(spec, problem.what, problem.hint)
		}
		if hasStar(texts[i]) && (i == minuteField || i == hourField) {
			t.wildcard = true
		}
		texts[i] = normal
		t.warnings = append(t.warnings, warnings...)
	}
	if t.civil, err = parseRobfig(strings.Join(texts, " ")); err != nil {
		return refuseSpec(spec, err.Error(), "write five fields: minute hour day-of-month month weekday")
	}
	// robfig lets both day fields restrict where one has the star bit, and drops that bit of */n. Set
	// it as cronie does, by the first character.
	t.civil.Dom = withStar(t.civil.Dom, dayStar)
	t.civil.Dow = withStar(t.civil.Dow, weekdayStar)
	if t.civil.Next(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		hint := "no month that it names has such a day: check day of month and month"
		if bothRestrict {
			hint += "; with * at the start of one day field, day of month and weekday must both match"
		}
		return refuseSpec(spec, "never fires within 5 years", hint)
	}
	if !dayStar && !weekdayStar {
		t.warnings = append(t.warnings, "day of month and weekday are both restricted: cron fires on days that match either of them; where both should match, "+
			"write * in one of the two, or begin it with *, as in */2")
	}
	return nil
}

// starBit is the bit that robfig sets in a field that restricts nothing.
const starBit = 1 << 63

func beginsWithStar(text string) bool { return text[0] == '*' || text[0] == '?' }

func restricts(text string) bool { return text != "*" && text != "?" }

func withStar(bits uint64, star bool) uint64 {
	if star {
		return bits | starBit
	}
	return bits &^ starBit
}

// splitSpec cuts a spec into its five fields, which are not checked yet.
func splitSpec(spec string) ([]string, error) {
	const five = "write five: minute hour day-of-month month weekday, as in 45 7 * * MON-FRI"
	if spec == "" {
		return nil, refuseSpec(spec, "empty", five)
	}
	if len(spec) > maxSpecLength {
		return nil, refuseSpec(spec[:40]+"…", fmt.Sprintf("longer than %d characters", maxSpecLength), "use ranges and steps, or several schedules")
	}
	if upper := strings.ToUpper(spec); strings.HasPrefix(upper, "TZ=") || strings.HasPrefix(upper, "CRON_TZ=") {
		return nil, refuseSpec(spec, "a time zone inside the spec", "leave it out and set the schedule's timezone")
	}
	if spec[0] == '@' {
		return splitDescriptor(spec)
	}
	texts := strings.Fields(spec)
	switch n := len(texts); {
	case n == 6:
		return nil, refuseSpec(spec, "six fields", "there is no field for seconds or years: leave it out, and use @every 10s for less than a minute; "+five)
	case n != 5:
		return nil, refuseSpec(spec, fmt.Sprintf("%d fields where there should be five", n), five)
	}
	return texts, nil
}

func splitDescriptor(spec string) ([]string, error) {
	if text, ok := descriptorFields(spec); ok {
		return strings.Fields(text), nil
	}
	if strings.EqualFold(spec, "@reboot") {
		return nil, refuseSpec(spec, "a daemon's restart is no time of day", `use five fields; "zecpower start" runs a group at once`)
	}
	return nil, refuseSpec(spec, "no such descriptor", "use @hourly, @daily, @weekly, @monthly, @yearly or @every D")
}

// problem is what is wrong with a part of a spec.
type problem struct{ what, hint string }

// check reads one field, which is a list of *, numbers, names and ranges with optional steps.
// normal is the same field as robfig's parser understands it.
func (f field) check(text string) (normal string, warnings []string, bad *problem) {
	elements := strings.Split(text, ",")
	for i, expr := range elements {
		if expr == "" {
			return "", nil, &problem{
				fmt.Sprintf("%s %q has an empty place in its list", f.name, text),
				"write a value on both sides of each comma",
			}
		}
		e, bad := f.element(expr)
		if bad != nil {
			return "", nil, bad
		}
		if w := f.remark(e, expr); w != "" {
			warnings = append(warnings, w)
		}
		elements[i] = e.robfig(f, expr)
	}
	return strings.Join(elements, ","), warnings, nil
}

// element is one expression of a field's list.
type element struct {
	star, ranged bool
	low, high    int // as written, 7 for a Sunday that ends a range
	step         int // 0 where there is none
}

func (f field) element(expr string) (element, *problem) {
	base, stepText, stepped := strings.Cut(expr, "/")
	e := element{low: f.min, high: f.max}
	if base == "*" || base == "?" {
		e.star = true
	} else {
		var lowText, highText string
		var bad *problem
		lowText, highText, e.ranged = strings.Cut(base, "-")
		if e.low, bad = f.value(lowText, expr); bad != nil {
			return e, bad
		}
		e.high = e.low
		if e.ranged {
			if e.high, bad = f.value(highText, expr); bad != nil {
				return e, bad
			}
			if f.name == "weekday" && e.low > 0 && strings.EqualFold(highText, "sun") {
				e.high = 7 // Sunday ends the week where it ends a range
			}
		}
	}
	if e.low > e.high {
		return e, &problem{fmt.Sprintf("%s %q runs backwards", f.name, expr), f.forwards(e)}
	}
	if !stepped {
		return e, nil
	}
	return f.withStep(e, stepText, expr)
}

func (f field) withStep(e element, stepText, expr string) (element, *problem) {
	step, ok := number(stepText)
	switch {
	case !ok || step == 0:
		return e, &problem{
			fmt.Sprintf("%s %q has a step that is no positive number", f.name, expr),
			"write how many to go on by, as in */15",
		}
	case step > f.values:
		hint := fmt.Sprintf("the largest step here is %d", f.values)
		if f.name == "minute" || f.name == "hour" {
			hint += "; for a longer rhythm use @every D"
		}
		return e, &problem{fmt.Sprintf("%s %q steps by more than the field's whole range", f.name, expr), hint}
	}
	e.step = step
	return e, nil
}

// value reads one number or name.
func (f field) value(text, expr string) (int, *problem) {
	if len(text) == 3 && f.names != "" {
		if i := strings.Index(f.names, strings.ToLower(text)); i >= 0 && i%3 == 0 {
			return f.min + i/3, nil
		}
	}
	n, ok := number(text)
	switch {
	case !ok && f.dialect(text, expr) != nil:
		return 0, f.dialect(text, expr)
	case !ok:
		what := fmt.Sprintf("%s %q: %q is no number", f.name, expr, text)
		if f.names != "" {
			what += " or name"
		}
		return 0, &problem{what, f.allowed()}
	case n < f.min || n > f.max:
		return 0, &problem{fmt.Sprintf("%s %q: %d is out of range", f.name, expr, n), f.allowed()}
	}
	return n, nil
}

// number reads digits alone: strconv would also take a sign.
func number(text string) (int, bool) {
	if len(text) == 0 || len(text) > 4 || strings.Trim(text, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.Atoi(text)
	return n, err == nil
}

func (f field) allowed() string {
	hint := fmt.Sprintf("use %d to %d", f.min, f.max)
	if f.names != "" {
		first, last := f.names[:3], f.names[len(f.names)-3:]
		hint += fmt.Sprintf(" or %s to %s", strings.ToUpper(first), strings.ToUpper(last))
	}
	return hint + ", *, ranges a-b, steps */n, and lists of these"
}

// forwards is how to write a range that runs over the end of its field.
func (f field) forwards(e element) string {
	if f.name == "weekday" {
		if e.high == 0 {
			return fmt.Sprintf("write %d-7, 7 is Sunday too", e.low)
		}
		if e.low == 7 {
			return fmt.Sprintf("write 0-%d, 0 is Sunday too", e.high)
		}
	}
	return fmt.Sprintf("write %d-%d,%d-%d for over the end, or the smaller value first", e.low, f.max, f.min, e.high)
}

// remark is the warning that an accepted element deserves, or "".
func (f field) remark(e element, expr string) string {
	high := e.high
	if !e.ranged && !e.star {
		high = f.max // a/n goes on to the end of the field
	}
	if e.step <= 1 || e.low+e.step <= high && e.step < f.values {
		return ""
	}
	return fmt.Sprintf("%s %q: its step leads out of the range at once, so it means %d alone", f.name, expr, e.low)
}

// robfig is the element as robfig's parser understands it: weekday 7 becomes 0, everything else is
// as written.
func (e element) robfig(f field, expr string) string {
	if f.name != "weekday" || e.star || e.high < 7 {
		return expr
	}
	var days []string
	for d := e.low; d <= e.high; d += max(e.step, 1) {
		days = append(days, strconv.Itoa(d%7))
	}
	return strings.Join(days, ",")
}

func hasStar(text string) bool { return strings.ContainsAny(text, "*?") }

// parseRobfig reads five checked fields. It recovers because the parser is known to panic on some
// input, and a bad spec must never end the daemon.
func parseRobfig(fields string) (spec robfig.SpecSchedule, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("unreadable: %v", p)
		}
	}()
	schedule, err := robfig.NewParser(robfig.Minute | robfig.Hour | robfig.Dom | robfig.Month | robfig.Dow).Parse(fields)
	if err != nil {
		return spec, err
	}
	parsed, ok := schedule.(*robfig.SpecSchedule)
	if !ok {
		return spec, fmt.Errorf("unreadable: parsed as %T", schedule)
	}
	spec = *parsed
	spec.Location = time.UTC
	return spec, nil
}
