package rpccall

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
)

// Printable returns text in which no character from a server, a registry or a file can steer a terminal or hide
// what stands there: control characters other than line breaks and tabs, and those that turn the direction of
// writing, are shown as \u00XX.
func Printable(text string) string {
	if !strings.ContainsFunc(text, steers) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if steers(r) && r != '\n' && r != '\t' {
			fmt.Fprintf(&b, `\u%04x`, r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// printableJSON is Printable for JSON on one line: outside strings JSON has no such character, and inside them the
// escape means the same.
func printableJSON(line []byte) []byte {
	if !bytes.ContainsFunc(line, steers) {
		return line
	}
	return []byte(Printable(string(line)))
}

// steers reports whether a terminal may do something else with r than show it.
func steers(r rune) bool {
	return unicode.IsControl(r) || r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069'
}
