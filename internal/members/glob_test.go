package members

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestGlobsMatchWholeTexts(t *testing.T) {
	for _, tc := range []struct {
		glob, text string
		want       bool
	}{
		{"web-1", "web-1", true},
		{"web-1", "web-11", false},
		{"web-1", "Web-1", false},
		{"", "", true},
		{"", "a", false},
		{"web-*", "web-", true},
		{"web-*", "web-1", true},
		{"web-*", "a-web-1", false},
		{"*-canary", "web-canary", true},
		{"*-canary", "web-canary-2", false},
		{"*", "", true},
		{"*", "anything at all", true},
		{"**", "a", true},
		{"?", "a", true},
		{"?", "", false},
		{"?", "ü", true},
		{"??", "ü", false},
		{"a*b*c", "abc", true},
		{"a*b*c", "a-b-b-c", true},
		{"a*b*c", "a-c-b", false},
		{"*ab", "aab", true},
		{"*ab*", "aaaab", true},
		{"生产-?", "生产-1", true},
		{"生?-*", "生产-", true},
		{"[ab]", "a", false},
		{"[ab]", "[ab]", true},
		{`\*`, `\x`, true},
		{"a.c", "abc", false},
		{"*a*a*a*a*a*a*a*a*b", strings.Repeat("a", 5000), false},
	} {
		if got := newGlob(tc.glob).match(tc.text); got != tc.want {
			t.Errorf("%q matches %.20q: %v, want %v", tc.glob, tc.text, got, tc.want)
		}
	}
}

func TestLiteralIsTheLongestPartThatIsCertain(t *testing.T) {
	for text, want := range map[string]string{
		"web-1": "web-1", "web-*": "web-", "*-canary": "-canary", "a*bcd?e": "bcd", "ab*cd": "ab", "*": "", "?": "", "": "", "*-*": "", "--*": "",
		"prod web*": "prod", "100%_a": "100", "生产-web": "-web", "生产": "", "a+bb": "bb", `a\bcd`: "bcd", "x.y_z": "x.y_z",
	} {
		if got := newGlob(text).literal(); got != want {
			t.Errorf("literal of %q is %q, want %q", text, got, want)
		}
	}
}

// A glob and the regular expression that it stands for agree on every text, and what matches holds
// the literal.
//
//	go test ./internal/members -run '^$' -fuzz FuzzGlob -fuzztime 1m
func FuzzGlob(f *testing.F) {
	for _, seed := range [][2]string{{"web-*", "web-1"}, {"*a?b*", "xxaab"}, {"*ab*ab", "abab"}, {"?ü*", "üü"}, {"**?", ""}, {"*\n*", "a\nb"}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, pattern, text string) {
		if !utf8.ValidString(pattern) || !utf8.ValidString(text) || len(pattern)+len(text) > 1000 {
			return
		}
		expression := strings.NewReplacer(`\*`, `.*`, `\?`, `.`).Replace(regexp.QuoteMeta(pattern))
		want := regexp.MustCompile(`(?s)\A(?:` + expression + `)\z`).MatchString(text)
		g := newGlob(pattern)
		if got := g.match(text); got != want {
			t.Errorf("%q matches %q: %v, want %v", pattern, text, got, want)
		}
		if want && !strings.Contains(text, g.literal()) {
			t.Errorf("%q matches %q, which does not hold %q", pattern, text, g.literal())
		}
	})
}
