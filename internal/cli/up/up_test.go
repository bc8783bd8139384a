//go:build unix

package up_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
	"go.uber.org/goleak"

	"github.com/pandakit/panda/internal/agent"
	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/cli/up"
)

// role is the variable that makes this test binary act as the command.
const role = "UP_TEST_ROLE"

// long is how long a test waits for what has to come; builds are part of it.
const long = 2 * time.Minute

func TestMain(m *testing.M) {
	if os.Getenv(role) != "" {
		os.Exit(actAsPanda())
	}
	goleak.VerifyTestMain(m)
}

// actAsPanda does what cmd/panda does, with this one command.
func actAsPanda() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	dir, _ := os.Getwd()
	cmd := up.New(&command.Env{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv, Environ: os.Environ, Dir: dir,
	})
	cmd.SetArgs(os.Args[1:])
	err := cmd.ExecuteContext(ctx)
	if err != nil {
		fmt.Fprintf(os.Stderr, "panda: %v\n%s\n", err, command.Advice(err))
	}
	return command.ExitCode(err)
}

// standin writes the workspace of the stand-in service, and more files over it, below a new folder.
func standin(t *testing.T, more string) string {
	t.Helper()
	archive, err := txtar.ParseFile(filepath.Join("..", "..", "workspace", "testdata", "standin.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	for _, file := range append(archive.Files, txtar.Parse([]byte(more)).Files...) {
		path := filepath.Join(root, filepath.FromSlash(file.Name))
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, file.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// panda is a running "panda up".
type panda struct {
	t              *testing.T
	command        *exec.Cmd
	stdout, stderr output
	temp           string // its folder for temporary files
	ended          chan struct{}
}

// output is text that a test can look at while it grows.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// start starts the command in a folder; variables of the registry are only those in env.
func start(t *testing.T, dir string, env []string, args ...string) *panda {
	t.Helper()
	p := prepare(t, dir, env, args...)
	p.command.Stdout, p.command.Stderr = &p.stdout, &p.stderr
	p.begin()
	return p
}

func prepare(t *testing.T, dir string, env []string, args ...string) *panda {
	t.Helper()
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &panda{t: t, command: exec.Command(executable, args...), temp: t.TempDir(), ended: make(chan struct{})} //nolint:noctx // ended by signals
	p.command.Dir = dir
	p.command.Env = append(os.Environ(), append([]string{role + "=up", "TMPDIR=" + p.temp, "CONSUL_HTTP_ADDR="}, env...)...)
	return p
}

func (p *panda) begin() {
	p.t.Helper()
	if err := p.command.Start(); err != nil {
		p.t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		_ = p.command.Wait() // its exit code is asked for
	}()
	p.t.Cleanup(func() {
		_ = p.command.Process.Kill()
		<-p.ended
	})
}

func (p *panda) interrupt() {
	p.t.Helper()
	if err := p.command.Process.Signal(os.Interrupt); err != nil {
		p.t.Fatal(err)
	}
}

// until polls a condition that tells no one of its changes.
func (p *panda) until(what string, condition func() bool) {
	p.t.Helper()
	deadline, tick := time.NewTimer(long), time.NewTicker(5*time.Millisecond)
	defer deadline.Stop()
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline.C:
			p.t.Fatalf("%s did not come; output:\n%s%s", what, p.stdout.String(), p.stderr.String())
		}
	}
}

func (p *panda) says(text string) {
	p.t.Helper()
	p.until(text, func() bool { return strings.Contains(p.stdout.String(), text) })
}

// exits checks the exit code, and that no temporary file is left.
func (p *panda) exits(want int) {
	p.t.Helper()
	p.until("the end", func() bool {
		select {
		case <-p.ended:
			return true
		default:
			return false
		}
	})
	if got := p.command.ProcessState.ExitCode(); got != want {
		p.t.Errorf("exit code %d, want %d; output:\n%s%s", got, want, p.stdout.String(), p.stderr.String())
	}
	if left, err := os.ReadDir(p.temp); err != nil || len(left) > 0 {
		p.t.Errorf("left behind are %v, %v", left, err)
	}
}

var pidLine = regexp.MustCompile(`│ pid (\d+)\r?\n`)

// pids returns those that the services have told, once there are so many.
func (p *panda) pids(want int) []int {
	p.t.Helper()
	var pids []int
	p.until("process IDs", func() bool {
		pids = nil
		for _, match := range pidLine.FindAllStringSubmatch(p.stdout.String(), -1) {
			pid, _ := strconv.Atoi(match[1])
			pids = append(pids, pid)
		}
		return len(pids) >= want
	})
	return pids
}

func (p *panda) allGone(pids []int) {
	p.t.Helper()
	for _, pid := range pids {
		p.until(fmt.Sprintf("the end of process %d", pid), func() bool { return !alive(pid) })
	}
}

func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	if runtime.GOOS != "linux" {
		return true
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := strings.Cut(string(stat), ") ")
	return err == nil && !strings.HasPrefix(rest, "Z")
}

func TestUpRunsAndDrains(t *testing.T) {
	t.Parallel()
	root := standin(t, "-- panda.yaml --\nservices: {svc: {replicas: 2}}\n")
	p := start(t, root, nil, "--agent-port", "0")
	p.says("Ctrl-C")
	pids := p.pids(2)
	p.interrupt()
	p.exits(0)
	p.allGone(pids)
	got := masked(p.stdout.String())
	for _, want := range []string{
		"▸ 1 service in this folder: svc ×2\n▸ registry: agent started at http://127.0.0.1:PORT\n",
		"▸ built 1 service in TIME\n",
		"✓ svc-1 │ passing at 127.0.0.1:PORT after TIME\n",
		"✓ svc-2 │ passing at 127.0.0.1:PORT after TIME\n",
		"\n  Ready: 2 instances, TIME after the start.\n\n  registry  http://127.0.0.1:PORT\n" +
			"  first     export CONSUL_HTTP_ADDR=127.0.0.1:PORT\n  list      panda services\n  open      http://127.0.0.1:PORT/ui/\n  stop      Ctrl-C\n\n",
		"▸ stopping 2 instances; Ctrl-C again kills\n",
		"  svc-1 │ drained\n", "✓ svc-1 │ stopped after TIME\n", "✓ svc-2 │ stopped after TIME\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("output lacks %q:\n%s", want, got)
		}
	}
	if !strings.HasSuffix(got, "▸ all stopped\n") || p.stderr.String() != "" {
		t.Errorf("it ends with other words:\n%s%s", got, p.stderr.String())
	}
}

