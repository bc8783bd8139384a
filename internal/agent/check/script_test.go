//go:build unix

package check

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pandakit/panda/internal/consulwire"
)

func shell(script string) Definition {
	return Definition{Script: []string{"/bin/sh", "-c", script}, Interval: time.Second}
}

func TestScript(t *testing.T) {
	expect(t, ask(t, shell("echo fine")), consulwire.Passing, "fine\n")
	expect(t, ask(t, shell("echo well >&2; exit 1")), consulwire.Warning, "well\n")
	expect(t, ask(t, shell("exit 2")), consulwire.Critical, "")
	expect(t, ask(t, shell("kill -9 $$")), consulwire.Critical, "")
	expect(t, ask(t, Definition{Script: []string{"/no/such/program"}}), consulwire.Critical, "no such file")
	// No shell is between the check and its program.
	expect(t, ask(t, Definition{Script: []string{"/bin/echo", "$HOME; ls"}}), consulwire.Passing, "$HOME; ls\n")
	long := shell("for i in 1 2 3; do echo 0123456789; done; echo the end")
	long.OutputMax = 12
	if got := ask(t, long); got.Output != "Captured 12 of 41 bytes\n...\n789\nthe end\n" {
		t.Errorf("long output: %q", got.Output)
	}
}

// TestScriptIsKilledWithItsChildren holds that a script that takes too long leaves nothing behind.
func TestScriptIsKilledWithItsChildren(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "alive")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	// The child holds the pipe open as long as it lives.
	d := shell("sleep 1000 3>" + fifo + " & echo started; wait")
	d.Timeout = 300 * time.Millisecond
	ctx, cancel := context.WithTimeout(t.Context(), d.timeout())
	defer cancel()
	result := make(chan Result, 1)
	go func() { result <- d.probe()(ctx) }()
	alive, err := os.Open(fifo) // waits for the child
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = alive.Close() }()
	got := <-result
	if !strings.HasPrefix(got.Output, "Timed out (300ms) running check\n\nstarted") || got.Status != consulwire.Critical {
		t.Errorf("got %+v", got)
	}
	if n, err := alive.Read(make([]byte, 1)); n != 0 || err == nil { // the end of the file, once the child is gone
		t.Errorf("the child lives: %d, %v", n, err)
	}
}
