package main

import "io"

// style marks what has to stand out on a terminal. Elsewhere, and where the user
// wants no colours (no-color.org), it changes nothing.
type style struct{ colours bool }

func newStyle(w io.Writer, getenv func(string) string) style {
	return style{isTerminal(w) && getenv("NO_COLOR") == "" && getenv("TERM") != "dumb"}
}

// The marks are equally long: a tabwriter counts them, and one column holds both.
const (
	markAlarm   = "\x1b[1;31m" // bold red
	markHeading = "\x1b[1;39m" // bold
	markEnd     = "\x1b[0m"
)

func (s style) alarm(text string) string   { return s.mark(markAlarm, text) }
func (s style) heading(text string) string { return s.mark(markHeading, text) }

func (s style) mark(with, text string) string {
	if !s.colours {
		return text
	}
	return with + text + markEnd
}
