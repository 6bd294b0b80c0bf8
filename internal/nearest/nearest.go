package nearest

import "strings"

// Word returns the candidate that the author of word most likely meant, or "" where none is near.
// Case is ignored, and "-" equals "_". The first of equally near candidates wins. A word above 64
// bytes has no near candidate.
func Word(word string, candidates []string) string {
	const longest = 64
	if len(word) > longest {
		return ""
	}
	word = fold(word)

	// First by distance. A third of the longer word may differ, and at least one letter.
	best, least := "", longest
	for _, c := range candidates {
		f := fold(c)
		limit := max(1, max(len(f), len(word))/3)
		if d := len(f) - len(word); d > limit || -d > limit {
			continue // the distance is at least the difference of the lengths: do not compute it
		}
		if d := Distance(word, f); d <= limit && d < least {
			best, least = c, d
		}
	}
	if best != "" || len(word) < 4 {
		return best
	}

	// Then by containment: "interval" stands for "poll_interval". Parts under 4 bytes are in too
	// many words to be a hint.
	for _, c := range candidates {
		if f := fold(c); strings.Contains(f, word) || (len(f) >= 4 && strings.Contains(word, f)) {
			return c
		}
	}
	return ""
}

// fold removes the differences that Word ignores.
func fold(s string) string {
	return strings.ReplaceAll(strings.ToLower(s), "-", "_")
}

// Distance returns the least number of insertions, deletions, replacements and swaps of
// neighbouring bytes that turn a into b (optimal string alignment). A swap counts as one, because
// it is one common typing mistake. Time and memory are O(len(a)·len(b)) and O(len(b)).
func Distance(a, b string) int {
	// row[j] is the distance between a[:i] and b[:j]. last and before are the rows of i-1 and i-2.
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
