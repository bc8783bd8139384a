// Package nearname finds, among known names, those that a mistyped one may have meant. It never decides
// for the user: callers show what it returns.
package nearname

import (
	"cmp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Most is how many names Of returns at the most.
const Most = 3

// maxLength bounds the work for a name from outside; a longer name has no near ones.
const maxLength = 256

// Of returns the names that look like name, nearest first, at most Most. Case is ignored. A name counts
// as near when it differs in at most a third of its letters, or when one is the beginning or the end of the other.
func Of(name string, known []string) []string {
	if name == "" || len(name) > maxLength {
		return nil
	}
	type candidate struct {
		name     string
		distance int
	}
	var near []candidate
	want := strings.ToLower(name)
	for _, k := range known {
		if len(k) > maxLength {
			continue
		}
		have := strings.ToLower(k)
		d := distance(want, have)
		if d <= max(utf8.RuneCountInString(want), utf8.RuneCountInString(have))/3 || partOf(want, have) {
			near = append(near, candidate{k, d})
		}
	}
	slices.SortFunc(near, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.distance, b.distance), cmp.Compare(a.name, b.name))
	})
	var names []string
	for _, c := range near[:min(len(near), Most)] {
		names = append(names, c.name)
	}
	return names
}

func partOf(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	return utf8.RuneCountInString(a) >= 3 && (strings.HasPrefix(b, a) || strings.HasSuffix(b, a))
}

// distance is the Damerau-Levenshtein distance in its optimal string alignment form: insertions,
// deletions, substitutions and swaps of neighbours each cost one.
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	before, last, row := make([]int, len(y)+1), make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(x); i++ {
		row[0] = i
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(y)]
}