var (
	port     = regexp.MustCompile(`127\.0\.0\.1:\d+`)
	duration = regexp.MustCompile(`\d+(\.\d)? m?s\b`)
)

// masked replaces what differs from run to run.
func masked(text string) string {
	return duration.ReplaceAllString(port.ReplaceAllString(text, "127.0.0.1:PORT"), "TIME")
}

func TestUpTellsWhatDoesNotCompile(t *testing.T) {
	t.Parallel()
	broken := "package main\n\nimport \"github.com/pandakit/panda\"\n\nfunc main() { panda.NewService(1) }\n"
	root := standin(t, "-- sub/bad/main.go --\n"+broken+"-- sub/good/main.go --\n"+strings.Replace(broken, "1", `"good"`, 1))
	p := start(t, root, nil, "--agent-port", "0", "./sub/...")
	p.exits(1)
	want := "✗ bad does not compile:\n    sub/bad/main.go:5:32: cannot use 1"
	if got := p.stderr.String(); !strings.Contains(got, want) || !strings.Contains(got, "panda: build: 1 of 2 services do not compile; nothing was started\n") {
		t.Errorf("stderr is\n%s\nwant it to hold\n%s", got, want)
	}
	if got := p.stdout.String(); strings.Contains(got, "passing") || strings.Contains(got, "│") {
		t.Errorf("something was started:\n%s", got)
	}
}

