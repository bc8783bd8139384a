package up

import (
	"context"
	"fmt"
	"os/exec"
	"runtime"
	"strings"
	"sync"

	"github.com/pandakit/panda/internal/workspace"
)

// What keys send that are no letters.
const (
	ctrlC = 0x03
	ctrlL = 0x0c
)

// clearScreen wipes the terminal, with what has scrolled off it, and goes to its first line.
const clearScreen = "\x1b[2J\x1b[3J\x1b[H"

// maxChoices is how many services keys can choose from: those with a digit.
const maxChoices = 9

const keysHelp = `  r  build and restart services, one instance after the other
  f  show the logs of one service only, or of all again
  c  clear the screen
  o  open the page of the registry in a browser
  q  drain all services and quit, as Ctrl-C does; Ctrl-C again kills
  ?  this help
`

// controlled are the parts of a running workspace that keys reach.
type controlled interface {
	Restart(ctx context.Context, names []string) error
	Status() []workspace.ServiceStatus
}

// operator does what keys ask for. Its press is for one goroutine.
type operator struct {
	*screen
	runner    controlled
	quit      func()
	interrupt func()

	ctx     context.Context //nolint:containedctx // of what is begun
	acting  sync.WaitGroup
	chosen  func(names []string) // takes the choice that is being made; nil while none is
	offered []string
}

// listen obeys the keys of a terminal until what it returns is called, which waits for what was begun.
func (o *operator) listen(t *terminal) (end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	o.ctx = ctx
	var reading sync.WaitGroup
	reading.Go(func() {
		defer func() {
			if p := recover(); p != nil {
				t.restore()
				panic(p)
			}
		}()
		t.read(ctx, o.press)
	})
	return func() {
		cancel()
		reading.Wait()
		o.acting.Wait()
	}
}

func (o *operator) press(key byte) {
	if o.chosen != nil && key != ctrlC {
		o.choose(key)
		return
	}
	switch key {
	case 'r', 'R':
		o.offer("restart", o.restart)
	case 'f', 'F':
		o.offer("show the logs of", o.filter)
	case 'c', 'C', ctrlL:
		o.Print(clearScreen)
	case 'o', 'O':
		o.open()
	case 'q', 'Q':
		o.quit()
	case ctrlC:
		o.interrupt()
	case '?', 'h', 'H':
		o.Print(keysHelp)
	case '\r', '\n':
		o.Print("\n") // room, as one expects of a terminal
	}
}

// offer asks which services are meant, unless there is only one.
func (o *operator) offer(what string, do func(names []string)) {
	o.offered = nil
	for _, service := range o.runner.Status() {
		o.offered = append(o.offered, service.Name)
	}
	if len(o.offered) == 1 {
		do(nil)
		return
	}
	choices := []string{"0 all"}
	for at, name := range o.offered[:min(len(o.offered), maxChoices)] {
		choices = append(choices, fmt.Sprintf("%d %s", at+1, name))
	}
	more := ""
	if len(o.offered) > maxChoices {
		more = "; the others with: panda restart NAME, panda logs -f NAME"
	}
	o.say("%s: %s; any other key: none%s", what, strings.Join(choices, ", "), more)
	o.chosen = do
}

func (o *operator) choose(key byte) {
	do := o.chosen
	o.chosen = nil
	switch at := int(key) - '0'; {
	case at == 0:
		do(nil)
	case at >= 1 && at <= min(len(o.offered), maxChoices):
		do(o.offered[at-1 : at])
	default:
		o.say("none chosen")
	}
}

// restart restarts the services, all that run by themselves when none is named, while other keys are obeyed.
func (o *operator) restart(names []string) {
	if len(names) == 0 {
		for _, service := range o.runner.Status() {
			if service.State == "running" {
				names = append(names, service.Name)
			}
		}
	}
	if len(names) == 0 {
		o.say("nothing to restart")
		return
	}
	o.say("restarting %s", strings.Join(names, ", "))
	o.acting.Go(func() {
		if err := o.runner.Restart(o.ctx, names); err != nil && o.ctx.Err() == nil {
			o.problem(err)
		}
	})
}

// filter shows the lines of one service, or of all.
func (o *operator) filter(names []string) {
	if len(names) == 0 {
		o.Show(nil)
		o.say("showing the logs of all services")
		return
	}
	name := names[0]
	o.Show(func(label string) bool { return o.work.ServiceOf(label) == name })
	o.say("showing the logs of %s only", name)
}

func (o *operator) open() {
	page := o.registry.page()
	if page == "" {
		o.note("the registry at %s was not started here, so its page is not known", o.registry.health)
		return
	}
	o.say("opening %s", page)
	o.acting.Go(func() {
		if err := browse(o.ctx, page); err != nil && o.ctx.Err() == nil {
			o.note("open %s in a browser: %v", page, err)
		}
	})
}

// browse has the system open a page. What the system starts for it lives on by itself.
func browse(ctx context.Context, page string) error {
	switch runtime.GOOS {
	case "windows":
		return exec.CommandContext(ctx, "rundll32", "url.dll,FileProtocolHandler", page).Run() //nolint:gosec // an address of ours
	case "darwin":
		return exec.CommandContext(ctx, "open", page).Run() //nolint:gosec // an address of ours
	}
	opener, err := exec.LookPath("xdg-open")
	if err != nil {
		return fmt.Errorf("xdg-open is not on PATH")
	}
	// A shell that ends at once: some openers become the browser.
	script := `"$0" "$1" >/dev/null 2>&1 </dev/null &`
	return exec.CommandContext(ctx, "/bin/sh", "-c", script, opener, page).Run() //nolint:gosec // an address of ours
}
