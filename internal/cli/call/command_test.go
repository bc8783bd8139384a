package call_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pandakit/panda"
	"github.com/pandakit/panda/internal/cli/call"
	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/cli/describe"
	"github.com/pandakit/panda/internal/rpccall/rpccalltest"
	"github.com/pandakit/panda/pandatest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// run runs "panda call", or "panda describe", with standard input and variables of its own.
func run(ctx context.Context, stdin io.Reader, variables map[string]string, args ...string) (stdout, stderr string, err error) {
	var out, errs bytes.Buffer
	env := &command.Env{Stdin: stdin, Stdout: &out, Stderr: &errs, Getenv: func(name string) string { return variables[name] }}
	cmd := call.New(env)
	if args[0] == "describe" {
		cmd = describe.New(env)
	}
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(args[1:])
	err = cmd.ExecuteContext(ctx)
	return out.String(), errs.String(), err
}

// Panda is a net/rpc service.
type Panda struct{}

// GetInfo adds a hundred.
func (*Panda) GetInfo(in int, out *int) error {
	*out = in + 100
	return nil
}

func TestAServiceWithoutGRPC(t *testing.T) {
	registry := pandatest.NewRegistry(t)
	service := panda.NewService("panda", registry.ServiceOptions(t)...)
	service.HandleRPC("Panda", new(Panda))
	address := pandatest.Run(t, registry, service).Addr()
	for _, args := range [][]string{
		{"call", "--addr", address, "panda", "GetInfo", "100"},
		{"describe", "--addr", address, "panda", "GetInfo"},
		{"describe", "--addr", address, "panda"},
	} {
		_, _, err := run(t.Context(), nil, nil, args...)
		if command.ExitCode(err) != command.ExitUsage || !strings.HasSuffix(err.Error(), "the server has no services but gRPC's own") ||
			!strings.Contains(command.Advice(err), "speak gRPC only: not net/rpc") {
			t.Errorf("%s: got %v; %s", args, err, command.Advice(err))
		}
	}
}

// An interrupt ends a benchmark, and what was measured until then is printed.
func TestBenchIsInterrupted(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	out, _, err := run(ctx, nil, nil, "call", "--addr", rpccalltest.Start(t), "hello", "Upper", `"a"`, "--bench", "--warm-up", "0", "--for", "1h")
	if err == nil || err.Error() != "call hello/Upper: interrupted" || !strings.HasPrefix(out, "calls    ") {
		t.Errorf("got %v\n%s", err, out)
	}
}

// A file that is not read line by line is bounded.
func TestALargeFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "large.json")
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := file.Truncate(65 << 20); err != nil { // sparse
		t.Fatal(err)
	}
	file.Close()
	address := rpccalltest.Start(t)
	_, _, err = run(t.Context(), nil, nil, "call", "--addr", address, "hello", "Sum", "-d", "@"+name)
	if command.ExitCode(err) != command.ExitUsage || !strings.Contains(err.Error(), "it has more than 64 MiB; with --from-json-lines a file may be larger") {
		t.Errorf("got %v", err)
	}
	_, _, err = run(t.Context(), nil, nil, "call", "--addr", address, "--max-message", "1", "hello", "Sum", "--from-json-lines", "-d", "@"+name)
	if command.ExitCode(err) != command.ExitUsage || !strings.HasSuffix(err.Error(), "large.json:1:1: the line is longer than 1048576 bytes") {
		t.Errorf("got %v", err)
	}
}

// Answers come as the lines do, and an interrupt ends the command while it reads.
func TestLinesAsTheyCome(t *testing.T) {
	address := rpccalltest.Start(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stdin, typing := io.Pipe()
	defer typing.Close()
	var out bytes.Buffer
	env := &command.Env{Stdin: stdin, Stdout: writer(func(p []byte) (int, error) {
		if out.Len() > 0 {
			cancel() // after the second answer
		} else {
			go func() { _, _ = io.WriteString(typing, "\"b\"\n") }()
		}
		return out.Write(p)
	}), Stderr: io.Discard, Getenv: func(string) string { return "" }}
	cmd := call.New(env)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs([]string{"--addr", address, "hello", "Upper", "--from-json-lines"})
	go func() { _, _ = io.WriteString(typing, "\"a\"\n") }()
	err := cmd.ExecuteContext(ctx)
	if err == nil || err.Error() != "call hello/Upper: interrupted" || out.String() != "\"A\"\n\"B\"\n" {
		t.Errorf("got %q, %v", out.String(), err)
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }
