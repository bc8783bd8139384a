package consulcmd

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/consulbuild"
)

// behavior names the variable that makes the test binary play Consul.
const behavior = "CONSULCMD_TEST_CONSUL"

func TestMain(m *testing.M) {
	if how := os.Getenv(behavior); how != "" {
		os.Exit(playConsul(how))
	}
	goleak.VerifyTestMain(m)
}

func playConsul(how string) int {
	switch how {
	case "echo":
		_, _ = io.WriteString(os.Stdout, strings.Join(os.Args[1:], "|")+"\n")
		_, _ = io.Copy(os.Stdout, os.Stdin)
		return 7
	case "wait":
		interrupted := make(chan os.Signal, 1)
		signal.Notify(interrupted, os.Interrupt)
		_, _ = io.WriteString(os.Stdout, "ready\n")
		<-interrupted
	}
	return 0
}

// process is one whose streams are not its own, so that Consul runs beside it.
func process(t *testing.T, how string) (env *command.Env, stdout *bytes.Buffer) {
	t.Helper()
	stdout = new(bytes.Buffer)
	return &command.Env{
		Stdin: strings.NewReader("input"), Stdout: stdout, Stderr: io.Discard, Dir: t.TempDir(),
		Getenv:  func(string) string { return "" },
		Environ: func() []string { return append(os.Environ(), behavior+"="+how) },
	}, stdout
}

func self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestHandOver(t *testing.T) {
	env, stdout := process(t, "echo")
	err := handOver(t.Context(), env, self(t), []string{"kv", "-x", "a b", ""})
	if command.ExitCode(err) != 7 || !command.IsSilent(err) || stdout.String() != "kv|-x|a b|\ninput" {
		t.Errorf("got %v, %q", err, stdout)
	}
	if err := handOver(t.Context(), env, filepath.Join(t.TempDir(), "none"), nil); err == nil || command.IsSilent(err) {
		t.Errorf("without a program: %v", err)
	}
}

func TestInterruptReachesConsul(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Ctrl-C goes to all processes of a console there")
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	env, _ := process(t, "wait")
	env.Stdout = writer(func(p []byte) (int, error) {
		cancel()
		return len(p), nil
	})
	if err := handOver(ctx, env, self(t), nil); err != nil {
		t.Errorf("it ended well, and yet: %v", err)
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

func TestMarkIsSetOnce(t *testing.T) {
	got := Marked([]string{"A=1", Mark + "=5", "B=2"})
	if want := "A=1 B=2 " + Mark + "=" + strconv.Itoa(os.Getpid()); strings.Join(got, " ") != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for value, want := range map[string]bool{"": false, "1": false, strconv.Itoa(os.Getpid()): true, strconv.Itoa(os.Getppid()): true} {
		if got := called(func(string) string { return value }); got != want {
			t.Errorf("%q: got %v", value, got)
		}
	}
}

func TestOnPathTakesOnlyPrograms(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("what a program is, its name says there")
	}
	folders := make([]string, 4)
	for i := range folders {
		folders[i] = t.TempDir()
	}
	write := func(folder string, mode os.FileMode) {
		if err := os.WriteFile(filepath.Join(folder, "consul"), nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	write(folders[0], 0o644)
	if err := os.Mkdir(filepath.Join(folders[1], "consul"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(folders[2], 0o755)
	write(folders[3], 0o755)
	list := strings.Join(append([]string{"", "relative"}, folders...), string(filepath.ListSeparator))
	env := &command.Env{Getenv: func(name string) string { return map[string]string{"PATH": list}[name] }}
	found := OnPath(env, "consul")
	if len(found) != 2 || filepath.Dir(found[0]) != folders[2] || filepath.Dir(found[1]) != folders[3] {
		t.Errorf("got %q", found)
	}
}

func TestPandaIsNoConsul(t *testing.T) {
	if !isPanda(self(t)) {
		t.Error("this program is taken for a Consul")
	}
	other := filepath.Join(t.TempDir(), "consul")
	if err := os.WriteFile(other, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if isPanda(other) {
		t.Error("another program is taken for panda")
	}
}

func TestProgressInPlainLines(t *testing.T) {
	var out bytes.Buffer
	p := newProgress(&command.Env{Stderr: &out})
	for _, now := range []consulbuild.Progress{
		{Stage: consulbuild.Waiting}, {Stage: consulbuild.Fetching}, {Stage: consulbuild.Fetching, Count: 1},
		{Stage: consulbuild.Compiling}, {Stage: consulbuild.Compiling, Count: 300},
	} {
		p.observe(now)
	}
	p.end()
	if lines := strings.Split(strings.TrimSpace(out.String()), "\n"); len(lines) != 3 || strings.Contains(out.String(), "\r") ||
		!strings.HasPrefix(lines[0], "waiting for another") || !strings.HasPrefix(lines[1], "fetching") || !strings.HasPrefix(lines[2], "compiling") {
		t.Errorf("got %q", &out)
	}
}

func TestProgressOnATerminal(t *testing.T) {
	var out bytes.Buffer
	p := &progress{out: &out, terminal: true, stop: make(chan struct{})}
	p.last.Stage = -1
	p.observe(consulbuild.Progress{Stage: consulbuild.Fetching})
	p.shown = p.began // as if it were long ago
	p.observe(consulbuild.Progress{Stage: consulbuild.Fetching, Count: 12})
	p.end()
	if !strings.Contains(out.String(), "12 modules") || strings.Contains(out.String(), "\n") || !strings.HasSuffix(out.String(), "\r\x1b[K") {
		t.Errorf("got %q", &out)
	}
}
