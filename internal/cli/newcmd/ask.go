package newcmd

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/term"

	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/scaffold"
)

// maxAnswers bounds how often an answer that is none is asked for again.
const maxAnswers = 5

// both are the two directions of a terminal.
type both struct {
	io.Reader
	io.Writer
}

// askType asks for the type when both streams are a terminal; elsewhere it is srv. The terminal is in raw mode while
// it is asked, so that Ctrl-C is an answer: nobody else could end the reading.
func askType(env *command.Env) (scaffold.Type, error) {
	in, out := terminal(env.Stdin), terminal(env.Stdout)
	if in == nil || out == nil {
		return scaffold.Srv, nil
	}
	before, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return scaffold.Srv, nil //nolint:nilerr // it is no terminal that can be asked on
	}
	t, err := ask(both{in, out})
	if restored := term.Restore(int(in.Fd()), before); err == nil {
		err = restored
	}
	return t, err
}

// terminal is the stream as a file, if it is a terminal, or nil.
func terminal(stream any) *os.File {
	if file, ok := stream.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		return file
	}
	return nil
}

// ask shows the types and reads the number or the name of one; an empty line means srv.
func ask(terminal io.ReadWriter) (scaffold.Type, error) {
	lines := term.NewTerminal(terminal, "")
	for i, t := range scaffold.Types() {
		fmt.Fprintf(lines, "  %d  %-4s %s\n", i+1, t, t.Describe())
	}
	lines.SetPrompt("Which type? [srv] ")
	for range maxAnswers {
		line, err := lines.ReadLine()
		if errors.Is(err, io.EOF) {
			return "", errors.New("interrupted; nothing was made")
		}
		if err != nil {
			return "", err
		}
		line = strings.TrimSpace(line)
		if line == "" {
			return scaffold.Srv, nil
		}
		if n, err := strconv.Atoi(line); err == nil && n >= 1 && n <= len(scaffold.Types()) {
			return scaffold.Types()[n-1], nil
		}
		t, err := scaffold.ParseType(line)
		if err == nil {
			return t, nil
		}
		fmt.Fprintln(lines, err)
	}
	return "", command.Usagef("no type after %d answers; give it with --type", maxAnswers)
}
