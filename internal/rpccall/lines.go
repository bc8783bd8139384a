package rpccall

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/protobuf/proto"
)

// NewLines reads from r one value a line, each line of at most limit bytes; empty lines mean nothing. What is wrong
// with a line is told with its number, and does not keep the lines behind it from being read: for [Client.CallLines].
func NewLines(r io.Reader, limit int) *Input {
	in := NewInput(r, limit)
	in.lines = true
	return in
}

// scanLine returns the value of the next line that has one.
func (in *Input) scanLine() (value, error) {
	for {
		begin := in.at
		raw, err := in.readLine()
		in.at = position{begin.line + 1, 1}
		text := bytes.TrimLeft(raw, " \t\r\n")
		v := value{raw: bytes.TrimRight(text, " \t\r\n"), at: begin.after(raw[:len(raw)-len(text)])}
		switch {
		case err != nil && !errors.Is(err, io.EOF) && !asInputError(err):
			return value{}, err
		case asInputError(err):
			return v, err
		case len(v.raw) > 0:
			return v, checkSyntax(v)
		case err != nil:
			return value{}, io.EOF
		}
	}
}

// readLine returns a line with its end, or io.EOF beside the last one when it has none. A line that is too long is read
// to its end, and is an *InputError.
func (in *Input) readLine() ([]byte, error) {
	var line []byte
	tooLong := false
	for {
		part, err := in.reader.ReadSlice('\n')
		if tooLong = tooLong || len(line)+len(part) > in.limit+1; !tooLong { // one for the line break
			line = append(line, part...)
		}
		switch {
		case errors.Is(err, io.EOF), err == nil:
			if tooLong {
				return nil, in.at.errorf("the line is longer than %d bytes", in.limit)
			}
			return line, err
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, fmt.Errorf("read JSON: %w", err)
		}
	}
}

// LineError says which line of the input a call failed for.
type LineError struct {
	Line int // from 1
	Err  error
}

func (e *LineError) Error() string {
	if asInputError(e.Err) { // it names the line itself
		return e.Err.Error()
	}
	return fmt.Sprintf("line %d: %v", e.Line, e.Err)
}

// Unwrap returns what went wrong.
func (e *LineError) Unwrap() error { return e.Err }

// Each is how [Client.CallLines] makes its calls.
type Each struct {
	// Timeout bounds each call; 0 means no bound.
	Timeout time.Duration
	// Failed is told what went wrong for a line, a *[LineError], and whether to go on with the next line is what it
	// returns: nil to go on, or the error that CallLines returns. When it is nil the first failure is returned.
	Failed func(*LineError) error
}

func (e Each) failed(line int, err error) error {
	failure := &LineError{Line: line, Err: err}
	if e.Failed == nil {
		return failure
	}
	return e.Failed(failure)
}

// CallLines makes one call after another, each with the message of one line of r.Input, which is from [NewLines]. For a
// method that takes a stream it makes one call, with one message a line; lines that are wrong are then left out if
// each.Failed says so. Errors are as by [Client.Call], and *[LineError] where a line is to blame.
func (c *Client) CallLines(ctx context.Context, r Request, each Each) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	next := c.read(ctx, r)
	if r.Method.TakesStream() {
		ctx, cancel := each.bound(ctx)
		defer cancel()
		return c.stream(ctx, r, each.without(next))
	}
	for {
		it := next(ctx)
		if errors.Is(it.err, io.EOF) {
			return nil
		}
		err := it.err
		if err == nil {
			err = c.callOnce(ctx, r, each, it.message)
		}
		switch {
		case err == nil:
			continue
		case ctx.Err() != nil, it.err != nil && !asInputError(it.err):
			return err
		}
		if err := each.failed(it.line, err); err != nil {
			return err
		}
	}
}

func (c *Client) callOnce(ctx context.Context, r Request, each Each, message proto.Message) error {
	ctx, cancel := each.bound(ctx)
	defer cancel()
	if r.Method.SendsStream() {
		return c.stream(ctx, r, replay([]proto.Message{message}))
	}
	return c.unary(ctx, r, replay([]proto.Message{message}))
}

func (e Each) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if e.Timeout <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, e.Timeout)
}

// without leaves out the lines that are wrong, if that is wanted.
func (e Each) without(next source) source {
	return func(ctx context.Context) item {
		for {
			it := next(ctx)
			if !asInputError(it.err) {
				return it
			}
			if err := e.failed(it.line, it.err); err != nil {
				it.err = err
				return it
			}
		}
	}
}
