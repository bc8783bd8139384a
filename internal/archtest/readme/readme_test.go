//go:build unix

package readme

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	root = "../../.."
	// patience bounds a command; the first one compiles the examples, perhaps with an empty cache.
	patience = 5 * time.Minute
)

// step is a command that README shows and the lines that it shows below it.
type step struct {
	command string
	shown   []string
}

// staysUp reports whether the command runs until it is interrupted, while the reader types the next ones.
func (s step) staysUp() bool { return strings.Contains(s.command, "/cmd/panda up ") }

var console = regexp.MustCompile("(?ms)^```console\n(.*?)^```$")

// readSteps returns the commands in README.md's console blocks.
func readSteps(t *testing.T) []step {
	t.Helper()
	var steps []step
	for _, block := range console.FindAllStringSubmatch(readPage(t, "README.md"), -1) {
		steps = append(steps, stepsOf(t, block[1])...)
	}
	return steps
}

func readPage(t *testing.T, name string) string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}

// stepsOf returns the commands in a console block.
func stepsOf(t *testing.T, block string) []step {
	t.Helper()
	var steps []step
	for line := range strings.Lines(block) {
		line = strings.TrimSuffix(line, "\n")
		if command, ok := strings.CutPrefix(line, "$ "); ok {
			steps = append(steps, step{command: command})
			continue
		}
		if len(steps) == 0 {
			t.Fatalf("%q stands in a console block before any command", line)
		}
		last := &steps[len(steps)-1]
		last.shown = append(last.shown, line)
	}
	return steps
}

func TestCommandsPrintWhatIsShown(t *testing.T) {
	if testing.Short() {
		t.Skip("it compiles and runs the examples")
	}
	steps := readSteps(t)
	if len(steps) == 0 || !steps[0].staysUp() {
		t.Fatal("README.md's first console block does not start the examples with panda up")
	}
	registry := freeAddress(t)
	_, port, err := net.SplitHostPort(registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range steps {
		if s.staysUp() {
			start(t, s, shell(root, "exec "+s.command+" --agent-port "+port))
			continue
		}
		run(t, s, registry)
	}
}

// freeAddress returns where the commands are to have their registry, in place of the port at which a
// reader's are and at which the machine may have one already.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// shell returns the command as a reader's shell would run it in a folder, in a process group of its own.
func shell(dir, command string, env ...string) *exec.Cmd {
	cmd := exec.Command("sh", "-c", command)
	cmd.Dir = dir
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "CONSUL_") && !strings.HasPrefix(variable, "PANDA_") {
			cmd.Env = append(cmd.Env, variable)
		}
	}
	cmd.Env = append(cmd.Env, env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

// want returns what the command is to print.
func (s step) want() string {
	text := ""
	for _, line := range s.shown {
		text += line + "\n"
	}
	return text
}

// run runs a command that ends by itself.
func run(t *testing.T, s step, registry string) {
	t.Helper()
	cmd := shell(root, "exec "+s.command, "CONSUL_HTTP_ADDR="+registry)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer time.AfterFunc(patience, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }).Stop()
	if err := cmd.Wait(); err != nil {
		t.Fatalf("$ %s: %v\n%s%s", s.command, err, stdout.String(), stderr.String())
	}
	want := s.want()
	if !regexp.MustCompile(`\A` + shownAs(want) + `\z`).MatchString(stdout.String()) {
		t.Errorf("$ %s\nprints:\n%s\nREADME.md shows:\n%s", s.command, stdout.String(), want)
	}
}

// running is a command that was started.
type running struct {
	cmd     *exec.Cmd
	command string
	out     *output
	ended   chan error // holds how it has ended
}

// start runs a command until the end of the test, and waits until it has printed what is shown. Then an
// interrupt, as from Ctrl-C, must end it and all that it started, unless it has ended before.
func start(t *testing.T, s step, cmd *exec.Cmd) *running {
	t.Helper()
	r := &running{cmd: cmd, command: s.command, out: newOutput(), ended: make(chan error, 1)}
	cmd.Stdout, cmd.Stderr = r.out, r.out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { r.ended <- cmd.Wait() }()
	t.Cleanup(func() { r.interrupt(t) })

	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for _, line := range s.shown {
		for want := regexp.MustCompile(`(?m)^` + shownAs(line+"\n")); !want.MatchString(r.out.String()); {
			select {
			case <-r.out.grown:
			case err := <-r.ended:
				r.ended <- err
				if !want.MatchString(r.out.String()) {
					t.Fatalf("$ %s ends: %v\n%s", s.command, err, r.out)
				}
			case <-deadline.C:
				t.Fatalf("$ %s does not print %q\n%s", s.command, line, r.out)
			}
		}
	}
	return r
}

var listening = regexp.MustCompile(` (?:at|on) (?:http://)?(\d[\d.]*:\d+)`)

