package consulcmd

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/consulbuild"
)

const (
	redraw = 200 * time.Millisecond // at most so often on a terminal
	plain  = 15 * time.Second       // at most so often elsewhere
)

// progress shows how an installation goes on: one line that is drawn again on a terminal, plain lines elsewhere.
type progress struct {
	out      io.Writer
	terminal bool
	began    time.Time

	mu    sync.Mutex
	last  consulbuild.Progress
	shown time.Time
	drawn bool // a line on the terminal is to be cleared

	stop  chan struct{}
	clock sync.WaitGroup
}

func newProgress(env *command.Env) *progress {
	p := &progress{out: env.Stderr, terminal: isTerminal(env.Stderr), began: time.Now(), stop: make(chan struct{})}
	p.last.Stage = -1
	if p.terminal {
		p.clock.Go(p.tick) // so that it is seen to live while nothing is counted
	}
	return p
}

func (p *progress) tick() {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-p.stop:
			return
		case <-ticker.C:
			p.mu.Lock()
			if p.last.Stage >= 0 {
				p.draw()
			}
			p.mu.Unlock()
		}
	}
}

// observe is consulbuild.Config.Observe.
func (p *progress) observe(now consulbuild.Progress) {
	p.mu.Lock()
	defer p.mu.Unlock()
	begun := now.Stage != p.last.Stage
	p.last = now
	every := plain
	if p.terminal {
		every = redraw
	}
	if begun || time.Since(p.shown) >= every {
		p.draw()
	}
}

// draw writes the line. The caller has the lock. A line that cannot be written is not worth failing for.
func (p *progress) draw() {
	p.shown = time.Now()
	text := p.text()
	if p.terminal {
		p.drawn = true
		_, _ = fmt.Fprintf(p.out, "\r\x1b[K%s", text)
		return
	}
	_, _ = fmt.Fprintln(p.out, text)
}

func (p *progress) text() string {
	var text string
	switch p.last.Stage {
	case consulbuild.Waiting:
		text = "waiting for another installation of Consul " + consulbuild.Version
	case consulbuild.Fetching:
		text = "fetching the source of Consul " + consulbuild.Version
		if p.last.Count > 0 {
			text += fmt.Sprintf(": %d modules", p.last.Count)
		}
	case consulbuild.Compiling:
		text = "compiling Consul " + consulbuild.Version
		if p.last.Count > 0 {
			text += fmt.Sprintf(": %d packages", p.last.Count)
		}
	}
	return fmt.Sprintf("%s (%s)", text, time.Since(p.began).Round(time.Second))
}

// end clears the line and stops the clock. It is called once.
func (p *progress) end() {
	close(p.stop)
	p.clock.Wait()
	if p.drawn {
		_, _ = fmt.Fprint(p.out, "\r\x1b[K")
	}
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}
