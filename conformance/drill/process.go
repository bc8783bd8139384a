package drill

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
)

// Build compiles the main package of the module in folder and returns the program's path. The program goes
// when the test ends.
func Build(t testing.TB, folder, pkg string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), filepath.Base(pkg))
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, pkg)
	build.Dir = folder
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", pkg, err, output)
	}
	return program
}

// Process is a program that a test has started. It is killed when the test ends.
type Process struct {
	name   string
	cmd    *exec.Cmd
	output lockedBuffer
	exited chan struct{}
	err    error // of Wait; read after exited is closed
}

// Start runs the program with the environment of the test and more, "KEY=value".
func Start(t testing.TB, environment []string, program string, args ...string) *Process {
	t.Helper()
	p := &Process{name: filepath.Base(program), exited: make(chan struct{})}
	p.cmd = exec.CommandContext(context.WithoutCancel(t.Context()), program, args...)
	p.cmd.Env = append(os.Environ(), environment...)
	p.cmd.Stdout, p.cmd.Stderr = &p.output, &p.output
	p.start(t)
	return p
}

// start starts the process as it was made ready.
func (p *Process) start(t testing.TB) {
	t.Helper()
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", p.name, err)
	}
	go func() {
		defer close(p.exited)
		p.err = p.cmd.Wait()
	}()
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			t.Logf("output of %s, process %d:\n%s", p.name, p.PID(), p.output.String())
		}
	})
}

// PID returns the process's ID.
func (p *Process) PID() uint32 { return uint32(p.cmd.Process.Pid) } // a process ID is no larger

// Kill ends the process as kill -9 does and waits for its end.
func (p *Process) Kill() {
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		panic(fmt.Sprintf("kill process %d: %v", p.PID(), err))
	}
	<-p.exited
}

// Terminate asks the process to end as kill does, waits, and returns the error of its exit.
func (p *Process) Terminate() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	<-p.exited
	return p.err
}

type lockedBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}
