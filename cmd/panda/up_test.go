package main

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/rogpeppe/go-internal/txtar"
)

// startUp lays the workspace of the stand-in service below a folder, without what the script has put there itself, and
// runs "panda up" in it until it is ready; CONSUL_HTTP_ADDR is then its registry: up FOLDER ARGS...
func startUp(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: up FOLDER ARGS...")
	}
	folder := ts.MkAbs(args[0])
	archive, err := txtar.ParseFile(filepath.Join(sourceOf(ts), "internal", "workspace", "testdata", "standin.txtar"))
	ts.Check(err)
	for _, file := range archive.Files {
		path := filepath.Join(folder, filepath.FromSlash(file.Name))
		if _, err := os.Stat(path); err == nil {
			continue
		}
		ts.Check(os.MkdirAll(filepath.Dir(path), 0o750))
		ts.Check(os.WriteFile(path, file.Data, 0o600))
	}
	cmd := exec.CommandContext(context.Background(), lookPath(ts, "panda"), append([]string{"up", "--agent-port", "0"}, args[1:]...)...)
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+ts.Getenv("XDG_RUNTIME_DIR"), "CONSUL_HTTP_ADDR=", "TMPDIR="+ts.Getenv("TMPDIR"))
	stdout, err := cmd.StdoutPipe()
	ts.Check(err)
	cmd.Stderr = cmd.Stdout
	ts.Check(cmd.Start())
	p := &running{cmd: cmd, ended: make(chan struct{}), output: new(strings.Builder)}
	lines := bufio.NewReader(stdout)
	for !strings.Contains(p.output.String(), "Ctrl-C") {
		line, err := lines.ReadString('\n')
		p.output.WriteString(line)
		if _, address, found := strings.Cut(line, "export CONSUL_HTTP_ADDR="); found {
			ts.Setenv("CONSUL_HTTP_ADDR", strings.TrimSpace(address))
		}
		if err != nil {
			ts.Fatalf("panda up ended: %s", p.output)
		}
	}
	go func() {
		defer close(p.ended)
		_, _ = io.Copy(p.output, lines) // until it ends
		_ = cmd.Wait()                  // how it ended is in its state
	}()
	ts.Defer(func() {
		_ = cmd.Process.Signal(os.Interrupt) // it may have ended
		<-p.ended
	})
	processOf(ts).running = p
}

// sourceOf returns the folder of the repository.
func sourceOf(ts *testscript.TestScript) string {
	dir, err := os.Getwd()
	ts.Check(err)
	return filepath.Join(dir, "..", "..")
}
