package image

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// HealthPath is where a program is in the image that asks a service over gRPC's health protocol whether it serves.
const HealthPath = "/usr/libexec/panda-health"

// stopGrace is what the go command gets to end when it is interrupted.
const stopGrace = 3 * time.Second

// healthSource is compiled with the go command that compiles the service, for the platform that it is for.
//
//go:embed health/main.go health/call.go
var healthSource embed.FS //nolint:gochecknoglobals // embedding needs a variable

// HealthPackage is the import path of that program, for builds elsewhere.
const HealthPackage = "github.com/pandakit/panda/internal/image/health"

// The flags that leave out what differs from folder to folder, and what only debuggers read.
const (
	linkerFlags = "-s -w -buildid="
	// healthFlags leave out inlined copies of functions, for a program that must be small and need not be fast.
	healthFlags = "-gcflags=all=-l"
)

// Toolchain is the go command. Its methods may be called from several goroutines.
type Toolchain struct {
	Go      string   // path of the go command
	Environ []string // its environment
}

// Source is a main package.
type Source struct {
	Name   string   // for people
	Dir    string   // of the package, absolute
	Module string   // folder in which the go command runs, absolute
	Env    []string // added to the environment of the go command
}

// CompileError is what the compiler says of a program.
type CompileError struct {
	Name string
	Text string // lines of file:line:column: message, the file relative to the module's folder
}

func (e *CompileError) Error() string { return e.Name + " does not compile:\n" + e.Text }

// Compile makes a static executable for a platform at the path output. What does not compile is a *[CompileError].
func (t *Toolchain) Compile(ctx context.Context, s Source, p Platform, output string) error {
	relative, err := filepath.Rel(s.Module, s.Dir)
	if err != nil {
		return fmt.Errorf("build %s: %w", s.Name, err)
	}
	args := []string{"build", "-trimpath", "-buildvcs=false"}
	if flags, err := t.setting(ctx, s, "GOFLAGS"); err != nil {
		return err
	} else if !strings.Contains(flags, "-ldflags") { // else ours would replace the user's, such as -X
		args = append(args, "-ldflags="+linkerFlags)
	}
	args = append(args, "-o", output, "./"+filepath.ToSlash(relative))
	_, err = t.run(ctx, s.Name, s.Module, slices.Concat(t.Environ, s.Env, p.environ()), args...)
	return err
}

// CompileHealth makes the executable that asks a service whether it serves, at the path output.
func (t *Toolchain) CompileHealth(ctx context.Context, p Platform, output string) error {
	dir, err := os.MkdirTemp(filepath.Dir(output), "health-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // it is in the caller's folder
	for _, name := range []string{"main.go", "call.go"} {
		text, err := healthSource.ReadFile("health/" + name)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module health\n\ngo 1.22\n"), 0o600); err != nil {
		return err
	}
	environ := slices.Concat(t.Environ, []string{"GOWORK=off", "GOFLAGS="}, p.environ())
	_, err = t.run(ctx, "the health check", dir, environ,
		"build", "-trimpath", "-buildvcs=false", healthFlags, "-ldflags="+linkerFlags, "-o", output, ".")
	return err
}

// ModulePath returns the path of the module that a source is in.
func (t *Toolchain) ModulePath(ctx context.Context, s Source) (string, error) {
	environ := slices.Concat(t.Environ, s.Env, []string{"GOWORK=off", "GOFLAGS="})
	path, err := t.run(ctx, s.Name, s.Module, environ, "list", "-m")
	return strings.TrimSpace(path), err
}

// Zones returns the path of the zoneinfo.zip of the Go release that is used in a folder, "" when that has none.
func (t *Toolchain) Zones(ctx context.Context, dir string) (string, error) {
	root, err := t.setting(ctx, Source{Name: "time zones", Module: dir}, "GOROOT")
	if err != nil {
		return "", err
	}
	zones := filepath.Join(root, "lib", "time", "zoneinfo.zip")
	if info, err := os.Stat(zones); err != nil || !info.Mode().IsRegular() {
		return "", nil //nolint:nilerr // some distributions of Go leave it out
	}
	return zones, nil
}

// Notes tells of settings of the go command, in force where s is built, that make its program another one.
func (t *Toolchain) Notes(ctx context.Context, s Source) ([]string, error) {
	names := []string{"GOFLAGS", "GOEXPERIMENT", "GOAMD64", "GOARM64"}
	usual := []string{"", "", "v1", "v8.0"}
	out, err := t.run(ctx, s.Name, s.Module, slices.Concat(t.Environ, s.Env), append([]string{"env"}, names...)...)
	if err != nil {
		return nil, err
	}
	var notes []string
	for i, value := range strings.Split(strings.TrimSuffix(out, "\n"), "\n") {
		if i == 0 {
			value = strings.Join(slices.DeleteFunc(strings.Fields(value), ordinary), " ")
		}
		if i < len(names) && value != usual[i] && value != "" {
			notes = append(notes, names[i]+"="+value)
		}
	}
	return notes, nil
}

// ordinary reports whether a flag of the go command leaves the program as it is, or is given to it anyway.
func ordinary(flag string) bool {
	name, value, _ := strings.Cut(strings.TrimLeft(flag, "-"), "=")
	switch name {
	case "buildvcs", "trimpath", "modcacherw", "v", "x", "p":
		return true
	case "mod":
		return value != "vendor"
	}
	return false
}

func (t *Toolchain) setting(ctx context.Context, s Source, name string) (string, error) {
	out, err := t.run(ctx, s.Name, s.Module, slices.Concat(t.Environ, s.Env), "env", name)
	return strings.TrimSpace(out), err
}

// run runs the go command and returns what it printed; an exit code of its own is a *[CompileError].
func (t *Toolchain) run(ctx context.Context, what, dir string, environ []string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, t.Go, args...) //nolint:gosec // the go command
	cmd.Dir, cmd.Env = dir, environ
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = stopGrace
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	switch _, exited := errors.AsType[*exec.ExitError](err); {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case exited:
		return "", &CompileError{what, readable(stderr.String())}
	case err != nil:
		return "", fmt.Errorf("build %s: %w", what, err)
	}
	return stdout.String(), nil
}

// readable leaves out the lines that name packages, unless nothing else is said.
func readable(text string) string {
	text = strings.TrimSpace(strings.ReplaceAll(text, "\r\n", "\n"))
	lines := slices.DeleteFunc(strings.Split(text, "\n"), func(line string) bool { return strings.HasPrefix(line, "# ") })
	if len(lines) == 0 {
		return text
	}
	return strings.Join(lines, "\n")
}
