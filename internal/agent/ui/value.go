package ui

import (
	"encoding/hex"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// value says how the value of a key is shown.
type value struct {
	Size  int
	Text  string // all of it, when it is Editable; its beginning, when it is Large
	Hex   string // its beginning, when it is not text
	More  int    // how many bytes Text or Hex leaves out
	CRLF  bool   // its lines end in CR LF
	Large bool   // it is text, but too much of it for a form
}

// Editable reports whether a form can hold the value and give it back as it was.
func (v value) Editable() bool { return v.Hex == "" && !v.Large }

// How much of a text a form holds, and how much is shown of a longer one, in bytes. Before a browser shows a page it lays
// out all that a field holds, and again at every key: at a phone's width and on a single line, 500 KiB take a desktop's
// processor 2.5 s, and a phone's longer; 64 KiB take it 0.15 s.
const (
	editable  = 64 << 10
	textShown = 4 << 10
)

// hexShown is how much of a value that is not text is shown, in bytes.
const hexShown = 2 << 10

func valueOf(content []byte) value {
	v := value{Size: len(content)}
	text := string(content)
	if lines, crlf, ok := plain(text); ok {
		v.Text, v.CRLF = lines, crlf
		if len(text) > editable {
			v.Text, v.Large = strings.ToValidUTF8(text[:textShown], ""), true
			v.More = len(text) - len(v.Text)
		}
		return v
	}
	shown := content[:min(len(content), hexShown)]
	v.Hex, v.More = hex.Dump(shown), len(content)-len(shown)
	return v
}

// plain returns the text with lines that end in LF alone. It is not ok when the text could not be told from another
// one after a form had it: a browser sends every end of a line as CR LF.
func plain(text string) (lines string, crlf, ok bool) {
	if !utf8.ValidString(text) || strings.ContainsFunc(text, unprintable) {
		return "", false, false
	}
	lines = strings.ReplaceAll(text, "\r\n", "\n")
	crlf = lines != text
	mixed := strings.Contains(lines, "\r") || crlf && strings.Count(lines, "\n") != strings.Count(text, "\r\n")
	return lines, crlf, !mixed
}

func unprintable(c rune) bool {
	return unicode.IsControl(c) && c != '\n' && c != '\r' && c != '\t'
}

// unform returns what was typed as the bytes to store.
func unform(typed string, crlf bool) string {
	lines := strings.ReplaceAll(typed, "\r\n", "\n")
	if crlf {
		return strings.ReplaceAll(lines, "\n", "\r\n")
	}
	return lines
}

func formatIndex(index uint64) string { return strconv.FormatUint(index, 10) }

// parseIndex returns 0 for what is no index: nothing has that one.
func parseIndex(text string) uint64 {
	index, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0
	}
	return index
}
