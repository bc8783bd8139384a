package protobuild

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// unreadable finds, before the parser is asked, what it would need too much memory or too deep a stack for, or
// would take for something else. It returns the offset and a text, "" when the file may be parsed.
func unreadable(content []byte) (int, string) {
	if i := bytes.IndexByte(content, 0); i >= 0 {
		return i, "the file holds a NUL character; it is no text, or not UTF-8"
	}
	return scan(content)
}

// scan returns the offset of the bracket that is one too deep, comments and texts not counted, and of a text that
// is not UTF-8, whose bytes the parser would replace; in a comment they do no harm.
func scan(content []byte) (int, string) {
	depth := 0
	for i := 0; i < len(content); i++ {
		switch content[i] {
		case '/':
			i = skipComment(content, i)
		case '"', '\'':
			end := skipText(content, i)
			if !utf8.Valid(content[i:min(end, len(content))]) {
				return i, `a text that is not UTF-8; write other bytes as \xff or \377`
			}
			i = end
		case '{', '[', '(', '<':
			depth++
			if depth > MaxNesting {
				return i, fmt.Sprintf("nested deeper than %d levels", MaxNesting)
			}
		case '}', ']', ')', '>':
			depth = max(depth-1, 0)
		}
	}
	return 0, ""
}

// skipComment returns the offset of the last byte of the comment that begins at i, or i when none does.
func skipComment(content []byte, i int) int {
	rest := content[i:]
	switch {
	case bytes.HasPrefix(rest, []byte("//")):
		if n := bytes.IndexByte(rest, '\n'); n >= 0 {
			return i + n
		}
		return len(content)
	case bytes.HasPrefix(rest, []byte("/*")):
		if n := bytes.Index(rest[2:], []byte("*/")); n >= 0 {
			return i + 2 + n + 1
		}
		return len(content)
	}
	return i
}

// skipText returns the offset of the quote that ends the text which begins at i, or the end of its line.
func skipText(content []byte, i int) int {
	quote := content[i]
	for i++; i < len(content); i++ {
		switch content[i] {
		case quote, '\n':
			return i
		case '\\':
			i++
		}
	}
	return i
}
