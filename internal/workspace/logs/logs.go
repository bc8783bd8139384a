// Package logs merges the output of many programs into one, line by line, each line behind the name of
// where it comes from. It never reorders the lines of one program, never holds back a complete line, and
// stores nothing itself.
//
//	  hello-1 │ a line that the program wrote
//	✓ hello-1 │ a note of panda's own
package logs

import (
	"bytes"
	"io"
	"strings"
	"sync"
	"unicode/utf8"
)

// MaxLine is the length in bytes at which a line is split.
const MaxLine = 64 << 10

// maxWidth bounds the column of names; longer ones push their own lines to the right.
const maxWidth = 24

// Codes of ANSI terminals.
const (
	bold  = "1"
	faint = "2"
	reset = "\x1b[0m"
)

// Color is the ANSI code of a colour; the empty one leaves text as it is.
type Color string

// The colours in which notes say how things are.
const (
	Red    Color = "31"
	Green  Color = "32"
	Yellow Color = "33"
)

// palette are the colours of names: legible on dark and light grounds, and none that says that something is wrong.
var palette = []Color{"36", "35", "34", "33", "32", "96", "95", "94", "93", "92"} //nolint:gochecknoglobals // constant

// Merger writes lines to one writer. Its methods may be called from several goroutines.
type Merger struct {
	color bool
	width int

	// Keep is told of each line of a program, without its end, before it is written. It is set before the merger is
	// used; calls for one stream do not overlap. Nil: nobody is.
	Keep func(name string, line []byte)

	mu     sync.Mutex
	w      io.Writer
	err    error            // of the first write that did not work
	colors map[string]Color // of names
	shown  func(name string) bool

	broken chan struct{} // closed with err
}

// New returns a merger that writes to w, which needs no lock of its own. names are those that will be
// used, for the width of their column and their colours; color says whether to use colours at all.
func New(w io.Writer, names []string, color bool) *Merger {
	m := &Merger{w: w, color: color, colors: make(map[string]Color, len(names)), broken: make(chan struct{})}
	for i, name := range names {
		m.colors[name] = palette[i%len(palette)]
		m.width = max(m.width, min(columns(name), maxWidth))
	}
	return m
}

// Err returns the error of the first write that did not work; what came after it is lost.
func (m *Merger) Err() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.err
}

// Broken is closed when a write did not work: nobody sees any more what is written.
func (m *Merger) Broken() <-chan struct{} { return m.broken }

// Note writes one line about name, behind a symbol of one column.
func (m *Merger) Note(symbol string, color Color, name, text string) {
	_ = m.write([]byte(m.Paint(color, symbol) + " " + m.prefix(name) + text + "\n")) // the error is kept
}

// Print writes whole lines without a prefix, in one piece.
func (m *Merger) Print(lines string) { _ = m.write([]byte(lines)) } // the error is kept

// Bold returns text to be printed bold; as it is when there are no colours.
func (m *Merger) Bold(text string) string { return m.Paint(bold, text) }

// Faint returns text to be printed faint; as it is when there are no colours.
func (m *Merger) Faint(text string) string { return m.Paint(faint, text) }

// Paint returns text to be printed in a colour; as it is when there are no colours.
func (m *Merger) Paint(color Color, text string) string {
	if !m.color || color == "" || text == "" {
		return text
	}
	return "\x1b[" + string(color) + "m" + text + reset
}

// Show has only lines of programs be written whose name shown approves of, from now on; nil shows all. Notes and what
// is printed are always written.
func (m *Merger) Show(shown func(name string) bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.shown = shown
}

// colorOf gives a name that New was not told of the next colour.
func (m *Merger) colorOf(name string) Color {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, known := m.colors[name]; !known {
		m.colors[name] = palette[len(m.colors)%len(palette)]
	}
	return m.colors[name]
}

// prefix is the column of names and the bar after it.
func (m *Merger) prefix(name string) string {
	pad := strings.Repeat(" ", max(m.width-columns(name), 0))
	return m.Paint(m.colorOf(name), name) + pad + " " + m.Faint("│") + " "
}

// writeOf is write for a program's lines.
func (m *Merger) writeOf(name string, p []byte) error {
	m.mu.Lock()
	hidden := m.shown != nil && !m.shown(name)
	m.mu.Unlock()
	if hidden {
		return nil
	}
	return m.write(p)
}

func (m *Merger) write(p []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return m.err
	}
	if _, m.err = m.w.Write(p); m.err != nil {
		close(m.broken)
	}
	return m.err
}

// Stream returns a writer for one output of the program called name.
func (m *Merger) Stream(name string) *Stream {
	return &Stream{merger: m, name: name, prefix: []byte("  " + m.prefix(name))}
}

// Stream splits what it is given into lines. One goroutine at a time may use it; [Stream.Flush] ends its last line.
type Stream struct {
	merger  *Merger
	name    string
	prefix  []byte
	partial []byte // of the line that is not complete
}

// Write passes on all complete lines in one piece and keeps the rest, at most [MaxLine] bytes. It fails when
// the merged output cannot be written.
func (s *Stream) Write(p []byte) (int, error) {
	var out []byte
	for rest := p; len(rest) > 0; {
		line, after, complete := bytes.Cut(rest, []byte("\n"))
		rest = after
		s.partial = append(s.partial, line...)
		for len(s.partial) > MaxLine {
			cut := cutAt(s.partial, MaxLine)
			out = s.appendLine(out, s.partial[:cut])
			s.partial = append(s.partial[:0], s.partial[cut:]...)
		}
		if complete {
			out = s.appendLine(out, s.partial)
			s.partial = s.partial[:0]
		}
	}
	if len(out) == 0 {
		return len(p), nil
	}
	if err := s.merger.writeOf(s.name, out); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Flush writes what is kept of a line that was never completed.
func (s *Stream) Flush() {
	if len(s.partial) > 0 {
		_ = s.merger.writeOf(s.name, s.appendLine(nil, s.partial)) // the error is kept
		s.partial = s.partial[:0]
	}
}

func (s *Stream) appendLine(out, line []byte) []byte {
	line = bytes.TrimSuffix(line, []byte("\r"))
	if s.merger.Keep != nil {
		s.merger.Keep(s.name, line)
	}
	out = append(append(out, s.prefix...), line...)
	if s.merger.color && bytes.IndexByte(line, '\x1b') >= 0 {
		out = append(out, reset...) // a colour that is left on must not run into the lines of others
	}
	return append(out, '\n')
}

// cutAt returns a place at or shortly before n that does not split a character.
func cutAt(line []byte, n int) int {
	for i := n; i > n-utf8.UTFMax; i-- {
		if utf8.RuneStart(line[i]) {
			return i
		}
	}
	return n
}

// columns counts those of a terminal that text takes: East Asian wide letters take two.
func columns(text string) int {
	n := 0
	for _, r := range text {
		n++
		if isWide(r) {
			n++
		}
	}
	return n
}

func isWide(r rune) bool {
	return r >= 0x1100 && r <= 0x115F || r >= 0x2E80 && r <= 0xA4CF || r >= 0xAC00 && r <= 0xD7A3 ||
		r >= 0xF900 && r <= 0xFAFF || r >= 0xFE30 && r <= 0xFE6F || r >= 0xFF00 && r <= 0xFF60 ||
		r >= 0xFFE0 && r <= 0xFFE6 || r >= 0x1F300 && r <= 0x1FAFF || r >= 0x20000 && r <= 0x3FFFD
}
