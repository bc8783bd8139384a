package main

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// empties wants a folder that has nothing but a lock: empties FOLDER.
func empties(ts *testscript.TestScript, _ bool, args []string) {
	entries, err := os.ReadDir(ts.MkAbs(args[0]))
	ts.Check(err)
	for _, e := range entries {
		if e.Name() != "lock" {
			ts.Fatalf("%s has %s", args[0], e.Name())
		}
	}
}

// lookPath finds a program in the script's PATH.
func lookPath(ts *testscript.TestScript, name string) string {
	for _, folder := range filepath.SplitList(ts.Getenv("PATH")) {
		if path, err := exec.LookPath(filepath.Join(folder, name)); err == nil {
			return path
		}
	}
	ts.Fatalf("no %s in the script's PATH", name)
	return ""
}

// environment is the script's, as far as panda looks at it.
func environment(ts *testscript.TestScript) []string {
	var variables []string
	for _, name := range []string{"CONSUL_HTTP_ADDR", "PATH", "HOME", "XDG_RUNTIME_DIR"} {
		variables = append(variables, name+"="+ts.Getenv(name))
	}
	return variables
}

// watch runs a command until it has printed a line that fits, interrupts it as Ctrl-C does, and wants it to end
// well, without a word of complaint: watch REGEXP PROGRAM ARGS...
func watch(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: watch REGEXP PROGRAM ARGS...")
	}
	fits, err := regexp.Compile(args[0])
	ts.Check(err)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, lookPath(ts, args[1]), args[2:]...)
	cmd.Env = environment(ts)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	var seen strings.Builder
	lines := bufio.NewScanner(stdout)
	found := false
	for !found && lines.Scan() {
		seen.WriteString(lines.Text() + "\n")
		found = fits.MatchString(lines.Text())
	}
	_ = cmd.Process.Signal(os.Interrupt) // it may have ended, which is judged below
	_, _ = io.Copy(io.Discard, stdout)
	err = cmd.Wait()
	if !found || err != nil || stderr.Len() > 0 {
		ts.Fatalf("found %v, error %v\n%s%s", found, err, seen.String(), stderr.String())
	}
}

// running is the agent process of a script.
type running struct {
	cmd    *exec.Cmd
	ended  chan struct{}
	output *strings.Builder
}

// runningKey is where a script's state has its process.
type runningKey struct{}

// startProcess starts "panda agent -dev" on a free port and points CONSUL_HTTP_ADDR at it.
func startProcess(ts *testscript.TestScript, _ bool, _ []string) {
	p := &running{
		cmd:   exec.CommandContext(context.Background(), lookPath(ts, "panda"), "agent", "-dev", "-http-port", "0", "-node", "laptop"),
		ended: make(chan struct{}), output: new(strings.Builder),
	}
	p.cmd.Env, p.cmd.Stderr = environment(ts), p.output
	stdout, writer, err := os.Pipe()
	ts.Check(err)
	p.cmd.Stdout = writer
	ts.Check(p.cmd.Start())
	_ = writer.Close() // the process has its own
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait() // how it ended is in its state
	}()
	ts.Defer(func() {
		_ = p.cmd.Process.Kill() // it may have ended
		<-p.ended
		_ = stdout.Close()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	_, address, found := strings.Cut(strings.TrimSpace(line), " listens on http://")
	if err != nil || !found {
		ts.Fatalf("the agent said %q: %v", line, err)
	}
	ts.Setenv("CONSUL_HTTP_ADDR", address)
	processOf(ts).running = p
}

// ended wants the agent process of the script to end by itself with an exit code: ended CODE.
func ended(ts *testscript.TestScript, _ bool, args []string) {
	p := processOf(ts).running
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	select {
	case <-p.ended:
	case <-timeout.C:
		ts.Fatalf("the agent has not ended after %v", patience)
	}
	if code := p.cmd.ProcessState.ExitCode(); strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d, want %s\n%s", code, args[0], p.output)
	}
}

// slot is where a script keeps its agent process.
type slot struct{ running *running }

func processOf(ts *testscript.TestScript) *slot {
	s, ok := ts.Value(runningKey{}).(*slot)
	if !ok {
		ts.Fatalf("the script has no place for a process")
	}
	return s
}