func TestUpUsesTheAgentThatRuns(t *testing.T) {
	t.Parallel()
	address := startAgent(t)
	_, agentPort, _ := net.SplitHostPort(address)
	for name, test := range map[string]struct {
		env, args []string
		want      string
	}{
		"at the port":         {nil, []string{"--agent-port", agentPort}, "▸ registry: the agent that runs at http://" + address + "\n"},
		"of CONSUL_HTTP_ADDR": {[]string{"CONSUL_HTTP_ADDR=" + address}, nil, "▸ registry: http://" + address + ", as CONSUL_HTTP_ADDR says\n"},
	} {
		root := standin(t, "")
		p := start(t, root, test.env, test.args...)
		p.says(test.want)
		p.says("✓ svc │ passing")
		p.interrupt()
		p.exits(0)
		if conn, err := net.DialTimeout("tcp", address, time.Second); err != nil { //nolint:noctx // bounded
			t.Errorf("%s: the agent is gone: %v", name, err)
		} else {
			_ = conn.Close()
		}
	}
}

func startAgent(t *testing.T) string {
	t.Helper()
	a, err := agent.New(agent.Config{HTTPAddr: "127.0.0.1:0", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return a.Addr().String()
}

func TestUpRefusesAPortThatIsTaken(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() { // answers every question with the same words
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
			_ = conn.Close()
		}
	}()
	_, taken, _ := net.SplitHostPort(listener.Addr().String())
	p := start(t, standin(t, ""), nil, "--agent-port", taken)
	p.exits(1)
	for _, want := range []string{
		"panda: start the agent: 127.0.0.1:" + taken + " is taken by something that is no agent: ",
		"pass --agent-port with another port, or set CONSUL_HTTP_ADDR",
	} {
		if !strings.Contains(p.stderr.String(), want) {
			t.Errorf("stderr lacks %q:\n%s", want, p.stderr.String())
		}
	}
}

func TestUpRefusesWrongUsage(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		more      string
		env, args []string
		want      string
	}{
		"no such folder":    {"", nil, []string{"nowhere"}, "panda: find services in nowhere: there is no such folder\n"},
		"no service":        {"", nil, []string{"./client"}, "a main package that is no service runs when panda.yaml names it: ."},
		"panda.yaml":        {"-- panda.yaml --\nservices: {svc: {replica: 2}}\n", nil, nil, `panda: read panda.yaml:1:18: unknown key "replica"; near: replicas`},
		"yaml of a folder":  {"-- svc/panda.yaml --\nx: 1\n", nil, []string{"svc"}, `panda: read svc/panda.yaml:1:1: unknown key "x"`},
		"unknown replicas":  {"", nil, []string{"-r", "scv=2"}, `panda: --replicas "scv=2": no service is called "scv"; near: svc`},
		"replicas without":  {"", nil, []string{"-r", "svc"}, `panda: --replicas "svc": want SERVICE=N, such as hello=3`},
		"too many replicas": {"", nil, []string{"-r", "svc=1000"}, `run 1000 replicas of svc: want 1 to 100`},
		"port":              {"", nil, []string{"--agent-port", "65536"}, "panda: --agent-port 65536: want 0 to 65535"},
		"grace":             {"", nil, []string{"--grace", "-1s"}, "panda: --grace -1s: want a duration of 0 or more"},
		"patience":          {"", nil, []string{"--patience", "999ms"}, "panda: --patience 999ms: want a duration of 1s or more"},
		"two registries":    {"", []string{"CONSUL_HTTP_ADDR=x:1"}, []string{"--agent-port", "0"}, "panda: --agent-port 0: CONSUL_HTTP_ADDR names x:1"},
		"bad registry":      {"", []string{"CONSUL_HTTP_ADDR=ftp://x"}, nil, `"ftp" is none of http, https, unix`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := start(t, standin(t, test.more), test.env, test.args...)
			p.exits(2)
			if !strings.Contains(p.stderr.String(), test.want) {
				t.Errorf("stderr is\n%s\nwant it to hold %q", p.stderr.String(), test.want)
			}
		})
	}
}

const stubborn = "-- panda.yaml --\nservices: {svc: {args: [stubborn]}}\n"

