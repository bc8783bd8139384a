//go:build unix

package process_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pandakit/panda/internal/process"
)

// role is the variable that makes this test binary act as one of the programs below.
const role = "PROCESS_TEST_ROLE"

func TestMain(m *testing.M) {
	if act := roles[os.Getenv(role)]; act != nil {
		act()
		return
	}
	goleak.VerifyTestMain(m)
}

var roles = map[string]func(){
	"exit3": func() {
		fmt.Println("out")
		fmt.Fprint(os.Stderr, "err")
		os.Exit(3)
	},
	"hold": func() { hold() },
	"polite": func() {
		asked := make(chan os.Signal, 1)
		signal.Notify(asked, syscall.SIGTERM)
		fmt.Println("holding")
		<-asked
		fmt.Println("bye")
	},
	"stubborn": func() {
		signal.Ignore(syscall.SIGTERM)
		hold()
	},
	"parent": func() { // leaves a child behind and ends
		startHolder(nil)
	},
	"escape": func() { // leaves a child in another session behind, which holds the pipe
		startHolder(&syscall.SysProcAttr{Setsid: true})
	},
	"killed": func() { // starts a child through a Starter and is killed
		reader, writer := io.Pipe()
		starter := process.NewStarter()
		child, err := starter.Start(self("stubborn", writer))
		if err != nil {
			panic(err)
		}
		_, _ = bufio.NewReader(reader).ReadString('\n')
		fmt.Println(child.PID())
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	},
}

// hold waits for a signal that nobody sends: with nothing to wait for the runtime would call it a deadlock.
func hold() {
	never := make(chan os.Signal, 1)
	signal.Notify(never, syscall.SIGUSR1)
	fmt.Println("holding")
	<-never
}

// startHolder starts a child that never ends by itself, prints its process ID and returns.
func startHolder(attributes *syscall.SysProcAttr) {
	executable, _ := os.Executable()
	child := exec.Command(executable) //nolint:noctx // it is to be left behind
	child.Env = append(os.Environ(), role+"=hold")
	child.Stderr = os.Stderr // holds the pipe
	child.SysProcAttr = attributes
	if err := child.Start(); err != nil {
		panic(err)
	}
	fmt.Println(child.Process.Pid)
}

// self is the command that runs this binary in a role, both outputs to w.
func self(name string, w io.Writer) process.Command {
	executable, _ := os.Executable()
	return process.Command{Path: executable, Env: append(os.Environ(), role+"="+name), Stdout: w, Stderr: w}
}

// lines is a writer on which a test can wait for a line.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{}
}

func newLines() *lines { return &lines{more: make(chan struct{}, 100)} }

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(p)
	l.more <- struct{}{}
	return len(p), nil
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// first waits for the first whole line.
func (l *lines) first(t *testing.T) string {
	t.Helper()
	for {
		if line, _, found := strings.Cut(l.String(), "\n"); found {
			return line
		}
		select {
		case <-l.more:
		case <-t.Context().Done():
			t.Fatal("no line came")
		}
	}
}

func start(t *testing.T, command process.Command) *process.Process {
	t.Helper()
	starter := process.NewStarter()
	p, err := starter.Start(command)
	if err != nil {
		starter.Close()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Kill()
		<-p.Done()
		starter.Close()
	})
	return p
}

// gone waits until no process has the ID; one that nobody has reaped yet counts as gone.
func gone(t *testing.T, pid int) {
	t.Helper()
	for tick := time.NewTicker(5 * time.Millisecond); ; {
		if syscall.Kill(pid, 0) != nil {
			return
		}
		if stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil {
			if _, rest, _ := strings.Cut(string(stat), ") "); strings.HasPrefix(rest, "Z") {
				return
			}
		}
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatalf("process %d is still there", pid)
		}
	}
}

func TestExitAndOutput(t *testing.T) {
	t.Parallel()
	stdout, stderr := newLines(), newLines()
	command := self("exit3", stdout)
	command.Stderr = stderr
	p := start(t, command)
	if got := p.Exit(); got != (process.Exit{Code: 3}) || got.String() != "exit code 3" {
		t.Errorf("Exit = %v, want exit code 3", got)
	}
	if stdout.String() != "out\n" || stderr.String() != "err" {
		t.Errorf("output is %q and %q", stdout, stderr)
	}
}

func TestStopLetsThePoliteFinish(t *testing.T) {
	t.Parallel()
	out := newLines()
	p := start(t, self("polite", out))
	out.first(t)
	if killed := p.Stop(time.Hour, nil); killed {
		t.Error("Stop killed a process that ends when asked")
	}
	if p.Exit() != (process.Exit{}) || out.String() != "holding\nbye\n" {
		t.Errorf("it ended with %v after %q", p.Exit(), out)
	}
}

func TestStopKillsTheStubborn(t *testing.T) {
	t.Parallel()
	now := make(chan struct{})
	close(now)
	for name, stop := range map[string]func(p *process.Process) bool{
		"after the grace":        func(p *process.Process) bool { return p.Stop(10*time.Millisecond, nil) },
		"at once when hurried":   func(p *process.Process) bool { return p.Stop(time.Hour, now) },
		"by a kill without Stop": func(p *process.Process) bool { p.Kill(); <-p.Done(); return true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := newLines()
			p := start(t, self("stubborn", out))
			out.first(t)
			if !stop(p) {
				t.Error("Stop says that it ended by itself")
			}
			if got := p.Exit(); got.Code != -1 || got.String() != "signal: killed" {
				t.Errorf("Exit = %v, want a kill", got)
			}
			gone(t, p.PID())
		})
	}
}

func TestDescendantsAreKilled(t *testing.T) {
	t.Parallel()
	out := newLines()
	p := start(t, self("parent", out))
	pid, err := strconv.Atoi(out.first(t))
	if err != nil {
		t.Fatal(err)
	}
	<-p.Done()
	gone(t, pid)
}

func TestADescendantInAnotherSessionHoldsNothingUp(t *testing.T) {
	t.Parallel()
	out := newLines()
	p := start(t, self("escape", out))
	pid, err := strconv.Atoi(out.first(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGKILL) })
	<-p.Done() // though the descendant still has the pipe open
	if syscall.Kill(pid, 0) != nil {
		t.Error("the descendant is gone: it did not hold the pipe")
	}
}

func TestOutputThatNobodyTakesIsDropped(t *testing.T) {
	t.Parallel()
	reader, writer := io.Pipe()
	_ = reader.Close()
	if got := start(t, self("exit3", writer)).Exit(); got.Code != 3 {
		t.Errorf("Exit = %v, want exit code 3", got)
	}
}

func TestStartNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	starter := process.NewStarter()
	defer starter.Close()
	_, err := starter.Start(process.Command{Path: "/nowhere/x", Stdout: io.Discard, Stderr: io.Discard})
	if want := "start /nowhere/x: no such file or directory"; err == nil || err.Error() != want {
		t.Errorf("Start = %v, want %s", err, want)
	}
}
