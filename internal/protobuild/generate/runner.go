package generate

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/pluginpb"
)

// The defaults and bounds of running plugins.
const (
	DefaultTimeout = time.Minute // of one run of a plugin
	buildTimeout   = 10 * time.Minute
	maxAnswer      = 256 << 20 // bytes
	shownStderr    = 2000      // bytes of what a plugin complains, from the end
	pipeDelay      = time.Second
)

// Runner says how plugins are started. Its zero value starts them with an empty environment, where few are found.
type Runner struct {
	Environ []string      // "KEY=value", as os.Environ gives it; PATH is where plugins are looked for
	Timeout time.Duration // of one run of a plugin; 0 is [DefaultTimeout]

	// Note, if not nil, is told in one line each what was decided that the files do not say, such as the
	// folder of Go code whose go_package is missing. It is called by the goroutine that calls Generate.
	Note func(text string)
}

func (r Runner) note(format string, args ...any) {
	if r.Note != nil {
		r.Note(fmt.Sprintf(format, args...))
	}
}

// plugin runs a plugin once and returns its answer.
func (r Runner) plugin(ctx context.Context, name string, tool tool, dir string, request *pluginpb.CodeGeneratorRequest) (*pluginpb.CodeGeneratorResponse, error) {
	input, err := proto.MarshalOptions{Deterministic: true}.Marshal(request)
	if err != nil {
		return nil, fmt.Errorf("generate with %s: make its request: %w", name, err)
	}
	output, stderr, err := r.start(ctx, cmp.Or(r.Timeout, DefaultTimeout), dir, input, tool.path)
	if err != nil {
		return nil, fmt.Errorf("generate with %s: %s %w%s", name, tool.path, err, said(stderr))
	}
	answer := &pluginpb.CodeGeneratorResponse{}
	if err := proto.Unmarshal(output, answer); err != nil || len(output) > 0 && len(answer.ProtoReflect().GetUnknown()) == len(output) {
		return nil, fmt.Errorf("generate with %s: %s printed what is no answer of a plugin: %s%s", name, tool.path, beginning(output), said(stderr))
	}
	if answer.Error != nil {
		return nil, fmt.Errorf("generate with %s: %s", name, strings.TrimSpace(answer.GetError()))
	}
	return answer, nil
}

// start runs a program to its end and returns what it printed. The error says how it ended, as the rest of a
// sentence that begins with its name.
func (r Runner) start(ctx context.Context, timeout time.Duration, dir string, input []byte, program string, args ...string) (stdout, stderr []byte, err error) {
	bounded, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	cmd := exec.CommandContext(bounded, program, args...) //nolint:gosec // the plugin that the user named, or the go command
	cmd.Dir, cmd.Env = dir, r.Environ
	cmd.Stdin = bytes.NewReader(input)
	answer, complaint := &limited{most: maxAnswer, stop: cancel}, &limited{most: 64 << 10}
	cmd.Stdout, cmd.Stderr = answer, complaint
	cmd.WaitDelay = pipeDelay
	isolate(cmd)
	err = cmd.Run()
	switch {
	case ctx.Err() != nil:
		err = errors.New("was interrupted")
	case answer.over:
		err = fmt.Errorf("printed more than %d MiB and was ended", maxAnswer>>20)
	case err != nil && bounded.Err() != nil:
		err = fmt.Errorf("did not end within %v and was killed", timeout)
	case err != nil:
		err = ending(err)
	}
	return answer.Bytes(), complaint.Bytes(), err
}

// ending says how a program ended.
func ending(err error) error {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		if exit.ExitCode() >= 0 {
			return fmt.Errorf("ended with exit code %d", exit.ExitCode())
		}
		return fmt.Errorf("crashed (%s)", exit.ProcessState)
	}
	if errors.Is(err, exec.ErrWaitDelay) {
		return errors.New("ended and left a process behind that keeps its output open")
	}
	if path, ok := errors.AsType[*os.PathError](err); ok {
		err = path.Err
	}
	return fmt.Errorf("cannot be started: %w", err)
}

// limited keeps the beginning of what is written to it.
type limited struct {
	bytes.Buffer

	most int
	over bool
	stop func() // called when there is more; may be nil
}

func (l *limited) Write(p []byte) (int, error) {
	room := l.most - l.Len()
	if len(p) <= room {
		return l.Buffer.Write(p)
	}
	l.Buffer.Write(p[:room])
	if !l.over && l.stop != nil {
		l.stop()
	}
	l.over = true
	return len(p), nil
}

// ReadFrom hides the buffer's own, which knows no bound.
func (l *limited) ReadFrom(r io.Reader) (int64, error) {
	return io.Copy(struct{ io.Writer }{l}, r)
}

// said is what a plugin complained, on lines of their own below an error.
func said(stderr []byte) string {
	text := strings.TrimSpace(printable(stderr))
	if text == "" {
		return ""
	}
	if len(text) > shownStderr {
		text = "…" + strings.ToValidUTF8(text[len(text)-shownStderr:], "")
	}
	return "\n  " + strings.ReplaceAll(text, "\n", "\n  ")
}

func beginning(output []byte) string {
	const shown = 60
	if len(output) > shown {
		return fmt.Sprintf("%q…", output[:shown])
	}
	return fmt.Sprintf("%q", output)
}

// printable leaves out what could steer a terminal.
func printable(text []byte) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && (r < ' ' || r >= 0x7f && r < 0xa0 || r == utf8.RuneError) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(string(text), ""))
}

// lookPath finds a program in the folders of the Runner's PATH, not of this process's; "" when there is none.
func (r Runner) lookPath(name string) string {
	for _, folder := range filepath.SplitList(r.getenv("PATH")) {
		if folder == "" || !filepath.IsAbs(folder) {
			continue // a plugin that lies in the folder at hand by chance is not started
		}
		if found, err := exec.LookPath(filepath.Join(folder, name)); err == nil {
			return found
		}
	}
	return ""
}

// getenv returns the last value of a variable, as a started program would see it.
func (r Runner) getenv(name string) string {
	value := ""
	for _, entry := range r.Environ {
		key, v, _ := strings.Cut(entry, "=")
		if key == name || foldsNames && strings.EqualFold(key, name) {
			value = v
		}
	}
	return value
}