func TestUpKillsAtTheSecondInterrupt(t *testing.T) {
	t.Parallel()
	p := start(t, standin(t, stubborn), nil, "--agent-port", "0")
	pids := p.pids(2) // of the service and its child
	p.interrupt()
	p.interrupt() // so soon after the first that it is no second one
	p.says("Ctrl-C again kills")
	p.until("a kill", func() bool {
		_ = p.command.Process.Signal(os.Interrupt) // as one who cannot wait does
		return strings.Contains(p.stdout.String(), "killed after")
	})
	p.exits(1)
	p.allGone(pids)
	if got := p.stderr.String(); !strings.Contains(got, "panda: stop services: killed before they had drained: svc\n") {
		t.Errorf("stderr is %q", got)
	}
	if got := p.stdout.String(); !strings.Contains(got, "✗ svc │ killed after ") {
		t.Errorf("stdout is\n%s", got)
	}
}

func TestUpEndsWithTheReaderOfItsOutput(t *testing.T) {
	t.Parallel()
	p := prepare(t, standin(t, ""), nil, "--agent-port", "0")
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.command.Stdout, p.command.Stderr = writer, &p.stderr
	p.begin()
	_ = writer.Close()
	copied := make(chan struct{})
	go func() {
		defer close(copied)
		buffer := make([]byte, 4096)
		for !strings.Contains(p.stdout.String(), "Ctrl-C") {
			n, err := reader.Read(buffer)
			if err != nil {
				return
			}
			_, _ = p.stdout.Write(buffer[:n])
		}
	}()
	<-copied
	pids := p.pids(1)
	_ = reader.Close()
	if err := syscall.Kill(pids[0], syscall.SIGKILL); err != nil { // there is something to tell
		t.Fatal(err)
	}
	p.exits(1)
	p.allGone(pids)
	if got := p.stderr.String(); !strings.Contains(got, "broken pipe") {
		t.Errorf("stderr is %q", got)
	}
}

// A write to a connection that its client has dropped raises the same signal as one to standard output does.
func TestUpSurvivesClientsThatVanish(t *testing.T) {
	t.Parallel()
	p := start(t, standin(t, ""), nil, "--agent-port", "0")
	p.says("Ready: 1 instance")
	match := regexp.MustCompile(`CONSUL_HTTP_ADDR=(\S+)`).FindStringSubmatch(p.stdout.String())
	if match == nil {
		t.Fatalf("the agent's address is not told:\n%s", p.stdout.String())
	}
	for range 200 {
		vanish(t, match[1])
	}
	before := len(p.pids(1))
	if err := syscall.Kill(p.pids(1)[0], syscall.SIGKILL); err != nil { // a panda that runs on starts it again
		t.Fatal(err)
	}
	p.pids(before + 1)
	if strings.Contains(p.stdout.String(), "stopping") {
		t.Errorf("it stops because clients went away:\n%s", p.stdout.String())
	}
	p.interrupt()
	p.exits(0)
}

// vanish asks many questions and resets the connection while they are answered.
func vanish(t *testing.T, address string) {
	t.Helper()
	conn, err := net.Dial("tcp", address) //nolint:noctx // on loopback
	if err != nil {
		t.Fatal(err)
	}
	question := "GET /v1/health/state/any HTTP/1.1\r\nHost: localhost\r\n\r\n"
	_, err = io.WriteString(conn, strings.Repeat(question, 20))
	if err := errors.Join(err, conn.(*net.TCPConn).SetLinger(0), conn.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestUpIsInterruptedBeforeAnythingRuns(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	cmd := up.New(&command.Env{
		Stdout: io.Discard, Stderr: io.Discard, Getenv: func(string) string { return "" }, Environ: os.Environ, Dir: standin(t, ""),
	})
	cmd.SetArgs([]string{"--agent-port", "0"})
	if err := cmd.ExecuteContext(ctx); err == nil || err.Error() != "interrupted before any service was started" || command.ExitCode(err) != 1 {
		t.Errorf("it returns %v, want that it was interrupted", err)
	}
}
