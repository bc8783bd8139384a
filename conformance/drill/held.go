//go:build linux

package drill

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Held is a program whose lines are taken one by one. It gets no further than to its second line after the last that was taken:
// one is kept for it, and the next holds it up as it prints it. So a test knows what a program is at that tells its steps.
type Held struct {
	*Process
	t     testing.TB
	lines *os.File
}

// setPipeSize is F_SETPIPE_SZ, which package syscall does not name.
const setPipeSize = 1031

// StartHeld starts a program as [Start] does, and takes none of its lines.
func StartHeld(t testing.TB, environment []string, program string, args ...string) *Held {
	t.Helper()
	var ends [2]int
	if err := syscall.Pipe2(ends[:], syscall.O_CLOEXEC|syscall.O_DIRECT); err != nil { // each line is a packet of its own
		t.Fatal(err)
	}
	if err := syscall.SetNonblock(ends[0], true); err != nil { // so that to read has a deadline
		t.Fatal(err)
	}
	lines, output := os.NewFile(uintptr(ends[0]), "lines"), os.NewFile(uintptr(ends[1]), "output")
	defer output.Close()
	t.Cleanup(func() { _ = lines.Close() })                                                                             // after the process
	if _, _, err := syscall.Syscall(syscall.SYS_FCNTL, output.Fd(), setPipeSize, uintptr(os.Getpagesize())); err != 0 { // room for one
		t.Fatal(err)
	}
	h := &Held{Process: &Process{name: filepath.Base(program), exited: make(chan struct{})}, t: t, lines: lines}
	h.cmd = exec.CommandContext(context.WithoutCancel(t.Context()), program, args...)
	h.cmd.Env = append(os.Environ(), environment...)
	h.cmd.Stdout, h.cmd.Stderr = output, &h.output
	h.start(t)
	return h
}

// Take takes lines up to one that has the text in it.
func (h *Held) Take(text string) {
	h.t.Helper()
	if err := h.lines.SetReadDeadline(time.Now().Add(patience)); err != nil {
		h.t.Fatal(err)
	}
	packet := make([]byte, os.Getpagesize())
	for {
		n, err := h.lines.Read(packet)
		if err != nil {
			h.t.Fatalf("%s prints no line with %q: %v", h.name, text, err)
		}
		_, _ = h.output.Write(packet[:n]) // into memory
		if strings.Contains(string(packet[:n]), text) {
			return
		}
	}
}
