package main

import "zecpower/internal/power"

// palette colours what a person must not miss. false leaves all text plain.
type palette bool

// colours is the palette of the standard output: plain in a pipe, on a terminal without colours,
// and where $NO_COLOR is set (https://no-color.org).
func (h *host) colours() palette {
	return palette(isTerminal(h.stdout) && h.getenv("NO_COLOR") == "" && h.getenv("TERM") != "dumb")
}

// The ANSI escape sequences.
const (
	boldRed   = "\x1b[1;31m"
	boldGreen = "\x1b[1;32m"
	plain     = "\x1b[0m"
)

func (p palette) bad(text string) string { return p.in(boldRed, text) }

func (p palette) result(r power.Result) string {
	if r == power.ResultOK {
		return p.in(boldGreen, string(r))
	}
	return p.bad(string(r))
}

func (p palette) in(colour, text string) string {
	if !p {
		return text
	}
	return colour + text + plain
}
