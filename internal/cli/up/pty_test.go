//go:build linux || darwin

package up_test

import (
	"io"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/creack/pty"
	"golang.org/x/term"
)

// onTerminal starts the command on a terminal of its own, whose other end is returned.
func onTerminal(t *testing.T, dir string, args ...string) (*panda, *os.File) {
	t.Helper()
	ours, its, err := pty.Open()
	if err != nil {
		t.Skipf("no terminal to be had: %v", err)
	}
	p := prepare(t, dir, nil, args...)
	p.command.Stdin, p.command.Stdout, p.command.Stderr = its, its, its
	p.command.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	copied := make(chan struct{})
	go func() {
		defer close(copied)
		_, _ = io.Copy(&p.stdout, ours) // until it is closed
	}()
	t.Cleanup(func() {
		_ = its.Close()
		_ = ours.Close()
		<-copied
	})
	p.begin()
	return p, ours
}

func TestUpTakesKeysOnATerminal(t *testing.T) {
	t.Parallel()
	p, keys := onTerminal(t, standin(t, ""), "--agent-port", "0")
	before, err := term.GetState(int(keys.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	p.says("keys      r restart")
	raw, err := term.GetState(int(keys.Fd()))
	if err != nil || *raw == *before {
		t.Errorf("the terminal is as before while keys are taken: %v", err)
	}
	type pressed struct{ key, says string }
	for _, c := range []pressed{{"?", "this help\r\n"}, {"f", "showing the logs of all services\r\n"}, {"r", "✓ svc │ replaced after "}} {
		if _, err := io.WriteString(keys, c.key); err != nil {
			t.Fatal(err)
		}
		p.says(c.says)
	}
	pids := p.pids(2)
	if _, err := io.WriteString(keys, "q"); err != nil {
		t.Fatal(err)
	}
	p.says("all stopped\r\n")
	p.exits(0)
	p.allGone(pids)
	after, err := term.GetState(int(keys.Fd()))
	if err != nil || *after != *before {
		t.Errorf("the terminal is not what it was: %v", err)
	}
}

// Ctrl-C is a key there, which does what the signal does.
func TestUpOnATerminalIsInterrupted(t *testing.T) {
	t.Parallel()
	p, keys := onTerminal(t, standin(t, stubborn), "--agent-port", "0")
	pids := p.pids(2)
	p.until("a kill", func() bool {
		_, _ = io.WriteString(keys, "\x03")
		return strings.Contains(p.stdout.String(), "killed after")
	})
	p.exits(1)
	p.allGone(pids)
}
