package consulbuild

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"
)

const (
	// endTime is how long an interrupted go command may take to remove what it has begun.
	endTime = 10 * time.Second
	// outputKept bounds what is kept of a command's output for an error.
	outputKept = 4 << 10
)

// tool returns the go command to use.
func (c *Config) tool() (string, error) {
	if c.Go != "" {
		return c.Go, nil
	}
	path, err := exec.LookPath("go")
	if err != nil {
		return "", &Error{Reason: NoGo, Act: "find the go command", Err: err}
	}
	return path, nil
}

func (c *Config) environ(work string) []string {
	// The temporary files are in the folder that is removed, whatever happens to the go command.
	return append(slices.Clip(c.Environ), "GOFLAGS=", "GOWORK=off", "GO111MODULE=on", "CGO_ENABLED=0", "GOTMPDIR="+work, "PWD="+work)
}

// runner runs go commands in one folder.
type runner struct {
	tool    string
	folder  string
	environ []string
	line    func(string) // told of each line of output; may be nil
}

func (r *runner) run(ctx context.Context, arguments ...string) error {
	cmd := exec.CommandContext(ctx, r.tool, arguments...) //nolint:gosec // the Go tool
	cmd.Dir, cmd.Env = r.folder, r.environ
	output := &lines{each: r.line}
	cmd.Stdout, cmd.Stderr = output, output
	if runtime.GOOS != "windows" {
		cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	}
	cmd.WaitDelay = endTime
	err := cmd.Run()
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("build Consul %s: interrupted: %w", Version, context.Cause(ctx))
	case err != nil && errors.Is(err, exec.ErrNotFound):
		return &Error{Reason: NoGo, Act: "find the go command", Err: err}
	case err != nil:
		return explain("go "+arguments[0], err, output.tail())
	}
	return nil
}

// verify runs the built program: one that was cut short, or is another version, must not be kept.
func verify(ctx context.Context, path string, environ []string) error {
	cmd := exec.CommandContext(ctx, path, "version")
	cmd.Env = environ
	output, err := cmd.CombinedOutput()
	if err != nil {
		return explain("try the built Consul", err, string(output))
	}
	if first, _, _ := strings.Cut(string(output), "\n"); strings.TrimSpace(first) != "Consul v"+Version {
		return &Error{Act: "try the built Consul", Err: fmt.Errorf("it says that it is %q, not Consul v%s", first, Version)}
	}
	return nil
}

// lines cuts output into lines and keeps the end of it. One command writes to it, on one goroutine.
type lines struct {
	each  func(string)
	begun []byte
	kept  []byte
}

// Write implements io.Writer.
func (l *lines) Write(p []byte) (int, error) {
	l.kept = append(l.kept, p...)
	if over := len(l.kept) - outputKept; over > 0 {
		l.kept = append(l.kept[:0], l.kept[over:]...)
	}
	l.begun = append(l.begun, p...)
	for {
		line, rest, found := bytes.Cut(l.begun, []byte("\n"))
		if !found {
			break
		}
		if l.each != nil {
			l.each(string(line))
		}
		l.begun = rest
	}
	if len(l.begun) > outputKept {
		l.begun = nil // no line of the go command is so long
	}
	return len(p), nil
}

// tail returns the last lines without the list of what was downloaded and compiled well.
func (l *lines) tail() string {
	var told []string
	for line := range strings.Lines(string(l.kept)) {
		line = strings.TrimRight(line, "\r\n")
		if strings.HasPrefix(line, "go: downloading ") || strings.HasPrefix(line, "go: added ") || !strings.Contains(line, " ") {
			continue
		}
		told = append(told, line)
	}
	const shown = 8
	return strings.Join(told[max(0, len(told)-shown):], "\n")
}
