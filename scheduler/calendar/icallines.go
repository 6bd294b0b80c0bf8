package calendar

import (
	"bytes"
	"fmt"
	"strings"

	ics "github.com/arran4/golang-ical"
)

// lineError is what is wrong at one line of a file; its text begins with the line's number.
type lineError struct {
	line    int
	problem string
}

func (e *lineError) Error() string { return fmt.Sprintf("%d: %s", e.line, e.problem) }

func refuseLine(line int, format string, args ...any) error {
	return &lineError{line, fmt.Sprintf(format, args...)}
}

// icsProperty is one content line.
type icsProperty struct {
	line   int
	name   string // upper case
	params map[string][]string
	value  string
}

// param is the first value of a parameter, or "".
func (p icsProperty) param(name string) string {
	for key, values := range p.params {
		if strings.EqualFold(key, name) && len(values) > 0 {
			return values[0]
		}
	}
	return ""
}

// refuse is what is wrong with the property, at its line.
func (p icsProperty) refuse(format string, args ...any) error {
	return refuseLine(p.line, "%s: %s", p.name, fmt.Sprintf(format, args...))
}

// unfold yields the content lines of a file with the number of the line on which each begins: a
// line that begins with a space or tab continues the one before it.
func unfold(data []byte) func(yield func(int, string) bool) {
	return func(yield func(int, string) bool) {
		data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
		var text []byte
		begun, n := 0, 0
		for line := range bytes.Lines(data) {
			n++
			line = bytes.TrimRight(line, "\r\n")
			if begun > 0 && len(line) > 0 && (line[0] == ' ' || line[0] == '\t') {
				text = append(text, line[1:]...)
				continue
			}
			if begun > 0 && !yield(begun, string(text)) {
				return
			}
			begun, text = n, append(text[:0], line...)
		}
		if begun > 0 {
			yield(begun, string(text))
		}
	}
}

// icsNames are the properties that are read with their parameters. Those that are neither here nor
// in icsTexts are passed over by their name alone: an attachment may have megabytes.
var icsNames = map[string]bool{
	"BEGIN": true, "END": true, "UID": true, "STATUS": true, "SEQUENCE": true, "RECURRENCE-ID": true,
	"DTSTART": true, "DTEND": true, "DURATION": true, "RRULE": true, "EXRULE": true, "RDATE": true, "EXDATE": true,
	"X-WR-TIMEZONE": true, "TZID": true, "TZOFFSETFROM": true, "TZOFFSETTO": true,
}

func parseICSLine(line int, text string) (icsProperty, error) {
	end := strings.IndexAny(text, ":;")
	if end <= 0 || strings.ContainsFunc(text[:end], notInICSName) {
		return icsProperty{}, refuseLine(line, "%.40q is no iCalendar property; each line is NAME:value", text)
	}
	p := icsProperty{line: line, name: strings.ToUpper(text[:end])}
	if !icsNames[p.name] && !icsTexts[p.name] {
		return p, nil
	}
	header, value, ok := cutICSValue(text)
	if icsTexts[p.name] {
		p.value = value
		return p, nil
	}
	if !ok || len(header) > maxICSHeader {
		return p, refuseLine(line, "%s: no value, or too much before it; each line is NAME:value", p.name)
	}
	// Only the parameters go through the library: its time grows with the square of its input.
	parsed, err := ics.ParseProperty(ics.ContentLine(header + ":"))
	if err != nil {
		return p, refuseLine(line, "%s: %v", p.name, err)
	}
	if parsed == nil {
		return p, refuseLine(line, "%s: no value; each line is NAME:value", p.name)
	}
	p.params, p.value = parsed.ICalParameters, strings.TrimSpace(value)
	return p, nil
}

// cutICSValue cuts a content line at the colon before its value: the first one outside quotes.
func cutICSValue(text string) (header, value string, ok bool) {
	quoted := false
	for i := range len(text) {
		switch {
		case text[i] == '"':
			quoted = !quoted
		case text[i] == ':' && !quoted:
			return text[:i], text[i+1:], true
		}
	}
	return "", "", false
}

func notInICSName(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '.' && r != '_'
}

// icsTexts are the texts that filters search.
var icsTexts = map[string]bool{"SUMMARY": true, "DESCRIPTION": true, "CATEGORIES": true}

// isICSText says whether a property may hold a person's text, in which some programs write line
// breaks as they are.
func isICSText(name string) bool { return !icsNames[name] }

// isConflict recognises the lines of a merge conflict, which are no text of an event.
func isConflict(text string) bool {
	return strings.HasPrefix(text, "<<<<<<<") || strings.HasPrefix(text, "=======") || strings.HasPrefix(text, ">>>>>>>")
}

// unescapeICS is a text value as its author wrote it.
var unescapeICS = strings.NewReplacer(`\n`, "\n", `\N`, "\n", `\,`, ",", `\;`, ";", `\\`, `\`)
