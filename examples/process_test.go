package examples_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience bounds every wait; none is expected to last.
const patience = 30 * time.Second

// programs is the folder that TestMain builds the examples and the command into.
var programs string

func TestMain(m *testing.M) {
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	folder, err := os.MkdirTemp("", "panda-examples-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(folder)
	programs = folder
	for _, build := range []struct{ dir, output, pkg string }{
		{".", folder, "./..."},
		{"..", filepath.Join(folder, executable("panda-command")), "./cmd/panda"},
	} {
		cmd := exec.Command("go", "build", "-o", build.output, build.pkg)
		cmd.Dir = build.dir
		if out, err := cmd.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "go build %s in %s: %v\n%s", build.pkg, build.dir, err, out)
			return 1
		}
	}
	return m.Run()
}

func executable(name string) string {
	if runtime.GOOS == "windows" {
		return name + ".exe"
	}
	return name
}

// process is a program under test.
type process struct {
	t      *testing.T
	name   string
	cmd    *exec.Cmd
	stdout bytes.Buffer
	ended  chan struct{} // closed once the program has ended and err is set
	err    error

	mu    sync.Mutex
	log   []string      // lines of standard error
	grown chan struct{} // closed and replaced when log grows
}

// start runs a program with the variables added to the environment, and ends it with the test.
func start(t *testing.T, env []string, name string, args ...string) *process {
	t.Helper()
	p := &process{t: t, name: name, ended: make(chan struct{}), grown: make(chan struct{})}
	p.cmd = exec.Command(filepath.Join(programs, executable(name)), args...)
	p.cmd.Env = append(plainEnvironment(), env...)
	p.cmd.Stdout = &p.stdout
	stderr, writer := io.Pipe()
	p.cmd.Stderr = writer
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		p.read(stderr)
	}()
	go func() {
		defer close(p.ended)
		p.err = p.cmd.Wait()
		writer.Close()
		<-read
	}()
	t.Cleanup(p.stop)
	return p
}

// plainEnvironment is this process's, without what would lead a program to somebody's real registry.
func plainEnvironment() []string {
	var env []string
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "CONSUL_") && !strings.HasPrefix(variable, "PANDA_") {
			env = append(env, variable)
		}
	}
	return env
}

func (p *process) read(stderr io.Reader) {
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		p.mu.Lock()
		p.log = append(p.log, lines.Text())
		close(p.grown)
		p.grown = make(chan struct{})
		p.mu.Unlock()
	}
}

// stop interrupts the program and waits for it; one that does not end is killed, and fails the test.
func (p *process) stop() {
	if p.cmd.Process.Signal(os.Interrupt) != nil {
		_ = p.cmd.Process.Kill() // it has ended, or the system has no signals
	}
	select {
	case <-p.ended:
	case <-time.After(patience):
		_ = p.cmd.Process.Kill()
		<-p.ended
		p.t.Errorf("%s did not end within %v of an interrupt", p.name, patience)
	}
	if p.t.Failed() {
		p.t.Logf("log of %s:\n%s", p.name, strings.Join(p.log, "\n"))
	}
}

// wait waits until the program has ended by itself, and returns what it printed.
func (p *process) wait() (string, error) {
	p.t.Helper()
	select {
	case <-p.ended:
		return p.stdout.String(), p.err
	case <-time.After(patience):
		p.t.Fatalf("%s has not ended within %v", p.name, patience)
		return "", nil
	}
}

// logged waits until a line of the log matches, and returns what its first group matched.
func (p *process) logged(pattern string) string {
	p.t.Helper()
	expression := regexp.MustCompile(pattern)
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	for {
		p.mu.Lock()
		lines, grown := p.log, p.grown
		p.mu.Unlock()
		for _, line := range lines {
			if found := expression.FindStringSubmatch(line); found != nil {
				return found[len(found)-1]
			}
		}
		select {
		case <-grown:
		case <-p.ended:
			p.t.Fatalf("%s ended (%v) without logging %q", p.name, p.err, pattern)
		case <-ctx.Done():
			p.t.Fatalf("%s has not logged %q within %v", p.name, pattern, patience)
		}
	}
}

// address waits until the program listens, and returns where.
func (p *process) address() string {
	p.t.Helper()
	return p.logged(`service listens.* address=(\S+)`)
}

// exitCode is that of a program that has ended.
func exitCode(err error) int {
	if failed, ok := errors.AsType[*exec.ExitError](err); ok {
		return failed.ExitCode()
	}
	return 0
}
