package call

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"golang.org/x/term"

	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/rpccall"
)

// maxFile bounds a file of messages that is not read line by line.
const maxFile = 64 << 20

// input is where the messages come from: an argument, a file, or standard input.
type input struct {
	given    bool   // by an argument or by -d
	argument string // as it was given; "-" is standard input
	name     string // of the file, as it was given
	file     *os.File
	typed    atomic.Bool // standard input had something
	again    bool        // they came from standard input before and were not kept: nothing cannot be what is meant
}

// errNotKept is what a call that is made again ends with when nobody gives its messages again.
var errNotKept = errors.New("its JSON was not kept, because it came from standard input, which has nothing now")

// notKept makes an error that wraps errNotKept one that is told with what to do.
func notKept(err error) error {
	return command.Advise(command.Usage(err), "give it again, on standard input or with -d @FILE")
}

// prepare finds out where the messages come from, and what is wrong with that.
func (in *input) prepare(c *caller) error {
	if _, ok := c.changed["data"]; ok {
		if in.given {
			return errors.New("the JSON is given twice, as an argument and by -d")
		}
		in.given, in.argument = true, c.options.data
		if name, isFile := strings.CutPrefix(in.argument, "@"); isFile && name != "-" {
			return in.open(c.env, name, c.options.lines)
		} else if isFile {
			in.argument = "-"
		}
	}
	if !in.isArgument() {
		return nil
	}
	if c.options.lines {
		return nil // each line is told by itself
	}
	return rpccall.NewInput(strings.NewReader(in.argument), c.options.maxMessage<<20).Check()
}

// isArgument reports whether the messages are the argument itself.
func (in *input) isArgument() bool { return in.given && in.argument != "-" && in.file == nil }

func (in *input) open(env *command.Env, name string, lines bool) error {
	if name == "" {
		return errors.New("-d @ names no file")
	}
	in.name = name
	file, err := os.Open(pathIn(env.Dir, name))
	if cause, ok := errors.AsType[*os.PathError](err); ok {
		return fmt.Errorf("open %s: %w", name, cause.Err)
	}
	if err != nil {
		return err
	}
	info, err := file.Stat()
	switch {
	case err != nil:
	case info.IsDir():
		err = fmt.Errorf("read %s: it is a folder", name)
	case !lines && info.Size() > maxFile:
		err = in.tooLarge()
	}
	if err != nil {
		return errors.Join(err, file.Close())
	}
	in.file = file
	return nil
}

func (in *input) tooLarge() error {
	return fmt.Errorf("read %s: it has more than %d MiB; with --from-json-lines a file may be larger", in.name, maxFile>>20)
}

// pathIn returns the path of a file that is named from a folder.
func pathIn(folder, name string) string {
	if filepath.IsAbs(name) || folder == "" {
		return name
	}
	return filepath.Join(folder, name)
}

func (in *input) close() {
	if in.file != nil {
		_ = in.file.Close() // it was only read
	}
}

// reader returns the messages.
func (in *input) reader(env *command.Env, method *rpccall.Method) io.Reader {
	switch {
	case in.file != nil:
		return in.file
	case in.isArgument():
		return strings.NewReader(in.argument)
	case env.Stdin == nil, !in.given && !method.TakesStream() && isTerminal(env.Stdin):
		return strings.NewReader("")
	}
	return &watchedReader{env.Stdin, &in.typed, in.again}
}

// watchedReader tells whether there was something to read.
type watchedReader struct {
	io.Reader
	some   *atomic.Bool
	needed bool // nothing is an error
}

// Read implements [io.Reader].
func (r *watchedReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if n > 0 {
		r.some.Store(true)
	}
	if r.needed && errors.Is(err, io.EOF) && !r.some.Load() {
		return n, errNotKept
	}
	return n, err
}

// locate says of an error in a file which file that is.
func (in *input) locate(err error) error {
	wrong, ok := errors.AsType[*rpccall.InputError](err)
	if !ok || in.file == nil {
		return err
	}
	return command.Usagef("read %s:%d:%d: %s", in.name, wrong.Line, wrong.Column, wrong.Reason)
}

func isTerminal(r io.Reader) bool {
	file, ok := r.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}
