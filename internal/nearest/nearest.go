// Package nearest finds what a mistyped word was meant to be, for the hints of error messages.
//
// It keeps no state and is safe for concurrent use. The work grows with the product of the lengths: Word gives up on
// words above 64 bytes, callers of Distance bound theirs, and who looks thousands of words up bounds their number.
package nearest

import "strings"

// Word is the candidate that a person who wrote word most likely meant, or "" where none is near. Case and the kind
// of dash do not count; the first of equally near candidates wins.
func Word(word string, candidates []string) string {
	const longest = 64
	if len(word) > longest {
		return ""
	}
	word = fold(word)
	best, least := "", longest
	for _, c := range candidates {
		f := fold(c)
		limit := max(1, max(len(f), len(word))/3)
		if d := len(f) - len(word); d > limit || -d > limit {
			continue
		}
		if d := Distance(word, f); d <= limit && d < least {
			best, least = c, d
		}
	}
	if best != "" || len(word) < 4 {
		return best
	}
	for _, c := range candidates {
		if f := fold(c); strings.Contains(f, word) || (len(f) >= 4 && strings.Contains(word, f)) {
			return c
		}
	}
	return ""
}

func fold(s string) string {
	return strings.ReplaceAll(strings.ToLower(s), "-", "_")
}

// Distance counts the insertions, deletions, replacements and swaps of neighbouring bytes between a and b (optimal
// string alignment). Swaps count as one because they are what fingers do.
func Distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
