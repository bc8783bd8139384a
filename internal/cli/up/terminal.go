package up

import (
	"bytes"
	"context"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/term"

	"github.com/pandakit/panda/internal/cli/command"
)

// keyWait is how long one wait for a key lasts, and so how long the end of the waiting may take.
const keyWait = 100 * time.Millisecond

// terminal is where keys come from, when the command's input and output are one.
type terminal struct {
	env   *command.Env // whose streams are right while keys are taken
	input *os.File     // nil when it is no terminal

	raw   atomic.Bool
	mu    sync.Mutex
	state *term.State // to restore; nil when it is as it was
}

func terminalOf(env *command.Env) *terminal {
	t := &terminal{env: env}
	input, in := env.Stdin.(*os.File)
	output, out := env.Stdout.(*os.File)
	if !in || !out || !term.IsTerminal(int(input.Fd())) || !term.IsTerminal(int(output.Fd())) {
		return t
	}
	t.input = input
	changed := *env
	changed.Stdout, changed.Stderr = &returning{env.Stdout, &t.raw}, &returning{env.Stderr, &t.raw}
	t.env = &changed
	return t
}

// takeKeys has keys come as they are pressed, and reports whether they do. It is to be restored.
func (t *terminal) takeKeys() bool {
	if t.input == nil || !foreground(t.input) {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	state, err := term.MakeRaw(int(t.input.Fd()))
	if err != nil {
		return false
	}
	t.state = state
	t.raw.Store(true)
	return true
}

// restore makes the terminal what it was. It may be called more than once, and from several goroutines.
func (t *terminal) restore() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.state == nil {
		return
	}
	_ = term.Restore(int(t.input.Fd()), t.state) // a terminal that is gone needs nothing
	t.state = nil
	t.raw.Store(false)
}

// read passes on keys until ctx is done or the terminal is gone.
func (t *terminal) read(ctx context.Context, press func(key byte)) {
	buffer := make([]byte, 64)
	for ctx.Err() == nil {
		there, err := waitForInput(t.input, keyWait)
		if err != nil {
			return
		}
		if !there {
			continue
		}
		n, err := t.input.Read(buffer)
		for _, key := range keysOf(buffer[:n]) {
			press(key)
		}
		if err != nil {
			return
		}
	}
}

// escape begins what a terminal sends for keys that are no characters.
const escape = 0x1b

// keysOf leaves out sequences such as those of arrows, whose letters are not meant; a lone escape stays.
func keysOf(input []byte) []byte {
	if len(input) > 1 && input[0] == escape {
		return nil
	}
	return input
}

// returning sends the cursor back at the end of each line, which a raw terminal does not do by itself.
type returning struct {
	io.Writer
	raw *atomic.Bool
}

func (r *returning) Write(p []byte) (int, error) {
	if !r.raw.Load() {
		return r.Writer.Write(p)
	}
	if _, err := r.Writer.Write(bytes.ReplaceAll(p, []byte("\n"), []byte("\r\n"))); err != nil {
		return 0, err
	}
	return len(p), nil
}
