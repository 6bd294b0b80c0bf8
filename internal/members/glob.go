package members

import (
	"strings"
	"unicode/utf8"
)

// wildcards are the characters of a glob that stand for others: any text, and any one character.
const wildcards = "*?"

// isGlob reports whether a text stands for others than itself.
func isGlob(text string) bool { return strings.ContainsAny(text, wildcards) }

// glob matches whole texts, upper and lower case apart.
type glob struct {
	text  string
	plain bool // no wildcards: it matches its own text alone
}

func newGlob(text string) glob { return glob{text: text, plain: !isGlob(text)} }

func (g glob) match(text string) bool {
	if g.plain {
		return g.text == text
	}
	return matchGlob(g.text, text)
}

// matchGlob goes through pattern and text side by side. Where they part, it goes back to the last *
// of the pattern and lets that stand for one character more. An earlier * need not be tried again:
// whatever it could give up, the last one can take.
func matchGlob(pattern, text string) bool {
	p, t := 0, 0
	star, resume := -1, 0 // the last * met, and where in the text the part behind it was tried
	for t < len(text) {
		_, size := utf8.DecodeRuneInString(text[t:])
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, resume = p, t
			p++
		case p < len(pattern) && pattern[p] == '?':
			p++
			t += size
		case p < len(pattern) && strings.HasPrefix(pattern[p:], text[t:t+size]):
			p += size
			t += size
		case star >= 0:
			_, skipped := utf8.DecodeRuneInString(text[resume:])
			resume += skipped
			p, t = star+1, resume
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// chooses reports whether a glob says anything of a text but how long it is.
func (g glob) chooses() bool { return strings.Trim(g.text, wildcards) != "" }

// literal is the longest part of a glob's matches that is certain and means itself wherever a
// search takes it: ASCII letters, digits, hyphens, dots and underscores, and not marks alone. The
// first of equals; empty where there is none.
func (g glob) literal() string {
	longest := ""
	for _, part := range strings.FieldsFunc(g.text, func(r rune) bool { return !isWordRune(r) && !strings.ContainsRune("-._", r) }) {
		if len(part) > len(longest) && strings.ContainsFunc(part, isWordRune) {
			longest = part
		}
	}
	return longest
}

func isWordRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}
