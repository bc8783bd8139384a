package scaffold

import (
	"cmp"
	"slices"
	"strings"
)

// merge returns the lines of both in the order in which the go command writes go.sum, or old as it is when the other has
// nothing more.
func merge(old, other []byte) []byte {
	var lines []string
	for _, text := range [][]byte{old, other} {
		for line := range strings.Lines(string(text)) {
			if line = strings.TrimSpace(line); line != "" {
				lines = append(lines, line)
			}
		}
	}
	slices.SortFunc(lines, compareSums)
	lines = slices.Compact(lines)
	merged := []byte(strings.Join(lines, "\n") + "\n")
	if len(lines) == 0 || len(merged) == len(old) {
		return old
	}
	return merged
}

// compareSums orders lines of go.sum: by module, version, and the file of it that the checksum is of.
func compareSums(a, b string) int {
	moduleA, restA, _ := strings.Cut(a, " ")
	moduleB, restB, _ := strings.Cut(b, " ")
	versionA, sumA, _ := strings.Cut(restA, " ")
	versionB, sumB, _ := strings.Cut(restB, " ")
	versionA, fileA, _ := strings.Cut(versionA, "/")
	versionB, fileB, _ := strings.Cut(versionB, "/")
	return cmp.Or(strings.Compare(moduleA, moduleB), compareVersions(versionA, versionB), strings.Compare(fileA, fileB), strings.Compare(sumA, sumB))
}

// compareVersions orders versions of modules as semantic versioning does.
func compareVersions(a, b string) int {
	a, _, _ = strings.Cut(strings.TrimPrefix(a, "v"), "+")
	b, _, _ = strings.Cut(strings.TrimPrefix(b, "v"), "+")
	coreA, preA, isPreA := strings.Cut(a, "-")
	coreB, preB, isPreB := strings.Cut(b, "-")
	if c := slices.CompareFunc(strings.Split(coreA, "."), strings.Split(coreB, "."), compareNumbers); c != 0 {
		return c
	}
	if isPreA != isPreB { // what comes before a release is less
		if isPreA {
			return -1
		}
		return 1
	}
	return slices.CompareFunc(strings.Split(preA, "."), strings.Split(preB, "."), comparePart)
}

// comparePart orders parts of a pre-release: numbers before texts.
func comparePart(a, b string) int {
	numberA, numberB := isNumber(a), isNumber(b)
	switch {
	case numberA && numberB:
		return compareNumbers(a, b)
	case numberA:
		return -1
	case numberB:
		return 1
	}
	return strings.Compare(a, b)
}

func isNumber(text string) bool {
	return text != "" && strings.Trim(text, "0123456789") == ""
}

// compareNumbers orders numbers of any size without leading zeros.
func compareNumbers(a, b string) int {
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}
