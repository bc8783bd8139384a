package newcmd

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/scaffold"
)

func TestAsk(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]scaffold.Type{
		"\r": scaffold.Srv, "web\r": scaffold.Web, " API \r": scaffold.API, "4\r": scaffold.RPC, "5\r": scaffold.CLI,
		"9\rnothing\rcli\r": scaffold.CLI,
	} {
		var shown bytes.Buffer
		got, err := ask(both{strings.NewReader(typed), &shown})
		if err != nil || got != want {
			t.Errorf("typed %q: got %q, %v, want %q", typed, got, err, want)
		}
		for _, kind := range scaffold.Types() {
			if !strings.Contains(shown.String(), kind.Describe()) {
				t.Errorf("%s is not described:\n%s", kind, &shown)
			}
		}
	}
}

func TestAskWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	for _, typed := range []string{"", "\x03", "\x04", "x\ry\r\x03"} {
		if got, err := ask(both{strings.NewReader(typed), new(bytes.Buffer)}); err == nil || !strings.Contains(err.Error(), "interrupted") {
			t.Errorf("typed %q: got %q, %v, want that it was interrupted", typed, got, err)
		}
	}
	got, err := ask(both{strings.NewReader(strings.Repeat("x\r", maxAnswers)), new(bytes.Buffer)})
	if command.ExitCode(err) != command.ExitUsage {
		t.Errorf("no answer is one: got %q, %v", got, err)
	}
}

// Where nobody can be asked, it is srv: a pipe, a file, nothing.
func TestNobodyToAsk(t *testing.T) {
	t.Parallel()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = read.Close(), write.Close() }()
	for _, env := range []*command.Env{{}, {Stdin: read, Stdout: write}, {Stdin: strings.NewReader("web\n"), Stdout: new(bytes.Buffer)}} {
		if got, err := askType(env); err != nil || got != scaffold.Srv {
			t.Errorf("got %q, %v", got, err)
		}
	}
}

func TestWord(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{"day2/micro": "day2/micro", "my 服务": "'my 服务'", "it's": `'it'\''s'`, "$x": "'$x'"} {
		if got := word(path); got != want {
			t.Errorf("word(%q) = %s, want %s", path, got, want)
		}
	}
}
