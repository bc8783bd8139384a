package rpccall

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// InputError says which JSON cannot be sent, and where it is wrong.
type InputError struct {
	Line   int // from 1, over the whole input
	Column int // from 1, in characters
	Reason string
}

func (e *InputError) Error() string {
	return fmt.Sprintf("read JSON at %d:%d: %s", e.Line, e.Column, e.Reason)
}

// Input is a sequence of JSON values, one after another with any white space between them: one value
// with line breaks in it, or one value a line. A value is complete with its last character, so that it
// can be sent while the input goes on. One goroutine at a time may use an Input.
type Input struct {
	reader *bufio.Reader
	at     position
	limit  int   // bytes of one value
	lines  bool  // one value a line
	err    error // ends the input
}

// NewInput reads from r values of at most limit bytes each.
func NewInput(r io.Reader, limit int) *Input {
	return &Input{reader: bufio.NewReader(r), at: position{1, 1}, limit: limit}
}

// value is one JSON value, checked to be well-formed, and where it begins.
type value struct {
	raw []byte
	at  position
}

// position is a place in a text, from 1:1, in lines and characters.
type position struct{ line, column int }

// after returns the position behind text that begins at p.
func (p position) after(text []byte) position {
	for _, b := range text {
		p.advance(b)
	}
	return p
}

func (p *position) advance(b byte) {
	switch {
	case b == '\n':
		p.line++
		p.column = 1
	case utf8.RuneStart(b):
		p.column++
	}
}

func (p position) errorf(format string, args ...any) *InputError {
	return &InputError{Line: p.line, Column: p.column, Reason: fmt.Sprintf(format, args...)}
}

// Check reads all of the input and reports the first value that is not JSON, as an [*InputError].
func (in *Input) Check() error {
	for {
		if _, err := in.next(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// next returns the next value, io.EOF after the last, an *InputError for what is not JSON, or the error
// of the reader. After an error it only returns that error; one value a line, it goes on after an *InputError.
func (in *Input) next() (value, error) {
	if in.err != nil {
		return value{}, in.err
	}
	if in.lines {
		v, err := in.scanLine()
		if !asInputError(err) {
			in.err = err
		}
		return v, err
	}
	v, err := in.scan()
	in.err = err
	return v, err
}

func (in *Input) scan() (value, error) {
	first, err := in.skipSpace()
	if err != nil {
		return value{}, err
	}
	v := value{raw: []byte{first}, at: in.at}
	in.at.advance(first)
	extent := newExtent(first)
	for !extent.complete() {
		if len(v.raw) >= in.limit {
			return value{}, v.at.errorf("the value is larger than %d bytes", in.limit)
		}
		b, err := in.reader.ReadByte()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return value{}, fmt.Errorf("read JSON: %w", err)
		}
		if !extent.add(b) {
			if err := in.reader.UnreadByte(); err != nil {
				return value{}, fmt.Errorf("read JSON: %w", err)
			}
			break
		}
		v.raw = append(v.raw, b)
		in.at.advance(b)
	}
	return v, checkSyntax(v)
}

// skipSpace returns the first byte of a value, which in.at is then the position of.
func (in *Input) skipSpace() (byte, error) {
	for {
		b, err := in.reader.ReadByte()
		if errors.Is(err, io.EOF) {
			return 0, io.EOF
		}
		if err != nil {
			return 0, fmt.Errorf("read JSON: %w", err)
		}
		if !isSpace(b) {
			return b, nil
		}
		in.at.advance(b)
	}
}

func isSpace(b byte) bool { return b == ' ' || b == '\t' || b == '\r' || b == '\n' }

// checkSyntax returns nil, or an *InputError.
func checkSyntax(v value) error {
	var raw json.RawMessage
	err := json.Unmarshal(v.raw, &raw)
	if err == nil {
		return nil
	}
	at, syntax := v.at, (*json.SyntaxError)(nil)
	if errors.As(err, &syntax) {
		good := int(syntax.Offset)
		if err.Error() != "unexpected end of JSON input" {
			good-- // the offset is behind the byte that is wrong
		}
		at = v.at.after(v.raw[:max(0, min(good, len(v.raw)))])
	}
	return at.errorf("%s", err.Error())
}

// extent finds where a JSON value ends, by its brackets and quotes alone.
type extent struct {
	depth    int  // of brackets
	inString bool // between quotes
	escaped  bool // behind a backslash
	bare     bool // a number or a word: it ends before the first byte that cannot belong to it
	done     bool
}

func newExtent(first byte) *extent {
	e := &extent{}
	switch first {
	case '{', '[', '"':
		e.add(first)
	case '}', ']', ',', ':':
		e.done = true // not JSON; its syntax error is the clearest by itself
	default:
		e.bare = true
	}
	return e
}

func (e *extent) complete() bool { return e.done }

// add takes the next byte; false when the value has ended before it.
func (e *extent) add(b byte) bool {
	switch {
	case e.bare:
		return !isSpace(b) && b != '{' && b != '[' && b != '"'
	case e.escaped:
		e.escaped = false
	case e.inString && b == '\\':
		e.escaped = true
	case b == '"':
		e.inString = !e.inString
		e.done = !e.inString && e.depth == 0
	case e.inString:
	case b == '{' || b == '[':
		e.depth++
	case b == '}' || b == ']':
		e.depth--
		e.done = e.depth == 0
	}
	return true
}
