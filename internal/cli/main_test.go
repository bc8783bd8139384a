package cli

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"go.uber.org/goleak"

	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/rpccall/rpccalltest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// env is a process with no variables and nothing on standard input.
func env(args ...string) (e *command.Env, stdout, stderr *bytes.Buffer) {
	stdout, stderr = new(bytes.Buffer), new(bytes.Buffer)
	return &command.Env{
		Args: args, Stdin: strings.NewReader(""), Stdout: stdout, Stderr: stderr,
		Getenv:  func(string) string { return "" },
		Environ: func() []string { return nil },
	}, stdout, stderr
}

func TestNoArgumentsAreNotThoseOfTheProcess(t *testing.T) {
	e, stdout, stderr := env()
	if code := Main(t.Context(), e); code != command.ExitDone || !strings.HasPrefix(stdout.String(), "Run, find and call") {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
}

// An answer is printed before the input has ended, and an interrupt ends the command while it reads.
func TestInterruptWhileReading(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	e, _, stderr := env("call", "--addr", rpccalltest.Start(t), "kinds", "Chat")
	stdin, typing := io.Pipe()
	defer func() { _ = typing.Close() }()
	e.Stdin = stdin
	var answers bytes.Buffer
	e.Stdout = writer(func(p []byte) (int, error) {
		cancel()
		return answers.Write(p)
	})
	go func() { _, _ = io.WriteString(typing, `{"text":"hi"}`) }()
	code := Main(ctx, e)
	if code != command.ExitFailed || answers.String() != "{\"text\":\"HI\"}\n" || stderr.String() != "panda: call kinds/Chat: interrupted\n" {
		t.Errorf("exit code %d, stdout %q, stderr %q", code, &answers, stderr)
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

// A person who forgets the JSON, with standard input that never ends, is told so.
func TestInputThatNeverEnds(t *testing.T) {
	e, _, stderr := env("call", "--deadline", "300ms", "--addr", rpccalltest.Start(t), "kinds", "Upper")
	stdin, typing := io.Pipe()
	defer func() { _ = typing.Close() }()
	e.Stdin = stdin
	code := Main(t.Context(), e)
	if code != command.ExitFailed || !strings.HasPrefix(stderr.String(), "panda: call kinds/Upper: standard input did not end within 300ms\n") {
		t.Errorf("exit code %d, stderr %q", code, stderr)
	}
}

// Every command has what a person looks for first.
func TestHelpOfEveryCommand(t *testing.T) {
	e, _, _ := env()
	root := newRoot(e)
	each(root, func(cmd *cobra.Command) {
		name := cmd.CommandPath()
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") || cmd.Short[0] < 'A' || cmd.Short[0] > 'Z' {
			t.Errorf("%s: short help %q", name, cmd.Short)
		}
		if cmd.HasParent() && cmd.Parent() == root && cmd.Name() != "help" && cmd.Name() != "completion" {
			if cmd.Example == "" || cmd.Long == "" {
				t.Errorf("%s: no example, or no long help", name)
			}
			if first := strings.Fields(cmd.Long)[0]; first != strings.Fields(cmd.Short)[0] {
				t.Errorf("%s: long help begins with %q, short help with %q", name, first, cmd.Short)
			}
			if !strings.Contains(cmd.Example, name) {
				t.Errorf("%s: example without it: %s", name, cmd.Example)
			}
		}
	})
}

func each(cmd *cobra.Command, visit func(*cobra.Command)) {
	visit(cmd)
	for _, sub := range cmd.Commands() {
		each(sub, visit)
	}
}

// A wrong flag and a wrong argument exit with the code for wrong usage in every command of the tree.
func TestWrongUsageOfEveryCommand(t *testing.T) {
	e, _, _ := env()
	var paths [][]string
	each(newRoot(e), func(cmd *cobra.Command) { paths = append(paths, strings.Fields(cmd.CommandPath())[1:]) })
	for _, path := range paths {
		if len(path) > 0 && path[0] == "help" || len(path) == 1 && path[0] == "consul" {
			continue // takes any arguments
		}
		e, stdout, stderr := env(append(path, "--no-such-flag")...)
		if code := Main(t.Context(), e); code != command.ExitUsage || stdout.Len() > 0 || !strings.HasPrefix(stderr.String(), "panda: ") {
			t.Errorf("%q: exit code %d, stdout %q, stderr %q", path, code, stdout, stderr)
		}
	}
}
