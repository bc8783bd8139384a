package up

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/workspace"
	"github.com/pandakit/panda/internal/workspace/build"
	"github.com/pandakit/panda/internal/workspace/logs"
	"github.com/pandakit/panda/internal/workspace/tail"
)

// screen is all that the user sees: notes of panda's own among the logs of the services.
type screen struct {
	*logs.Merger
	env      *command.Env
	work     *workspace.Workspace
	began    time.Time
	registry *registry
	lines    *tail.Store
	keys     bool // are taken from a terminal

	unpinned bool // that code is not generated was told; of the goroutine that reloads

	background sync.WaitGroup // of what asks services before it prints
	mu         sync.Mutex
	addresses  map[string]string // of passing instances, by label
}

func newScreen(env *command.Env, work *workspace.Workspace, began time.Time) *screen {
	s := &screen{
		Merger: logs.New(env.Stdout, work.Labels(), env.Color), env: env, work: work, began: began,
		lines: new(tail.Store), addresses: make(map[string]string),
	}
	s.Keep = keep(work, s.lines)
	return s
}

// untilBroken returns a context that ends when nobody reads the output any more; the caller releases it.
func (s *screen) untilBroken(parent context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(parent)
	var watcher sync.WaitGroup
	watcher.Go(func() {
		select {
		case <-s.Broken():
			cancel()
		case <-ctx.Done():
		}
	})
	return ctx, func() {
		cancel()
		watcher.Wait()
	}
}

// say prints a line that is about no instance.
func (s *screen) say(format string, args ...any) {
	s.Print(s.Faint("▸") + " " + fmt.Sprintf(format, args...) + "\n")
}

func (s *screen) found(paths []string) {
	where := strings.Join(paths, ", ")
	if len(paths) == 0 {
		where = "this folder"
	}
	names := make([]string, 0, len(s.work.Services))
	for _, service := range s.work.Services {
		names = append(names, times(service))
	}
	s.say("%s in %s: %s", command.Count(len(s.work.Services), "service"), where, strings.Join(names, ", "))
}

// times is the service's name, and how often it runs when that is not once.
func times(service *workspace.Service) string {
	if service.Replicas == 1 {
		return service.Name
	}
	return fmt.Sprintf("%s ×%d", service.Name, service.Replicas)
}

func (s *screen) usesRegistry() {
	switch s.registry.origin {
	case configured:
		s.say("registry: %s, as CONSUL_HTTP_ADDR says", s.registry.health)
	case running:
		s.say("registry: the agent that runs at %s", s.registry.health)
	case started:
		s.say("registry: agent started at %s", s.registry.health)
	}
}

// observe puts events into words.
func (s *screen) observe(e workspace.Event) {
	switch e.Kind {
	case workspace.Started:
		s.good(e.Label, "started; it registers nothing")
	case workspace.Passing:
		s.passing(e)
	case workspace.Finished:
		s.good(e.Label, "finished after "+span(e.Took))
	case workspace.Stopped:
		s.stopped(e)
	case workspace.Failing:
		s.warn(e.Label, "not passing any more: "+reason(e))
	case workspace.Slow:
		s.warn(e.Label, fmt.Sprintf("not passing after %s: %s", span(e.Took), reason(e)))
	case workspace.Crashed:
		s.bad(e.Label, fmt.Sprintf("%s after %s; starting again in %s", e.Exit, span(e.Took), span(e.Delay)))
	case workspace.Unstarted:
		s.bad(e.Label, fmt.Sprintf("%v; trying again in %s", e.Err, span(e.Delay)))
	default:
		s.observeReplacing(e)
	}
}

// observeWhole is for what is about no single instance.
func (s *screen) observeWhole(e workspace.Event) {
	switch e.Kind {
	case workspace.Ready:
		s.background.Go(func() { s.ready(e.Count) })
	case workspace.RegistryAway:
		s.Print(s.Paint(logs.Yellow, "!") + fmt.Sprintf(" %v\n", e.Err) +
			"  services keep running and register again when it is back\n")
	case workspace.RegistryBack:
		s.say("the registry answers again, after %s", span(e.Took))
	case workspace.Stopping:
		if e.Count > 0 {
			s.say("stopping %s; Ctrl-C again kills", command.Count(e.Count, "instance"))
		}
	case workspace.AllFinished:
		s.say("all %s finished", command.Count(e.Count, "instance"))
	default:
		s.observeFiles(e)
	}
}

func (s *screen) good(label, text string) { s.Note("✓", logs.Green, label, text) }
func (s *screen) warn(label, text string) { s.Note("!", logs.Yellow, label, text) }
func (s *screen) bad(label, text string)  { s.Note("✗", logs.Red, label, text) }

func (s *screen) passing(e workspace.Event) {
	s.mu.Lock()
	s.addresses[e.Label] = e.Address
	s.mu.Unlock()
	s.good(e.Label, fmt.Sprintf("passing at %s after %s", e.Address, span(e.Took)))
}

func (s *screen) stopped(e workspace.Event) {
	switch {
	case e.Killed:
		s.bad(e.Label, "killed after "+span(e.Took))
	case e.Exit.Code == 0:
		s.good(e.Label, "stopped after "+span(e.Took))
	default:
		s.warn(e.Label, fmt.Sprintf("stopped after %s with %s", span(e.Took), e.Exit))
	}
}

func reason(e workspace.Event) string {
	switch {
	case e.Status == "":
		return "it is not registered"
	case e.Output == "":
		return "its check is " + e.Status
	default:
		output, _, _ := strings.Cut(e.Output, "\n")
		return fmt.Sprintf("its check is %s: %s", e.Status, output)
	}
}

// buildFailed shows what the compiler says and returns the error in one line.
func (s *screen) buildFailed(err error) error {
	failed, ok := errors.AsType[*build.Error](err)
	if !ok {
		return err
	}
	for _, f := range failed.Failures {
		verb := "does"
		if len(f.Names) > 1 {
			verb = "do"
		}
		text := "    " + strings.ReplaceAll(f.Text, "\n", "\n    ")
		if _, err := fmt.Fprintf(s.env.Stderr, "✗ %s %s not compile:\n%s\n", strings.Join(f.Names, ", "), verb, text); err != nil {
			return fmt.Errorf("show what does not compile: %w", err)
		}
	}
	return fmt.Errorf("%w; nothing was started", err)
}

// ended says goodbye, or why not.
func (s *screen) ended(err error) error {
	if broken := s.Err(); broken != nil {
		return fmt.Errorf("print logs: %w", broken)
	}
	if taken, ok := errors.AsType[*workspace.TakenError](err); ok {
		return command.Advise(taken, `another "panda up" may be running; stop it, or give this one a registry of its own with --agent-port 0`)
	}
	if err == nil {
		s.say("all stopped")
	}
	return err
}

// wait returns when nothing prints any more.
func (s *screen) wait() { s.background.Wait() }

// span is a duration for people: two digits that matter.
func span(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", max(d.Milliseconds(), 1))
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	default:
		return d.Truncate(time.Second).String()
	}
}
