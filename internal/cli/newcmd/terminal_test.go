//go:build linux || darwin

package newcmd

import (
	"io"
	"testing"

	"github.com/creack/pty"
	"golang.org/x/term"

	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/scaffold"
)

// On a terminal it is asked, and the terminal is left as it was; Ctrl-C is an answer.
func TestAskOnATerminal(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]scaffold.Type{"2\r": scaffold.Web, "\r": scaffold.Srv, "\x03": ""} {
		ours, its, err := pty.Open()
		if err != nil {
			t.Skipf("no terminal to be had: %v", err)
		}
		before, err := term.GetState(int(its.Fd()))
		if err != nil {
			t.Fatal(err)
		}
		answered := make(chan error, 1)
		go func() { answered <- typeWhenAsked(ours, typed) }()
		got, err := askType(&command.Env{Stdin: its, Stdout: its})
		if wrote := <-answered; wrote != nil {
			t.Error(wrote)
		}
		if got != want || (err != nil) != (want == "") {
			t.Errorf("typed %q: got %q, %v, want %q", typed, got, err, want)
		}
		if after, err := term.GetState(int(its.Fd())); err != nil || *after != *before {
			t.Errorf("typed %q: the terminal is left in another state: %v", typed, err)
		}
		_, _ = its.Close(), ours.Close()
	}
}

// typeWhenAsked reads until the question is there, and answers it.
func typeWhenAsked(terminal io.ReadWriter, typed string) error {
	const question = "[srv] "
	var shown []byte
	for one := make([]byte, 1); len(shown) < len(question) || string(shown[len(shown)-len(question):]) != question; {
		if _, err := terminal.Read(one); err != nil {
			return err
		}
		shown = append(shown, one[0])
	}
	_, err := io.WriteString(terminal, typed)
	return err
}
