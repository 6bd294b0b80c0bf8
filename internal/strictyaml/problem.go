package strictyaml

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Problem is one mistake at one place.
type Problem struct {
	File    string // the path as it was opened
	Line    int    // from 1; 0 where the file as a whole is meant (it cannot be opened, it is empty)
	Column  int    // from 1, in characters; 0 where Line is 0
	Message string // what is wrong, and why
	Hint    string // what to do about it; empty where the message already says it
}

// String is the problem on one line, `file:line:column: message (hint)`, the form that editors jump
// to.
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", p.Line, p.Column)
	}
	b.WriteString(": ")
	b.WriteString(p.Message)
	if p.Hint != "" {
		fmt.Fprintf(&b, " (%s)", p.Hint)
	}
	return b.String()
}

// Invalid is the error of a file that is refused. It holds at least one problem, sorted by
// position.
type Invalid struct {
	Problems []Problem
}

// Error has one problem a line, without a newline at the end.
func (e *Invalid) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Sort orders problems as a person reads them: those of the file named first before those of the
// files that it refers to, then by position.
func Sort(first string, problems []Problem) {
	slices.SortStableFunc(problems, func(a, b Problem) int {
		if a.File != b.File && (a.File == first || b.File == first) {
			if a.File == first {
				return -1
			}
			return 1
		}
		return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}

// Fault is a refusal that does not know yet at which place it will be reported.
type Fault struct {
	Message string
	Hint    string
}

// Faultf makes a Fault; the format is the message's.
func Faultf(hint, format string, args ...any) error {
	return &Fault{Message: fmt.Sprintf(format, args...), Hint: hint}
}

// Error is the message with the hint behind it.
func (f *Fault) Error() string {
	if f.Hint == "" {
		return f.Message
	}
	return f.Message + " (" + f.Hint + ")"
}

// asFault takes any error. In one that is not a Fault, what follows the last semicolon is the
// remedy, as everywhere in zecpower.
func asFault(err error) Fault {
	var f *Fault
	if errors.As(err, &f) {
		return *f
	}
	text := strings.ReplaceAll(err.Error(), "\n", " ")
	if i := strings.LastIndex(text, "; "); i > 0 {
		return Fault{Message: text[:i], Hint: text[i+2:]}
	}
	return Fault{Message: text}
}

// Quote is text as an error shows it: quoted, and cut where it is long.
func Quote(text string) string {
	const most = 64
	if runes := []rune(text[:min(len(text), 4*most+4)]); len(runes) > most {
		return fmt.Sprintf("%q…", string(runes[:most]))
	}
	return fmt.Sprintf("%q", text)
}

// maxNames is how many names Some shows.
const maxNames = 10

// Some joins names for a message, and counts those beyond ten.
func Some(names []string) string {
	if len(names) <= maxNames {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:maxNames], ", "), len(names)-maxNames)
}

// Within puts the file that a fault is about before its message.
func Within(file string, err error) error {
	f := asFault(err)
	return &Fault{Message: file + ": " + f.Message, Hint: f.Hint}
}
