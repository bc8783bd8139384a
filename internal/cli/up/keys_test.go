package up

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pandakit/panda/discovery/consul"
	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/workspace"
	"github.com/pandakit/panda/internal/workspace/health"
)

// controls records what keys have had done.
type controls struct {
	services  []string
	restarted chan string
	fail      error
}

func (c *controls) Restart(_ context.Context, names []string) error {
	c.restarted <- strings.Join(names, " ")
	return c.fail
}

func (c *controls) Status() []workspace.ServiceStatus {
	var all []workspace.ServiceStatus
	for _, name := range c.services {
		name, state, found := strings.Cut(name, ":")
		if !found {
			state = "running"
		}
		all = append(all, workspace.ServiceStatus{Name: name, State: state})
	}
	return all
}

// console is an operator whose screen is a buffer.
type console struct {
	*operator
	*controls
	out               *bytes.Buffer
	quit, interrupted bool
}

func newConsole(t *testing.T, services ...string) *console {
	t.Helper()
	registry, err := health.New(consul.Config{Addresses: []string{"127.0.0.1:1"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(registry.Close)
	c := &console{controls: &controls{services: services, restarted: make(chan string, 9)}, out: new(bytes.Buffer)}
	work := new(workspace.Workspace)
	for _, name := range services {
		name, _, _ = strings.Cut(name, ":")
		work.Services = append(work.Services, &workspace.Service{Name: name, Replicas: 1})
	}
	s := newScreen(&command.Env{Stdout: c.out, Stderr: io.Discard}, work, time.Now())
	s.registry = newTestRegistry(registry)
	c.operator = &operator{
		screen: s, runner: c.controls, ctx: t.Context(),
		quit: func() { c.quit = true }, interrupt: func() { c.interrupted = true },
	}
	return c
}

func (c *console) press(keys string) string {
	for _, key := range []byte(keys) {
		c.operator.press(key)
	}
	c.acting.Wait()
	text := c.out.String()
	c.out.Reset()
	return text
}

func TestKeys(t *testing.T) {
	t.Parallel()
	c := newConsole(t, "hello", "web", "migrate:finished")
	if text := c.press("?"); text != keysHelp {
		t.Errorf("? prints %q", text)
	}
	if text := c.press("c"); text != clearScreen {
		t.Errorf("c prints %q", text)
	}
	if text := c.press("o"); !strings.Contains(text, "its page is not known") {
		t.Errorf("o prints %q", text)
	}
	if text := c.press("r"); text != "▸ restart: 0 all, 1 hello, 2 web, 3 migrate; any other key: none\n" {
		t.Errorf("r prints %q", text)
	}
	if text := c.press("q"); text != "▸ none chosen\n" || c.quit {
		t.Errorf("another key while it is asked for a service prints %q, quits %v", text, c.quit)
	}
	for keys, want := range map[string]string{"r2": "web", "r0": "hello web"} { // what is finished is not run again by the way
		c.press(keys)
		if got := <-c.restarted; got != want {
			t.Errorf("%s restarts %q, want %q", keys, got, want)
		}
	}
	c.controls.fail = fmt.Errorf("web: it ended")
	if text := c.press("r2"); !strings.Contains(text, "✗ web: it ended\n") {
		t.Errorf("a restart that fails prints %q", text)
	}
	if c.press("q"); !c.quit || c.interrupted {
		t.Errorf("q quits %v, interrupts %v", c.quit, c.interrupted)
	}
	if c.press("r\x03"); !c.interrupted {
		t.Error("Ctrl-C does not interrupt while it is asked for a service")
	}
}

func TestKeyFiltersLogs(t *testing.T) {
	t.Parallel()
	c := newConsole(t, "hello", "web")
	hello, web := c.Stream("hello-2"), c.Stream("web")
	write := func() {
		_, _ = hello.Write([]byte("from hello\n"))
		_, _ = web.Write([]byte("from web\n"))
	}
	c.press("f1")
	write()
	c.good("web", "a note")
	if text := c.press(""); strings.Contains(text, "from web") || !strings.Contains(text, "from hello") || !strings.Contains(text, "a note") {
		t.Errorf("filtered logs are %q", text)
	}
	c.press("f0")
	write()
	if text := c.press(""); !strings.Contains(text, "from web") || !strings.Contains(text, "from hello") {
		t.Errorf("logs of all are %q", text)
	}
	if lines := c.lines.Last([]string{"web"}, 9); len(lines) != 2 {
		t.Errorf("%d lines of web are kept, want what was not shown too", len(lines))
	}
}

func TestKeysOfASingleService(t *testing.T) {
	t.Parallel()
	c := newConsole(t, "hello")
	c.press("R")
	if got := <-c.restarted; got != "hello" {
		t.Errorf("r restarts %q", got)
	}
}

func TestKeysOf(t *testing.T) {
	t.Parallel()
	for input, want := range map[string]string{"q": "q", "\x1b[A": "", "\x1b": "\x1b", "rc": "rc"} {
		if got := string(keysOf([]byte(input))); got != want {
			t.Errorf("keys of %q are %q, want %q", input, got, want)
		}
	}
}

func TestReturning(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	raw := new(atomic.Bool)
	w := &returning{&out, raw}
	_, _ = io.WriteString(w, "a\n")
	raw.Store(true)
	if n, err := io.WriteString(w, "b\nc\n"); n != 4 || err != nil || out.String() != "a\nb\r\nc\r\n" {
		t.Errorf("written are %d, %v, %q", n, err, out.String())
	}
}

func newTestRegistry(h *health.Registry) *registry { return &registry{health: h, origin: configured} }
