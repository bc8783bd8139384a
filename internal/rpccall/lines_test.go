package rpccall

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/pandakit/panda/internal/rpccall/rpccalltest"
)

// callLines returns the answers, and what failed, in the order in which they came.
func callLines(ctx context.Context, c *Client, m *Method, input string, goOn bool) (string, error) {
	var lines []string
	each := Each{}
	if goOn {
		each.Failed = func(e *LineError) error { lines = append(lines, "! "+e.Error()); return nil }
	}
	err := c.CallLines(ctx, Request{
		Method: m, Input: NewLines(strings.NewReader(input), c.MaxMessage()),
		Message: func(line []byte) error { lines = append(lines, string(line)); return nil },
	}, each)
	return strings.Join(lines, "\n"), err
}

func TestCallLines(t *testing.T) {
	c := dial(t, rpccalltest.Start(t))
	tests := []struct{ name, method, input, want, fails string }{
		{"unary", "Upper", "\"a\"\r\n\n  \"b\"\n", "\"A\"\n\"B\"", ""},
		{"none", "Upper", "\n\n", "", ""},
		{"server stream", "Count", "{\"upto\":2}\n{}\n{\"upto\":1}", "{\"value\":\"1\"}\n{\"value\":\"2\"}\n{\"value\":\"1\"}", ""},
		{"client stream", "Sum", "{\"value\":1}\n{\"value\":2}", `{"value":"3"}`, ""},
		{"both", "Chat", "{\"text\":\"a\"}\n{\"text\":\"b\"}", "{\"text\":\"A\"}\n{\"text\":\"B\"}", ""},
		{"a wrong line", "Upper", "\"a\"\n{\n\"b\"", "\"A\"\n! read JSON at 2:2: unexpected end of JSON input\n\"B\"", "read JSON at 2:2"},
		{"two values", "Upper", "\"a\" \"b\"\n", "! read JSON at 1:5: invalid character '\"' after top-level value", "read JSON at 1:5"},
		{"a wrong field", "Count", "{}\n  {\"upt\":1}", `! read JSON at 2:4: testpb.v1.CountRequest has no field "upt"; near: upto`, "read JSON at 2:4"},
		{"a wrong message of a stream", "Sum", "{\"value\":1}\n{\"valeu\":2}\n{\"value\":3}", "! read JSON at 2:2: testpb.v1.Number has no field \"valeu\"; near: value\n{\"value\":\"4\"}", "read JSON at 2:2"},
		{"a call that fails", "Fail", "{\"code\":5,\"message\":\"no\"}\n{\"code\":8}", "! line 1: NOT_FOUND: no\n! line 2: RESOURCE_EXHAUSTED", "line 1: NOT_FOUND: no"},
		{"a line that is too long", "Upper", `"` + strings.Repeat("x", 2<<20) + "\"\n\"b\"\n", "! read JSON at 1:1: the line is longer than 1048576 bytes\n\"B\"", "read JSON at 1:1"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := method(t, c, test.method)
			if got, err := callLines(t.Context(), c, m, test.input, true); err != nil || got != test.want {
				t.Errorf("going on: got %s, %v\nwant %s", got, err, test.want)
			}
			_, err := callLines(t.Context(), c, m, test.input, false)
			if fmt.Sprint(err) != "<nil>" && test.fails == "" || test.fails != "" && (err == nil || !strings.HasPrefix(err.Error(), test.fails)) {
				t.Errorf("not going on: got %v, want %s", err, test.fails)
			}
			if _, ok := errors.AsType[*LineError](err); !ok && test.fails != "" {
				t.Errorf("%v is no *LineError", err)
			}
		})
	}
}

// Each line has the whole time, and an end of the context ends all.
func TestCallLinesIsBounded(t *testing.T) {
	c := dial(t, rpccalltest.Start(t))
	wait := method(t, c, "Wait")
	failed := 0
	err := c.CallLines(t.Context(), Request{Method: wait, Input: NewLines(strings.NewReader("{}\n{}\n"), 10), Message: func([]byte) error { return nil }},
		Each{Timeout: 10 * time.Millisecond, Failed: func(e *LineError) error {
			if s, ok := errors.AsType[*StatusError](e); ok && s.Code == codes.DeadlineExceeded {
				failed++
			}
			return nil
		}})
	if err != nil || failed != 2 {
		t.Errorf("got %v, and %d calls ran out of time, want 2", err, failed)
	}
	ctx, cancel := context.WithCancel(t.Context())
	stdin, typing := io.Pipe()
	defer typing.Close()
	go func() {
		io.WriteString(typing, "\"a\"\n")
		cancel()
	}()
	err = c.CallLines(ctx, Request{Method: method(t, c, "Upper"), Input: NewLines(stdin, 10), Message: func([]byte) error { return nil }}, Each{})
	if !errors.Is(err, context.Canceled) {
		if s, ok := errors.AsType[*StatusError](err); !ok || s.Code != codes.Canceled {
			t.Errorf("got %v", err)
		}
	}
}

// FuzzLines compares with encoding/json over the lines.
func FuzzLines(f *testing.F) {
	for _, seed := range []string{"", "{}\n[1]", "\n\r\n \"a\"\t\n", "{\n}", "1 2\n3", "\"\xff\"\nnull", strings.Repeat("x", 100) + "\n1", "1"} {
		f.Add(seed)
	}
	const limit = 64
	f.Fuzz(func(t *testing.T, text string) {
		in := NewLines(strings.NewReader(text), limit)
		var got, want []string
		for {
			v, err := in.next()
			if errors.Is(err, io.EOF) {
				break
			}
			if wrong, ok := errors.AsType[*InputError](err); ok {
				got = append(got, fmt.Sprintf("%d wrong", wrong.Line))
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, fmt.Sprintf("%d %s", v.at.line, v.raw))
		}
		for i, line := range strings.SplitAfter(text, "\n") {
			trimmed := strings.Trim(line, " \t\r\n")
			var raw json.RawMessage
			switch {
			case len(line) > limit+1:
				want = append(want, fmt.Sprintf("%d wrong", i+1))
			case trimmed == "":
			case json.Unmarshal([]byte(trimmed), &raw) != nil:
				want = append(want, fmt.Sprintf("%d wrong", i+1))
			default:
				want = append(want, fmt.Sprintf("%d %s", i+1, trimmed))
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%q: got %q, want %q", text, got, want)
		}
	})
}

func TestAnswersDoNotSteerATerminal(t *testing.T) {
	c := dial(t, rpccalltest.Start(t))
	const nasty = "a\x1b[31m\u009b31m\u007f\u202eb熊猫\n"
	quoted, err := json.Marshal(nasty)
	if err != nil {
		t.Fatal(err)
	}
	got, err := call(t.Context(), c, method(t, c, "HelloService/SayHello"), `{"name":`+string(quoted)+`}`)
	if err != nil || got != `{"msg":"你好,a\u001b[31m\u009b31m\u007f\u202eb熊猫\n"}` {
		t.Errorf("got %q, %v", got, err)
	}
	var back struct{ Msg string }
	if err := json.Unmarshal([]byte(got), &back); err != nil || back.Msg != "你好,"+nasty {
		t.Errorf("it means %q, %v", back.Msg, err)
	}
	if strings.ContainsAny(Printable(nasty), "\x1b\x7f\u009b\u202e") {
		t.Errorf("got %q", Printable(nasty))
	}
}
