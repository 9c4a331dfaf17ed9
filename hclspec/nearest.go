package hclspec

import "github.com/agext/levenshtein"

// Nearest returns the candidate that word was most likely meant to be, or "" if none is
// near: one edit away for words of up to two letters, two for up to seven, else three.
// Among equally near ones the first wins.
func Nearest(word string, candidates []string) string {
	limit := 3
	switch n := len(word); {
	case n <= 2:
		limit = 1
	case n <= 7:
		limit = 2
	}
	best, nearest := limit+1, ""
	for _, c := range candidates {
		if diff := len(c) - len(word); diff > 4*limit || diff < -4*limit {
			continue
		}
		if d := levenshtein.Distance(word, c, nil); d < best && d < len(word) {
			best, nearest = d, c
		}
	}
	return nearest
}
