// Package build compiles programs with the go command, several at once, and collects what the compiler
// says of those that do not compile. It never runs what it has built and never changes a source folder.
package build

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/pandakit/panda/internal/process"
)

// The go command uses all processors for one build; more at once only help while one of them links.
const (
	minParallel = 2
	maxParallel = 4
)

// stopGrace is what the go command gets to end when it is asked.
const stopGrace = 3 * time.Second

// Target is a program to build.
type Target struct {
	Name   string   // for people
	Dir    string   // of the main package, absolute
	Module string   // folder in which the go command runs, absolute
	Env    []string // added to the environment of the go command
	Debug  bool     // for a debugger: without optimizations, and with what it needs to know
	Output string   // path of the executable
}

// Result is how one build went.
type Result struct {
	Target *Target
	Took   time.Duration
	Err    error // a *[CompileError] when it does not compile
}

// CompileError is what the compiler says of one or several programs: the same text is told once.
type CompileError struct {
	Names []string // of the targets, in their order
	Text  string   // lines of file:line:column: message, the file relative to the base folder
}

func (f *CompileError) Error() string {
	return strings.Join(f.Names, ", ") + " does not compile:\n" + f.Text
}

// Error tells of all programs that do not compile.
type Error struct {
	Failures []*CompileError
	Targets  int // how many were built in all
}

func (e *Error) Error() string {
	failed := 0
	for _, f := range e.Failures {
		failed += len(f.Names)
	}
	return fmt.Sprintf("build: %d of %d services do not compile", failed, e.Targets)
}

// Config is how to build. All fields are required.
type Config struct {
	Starter *process.Starter
	Environ []string     // of the go command
	Temp    string       // folder for what the go command leaves lying about; the caller removes it
	Base    string       // folder to which file names in messages are made relative
	Done    func(Result) // is told of each target as it is built; calls may overlap
}

// All builds every target, without stamping it with the state of version control, so that a commit makes no program
// another one, and, unless it is for a debugger, without what only debuggers read, which takes much of the time. When some do not compile it builds the others all the same and returns an
// *[Error]. When ctx is done it ends what runs and returns ctx's error.
func All(ctx context.Context, targets []Target, cfg Config) error {
	program, err := exec.LookPath("go")
	if err != nil {
		return errors.New("build services: the go command is not on PATH; install Go from https://go.dev/dl")
	}
	b := builder{cfg, program, []string{"build", "-buildvcs=false"}, []string{"-ldflags=-w"}}
	if setsLinker(ctx, program, cfg.Environ) {
		b.fast = nil
	}
	errs := make([]error, len(targets))
	var group errgroup.Group
	group.SetLimit(min(max(runtime.NumCPU(), minParallel), maxParallel))
	for i := range targets {
		group.Go(func() error {
			began := time.Now()
			errs[i] = b.build(ctx, &targets[i])
			if ctx.Err() == nil {
				cfg.Done(Result{&targets[i], time.Since(began), errs[i]})
			}
			return nil
		})
	}
	_ = group.Wait() // the errors are in errs
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return summary(errs, len(targets))
}

// summary merges failures of the same text, and gives any other error precedence.
func summary(errs []error, targets int) error {
	all := &Error{Targets: targets}
	for _, err := range errs {
		failure, ok := errors.AsType[*CompileError](err)
		switch {
		case err == nil:
		case !ok:
			return err
		default:
			all.add(failure)
		}
	}
	if len(all.Failures) == 0 {
		return nil
	}
	return all
}

func (e *Error) add(failure *CompileError) {
	at := slices.IndexFunc(e.Failures, func(f *CompileError) bool { return f.Text == failure.Text })
	if at < 0 {
		e.Failures = append(e.Failures, &CompileError{slices.Clone(failure.Names), failure.Text})
		return
	}
	e.Failures[at].Names = append(e.Failures[at].Names, failure.Names...)
}

type builder struct {
	Config
	program string   // the go command
	args    []string // of every build
	fast    []string // of builds that are for no debugger
}

// setsLinker reports whether GOFLAGS, wherever it is set, has flags for the linker, which ours would replace.
func setsLinker(ctx context.Context, program string, environ []string) bool {
	command := exec.CommandContext(ctx, program, "env", "GOFLAGS")
	command.Env = environ
	flags, err := command.Output()
	return err != nil || bytes.Contains(flags, []byte("-ldflags"))
}

// arguments are those of the go command for a target.
func (b *builder) arguments(t *Target, relative string) []string {
	flags := b.fast
	if t.Debug {
		flags = []string{"-gcflags=all=-N -l"}
	}
	return slices.Concat(b.args, flags, []string{"-o", t.Output, "./" + filepath.ToSlash(relative)})
}

func (b *builder) build(ctx context.Context, t *Target) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	relative, err := filepath.Rel(t.Module, t.Dir)
	if err != nil {
		return fmt.Errorf("build %s: %w", t.Name, err)
	}
	var stdout, stderr bytes.Buffer
	p, err := b.Starter.Start(process.Command{
		Path: b.program, Args: b.arguments(t, relative),
		Dir: t.Module, Env: slices.Concat(b.Environ, t.Env, []string{"GOTMPDIR=" + b.Temp}),
		Stdout: &stdout, Stderr: &stderr,
	})
	if err != nil {
		return fmt.Errorf("build %s: %w", t.Name, err)
	}
	select {
	case <-p.Done():
	case <-ctx.Done():
		p.Stop(stopGrace, nil)
		return ctx.Err()
	}
	if p.Exit() == (process.Exit{}) {
		return nil
	}
	text := b.readable(t, stdout.String()+stderr.String())
	if text == "" {
		text = "go build: " + p.Exit().String()
	}
	return &CompileError{[]string{t.Name}, text}
}

// place is the beginning of a compiler's message.
var place = regexp.MustCompile(`^(\S[^:]*\.\w+)(:\d+.*)$`) //nolint:gochecknoglobals // constant

// readable makes file names relative to the base folder and, where they say where it is wrong, leaves out
// the headers that name packages.
func (b *builder) readable(t *Target, text string) string {
	var lines []string
	located := false
	for line := range strings.Lines(strings.TrimSpace(text)) {
		line = strings.TrimRight(line, "\r\n")
		if parts := place.FindStringSubmatch(line); parts != nil {
			line, located = b.relative(t, parts[1])+parts[2], true
		}
		lines = append(lines, line)
	}
	if located {
		lines = slices.DeleteFunc(lines, func(line string) bool { return strings.HasPrefix(line, "# ") })
	}
	return strings.Join(lines, "\n")
}

func (b *builder) relative(t *Target, file string) string {
	path := filepath.FromSlash(file)
	if !filepath.IsAbs(path) {
		path = filepath.Join(t.Module, path)
	}
	if relative, err := filepath.Rel(b.Base, path); err == nil {
		return relative
	}
	return path
}