// interrupt ends a command as Ctrl-C does, and looks for anything that it left behind. When a step has failed, which is
// told, it only ends the command: what else is wrong then is most likely for want of the steps that were not taken.
func (r *running) interrupt(t *testing.T) {
	t.Helper()
	blame := t.Errorf
	if t.Failed() {
		blame = func(string, ...any) {}
	}
	group := -r.cmd.Process.Pid
	defer func() { _ = syscall.Kill(group, syscall.SIGKILL) }() // fails when nothing is left, as it should
	select {
	case err := <-r.ended: // by one of the commands after it
		r.ended <- err
	default:
		if err := syscall.Kill(group, syscall.SIGINT); err != nil {
			blame("interrupt $ %s: %v", r.command, err)
		}
	}
	r.wait(blame) // with status 1, because go run says so whenever it is interrupted
	for _, address := range listening.FindAllStringSubmatch(r.out.String(), -1) {
		if conn, err := net.Dial("tcp", address[1]); err == nil {
			conn.Close()
			blame("$ %s has ended, and something still listens on %s\n%s", r.command, address[1], r.out)
		}
	}
}

// wait returns once the command has ended, and blames one that does not.
func (r *running) wait(blame func(format string, args ...any)) {
	select {
	case err := <-r.ended:
		r.ended <- err
	case <-time.After(patience):
		blame("$ %s does not end\n%s", r.command, r.out)
	}
}

// failing is the variable that makes TestAStepThatFails fail, as it is to.
const failing = "README_TEST_FAILING"

// TestAStepThatFails is a reader whose step fails while a command before it has a port that is still taken.
func TestAStepThatFails(t *testing.T) {
	if os.Getenv(failing) == "" {
		t.Skip("it is run by the next one")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() }) // after the command's
	address := listener.Addr().String()
	start(t, step{command: "echo", shown: []string{"listens at " + address}}, shell(root, "echo listens at "+address))
	run(t, step{command: "false"}, address)
}

// The first failure is the one that is told.
func TestAFailureIsToldAlone(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, "-test.run=^TestAStepThatFails$")
	cmd.Env = append(os.Environ(), failing+"=yes")
	printed, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(printed), "$ false: exit status 1") || strings.Contains(string(printed), "still listens") {
		t.Errorf("%v; it tells\n%s\nwant the step that fails alone", err, printed)
	}
}

var (
	span   = regexp.MustCompile(`\d+(\\\.\d+)? m?s\b`) // in a quoted text
	digits = regexp.MustCompile(`\d+`)
	spaces = regexp.MustCompile(` +`)
)

// shownAs returns a pattern for what README shows: numbers stand for any number, and spans of time for
// any span, since ports, times and process IDs differ from run to run; columns may be wider, and "…"
// stands for anything.
func shownAs(text string) string {
	quoted := regexp.QuoteMeta(text)
	quoted = span.ReplaceAllString(quoted, "\x00")
	quoted = digits.ReplaceAllString(quoted, `\d+`)
	quoted = spaces.ReplaceAllString(quoted, ` +`)
	quoted = strings.ReplaceAll(quoted, "\x00", `[\d.]+ ?m?s?[\d.ms]*`)
	return strings.ReplaceAll(quoted, "…", `(?s:.*)`)
}

// output collects what a program prints.
type output struct {
	mu    sync.Mutex
	text  bytes.Buffer
	grown chan struct{} // holds a value when there is something new
}

func newOutput() *output { return &output{grown: make(chan struct{}, 1)} }

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	select {
	case o.grown <- struct{}{}:
	default:
	}
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

func TestShownAs(t *testing.T) {
	for _, c := range []struct {
		shown, printed string
		want           bool
	}{
		{"hello  127.0.0.1:4000  passing\n", "hello   127.0.0.1:39123  passing\n", true},
		{"hello  127.0.0.1:4000  passing\n", "hello   127.0.0.1:39123  critical\n", false},
		{"ready in 3 s\n", "building\nready in 12 s\n", true},
		{"ready\n", "not ready\n", false},
		{"ready in 480 ms\n", "ready in 1.2 s\n", true},
		{"ready in 1.2 s.\n", "ready in 1m3s.\n", true},
		{"ready in 480 ms\n", "ready in no time\n", false},
		{"one\n…\nfour\n", "one\ntwo\nthree\nfour\n", true},
		{`{"msg":"你好,熊猫"}` + "\n", `{"msg":"你好,大熊猫"}` + "\n", false},
	} {
		if got := regexp.MustCompile(`(?m)^` + shownAs(c.shown)).MatchString(c.printed); got != c.want {
			t.Errorf("%q shown, %q printed: match is %v, want %v", c.shown, c.printed, got, c.want)
		}
	}
}
