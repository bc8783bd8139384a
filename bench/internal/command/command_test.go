package command_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/pandakit/panda/bench/internal/command"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func env(stdout, stderr io.Writer, args ...string) command.Env {
	return command.Env{Args: args, Environ: os.Environ(), Stdout: stdout, Stderr: stderr}
}

// short is a run of a few milliseconds of load.
func short(args ...string) []string {
	return append([]string{
		"-callers", "1,2", "-rounds", "2", "-window", "5ms", "-warm", "1ms", "-startups", "1", "-slow-rounds", "1",
	}, args...)
}

func TestARunOfGRPCAlone(t *testing.T) {
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	readme := filepath.Join(t.TempDir(), "README.md")
	if err := os.WriteFile(readme, []byte("<!-- results: begin -->\n<!-- results: end -->\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	args := short("-stacks", "again", "-parts", "rounds,startup,slow", "-out", readme)
	if code := command.Main(t.Context(), env(&stdout, &stderr, args...)); code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr.String())
	}
	for _, want := range []string{
		"| stack | 1 caller | 2 callers |", "| grpc-go again |", "Cost of a call at 2 callers",
		"| grpc-go round_robin |", "| grpc-go least_request |", "start to first call",
	} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("report lacks %q:\n%s", want, stdout.String())
		}
	}
	if strings.Contains(stdout.String(), "NaN") {
		t.Errorf("report has numbers that are none:\n%s", stdout.String())
	}
	if text, err := os.ReadFile(readme); err != nil || !strings.Contains(string(text), stdout.String()) {
		t.Errorf("README is %q, %v; want the report in it", text, err)
	}
	noneLeft(t, temporary)
}

// interruptedOnce is standard error that interrupts the run at the line that has the text.
type interruptedOnce struct {
	bytes.Buffer
	text   string
	cancel context.CancelFunc
}

func (w *interruptedOnce) Write(text []byte) (int, error) {
	if strings.Contains(string(text), w.text) {
		w.cancel()
	}
	return w.Buffer.Write(text)
}

func TestAnInterruptedRunLeavesNothing(t *testing.T) {
	for _, at := range []string{"build", "round 2", "start-up"} {
		t.Run(at, func(t *testing.T) {
			temporary := t.TempDir()
			t.Setenv("TMPDIR", temporary)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			stderr := &interruptedOnce{text: at, cancel: cancel}
			var stdout bytes.Buffer
			code := command.Main(ctx, env(&stdout, stderr, short("-stacks", "again", "-parts", "rounds,startup")...))
			if code != 1 || !strings.Contains(stderr.String(), "interrupted") || stdout.Len() > 0 {
				t.Errorf("exit code %d, standard output %q, standard error %q; want 1, nothing, interrupted", code, stdout.String(), stderr.String())
			}
			noneLeft(t, temporary)
		})
	}
}

// noneLeft fails when a run left files. That it left no goroutine, and so no process that it waits for,
// TestMain checks.
func noneLeft(t *testing.T, temporary string) {
	t.Helper()
	left, err := filepath.Glob(filepath.Join(temporary, "panda-bench-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestWrongUsage(t *testing.T) {
	tests := []struct {
		args []string
		want string
	}{
		{[]string{"-callers", "many"}, `"many" is not a number`},
		{[]string{"-callers", "0"}, `"0" is not a number`},
		{[]string{"-parts", "rounds,lunch"}, `unknown experiment "lunch"`},
		{[]string{"-rounds", "0"}, "want 1 or more"},
		{[]string{"-window", "2h"}, "at most 1m"},
		{[]string{"-pace", "slow"}, "flag provided but not defined: -pace"},
		{[]string{"everything"}, `argument "everything"`},
	}
	for _, test := range tests {
		t.Run(strings.Join(test.args, " "), func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			if code := command.Main(t.Context(), env(&stdout, &stderr, test.args...)); code != 2 {
				t.Errorf("exit code %d, want 2", code)
			}
			if !strings.Contains(stderr.String(), test.want) || stdout.Len() > 0 {
				t.Errorf("standard error %q, standard output %q; want only an error about %q", stderr.String(), stdout.String(), test.want)
			}
		})
	}
}

func TestHelp(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if code := command.Main(t.Context(), env(&stdout, &stderr, "-h")); code != 0 || !strings.Contains(stderr.String(), "-rounds") {
		t.Errorf("exit code %d, standard error %q; want 0 and the flags", code, stderr.String())
	}
}
