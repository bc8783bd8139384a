package logs_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/pandakit/panda/internal/workspace/logs"
)

func TestLinesAreAlignedBehindTheirNames(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	m := logs.New(&out, []string{"hello-1", "db", "订单"}, false)
	write(t, m.Stream("hello-1"), "one\ntwo\r\n")
	write(t, m.Stream("db"), "\n")
	write(t, m.Stream("订单"), "three\n")
	m.Note("✓", logs.Green, "db", "passing")
	m.Print("done\n")
	want := `  hello-1 │ one
  hello-1 │ two
  db      │ 
  订单    │ three
✓ db      │ passing
done
`
	if out.String() != want {
		t.Errorf("output is\n%s\nwant\n%s", &out, want)
	}
}

func TestALineIsPutTogetherFromPieces(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	m := logs.New(&out, []string{"a"}, false)
	s := m.Stream("a")
	for _, piece := range []string{"he", "", "llo", "\nwor", "ld"} {
		write(t, s, piece)
	}
	if got := out.String(); got != "  a │ hello\n" {
		t.Errorf("before the flush the output is %q", got)
	}
	s.Flush()
	s.Flush()
	if got := out.String(); got != "  a │ hello\n  a │ world\n" {
		t.Errorf("after the flush the output is %q", got)
	}
}

func TestALongLineIsSplitBetweenCharacters(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	m := logs.New(&out, nil, false)
	s := m.Stream("")
	text := strings.Repeat("熊", logs.MaxLine) // three times as many bytes
	for piece := range strings.SplitSeq(text, "熊熊熊") {
		write(t, s, piece+"熊熊熊")
	}
	write(t, s, "\n")
	joined := ""
	for line := range strings.Lines(out.String()) {
		line = strings.TrimSuffix(strings.TrimPrefix(line, "   │ "), "\n")
		if len(line) > logs.MaxLine || !utf8.ValidString(line) {
			t.Errorf("a line has %d bytes, valid: %v", len(line), utf8.ValidString(line))
		}
		joined += line
	}
	if !strings.HasPrefix(joined, text) || len(strings.Trim(joined, "熊")) != 0 {
		t.Errorf("%d bytes came out of %d", len(joined), len(text))
	}
}

func TestColours(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	m := logs.New(&out, []string{"a", "bb"}, true)
	write(t, m.Stream("bb"), "plain\n\x1b[31mred\n")
	m.Note("✗", logs.Red, "a", "gone")
	want := "  \x1b[35mbb\x1b[0m \x1b[2m│\x1b[0m plain\n" +
		"  \x1b[35mbb\x1b[0m \x1b[2m│\x1b[0m \x1b[31mred\x1b[0m\n" +
		"\x1b[31m✗\x1b[0m \x1b[36ma\x1b[0m  \x1b[2m│\x1b[0m gone\n"
	if out.String() != want {
		t.Errorf("output is\n%q\nwant\n%q", out.String(), want)
	}
}

func TestLinesOfManyStreamsAreNeverMixed(t *testing.T) {
	t.Parallel()
	const streams, lines = 8, 500
	var out bytes.Buffer
	m := logs.New(&out, nil, false)
	var writers sync.WaitGroup
	for i := range streams {
		writers.Go(func() {
			s, body := m.Stream(fmt.Sprint(i)), strings.Repeat(fmt.Sprint(i), 50)
			for n := range lines {
				line := fmt.Sprintf("%s %d\n", body, n)
				for piece := range strings.SplitSeq(line, " ") {
					_, _ = io.WriteString(s, piece)
				}
			}
		})
	}
	writers.Wait()
	next := make([]int, streams)
	for line := range strings.Lines(out.String()) {
		var stream int
		if _, err := fmt.Sscanf(line, "  %d │", &stream); err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		want := fmt.Sprintf("  %d │ %s%d\n", stream, strings.Repeat(fmt.Sprint(stream), 50), next[stream])
		if line != want {
			t.Fatalf("line is %q, want %q", line, want)
		}
		next[stream]++
	}
	for i, n := range next {
		if n != lines {
			t.Errorf("stream %d has %d lines, want %d", i, n, lines)
		}
	}
}

func TestAnOutputThatBreaksIsToldToTheWriters(t *testing.T) {
	t.Parallel()
	m := logs.New(broken{}, nil, false)
	select {
	case <-m.Broken():
		t.Error("it is broken before anything was written")
	default:
	}
	if _, err := io.WriteString(m.Stream("a"), "x\n"); !errors.Is(err, errBroken) {
		t.Errorf("Write = %v, want the error of the output", err)
	}
	m.Print("x")
	<-m.Broken()
	if !errors.Is(m.Err(), errBroken) {
		t.Errorf("Err = %v, want the error of the output", m.Err())
	}
}

var errBroken = errors.New("broken")

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errBroken }

func write(t *testing.T, w io.Writer, text string) {
	t.Helper()
	if n, err := io.WriteString(w, text); n != len(text) || err != nil {
		t.Fatalf("Write(%.20q) = %d, %v", text, n, err)
	}
}
